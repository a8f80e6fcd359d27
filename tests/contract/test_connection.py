"""The connection and the cursor as their users hold them, on a local cluster."""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter

import impala.hiveserver2
import impala.interface
import pytest
from impala.util import as_pandas
from promises import connect
from thrift.transport.TTransport import TTransportException

import impala_ha
from impala_ha import InterfaceError, OperationalError
from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers

STORY = "SELECT * FROM (VALUES (1 AS i, 'one' AS s), (2, NULL), (3, 'three')) AS v ORDER BY i"
ROWS = [(1, "one"), (2, None), (3, "three")]


@pytest.fixture
def connection(cluster):
    with connect(cluster) as connection:
        yield connection


@pytest.fixture
def cursor(connection):
    return connection.cursor()


# -- what it is ----------------------------------------------------------------------------------


def test_it_is_what_impyla_has(connection, cursor):
    assert isinstance(connection, impala.hiveserver2.HiveServer2Connection)
    assert isinstance(connection, impala.interface.Connection)
    assert isinstance(cursor, impala.hiveserver2.HiveServer2Cursor)
    assert isinstance(cursor, impala.interface.Cursor)
    dicts = connection.cursor(dictify=True)
    assert isinstance(dicts, impala.hiveserver2.HiveServer2DictCursor)


def test_programs_may_hang_things_on_a_connection(connection):
    connection.host = "their own note"

    assert "their own note" == connection.host


def test_the_id_of_a_query_is_where_superset_looks_for_it(cluster, cursor):
    cursor.execute_async("SELECT 1")
    guid = cursor._last_operation.handle.operationId.guid

    assert isinstance(guid, bytes)
    assert 16 == len(guid)
    assert 1 == len(cluster[0].queries)


def test_the_log_is_had_from_the_last_operation(cursor):
    cursor.execute(STORY)

    assert "100% Complete" in cursor._last_operation.get_log()


def test_the_port_is_where_programs_dig_for_it(cluster, connection):
    transport = connection.service.client._oprot.trans._TBufferedTransport__trans

    assert cluster[0].port == transport.port


def test_where_it_is_can_be_asked(cluster, connection, cursor):
    assert (cluster[0].host, cluster[0].port) == (
        connection.coordinator.host,
        connection.coordinator.port,
    )
    assert cursor.coordinator == connection.coordinator


# -- what a cursor does ----------------------------------------------------------------------------


def test_rows_come_by_one_by_many_by_all_and_by_iteration(cursor):
    def again():
        cursor.execute(STORY)
        return cursor

    assert ROWS == again().fetchall()
    assert ROWS == list(again())
    assert ROWS == [*again().fetchmany(2), cursor.fetchone()]
    assert cursor.fetchone() is None
    assert [] == cursor.fetchmany(5)


def test_columns_come_in_batches(cursor):
    cursor.execute(STORY)
    batches = cursor.fetchcolumnar()

    assert [1, 2, 3] == [value for batch in batches for value in batch.columns[0].values]
    assert [False, True, False] == [bool(null) for null in batches[0].columns[1].nulls][:3]


def test_one_batch_comes_by_itself(cursor):
    cursor.execute(STORY)
    batch = cursor.fetchcbatch()

    assert 3 == len(batch)


def test_rows_come_as_dicts(connection):
    cursor = connection.cursor(dictify=True)
    cursor.execute(STORY)

    assert {"i": 2, "s": None} == cursor.fetchall()[1]


def test_a_statement_is_polled_while_it_runs(cluster, cursor, until):
    cluster[0].delay(0.2, "GetOperationStatus")
    cursor.execute_async(STORY)
    until(lambda: not cursor.is_executing())
    cluster[0].heal()

    assert "FINISHED_STATE" == cursor.status()
    assert ROWS == cursor.fetchall()


def test_a_write_that_was_only_sent_is_finished_with_its_count(cursor):
    cursor.execute("CREATE TABLE IF NOT EXISTS finished (i INT)")
    cursor.execute_async("INSERT INTO finished VALUES (1), (2)")
    cursor.finish()

    assert 2 == cursor.rowcount


