"""Coordinators that say nothing: who is given up, who is not, and what the caller is told."""

import signal

import pytest

import impala_ha
from impala_ha import Cluster, Coordinator, OutcomeUnknown, State
from impala_ha.testing import LocalCluster


@pytest.fixture(scope="module")
def local():
    with LocalCluster(3) as cluster:
        yield cluster


@pytest.fixture
def connect(local):
    """Connections to the coordinators in their order, each test with a cluster of its own."""
    cluster = Cluster([Coordinator(one.host, one.port) for one in local], policy="ordered")
    opened = []

    def connected(**options):
        options = {"connect_timeout": 1, "probe_after": 0.3, "hedge_after": 0, **options}
        opened.append(impala_ha.connect(cluster, **options))
        return opened[-1]

    yield connected
    for one in local:
        one.resume()
        one.heal()
    for connection in opened:
        connection.close()


def test_a_slow_coordinator_is_not_given_up(local, connect):
    cursor = connect().cursor()
    local[0].delay(2.5, rpc="ExecuteStatement")

    cursor.execute("select 'slow'")

    assert cursor.fetchall() == [("slow",)]
    assert len(cursor.attempts) == 1
    assert local.executions("select 'slow'") == 1


def test_a_read_leaves_a_hung_coordinator(local, connect):
    cursor = connect().cursor()
    local[0].hang()

    cursor.execute("select 'hung'")

    assert cursor.fetchall() == [("hung",)]
    assert cursor.coordinator.host == local[1].host


def test_a_write_on_a_hung_coordinator_is_told(local, connect):
    cursor = connect().cursor()
    cursor.execute("create table if not exists silence (i int)")
    cursor.fetchall()
    local[0].hang()

    with pytest.raises(OutcomeUnknown, match="no answer for .* s, nor to 2 probes"):
        cursor.execute("insert into silence values (1)")

    local[0].resume()
    assert local.executions("insert into silence values (1)") <= 1


def test_a_probe_leaves_no_session_behind(local, connect):
    cursor = connect().cursor()
    before = set(local[0].sessions)
    local[0].delay(1.2, rpc="ExecuteStatement")

    cursor.execute("select 'probed'")

    assert set(local[0].sessions) == before


def test_a_time_out_of_the_caller_ends_before_any_probe(local, connect):
    cursor = connect(timeout=0.2).cursor()
    local[0].hang()

    cursor.execute("select 'timed out'")

    assert "read timeout" in cursor.attempts[0].text
    assert "probes" not in cursor.attempts[0].text


def test_an_alarm_ends_a_call_on_a_hung_coordinator(local, connect):
    """Its TimeoutError looks like a socket's, and must neither be waited out nor tried again."""

    def enough(*_):
        raise TimeoutError("enough")

    cursor = connect().cursor()
    local[0].hang()
    before = signal.signal(signal.SIGALRM, enough)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(TimeoutError, match="^enough$"):
            cursor.execute("select 'alarm'")
    finally:
        signal.signal(signal.SIGALRM, before)

    local[0].resume()
    assert local.executions("select 'alarm'") <= 1
    assert [attempt.fault for attempt in cursor.attempts] == []


@pytest.mark.parametrize("fault", ["mute", "saturate", "hang"])
def test_a_second_coordinator_is_asked_while_the_first_is_silent(local, connect, fault):
    getattr(local[0], fault)()

    connection = connect(hedge_after=0.05, connect_timeout=30)

    assert connection.coordinator.host == local[1].host
    states = {c.coordinator.host: c.state for c in connection.cluster.snapshot()}
    assert states[local[0].host] is State.EJECTED
