"""One thread at a time, who else comes is told; `close` and `cancel` may come from any thread."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import impala_ha
from impala_ha import InterfaceError, errors
from impala_ha.testing import LocalCluster
from real_servers import Certificates

LONG = "SELECT sleep(30000)"
ENDS_WITHIN = 8.0  # seconds; far above a second, and far below what is waited for


class Waiting(threading.Thread):
    """A call in another thread, and how it ended."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self._call = call
        self.told = None
        self.start()

    def run(self):
        try:
            self._call()
        except Exception as error:  # noqa: BLE001 - which one is the question
            self.told = error

    def ended(self):
        self.join(ENDS_WITHIN)
        assert not self.is_alive()
        return self.told


@pytest.fixture
def connect(cluster):
    opened = []

    def make(**options):
        options = {"hedge_after": None, "probe_after": 0, **options}
        opened.append(impala_ha.connect(cluster.hosts, policy="ordered", **options))
        return opened[-1]

    yield make
    for connection in opened:
        connection.close()


def at(cluster, connection):
    """The coordinator that it is connected to."""
    return next(one for one in cluster if one.host == connection.coordinator.host)


def sessions(cluster):
    return sum(len(one.sessions) for one in cluster)


def queries(cluster):
    return sum(len(one.queries) for one in cluster)


def executing(cluster, cursor, until, sql=LONG):
    """A thread that waits for *sql*, whose work has begun.

    The open queries do not tell: one that was read to its end is closed a moment later.
    """
    before = cluster.executions(sql)
    waiting = Waiting(lambda: cursor.execute(sql))
    until(lambda: cluster.executions(sql) > before)
    return waiting


SECOND = {
    "execute": lambda connection, _: connection.cursor().execute("SELECT 1"),
    "cursor": lambda connection, _: connection.cursor(),
    "the same cursor": lambda _, cursor: cursor.execute("SELECT 1"),
    "execute_async": lambda _, cursor: cursor.execute_async("SELECT 1"),
    "executemany": lambda _, cursor: cursor.executemany("SELECT %s", [(1,)]),
    "fetchone": lambda _, cursor: cursor.fetchone(),
    "fetchmany": lambda _, cursor: cursor.fetchmany(2),
    "fetchall": lambda _, cursor: cursor.fetchall(),
    "next": lambda _, cursor: next(cursor),
    "status": lambda _, cursor: cursor.status(),
    "is_executing": lambda _, cursor: cursor.is_executing(),
    "get_log": lambda _, cursor: cursor.get_log(),
    "get_profile": lambda _, cursor: cursor.get_profile(),
    "description": lambda _, cursor: cursor.description,
    "ping": lambda _, cursor: cursor.ping(),
    "get_tables": lambda _, cursor: cursor.get_tables(),
    "table_exists": lambda _, cursor: cursor.table_exists("t"),
    "close_operation": lambda _, cursor: cursor.close_operation(),
    "_wait_to_finish": lambda _, cursor: cursor._wait_to_finish(),
    "reconnect": lambda connection, _: connection.reconnect(),
}


def test_the_second_thread_is_told_at_once_and_the_first_is_not_disturbed(cluster, connect, until):
    connection = connect()
    cursor = connection.cursor()
    first = executing(cluster, cursor, until, "SELECT sleep(6000)")
    told = {}
    for name, call in SECOND.items():
        with pytest.raises(InterfaceError) as caught:
            call(connection, cursor)
        told[name] = str(caught.value)

    assert {f"another thread is using this connection; open one per thread {LEVEL}"} == {
        *told.values()
    }
    assert first.is_alive()
    assert first.ended() is None
    assert [(True,)] == cursor.fetchall()


LEVEL = "(threadsafety is 1)"


def test_two_threads_in_turns_and_at_once_meet_nothing_but_interface_errors(connect):
    """What a web application does that hands one connection to its threads."""
    connection = connect()
    told = []

    def work():
        for number in range(40):
            try:
                cursor = connection.cursor()
                cursor.execute(f"SELECT {number}")
                assert [(number,)] == cursor.fetchall()
                cursor.close()
            except InterfaceError as error:
                told.append(error)
            time.sleep(0.001)

    threads = [Waiting(work) for _ in range(2)]
    assert [None, None] == [thread.ended() for thread in threads]
    assert {"another thread is using"} >= {str(error)[:23] for error in told}
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert [(1,)] == cursor.fetchall()


# Closing from another thread.


@pytest.mark.parametrize("probe_after", [0, 1])
@pytest.mark.parametrize("silent", ["", "mute", "hang"])
def test_closing_the_connection_ends_the_call_that_waits(
    cluster, connect, until, probe_after, silent
):
    connection = connect(probe_after=probe_after)
    cursor = connection.cursor()
    waiting = executing(cluster, cursor, until)
    if silent:
        getattr(at(cluster, connection), silent)()
    connection.close()
    told = waiting.ended()
    cluster.heal()

    assert isinstance(told, errors.OperationalError)
    assert "the connection was closed by another thread" in str(told)
    assert not isinstance(told, AttributeError)
    if not silent:
        until(lambda: not any(one.sessions or one.queries or one.connections for one in cluster))
    with pytest.raises(InterfaceError, match="closed"):
        cursor.execute("SELECT 1")


def test_nobody_is_ejected_for_it(cluster, connect, until):
    connection = connect()
    where, before = connection.coordinator, connection.cluster.snapshot()
    waiting = executing(cluster, connection.cursor(), until)
    connection.close()
    waiting.ended()

    states = {one.coordinator: one.state for one in connection.cluster.snapshot()}
    assert states == {one.coordinator: one.state for one in before}
    assert impala_ha.State.HEALTHY is states[where]


