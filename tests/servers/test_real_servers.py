"""The tools that start real servers: what they say when something is missing, and how they end."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from real_servers import SparkServer, missing, requirements, spark_jars
from real_servers.daemon import Daemon
from real_servers.loopback import build_loopback
from real_servers.ports import free_port, listening

LISTENER = """
import os, socket, sys, time
gate = socket.socket()
gate.bind((sys.argv[1], int(sys.argv[2])))
gate.listen()
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def daemon(tmp_path):
    """A server of a few lines, on 127.0.0.2."""
    port = free_port("127.0.0.2")
    command = [sys.executable, "-c", LISTENER, "127.0.0.2", str(port)]
    daemon = Daemon(command, dict(os.environ), tmp_path, ("127.0.0.2", port), 30)
    yield daemon
    daemon.kill()


def test_a_daemon_listens_when_start_returns_and_no_more_when_it_is_killed(daemon):
    daemon.start()
    pid = daemon.pid
    assert [host for host, _ in listening(pid)] == ["127.0.0.2"]
    daemon.start()
    assert daemon.pid == pid, "it ran already"

    daemon.kill()

    assert daemon.pid is None
    assert listening(pid) == set()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_daemon_can_be_started_again(daemon, end):
    daemon.start()
    first = daemon.pid
    getattr(daemon, end)()

    daemon.start()

    assert daemon.pid not in {None, first}


def status(pid, name):
    """A line of the kernel about process *pid*."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines)[name].strip()


def test_who_watches_over_a_daemon_goes_to_sleep_again_after_it_hung(daemon, until):
    """A process that never waits for anything gives its processor up only when it must."""
    daemon.start()
    watcher = int(status(daemon.pid, "PPid"))
    before = int(status(watcher, "voluntary_ctxt_switches"))

    daemon.signal(signal.SIGSTOP)

    until(lambda: status(daemon.pid, "State").startswith("T"))
    until(lambda: int(status(watcher, "voluntary_ctxt_switches")) > before)


def test_a_daemon_that_ends_at_once_is_told_with_its_last_words(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('no room for me')"]
    daemon = Daemon(command, dict(os.environ), tmp_path, ("127.0.0.2", 1), 30)

    with pytest.raises(OSError, match="did not start: no room for me"):
        daemon.start()


def test_a_port_that_somebody_else_has_is_not_taken_for_the_daemons(daemon, tmp_path):
    """A port that answers says nothing about who answers."""
    daemon.start()
    address = next(iter(listening(daemon.pid)))
    command = [sys.executable, "-c", LISTENER, *map(str, address)]
    second = Daemon(command, dict(os.environ), tmp_path, address, 30)

    with pytest.raises(OSError, match="Address already in use"):
        second.start()


@pytest.mark.skipif(bool(missing("spark-http")), reason=missing("spark-http"))
def test_who_would_listen_everywhere_is_made_to_listen_on_loopback(tmp_path):
    port = free_port("127.0.0.4")
    command = [sys.executable, "-c", LISTENER, "0.0.0.0", str(port)]
    library = str(build_loopback(tmp_path))
    environment = {**os.environ, "LD_PRELOAD": library, "IMPALA_HA_TEST_BIND": "127.0.0.4"}
    daemon = Daemon(command, environment, tmp_path, ("127.0.0.4", port), 30)
    try:
        daemon.start()

        assert listening(daemon.pid) == {("127.0.0.4", port)}
    finally:
        daemon.kill()


def test_what_is_missing_is_told_with_what_to_type(monkeypatch):
    monkeypatch.setattr(requirements, "_PLACES", "")
    monkeypatch.setattr(requirements, "find_spec", lambda _: None)

    assert missing("realm") == (
        "missing krb5kdc, kdb5_util, kadmin.local, kinit: "
        "apt install krb5-kdc krb5-admin-server krb5-user"
    )
    assert missing("kerberos", "kerberos") == (
        "missing kerberos: pip install 'impala-ha[kerberos]'"
    )
    assert missing("spark-http").startswith("missing java, cc: apt install default-jre-headless")


@pytest.mark.skipif(bool(missing("spark")), reason=missing("spark"))
def test_a_java_that_spark_cannot_use_is_reported(monkeypatch):
    monkeypatch.setattr(requirements, "_java_version", lambda: 8)

    assert missing("spark") == "missing Java 17 (found 8): apt install default-jre-headless"


def test_jars_that_cannot_be_fetched_are_reported_and_leave_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("TEST_IMPALA_HA_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    with pytest.raises(OSError, match=r"pyspark==3\.5\.9 cannot be fetched: .*pyspark"):
        spark_jars()

    assert list(tmp_path.iterdir()) == []


def test_kerberos_needs_a_realm():
    with pytest.raises(ValueError, match="needs a realm"):
        SparkServer(auth="GSSAPI")
