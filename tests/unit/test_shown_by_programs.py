"""How often programs show a wrong password, in a process of their own: once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import sqlalchemy as sa
from counting import serving

import impala_ha
from impala_ha import Cluster

pytestmark = [pytest.mark.slow(10), pytest.mark.timeout(60)]

WAYS = [("binary", "FIN"), ("binary", "RST"), ("http", "status"), ("http", "500")]


@pytest.fixture(params=WAYS, ids="-".join)
def servers(request, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with serving(request.param[0]) as found:
        found.ending = request.param[1]
        yield found


def run(program, servers, *words, ok=1):
    """Run one of our programs with the servers' hosts."""
    http = ["--protocol", "hs2-http"] if servers.protocol == "http" else []
    code = f"import sys; from impala_ha.cli.{program} import main; sys.exit(main())"
    hosts = ",".join(map(str, servers.hosts))
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "-l", "-u", "etl", "-i", hosts, *http],
        env={**os.environ, "IMPALA_HA_CONNECT_TIMEOUT": "2", "IMPALA_HA_DEADLINE": "6"},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert ok == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_shell_shows_a_wrong_password_once(servers):
    told = run(
        "connect",
        servers,
        "--auth_creds_ok_in_clear",
        "--ldap_password_cmd",
        "echo wr0ng",
        "-q",
        "select 1; select 2",
    )

    assert {"wr0ng": 1} == servers.counted
    assert "wr0ng" not in told


def test_the_doctor_shows_a_wrong_password_once_in_all(servers):
    run(
        "operator",
        servers,
        "doctor",
        "--auth_creds_ok_in_clear",
        "--ldap_password_cmd",
        "echo wr0ng",
    )

    assert {"wr0ng": 1} == servers.counted


@pytest.mark.parametrize("ping", [True, False])
def test_a_pool_of_sqlalchemy_shows_a_password_that_was_changed_once(servers, ping):
    now = ["good"]
    cluster = Cluster(servers.hosts)

    def connect():
        return impala_ha.connect(
            cluster,
            auth_mechanism="LDAP",
            user="etl",
            password=lambda: now[0],
            use_http_transport=servers.protocol == "http",
            connect_timeout=3,
            deadline=9,
        )

    engine = sa.create_engine("impala://", creator=connect, pool_pre_ping=ping, pool_size=5)
    with engine.connect():
        pass
    servers.good = now[0] = "better"
    old = servers.counted["good"]
    engine.dispose()
    for _ in range(3):
        with engine.connect() as one:
            one.invalidate()
    engine.dispose()

    assert servers.counted["good"] - old <= 1  # a session over HTTP is closed with it
