"""What a connection asks its server without a statement."""

import random
from collections import deque

import pytest

import impala_ha.dbapi.connection
from impala_ha import Cluster, Coordinator, InterfaceError, Retry
from impala_ha.options.settings import Settings
from impala_ha.testing.fakes import FakeClock, FakeDriver


@pytest.fixture
def driver():
    return FakeDriver()


@pytest.fixture
def connection(driver, monkeypatch):
    """It is at coordinator a, and b and c are left."""
    monkeypatch.setattr(impala_ha.dbapi.connection, "ImpylaDriver", lambda *_: driver)
    hosts = [Coordinator(host) for host in "abc"]
    cluster = Cluster(hosts, policy="ordered", clock=FakeClock(), rng=random.Random(7))
    options = Settings.read({"hedge_after": 0, "user": "etl"}, {}, hosts_known=True).options
    return impala_ha.Connection(cluster, options, Retry())


def calls(driver, host="a"):
    return [rpc for rpc, _ in driver[host].log]


def test_a_ping_is_one_call_also_between_statements(driver, connection):
    connection.ping()
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    before = len(calls(driver))

    assert connection.ping() is True
    assert ["GetInfo"] == calls(driver)[before:]


def test_a_ping_leaves_a_coordinator_that_drains(driver, connection):
    driver["a"].script["GetInfo"] = deque(["Server is being shut down: grace 1s"])

    assert connection.ping() is True
    assert "b" == connection.coordinator.host


def test_a_ping_is_answered_no_where_nobody_is_left(driver, connection):
    for host in "abc":
        driver[host].down = True

    assert connection.ping() is False


def test_a_connection_that_is_closed_answers_no_ping(connection):
    connection.close()

    assert connection.ping() is False
    with pytest.raises(InterfaceError):
        connection.server_version()


def test_the_version_of_the_server_is_known_without_a_statement(driver, connection):
    assert "4.5.0-RELEASE" == connection.server_version()
    assert ["OpenSession", "GetInfo"] == calls(driver)
