"""docs/security.md, followed to the letter: coordinators with certificates, passwords and tokens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from pages import DOCS, ROOT, Reader, blocks

from impala_ha.testing import LocalCluster
from real_servers import jars

PAGE = DOCS / "security.md"
STEPS = [block for block in blocks(PAGE) if block.kind in {"python", "sh"}]
pytestmark = [pytest.mark.slow(20), pytest.mark.servers]

NAMES = ("coord1.example.com", "coord2.example.com")
KEY = "what the coordinators verify tokens with"


@pytest.fixture(scope="module")
def places(certificates):
    """Where the names lead, by what a block needs."""
    tls = {"tls": [certificates.of(name) for name in NAMES], "http": True}
    names = {"allowed_hosts": ",".join(NAMES)}
    ldap = {"auth": "LDAP", "users": {"etl": "s3cret"}}
    plans = {
        "ldap-cluster": {**ldap, "flags": {"authorized_proxy_user_config": "etl=ada"}},
        "strict-cluster": {**ldap, "client_ca": certificates.ca},
        "token-cluster": {"auth": "JWT", "jwt_key": KEY},
    }
    with ExitStack() as stack:
        found = {}
        for needs, plan in plans.items():
            flags = names | plan.pop("flags", {})
            cluster = stack.enter_context(LocalCluster(2, **tls, **plan, flags=flags))
            pairs = list(zip(NAMES, cluster, strict=True))
            found[needs] = {f"{name}:21050": (c.host, c.port) for name, c in pairs}
            found[needs] |= {f"{name}:28000": (c.host, c.http_port) for name, c in pairs}
        yield found


@pytest.fixture(scope="module")
def reader(tmp_path_factory, certificates, places):
    """Ann, who has what she was given."""
    jwt = pytest.importorskip("jwt")
    ann = Reader(tmp_path_factory.mktemp("ann"), places, {})
    ann.environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    token = jwt.encode({"username": "etl", "exp": time.time() + 600}, KEY, "HS256")
    for name, text in {
        "example-ca.pem": Path(certificates.ca).read_text(),
        "etl.pem": Path(certificates.client("etl")).read_text(),
        ".impala.password": "s3cret",
        ".impala.token": token,
    }.items():
        (ann.home / name).write_text(text)
    return ann


@pytest.mark.parametrize("block", STEPS, ids=lambda block: f"{block.heading}:{block.line}")
def test_a_program_of_the_page_runs(reader, block):
    reader.follow(block)


def rows():
    """Mode, server and test, the latter as pytest calls it: the names of tests are sentences."""
    table = PAGE.read_text("utf-8").partition("| mode | server | test |")[2]
    for line in table.strip().splitlines()[1:]:
        mode, server, test = (cell.strip() for cell in line.strip("|").split("|"))
        file, words, case = re.fullmatch(
            r"`(\S+)`(?:: ([\w -]+?))?(?: `(\[\S+\])`)?", test
        ).groups()
        name = f"::test_{words.replace(' ', '_')}" if words else ""
        yield mode, server, f"{file}{name}{case or ''}"


def test_every_test_of_the_table_exists():
    tests = [test for _, _, test in rows()]
    files = sorted({test.partition("::")[0] for test in tests})
    pytest_ = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]

    done = subprocess.run(
        [*pytest_, *files], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )

    assert 0 == done.returncode, done.stdout[-2000:]
    names = [name for line in done.stdout.splitlines() for name in (line, line.partition("[")[0])]
    names += files
    assert [] == [test for test in tests if test not in names]


def test_the_servers_of_the_table_are_those_of_the_tests():
    spark = jars.PYSPARK.replace("pyspark==", "Spark ")

    assert {spark, "pocket Impala"} == {server for _, server, _ in rows()}
    assert f"*{spark}*" in PAGE.read_text("utf-8")
    for _, server, test in rows():
        assert ("tests/servers/" in test) == (server == spark)
