"""`impala-ha doctor` where Kerberos is slow because libkrb5 looks names up in the DNS, and where not."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from impala_ha.testing import LocalCluster
from real_servers import NameServer, Realm, missing

LACKS = missing("realm", "gssapi", "names")
pytestmark = [
    pytest.mark.slow(20),
    pytest.mark.servers,
    pytest.mark.skipif(bool(LACKS), reason=LACKS),
]

PROGRAM = str(Path(sysconfig.get_path("scripts"), "impala-ha"))
KNOWN = {"coord1.test": ["127.35.0.1"], "coord2.test": ["127.35.0.2"]}
SETTINGS = "dns_canonicalize_hostname = false and rdns = false in [libdefaults]"


@pytest.fixture(scope="module")
def realm():
    with Realm() as realm:
        realm.kinit("etl")
        yield realm


@pytest.fixture(scope="module")
def coordinator(realm):
    keys = {"keytab": realm.server_keytab, "krb5_config": realm.config}
    with LocalCluster(1, auth="GSSAPI", **keys) as cluster:
        yield cluster[0]


@pytest.fixture(scope="module")
def names():
    with NameServer("127.35.0.53") as server:
        yield server


@pytest.fixture
def doctor(realm, coordinator, names, tmp_path):
    """What it says of the coordinator; libkrb5 looks names up, as it does unless it is told not to."""
    looks_up = tmp_path / "krb5.conf"
    text = Path(realm.config).read_text()
    for name in ("dns_canonicalize_hostname", "rdns"):
        assert f"{name} = false" in text
        text = text.replace(f"{name} = false", f"{name} = true")
    looks_up.write_text(text)

    def run(*words, name="coord1.test", config=str(looks_up)):
        command = [PROGRAM, "doctor", "--json", "--web_port", "0", "-k"]
        command += ["-i", f"{coordinator.address}?krb_host={name}", *words]
        kept = {name: value for name, value in os.environ.items() if "IMPALA" not in name}
        done = subprocess.run(
            names.seen_by(command),
            env={**kept, **realm.environment, "KRB5_CONFIG": config, "IMPALA_HA_SHARE_STATE": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        found = json.loads(done.stdout)
        (ticket,) = [each for each in found["steps"] if each["layer"] == "ticket"]
        return found, ticket

    return run


def test_a_name_server_that_does_not_answer_is_told_with_the_settings_that_spare_it(doctor, names):
    names.serve()
    names.hang()

    found, ticket = doctor()

    assert (True, "warning") == (found["ok"], ticket["status"])
    assert "libkrb5 looks coord1.test up in the DNS for 1" in ticket["text"]
    assert SETTINGS in ticket["text"]
    assert 0.9 < ticket["facts"]["dns_seconds"] <= ticket["seconds"] + 0.5


def test_it_is_told_as_well_where_no_ticket_comes_in_time(doctor, names):
    names.serve()
    names.hang()

    found, ticket = doctor("--connect_timeout", "0.6")

    assert ("ticket", "failed") == (found["layer"], ticket["status"])
    assert "check the KDC" in found["advice"]
    assert SETTINGS in found["advice"]


def test_it_is_not_told_where_these_settings_are_made_already(doctor, names, realm):
    names.serve()
    names.hang()

    found, ticket = doctor(config=realm.config)

    assert (True, "ok") == (found["ok"], ticket["status"])
    assert "DNS" not in ticket["text"]


def test_it_is_not_told_where_the_name_server_answers(doctor, names):
    names.serve(KNOWN)

    found, ticket = doctor()

    assert (True, "ok") == (found["ok"], ticket["status"])
    assert "DNS" not in ticket["text"]


def test_it_is_not_told_where_it_is_the_kdc_that_is_slow(doctor, names, realm):
    names.serve(KNOWN)
    realm.hang_kdc()
    try:
        found, ticket = doctor("--connect_timeout", "1", name="coord2.test")
    finally:
        realm.resume_kdc()

    assert ("ticket", "failed") == (found["layer"], ticket["status"])
    assert "DNS" not in found["advice"]