def test_a_write_that_was_closed_on_is_reported_as_unknown(cluster, connect, until):
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS closed_on (b BOOLEAN)")
    cursor.close_operation()
    at(cluster, connection).delay(20, "GetOperationStatus")
    waiting = Waiting(lambda: cursor.execute("INSERT INTO closed_on VALUES (true)"))
    until(lambda: cursor._last_operation_active)
    connection.close()

    told = waiting.ended()
    assert isinstance(told, errors.OutcomeUnknown)
    assert "closed by another thread" in str(told)


@pytest.mark.parametrize("what", ["connection", "cursor"])
def test_closing_ends_a_wait_for_the_next_try(cluster, connect, until, what):
    """Nobody is there, and the call would ask again until its deadline."""
    connection = connect()
    cursor = connection.cursor()
    for one in cluster:
        one.kill()
    waiting = Waiting(lambda: cursor.execute("SELECT 1"))
    until(lambda: len(cursor.attempts) > 6)
    (connection if what == "connection" else cursor).close()

    assert isinstance(waiting.ended(), errors.Error)
    assert "closed" in str(waiting.told)


def test_closing_a_cursor_ends_the_call_that_waits_and_leaves_the_others(cluster, connect, until):
    connection = connect()
    cursor, other = connection.cursor(), connection.cursor()
    other.execute("SELECT 1")
    waiting = executing(cluster, cursor, until)
    cursor.close()

    assert "the cursor was closed by another thread" in str(waiting.ended())
    assert [(1,)] == other.fetchall()
    other.execute("SELECT 2")
    assert [(2,)] == other.fetchall()
    until(lambda: sessions(cluster) == 1)


def test_closing_a_cursor_ends_the_call_though_the_coordinator_hangs(cluster, connect, until):
    connection = connect()
    cursor = connection.cursor()
    waiting = executing(cluster, cursor, until)
    at(cluster, connection).mute()
    cursor.close()
    told = waiting.ended()
    cluster.heal()

    assert isinstance(told, errors.OperationalError)
    assert "closed by another thread" in str(told)


# Cancelling from another thread.


@pytest.mark.parametrize("cancel", ["cancel", "cancel_operation"])
def test_a_statement_is_cancelled_from_another_thread(cluster, connect, until, cancel):
    connection = connect()
    cursor = connection.cursor()
    waiting = executing(cluster, cursor, until)
    getattr(cursor, cancel)()

    told = waiting.ended()
    assert isinstance(told, errors.OperationalError)
    assert "ancelled" in str(told)
    cursor.execute("SELECT 1")
    assert [(1,)] == cursor.fetchall()
    assert 1 == sessions(cluster), "it has kept its session"


def test_a_cursor_that_does_nothing_has_nothing_to_cancel(cluster, connect, until):
    connection = connect()
    cursor, idle = connection.cursor(), connection.cursor()
    waiting = executing(cluster, cursor, until, "SELECT sleep(1000)")
    idle.cancel_operation()

    assert waiting.ended() is None


def test_a_statement_of_another_cursor_is_cancelled_meanwhile(cluster, connect, until):
    connection = connect()
    cursor, other = connection.cursor(), connection.cursor()
    other.execute_async(LONG)
    until(lambda: queries(cluster) == 1)
    waiting = executing(cluster, cursor, until, "SELECT sleep(1500)")
    other.cancel_operation()

    assert waiting.ended() is None
    assert "RUNNING_STATE" != other.status()


@pytest.mark.parametrize("act", ["close", "cancel"])
def test_a_signal_handler_may_end_the_call_that_it_interrupts(cluster, connect, until, act):
    connection = connect()
    cursor = connection.cursor()
    done = []

    def handle(*_):
        done.append(getattr(connection if act == "close" else cursor, act)())

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(errors.OperationalError):
            cursor.execute(LONG)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert [None] == done


# Over TLS and over HTTP, where the socket is another one.


@pytest.mark.parametrize("kind", ["tls", "http", "https"])
def test_closing_ends_a_waiting_call_whatever_carries_it(kind, tmp_path, until):
    with Certificates() as certificates:
        pem = certificates.of("127.0.0.1") if kind != "http" else None
        options = {"use_ssl": True, "ca_cert": certificates.ca} if pem else {}
        http = kind != "tls"
        with LocalCluster(1, http=http, tls=pem) as cluster:
            port = cluster[0].http_port if http else cluster[0].port
            connection = impala_ha.connect(
                cluster[0].host, port, use_http_transport=http, probe_after=0, **options
            )
            cursor = connection.cursor()
            waiting = executing(cluster, cursor, until)
            cluster[0].mute()
            connection.close()
            told = waiting.ended()
            cluster.heal()

    assert "the connection was closed by another thread" in str(told)


LEAVES = """
import sys, threading, time
import impala_ha
connection = impala_ha.connect(sys.argv[1], policy="ordered", hedge_after=0)
cursor = connection.cursor()
waits = threading.Thread(target=cursor.execute, args=[sys.argv[2]], daemon=True)
waits.start()
while cursor.query_id is None:
    time.sleep(0.01)
"""


def test_a_program_that_ends_under_a_thread_that_waits_leaves_nothing_running(cluster, until):
    """A daemon's, for the others are waited for."""
    sql = f"{LONG} -- by a daemon"
    subprocess.run(
        [sys.executable, "-c", LEAVES, cluster.hosts, sql],
        env={**os.environ, "IMPALA_HA_SHARE_STATE": "0"},
        check=True,
        timeout=30,
    )

    assert 1 == cluster.executions(sql)
    until(lambda: not any(one.queries or one.sessions for one in cluster))
