"""Every extra, installed alone from a wheel, does what the documentation promises of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from impala_ha.testing import LocalCluster
from real_servers import Realm, missing

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

pytestmark = [pytest.mark.slow(150), pytest.mark.servers, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LIMIT = 300
#: What the compiler says of other people's sources: after a usual installation it has said it.
OF_OTHERS = ("-W", "ignore::SyntaxWarning", "-W", "ignore:invalid escape sequence")
FETCHED = "print(cursor.fetchall())"
SELECT = f"""
import impala_ha
cursor = impala_ha.connect().cursor()
cursor.execute("select 'hello'")
{FETCHED}
"""
PANDAS = """
import impala_ha, pandas, warnings
warnings.simplefilter("ignore")
print(pandas.read_sql("select 'hello' as greeting", impala_ha.connect()).to_dict("records"))
"""
SQLALCHEMY = """
import impala_ha
from sqlalchemy import create_engine, text
engine = create_engine("impala://", creator=impala_ha.connect)
with engine.connect() as session:
    print(session.execute(text("select 'hello'")).all())
"""
INSTRUMENTED = """
import impala_ha
import impala_ha.{0}
impala_ha.{0}.instrument()
cursor = impala_ha.connect().cursor()
cursor.execute("select 'hello'")
print(cursor.fetchall())
"""
DIALECT = """
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, inspect, select
table = Table("extra", MetaData(), Column("i", Integer, index=True), Column("s", String(9)))
engine = create_engine("impala+ha://?timeout=60&use_ssl=false")
with engine.begin() as connection:
    connection.exec_driver_sql("drop table if exists extra")
    table.create(connection)
    connection.execute(table.insert(), [{"i": 1, "s": "50%"}, {"i": 2, "s": "hello"}])
    print(connection.execute(select(table.c.s).where(table.c.i == 2)).all())
print([str(column["type"]) for column in inspect(engine).get_columns("extra")])
"""
ARROW = """
import impala_ha
cursor = impala_ha.connect().cursor()
cursor.execute("select 'hello'")
print(cursor.fetch_arrow_table().to_pylist())
"""
POLARS = ARROW.replace("fetch_arrow_table().to_pylist()", "fetch_polars().rows()")
LOCAL = """
import impala_ha
from impala_ha.testing import LocalCluster
with LocalCluster(2) as cluster, impala_ha.connect(cluster.hosts) as connection:
    cursor = connection.cursor()
    cursor.execute("select 'hello'")
    print(cursor.fetchall())
"""
SECURED = """
import cryptography, gssapi, jwt, k5test, trustme
print("hello", trustme.CA().issue_cert("127.0.0.1"))
"""
NOBODY = """
import impala_ha
try:
    impala_ha.connect("{}", connect_timeout=1)
except impala_ha.NoCoordinatorLeft as error:
    print(error)
else:
    raise SystemExit("who answered?")
"""
GSSAPI = SELECT.replace("connect()", "connect(auth_mechanism='GSSAPI')")
SIMULATION = """
from impala_ha.testing.simulation import Fleet, simulate
print(simulate(Fleet(clients=20, machines=2, coordinators=2, slots=8, seconds=60)).table())
"""
PLOTS = """
import tempfile
from impala_ha.testing.simulation import Fleet, simulate
result = simulate(Fleet(clients=20, machines=2, coordinators=2, slots=8, seconds=60))
with tempfile.TemporaryDirectory() as folder:
    result.plot(folder + "/load.svg")
"""
WEB = SELECT.replace("connect()", "connect(policy='least_loaded')") + "import httpx\n"
#: What a user types who has installed this extra alone: Python, or one of the programs.
PROMISED = {
    "": [SELECT],
    "cli": [
        "impala-connect -B --quiet -e {select}",
        "impala-ha explain",
        "impala-ha doctor -i {hosts}",
    ],
    "local": [LOCAL, "impala-ha demo --seconds 5 --seed 3"],
    "sqlalchemy": [SQLALCHEMY, DIALECT],
    "pandas": [PANDAS],
    "arrow": [ARROW],
    "polars": [POLARS],
    "simulation": [SIMULATION],
    "plots": [PLOTS],
    "opentelemetry": [INSTRUMENTED.format("opentelemetry")],
    "prometheus": [INSTRUMENTED.format("prometheus")],
    "web": [WEB],
    "srv": [NOBODY.format("srv://_impala._tcp.impala-ha.invalid")],
    "zookeeper": [NOBODY.format("zookeeper://127.26.0.1:1/hiveserver2")],
    "kerberos": [GSSAPI],
    "gssapi": [GSSAPI],
    "testing": [SECURED],
    "docs": ["mkdocs build --strict --quiet --site-dir {site}"],
}
LACKS = {
    "kerberos": missing("realm", "kerberos", "gssapi"),
    "gssapi": missing("realm", "kerberos", "gssapi"),
    "testing": missing("gssapi"),
}


def test_no_extra_is_left_out():
    assert {"", *PROJECT["optional-dependencies"]} == set(PROMISED)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The distribution as it would be published."""
    place = tmp_path_factory.mktemp("wheel")
    done = pip("wheel", "--no-deps", "--wheel-dir", place, ROOT)
    if done.returncode:
        pytest.skip(f"no wheel can be built here: {last_line(done.stderr)}")
    return next(place.glob("impala_ha-*.whl"))


