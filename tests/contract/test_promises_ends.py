"""
How things end: interrupted, drained, turned away, hedged and lost; and what is left of them.

Each test is one sentence of what we promise, on real coordinators.
"""

from __future__ import annotations

import pickle
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from promises import NUMBERS, connect, healed

import impala_ha
from impala_ha import (
    AuthenticationFailed,
    CoordinatorLost,
    NoCoordinatorLeft,
    OutcomeUnknown,
    ResultLost,
)
from impala_ha.net.sockets import Socket
from impala_ha.testing import FaultProxy, LocalCluster

pytestmark = pytest.mark.servers

SOON = 2.0  # seconds: one, and a machine that is busy with other things


class Enough(Exception):
    """A time limit of the caller's, none of ours."""


@pytest.fixture(scope="module")
def trio():
    with LocalCluster(3) as cluster:
        with connect(cluster) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE ends (i INT)")
        yield cluster


@pytest.fixture(autouse=True)
def _healed(trio):
    with healed(trio):
        yield


def numbers(count):
    values = ", ".join(f"({number})" for number in range(count))
    return f"SELECT * FROM (VALUES {values}) AS v ORDER BY 1"


@contextmanager
def a_limit_once(until, condition, raises):
    """Let a signal's handler raise *raises* in this thread once *condition* holds."""
    failed = []

    def strike():
        try:
            until(condition)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        except BaseException as error:  # noqa: BLE001 - told in the main thread
            failed.append(error)

    def handler(*_):
        raise raises

    before = signal.signal(signal.SIGUSR1, handler)
    thread = threading.Thread(target=strike)
    thread.start()
    try:
        yield
    finally:
        thread.join(20)
        signal.signal(signal.SIGUSR1, before)
        assert [] == failed


# Interrupted.


@pytest.mark.parametrize("limit", [KeyboardInterrupt(), Enough(), TimeoutError("enough")], ids=repr)
@pytest.mark.parametrize("rpc", ["ExecuteStatement", "GetOperationStatus", "FetchResults", None])
def test_whoever_has_enough_stops_the_statement_on_its_server_within_a_second(
    trio, until, limit, rpc
):
    """In mid-answer the connection cannot say it: a second one does."""
    sql = f"SELECT sleep(20000), {next(NUMBERS)}"
    with connect(trio, timeout=30) as connection, connection.cursor() as cursor:
        if rpc == "FetchResults":
            sql = f"{numbers(3000)} -- {next(NUMBERS)}"  # the first of them have come by then
            cursor.execute(sql)
        trio[0].delay(15 if rpc else 0, rpc=rpc)
        with (
            pytest.raises(type(limit)) as caught,
            a_limit_once(until, _waits(trio, sql, rpc), limit),
        ):
            cursor.fetchall() if rpc == "FetchResults" else cursor.execute(sql)

        assert caught.value is limit
        until(lambda: not trio[0].queries, SOON)
        trio[0].heal()
        cursor.execute("SELECT 'goes on'")
        assert [("goes on",)] == cursor.fetchall()
    assert trio.executions(sql) <= 1


def _waits(trio, sql, rpc):
    """Is the call of which the caller will have enough under way?"""
    if rpc in ("ExecuteStatement", "FetchResults"):
        return _reads
    return lambda: trio.executions(sql) and (rpc is None or _reads())


def _reads():
    """Does the main thread wait for an answer?"""
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame is not None:
        if frame.f_code is Socket.read.__code__:
            return True
        frame = frame.f_back
    return False


def test_what_other_cursors_read_is_right_or_told_after_an_interruption(trio, until):
    """The answer that was not waited for is never taken for theirs."""
    with connect(trio, timeout=30) as connection:
        reader, other = connection.cursor(), connection.cursor()
        reader.execute(numbers(3000))
        begun = reader.fetchmany(5)
        trio[0].delay(0.5, rpc="ExecuteStatement")
        with pytest.raises(Enough), a_limit_once(until, _reads, Enough()):
            other.execute("SELECT 'late'")
        try:
            rows = begun + reader.fetchall()
        except ResultLost:
            rows = None

        assert rows is None or list(range(3000)) == [row[0] for row in rows]
        other.execute("SELECT 'mine'")
        assert [("mine",)] == other.fetchall()