def test_a_read_that_was_only_sent_survives_its_coordinator(cluster, connection):
    cursor = connection.cursor()
    cursor.execute_async("SELECT sleep(300), 'there'")
    next(each for each in cluster if each.address == str(cursor.coordinator)).kill()
    cursor.finish()

    assert "there" == cursor.fetchall()[0][1]


def test_ibis_waits_in_its_own_way(cursor):
    cursor.execute_async(STORY)
    cursor._wait_to_finish()

    assert ROWS == cursor.fetchall()


def test_a_statement_is_cancelled_on_the_server(cluster, cursor, until):
    cursor.execute_async("SELECT sleep(30000)")
    until(lambda: cluster[0].queries)
    cursor.cancel_operation()

    until(lambda: not cluster[0].queries)


def test_a_profile_is_had_after_the_rows(cursor):
    cursor.execute(STORY)
    cursor.fetchall()

    assert STORY in cursor.get_profile()
    assert cursor.get_summary().nodes


def test_rows_of_a_write_are_counted(cursor):
    cursor.execute("CREATE TABLE counted (i INT)")
    cursor.execute("INSERT INTO counted VALUES (1), (2)")

    assert 2 == cursor.rowcount
    assert (2, 0) == cursor.rowcounts
    cursor.execute("DROP TABLE counted")


def test_a_colon_in_a_literal_is_no_parameter(cursor):
    cursor.execute("SELECT 'at 12:30 :name', :name", {"name": "etl"})

    assert [("at 12:30 :name", "etl")] == cursor.fetchall()


def test_names_are_looked_up(cursor):
    cursor.execute("CREATE TABLE IF NOT EXISTS looked_up (i INT)")

    assert cursor.table_exists("looked_up")
    assert not cursor.table_exists("never_there")
    assert cursor.database_exists("default")
    cursor.get_tables()
    assert "looked_up" in {row[2] for row in cursor.fetchall()}
    assert [("i", "INT")] == [column[:2] for column in cursor.get_table_schema("looked_up")]
    cursor.execute("DROP TABLE looked_up")


def test_a_cell_of_17_mb_leaves_the_connection_in_order(cursor):
    cursor.execute("SELECT repeat('x', 17000000)")

    assert 17_000_000 == len(cursor.fetchone()[0])
    cursor.execute("SELECT 1")
    assert [(1,)] == cursor.fetchall()


def test_the_servers_own_error_is_passed_on(cluster, cursor):
    with pytest.raises(impala.error.Error, match="never_there"):
        cursor.execute("SELECT * FROM never_there")

    assert 1 == len(cursor.attempts)
    assert cursor.coordinator.host == cluster[0].host


def test_pandas_takes_a_cursor(cursor):
    cursor.execute(STORY)
    frame = as_pandas(cursor)

    assert ["i", "s"] == list(frame.columns)
    assert [1, 2, 3] == list(frame["i"])


# -- how it ends -----------------------------------------------------------------------------------


def test_everything_is_closed_on_the_servers(cluster, until):
    connection = connect(cluster)
    cursors = [connection.cursor() for _ in range(3)]
    cursors[0].execute(STORY)
    cursors[1].execute_async("SELECT sleep(30000)")
    connection.close()

    until(lambda: not any(one.sessions or one.queries or one.connections for one in cluster))


def test_a_closed_connection_says_so(connection, cursor):
    connection.close()
    for call in (
        connection.cursor,
        connection.commit,
        connection.rollback,
        connection.reconnect,
        cursor.fetchall,
        lambda: cursor.execute("SELECT 1"),
    ):
        with pytest.raises(InterfaceError, match="closed"):
            call()
    connection.close()
    cursor.close()


def test_forgotten_cursors_and_connections_leave_nothing_behind(cluster, until):
    def forget():
        connect(cluster).cursor().execute(STORY)

    forget()
    until(lambda: not any(one.sessions or one.connections for one in cluster))


