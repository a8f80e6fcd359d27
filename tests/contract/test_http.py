"""HiveServer2 over HTTP through `impala_ha.connect`: one kept connection, in time, and lost."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import pytest

import impala_ha
from impala_ha import Cluster, Coordinator, CoordinatorLost, NoCoordinatorLeft, OutcomeUnknown
from impala_ha.testing import FaultProxy

pytestmark = pytest.mark.servers


@pytest.fixture
def local(over_http, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1,127.0.0.2")
    return over_http


def coordinators(local):
    return [Coordinator(one.host, one.http_port) for one in local]


@pytest.fixture
def connect(local):
    """Connections over HTTP, each test with a cluster of its own, the first coordinator first."""
    opened = []

    def connected(places=None, **options):
        cluster = Cluster(places or coordinators(local), policy="ordered")
        options = {"connect_timeout": 2, "hedge_after": 0, "deadline": 5, **options}
        found = impala_ha.connect(
            cluster, use_http_transport=True, http_path="cliservice", **options
        )
        opened.append(found)
        return found

    yield connected
    for connection in opened:
        connection.close()


def rows(cursor, sql):
    cursor.execute(sql)
    return cursor.fetchall()


# One connection.


def test_all_calls_of_a_link_go_over_one_connection(local, connect):
    before = local[0].http_connections()
    connection = connect()
    for number in range(3):
        assert [(number,)] == rows(connection.cursor(), f"SELECT {number}")
    connection.close()

    assert 1 == local[0].http_connections() - before
    assert [] == local[0].sessions


def test_large_results_come_whole(connect):
    cursor = connect().cursor()

    assert 3_000_000 == len(rows(cursor, "SELECT repeat('x', 3000000)")[0][0])
    assert [(1,)] == rows(cursor, "SELECT 1")


def test_a_long_statement_is_sent_whole(connect):
    cursor = connect().cursor()
    text = "x" * 2_000_000

    assert [(text,)] == rows(cursor, f"SELECT '{text}'")


def test_a_connection_that_the_server_ended_while_idle_is_opened_anew_without_a_word(
    local, connect, caplog, until
):
    cursor = connect().cursor()
    before = local[0].http_connections()
    local[0].disconnect()
    until(lambda: local[0].connections == 0)
    caplog.clear()

    cursor.execute("CREATE TABLE IF NOT EXISTS http_idle (i INT)")

    assert 1 == local[0].http_connections() - before
    assert 1 == len(cursor.attempts)
    assert [] == [record for record in caplog.records if record.levelname == "WARNING"]


def test_the_last_cursor_closes_its_session(local, connect):
    connection = connect()
    cursor = connection.cursor()
    rows(cursor, "SELECT 1")
    connection.close()

    assert [] == local[0].sessions
    with pytest.raises(impala_ha.InterfaceError):
        connection.cursor()
    connection.close()


# What is lost.


def test_a_dead_coordinator_is_left_for_another(local, connect):
    cursor = connect().cursor()
    try:
        local[0].kill()

        assert [(1,)] == rows(cursor, "SELECT 1")
        assert local[1].host == cursor.coordinator.host
    finally:
        local[0].restart()


def test_connecting_where_nobody_listens_fails_at_once(connect):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = Coordinator(*closed.getsockname())

    with pytest.raises(NoCoordinatorLeft, match="could not be reached connecting"):
        connect([nobody], deadline=0.5)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_write_whose_answer_was_cut_is_not_sent_again(local, connect, until, how):
    cursor = connect().cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS http_cut (i INT)")
    sql = f"INSERT INTO http_cut VALUES (1) -- {how}"
    local[0].cut("ExecuteStatement:response", 0, how)

    with pytest.raises(OutcomeUnknown) as caught:
        cursor.execute(sql)

    until(lambda: local.executions(sql))
    assert impala_ha.Outcome.DONE is caught.value.resolve(timeout=5)
    assert 1 == local.executions(sql)


def test_a_read_whose_answer_was_cut_runs_elsewhere(local, connect):
    cursor = connect().cursor()
    local[0].cut("ExecuteStatement:response", 0, "fin")

    assert [("cut",)] == rows(cursor, "SELECT 'cut'")
    assert local[1].host == cursor.coordinator.host


def test_a_write_survives_a_connection_that_breaks_while_it_runs(local, connect):
    cursor = connect().cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS http_blink (i INT)")
    sql = "INSERT INTO http_blink VALUES (2)"
    local[0].cut("GetOperationStatus:response", 0, "rst")

    cursor.execute(sql)

    assert 1 == local.executions(sql)
    assert 1 == len(cursor.attempts)


def test_a_coordinator_that_drains_gets_nothing_new(local, connect):
    cursor = connect().cursor()
    try:
        local[0].drain()

        assert [(1,)] == rows(cursor, "SELECT 1")
        assert local[1].host == cursor.coordinator.host
    finally:
        local[0].restart()


# In time.


@pytest.fixture
def drip():
    """A server that sends a byte of an answer now and then, and never ends it."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def serve(client):
        with client, suppress(OSError):
            while not stop.wait(0.1):
                client.sendall(b"x")

    def accept():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            threads.append(threading.Thread(target=serve, args=(client,)))
            threads[-1].start()

    threads.append(threading.Thread(target=accept))
    threads[0].start()
    yield Coordinator(*listener.getsockname())
    stop.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in threads:
        thread.join(10)