@pytest.fixture(scope="module")
def hosts(_one_cluster):
    return _one_cluster.hosts


@pytest.fixture(scope="module")
def kerberized():
    """The environment of a user with a ticket, in a realm with two coordinators."""
    with Realm(users=("etl",)) as realm:
        secured = {"auth": "GSSAPI", "keytab": realm.server_keytab, "krb5_config": realm.config}
        with LocalCluster(2, http=True, **secured) as cluster:
            environment = {**realm.environment, "KRB5CCNAME": realm.kinit("etl"), "no_proxy": "*"}
            environment["IMPALA_HA_HOSTS"] = cluster.kerberos_hosts
            web = [
                f"{c.host}:{c.http_port}?krb_host=coord{n}.test" for n, c in enumerate(cluster, 1)
            ]
            environment["HTTP_HOSTS"] = ",".join(web)
            yield {**environment, "KEYTAB": realm.keytab("etl")}


@pytest.mark.parametrize("extra", PROMISED)
def test_an_extra_alone_brings_all_that_its_promises_need(extra, wheel, hosts, tmp_path, request):
    if reason := LACKS.get(extra):
        pytest.skip(reason)
    place = install(tmp_path / "venv", f"impala-ha[{extra}] @ {wheel.as_uri()}" if extra else wheel)

    environment = {**clean_environment(), "IMPALA_HA_HOSTS": hosts, "NO_MKDOCS_2_WARNING": "1"}
    if extra in ("kerberos", "gssapi"):
        environment |= request.getfixturevalue("kerberized")
        environment["IMPALA_HA_KERBEROS_BACKEND"] = extra
    for promise in PROMISED[extra]:
        done = run(promise, place / "bin", environment, site=tmp_path / "site", hosts=hosts)

        assert (done.returncode, done.stderr) == (0, ""), (promise, done.stdout)
        assert "hello" in done.stdout or FETCHED not in promise


@pytest.mark.parametrize("version", ["1.4.54", "2.0.*"])
def test_the_dialect_works_with_older_releases_of_sqlalchemy(version, wheel, hosts, tmp_path):
    """Superset has 1.4 up to 6.1; the newest one comes with the extra."""
    place = install(
        tmp_path / "venv", f"impala-ha[sqlalchemy] @ {wheel.as_uri()}", f"SQLAlchemy=={version}"
    )
    environment = {**clean_environment(), "IMPALA_HA_HOSTS": hosts}
    done = run(DIALECT, place / "bin", environment)

    assert (0, "") == (done.returncode, done.stderr)
    assert ["[('hello',)]", "['INTEGER', 'VARCHAR(9)']"] == done.stdout.splitlines()


@pytest.mark.skipif(bool(missing("realm", "gssapi")), reason=missing("realm", "gssapi"))
def test_the_core_alone_speaks_kerberos(wheel, kerberized, tmp_path, monkeypatch):
    """By a ticket of the cache, and by a keytab; binary, and over HTTP; without a compiler."""
    monkeypatch.setenv("CC", "false")
    place = install(tmp_path / "venv", wheel)
    over_http = {"IMPALA_HA_USE_HTTP_TRANSPORT": "1", "IMPALA_HA_HOSTS": kerberized["HTTP_HOSTS"]}
    keytab = {"IMPALA_HA_PRINCIPAL": "etl", "IMPALA_HA_KEYTAB": kerberized["KEYTAB"]}
    no_cache = {**keytab, "KRB5CCNAME": "FILE:/nonexistent"}
    for more in ({}, over_http, no_cache, {**over_http, **no_cache}):
        environment = {**clean_environment(), **kerberized, **more}
        done = run(GSSAPI, place / "bin", environment)

        assert (done.returncode, done.stderr, done.stdout) == (0, "", "[('hello',)]\n"), more

    # Without the library, as in an image that has none: a file that is none goes before it.
    (tmp_path / "libgssapi_krb5.so.2").touch()
    environment = {**clean_environment(), **kerberized, "LD_LIBRARY_PATH": str(tmp_path)}
    done = run(GSSAPI, place / "bin", environment)
    assert "libgssapi_krb5.so.2: file too short" in done.stderr
    assert "`apt install libgssapi-krb5-2`" in last_line(done.stderr)


def install(place, *wanted):
    """A fresh environment with what is wanted."""
    venv.create(place, with_pip=False, symlinks=True)
    # Most of an installation is to compile what is never imported.
    options = ("--no-warn-script-location", "--no-compile")
    done = pip("--python", place, "install", *options, *wanted)
    assert done.returncode == 0, done.stderr
    return place


def clean_environment():
    kept = {name: value for name, value in os.environ.items() if "IMPALA" not in name}
    return {**kept, "PYTHONPATH": "", "PYTHONWARNINGS": "ignore::SyntaxWarning"}


def run(promise, programs, environment, **values):
    if "import " in promise:
        command = [programs / "python", "-W", "error", *OF_OTHERS, "-c", promise]
    else:
        words = [word.format(select="select 'hello'", **values) for word in promise.split()]
        command = [programs / words[0], *words[1:]]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def pip(*words):
    return subprocess.run(
        [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *words],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def last_line(text):
    return (re.findall(r"\S.*", text) or ["no reason given"])[-1]