def test_a_read_that_is_given_up_is_ended_before_it_runs_elsewhere(trio):
    """Its connection fell silent, its coordinator did not: an orphan would hold its place there."""
    sql = f"SELECT IF(sleep(1200), 'long', 'long'), {next(NUMBERS)}"
    with FaultProxy(trio[0].address) as proxy:
        host, _, port = proxy.address.rpartition(":")
        coordinators = [(host, int(port)), (trio[1].host, trio[1].port)]
        members = impala_ha.Cluster(
            [impala_ha.Coordinator(*address) for address in coordinators], policy="ordered"
        )
        with impala_ha.connect(members, timeout=0.4, hedge_after=0) as connection:
            cursor = connection.cursor()
            proxy.cut("ExecuteStatement:response", 0, "silence")
            cursor.execute(sql)

            assert [host, trio[1].host] == [tried.coordinator.host for tried in cursor.attempts]
            assert [] == trio[0].queries == trio[0].sessions
            assert "long" == cursor.fetchall()[0][0]
        assert [0, 1, 0] == [one.executions(sql, mode="finished") for one in trio]
        proxy.disconnect()


# Drained.


def test_an_open_result_is_read_to_its_end_where_it_drains_and_then_nothing_stays(trio, until):
    with connect(trio) as connection:
        reader, writer = connection.cursor(), connection.cursor()
        reader.execute(numbers(5000))
        rows = reader.fetchmany(10)
        trio[0].drain()
        writer.execute("INSERT INTO ends VALUES (1)")

        assert trio[1].host == writer.coordinator.host
        assert 1 == len(trio[0].sessions)
        rows += reader.fetchall()
        assert list(range(5000)) == [row[0] for row in rows]
        until(lambda: not trio[0].sessions, SOON)


def test_an_idle_cursor_holds_up_no_shutdown_once_its_connection_has_moved(trio, until):
    with connect(trio) as connection:
        idle, busy = connection.cursor(), connection.cursor()
        idle.execute("SELECT 1")
        idle.fetchall()
        trio[0].drain()
        busy.execute("SELECT 2")

        assert trio[1].host == busy.coordinator.host
        until(lambda: not trio[0].sessions, SOON)
        idle.execute("SELECT 3")
        assert [(3,)] == idle.fetchall()


# Turned away.


def test_a_user_with_too_many_sessions_is_served_by_another(until):
    with LocalCluster(2, flags={"max_hs2_sessions_per_user": 2}) as pair:
        connections = [connect(pair, user="etl") for _ in range(4)]
        cursors = [connection.cursor() for connection in connections]
        for cursor in cursors:
            cursor.execute("SELECT 1")
            assert [(1,)] == cursor.fetchall()

        hosts = [cursor.coordinator.host for cursor in cursors]
        assert [pair[0].host] * 2 + [pair[1].host] * 2 == hosts
        states = {c.state for connection in connections for c in connection.cluster.snapshot()}
        assert {impala_ha.State.HEALTHY} == states, "nobody is ill for being full"
        for connection in connections:
            connection.close()
        until(lambda: not any(one.sessions for one in pair))


def test_a_full_queue_is_waited_for_where_it_is(trio):
    """All coordinators share the queue: to ask the next one is to stand in it twice."""
    sql = f"INSERT INTO ends SELECT {next(NUMBERS)}"
    with connect(trio) as connection, connection.cursor() as cursor:
        for _ in range(3):
            trio[0].queue_full()
        cursor.execute(sql)

        assert [trio[0].host] * 4 == [attempt.coordinator.host for attempt in cursor.attempts]
    assert [1, 0, 0] == [one.executions(sql) for one in trio]


# Hedged.


def _files():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def opening():
    """Threads that open a connection."""
    return lambda: [t.name for t in threading.enumerate() if t.name.startswith("open ")]