@pytest.mark.timeout(20)
def test_a_server_that_drips_is_left_when_the_time_to_connect_is_over(connect, drip):
    with pytest.raises(NoCoordinatorLeft, match=r"time(d )?out"):
        connect([drip], connect_timeout=0.5, deadline=0.6)


@pytest.mark.timeout(20)
def test_a_listener_that_never_answers_is_no_connection(local, connect):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        places = [Coordinator(*silent.getsockname()), coordinators(local)[1]]
        connection = connect(places, connect_timeout=0.3)

        assert [(1,)] == rows(connection.cursor(), "SELECT 1")


@pytest.mark.timeout(20)
def test_a_read_may_take_the_time_out_of_the_caller(local, connect):
    """impyla ignores it over HTTP, and waits for ever."""
    cursor = connect([coordinators(local)[0]], timeout=0.3, deadline=0.5).cursor()
    local[0].mute()

    with pytest.raises(CoordinatorLost, match="timeout"):
        cursor.execute("INSERT INTO nowhere VALUES (1)")


@pytest.mark.timeout(20)
def test_a_silent_coordinator_is_probed_and_left(local, connect):
    cursor = connect(connect_timeout=0.5, probe_after=0.2).cursor()
    local[0].hang()

    assert [("hung",)] == rows(cursor, "SELECT 'hung'")
    assert local[1].host == cursor.coordinator.host


def test_a_slow_coordinator_that_answers_probes_is_waited_for(local, connect):
    cursor = connect(probe_after=0.2).cursor()
    local[0].delay(1.0, rpc="ExecuteStatement")

    assert [("slow",)] == rows(cursor, "SELECT 'slow'")
    assert 1 == len(cursor.attempts)


# What is told.


def test_the_binary_port_is_told_from_the_http_port(local, connect):
    binary = Coordinator(local[0].host, local[0].port)

    with pytest.raises(NoCoordinatorLeft, match="without SASL: use_http_transport=False"):
        connect([binary], deadline=0.5, connect_timeout=0.5)


def test_http_that_is_not_hiveserver2_is_told_with_its_url(local, connect):
    host, port = local[0].web_address.rsplit(":", 1)

    with pytest.raises(NoCoordinatorLeft, match=rf"http://{host}:{port}/cliservice"):
        connect([Coordinator(host, int(port))], deadline=0.5)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_the_proxy_of_tests_breaks_http_by_phase(local, connect, how):
    upstream = f"{local[0].host}:{local[0].http_port}"
    with FaultProxy(upstream) as proxy:
        host, port = proxy.address.rsplit(":", 1)
        cursor = connect([Coordinator(host, int(port)), coordinators(local)[1]]).cursor()
        proxy.cut("FetchResults:response", 5, how)

        assert [("proxied",)] == rows(cursor, "SELECT 'proxied'")
        assert ["FetchResults:response"] == [fault.where for fault in proxy.faults_fired]