def test_a_forked_child_is_told_and_sends_nothing(cluster, connection, cursor):
    cursor.execute(STORY)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        told = []
        for call in (cursor.fetchall, connection.cursor, connection.close, cursor.close):
            try:
                call()
            except InterfaceError as error:  # noqa: PERF203 - each of them is asked
                told.append(str(os.getpid()) in str(error))
        os.write(writer, repr(told).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert "[True, True]" == answer.read()

    assert ROWS == cursor.fetchall()
    assert 1 == len(cluster[0].sessions)


def test_a_child_connects_for_itself(cluster):
    with connect(cluster) as parent:
        child = os.fork()
        if not child:
            status = 1
            with connect(cluster) as own, own.cursor() as cursor:
                cursor.execute(STORY)
                status = 0 if cursor.fetchall() == ROWS else 2
            os._exit(status)

        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with parent.cursor() as cursor:
            cursor.execute(STORY)
            assert ROWS == cursor.fetchall()


def test_two_threads_on_one_connection_are_told_to_have_two(cluster, connection, until):
    mine, theirs = connection.cursor(), connection.cursor()
    cluster[0].mute()
    asking = threading.Thread(target=mine.execute, args=("SELECT 1",))
    asking.start()
    until(lambda: connection.service.client.busy)
    with pytest.raises(
        InterfaceError, match="another thread is using this connection; open one per thread"
    ):
        theirs.execute("SELECT 2")
    cluster[0].unmute()
    asking.join(10)

    assert [(1,)] == mine.fetchall()


def test_threads_with_connections_of_their_own_share_a_cluster(cluster):
    shared = impala_ha.Cluster([impala_ha.Coordinator(one.host, one.port) for one in cluster])
    got, errors = [], []

    def work():
        try:
            for _ in range(5):
                with impala_ha.connect(shared) as connection, connection.cursor() as cursor:
                    cursor.execute(STORY)
                    got.append(cursor.fetchall())
        except Exception as error:  # noqa: BLE001 - told in the main thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert [] == errors
    assert [ROWS] * 20 == got


# -- where it goes ---------------------------------------------------------------------------------


# Without hedges: one that a busy machine holds up for a moment would be left out for a while.


def test_connections_go_round():
    seen = Counter()
    with LocalCluster(3) as cluster:
        for _ in range(30):
            with impala_ha.connect(cluster.hosts, hedge_after=0) as connection:
                seen[connection.coordinator.host] += 1

    assert [10, 10, 10] == list(seen.values())


def test_a_dead_one_is_left_out_and_comes_back(cluster, until):
    """It is asked once, then not for a while; the others share its part."""
    hosts = [impala_ha.Coordinator(one.host, one.port) for one in cluster]
    shared = impala_ha.Cluster(hosts)
    cluster[0].kill()
    seen = Counter()
    for _ in range(20):
        with impala_ha.connect(shared, hedge_after=0) as connection:
            seen[connection.coordinator.host] += 1

    assert {cluster[1].host: 10, cluster[2].host: 10} == seen


def test_a_thousand_connections_are_shared_evenly():
    with LocalCluster(4) as cluster:
        cluster[3].kill()
        hosts = [impala_ha.Coordinator(one.host, one.port) for one in cluster]
        shared, seen = impala_ha.Cluster(hosts), Counter()
        for _ in range(1000):
            with impala_ha.connect(shared, hedge_after=0) as connection:
                seen[connection.coordinator.host] += 1

    assert 3 == len(seen)
    assert max(seen.values()) - min(seen.values()) <= 2


@pytest.mark.parametrize("variable", ["IMPALA_HA_HOSTS", "IMPALA_HOSTS", "IMPALA_HOST"])
def test_hosts_come_from_the_environment(cluster, monkeypatch, variable):
    for name in ("IMPALA_HA_HOSTS", "IMPALA_HOSTS", "IMPALA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, cluster.hosts.replace(",", " "))
    with impala_ha.connect() as connection:
        assert connection.coordinator.host in {one.host for one in cluster}


def test_a_name_that_nobody_knows_is_reported_as_thrift_would(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(TTransportException, match="Name or service not known") as caught:
        impala_ha.connect("no.such.host", deadline=0.2)

    assert isinstance(caught.value, OperationalError)


def test_work_goes_on_when_everything_is_restarted_in_turn(cluster):
    with connect(cluster) as connection, connection.cursor() as cursor:
        cursor.execute("SET MEM_LIMIT=1g")
        for coordinator in cluster:
            coordinator.restart()
            cursor.execute(STORY)
            assert ROWS == cursor.fetchall()
        cursor.execute("SET ALL")

        assert "1g" == {row[0]: row[1] for row in cursor.fetchall()}["MEM_LIMIT"]