def test_who_loses_a_hedge_leaves_neither_session_nor_socket_nor_thread(trio, until, opening):
    files = _files()
    trio[0].delay(0.7, rpc="OpenSession")

    with connect(trio, hedge_after=0.05) as connection:
        assert trio[1].host == connection.coordinator.host
        assert opening()
        until(lambda: not opening())
        until(lambda: not trio[0].sessions and not trio[0].connections)
        assert 1 == len(trio[1].sessions)
    until(lambda: _files() <= files)


def test_never_more_than_two_are_asked_at_once(trio, opening):
    for one in trio:
        one.delay(0.5, rpc="OpenSession")
    most = []

    def connecting():
        with connect(trio, hedge_after=0.05):
            pass

    thread = threading.Thread(target=connecting)
    thread.start()
    while thread.is_alive():
        most.append(len(opening()))
        thread.join(0.01)

    assert 2 == max(most)


def test_without_a_hedge_the_first_is_waited_for(trio):
    trio[0].delay(0.5, rpc="OpenSession")
    with connect(trio, hedge_after=0) as connection:
        assert trio[0].host == connection.coordinator.host


# Silent, and well.


@pytest.mark.parametrize("rpc", ["ExecuteStatement", "GetOperationStatus", "FetchResults"])
def test_who_takes_long_and_answers_probes_is_never_given_up(trio, rpc):
    """Many probes long, and each made by the thread that waits: there is no other."""
    sql = f"SELECT 'slow', {next(NUMBERS)}"
    options = {"probe_after": 0.1, "timeout": None, "hedge_after": 0}
    with connect(trio, **options) as connection, connection.cursor() as cursor:
        threads = threading.active_count()
        trio[0].delay(1.5, rpc=rpc)
        cursor.execute(sql)

        assert "slow" == cursor.fetchall()[0][0]
        assert 1 == len(cursor.attempts)
        assert threads == threading.active_count()
    assert [1, 0, 0] == [one.executions(sql) for one in trio]


# Told.


def lost_write(trio, cursor):
    trio[0].cut("ExecuteStatement:response", 0, "rst")
    cursor.execute("INSERT INTO ends VALUES (2)")


def lost_result(trio, cursor):
    cursor.execute(numbers(3000))
    cursor.fetchmany(3)
    trio[0].kill()
    cursor.fetchall()


def lost_read(trio, cursor):
    sql = f"SELECT {next(NUMBERS)}"
    for one in trio:
        for _ in range(4):
            one.cut("ExecuteStatement:response", 0, "fin")
    cursor.execute(sql)


def nobody(trio, cursor):
    for one in trio:
        one.kill()
    cursor.execute("SELECT 1")


def refused(trio, cursor):
    cursor.execute("SELECT nothing FROM nowhere")


def misused(trio, cursor):
    cursor.close()
    cursor.execute("SELECT 1")


@pytest.mark.parametrize(
    ("deed", "kind"),
    [
        (lost_write, OutcomeUnknown),
        (lost_result, ResultLost),
        (lost_read, CoordinatorLost),
        (nobody, NoCoordinatorLeft),
        (refused, impala_ha.Error),
        (misused, impala_ha.InterfaceError),
    ],
)
def test_an_error_survives_the_way_to_another_process(trio, deed, kind):
    """With its words, its classes and what was tried."""
    with connect(trio, deadline=1) as connection:
        with pytest.raises(kind) as caught:
            deed(trio, connection.cursor())
        copy = pickle.loads(pickle.dumps(caught.value))

    assert type(caught.value) is type(copy)
    assert str(caught.value) == str(copy)
    assert getattr(caught.value, "attempts", ()) == getattr(copy, "attempts", ())


def test_a_wrong_password_survives_it_too_and_is_not_in_it():
    with LocalCluster(2, auth="PLAIN", users={"etl": "right"}) as pair:
        with pytest.raises(AuthenticationFailed) as caught:
            connect(pair, auth_mechanism="PLAIN", user="etl", password="no-good")
        copy = pickle.dumps(caught.value)

    assert isinstance(pickle.loads(copy), AuthenticationFailed)
    assert b"no-good" not in copy
    assert 1 == len(caught.value.attempts)
