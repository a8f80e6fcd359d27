"""Workload management: the tables in which any coordinator tells what became of a statement."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hs2 import hs2

import impala_ha
from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers

WAIT_SECONDS = 20
SLOW = "SELECT sleep(60000)"


def rows(coordinator, sql):
    with hs2(coordinator) as client:
        operation, status = client.run(sql)
        assert not status.errorMessage, status.errorMessage
        columns = client.fetch(operation).results.columns
        client.call("CloseOperation", operationHandle=operation)
    values = [next(v for v in vars(column).values() if v is not None).values for column in columns]
    return [tuple(map(text, row)) for row in zip(*values, strict=True)]


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def states(coordinator, table, sql):
    where = "`sql` = '{}'".format(sql.replace("'", "\\'"))
    found = rows(coordinator, f"SELECT query_state FROM sys.impala_query_{table} WHERE {where}")
    return [state for (state,) in found]


def ran(client, sql, **fields):
    operation, _ = client.run(sql, **fields)
    client.call("CloseOperation", operationHandle=operation)
    return operation


def error(coordinator, sql):
    with hs2(coordinator) as client:
        return client.execute(sql).status.errorMessage or client.run(sql)[1].errorMessage


# -- live ----------------------------------------------------------------------------------------


def test_what_runs_anywhere_is_live_everywhere_until_it_is_closed(cluster):
    with hs2(cluster[0]) as client:
        operation = client.execute(SLOW).operationHandle
        for coordinator in cluster:
            assert states(coordinator, "live", SLOW) == ["RUNNING"]
        client.call("CloseOperation", operationHandle=operation)

        for coordinator in cluster:
            assert states(coordinator, "live", SLOW) == []


def test_what_has_finished_and_is_open_is_live_and_not_in_the_log(cluster):
    sql = "SELECT 'still open'"
    with hs2(cluster[1]) as client:
        client.run(sql)

        assert states(cluster[0], "live", sql) == ["FINISHED"]
        assert states(cluster[0], "log", sql) == []


def test_what_ran_on_a_killed_coordinator_is_in_neither_table(cluster):
    sql = "SELECT sleep(50001), 'killed with its coordinator'"
    with hs2(cluster[1]) as client:
        client.execute(sql)
        cluster[1].kill()

    assert states(cluster[0], "live", sql) == []
    assert states(cluster[0], "log", sql) == []
    cluster[1].restart()

    assert states(cluster[1], "live", sql) == []
    assert states(cluster[1], "log", sql) == []


def test_a_hung_coordinator_keeps_nobody_from_reading(cluster):
    cluster[1].hang()

    assert states(cluster[0], "live", SLOW) == []


# -- log -----------------------------------------------------------------------------------------


def test_what_was_closed_is_in_the_log_of_every_coordinator(cluster):
    sql = "SELECT 'logged \\'once\\''"
    with hs2(cluster[2]) as client:
        ran(client, sql)

    for coordinator in cluster:
        found = rows(
            coordinator,
            "SELECT query_state, impala_query_end_state, query_status FROM sys.impala_query_log"
            " WHERE `sql` = 'SELECT \\'logged \\\\\\'once\\\\\\'\\''",
        )

        assert found == [("FINISHED", "FINISHED", "OK")]


def test_the_log_outlives_the_kill_of_who_wrote_it(cluster):
    sql = "INSERT INTO outlived VALUES (1)"
    with hs2(cluster[2]) as client:
        ran(client, "CREATE TABLE IF NOT EXISTS outlived (n INT)")
        ran(client, sql)
    cluster[2].kill()

    assert states(cluster[0], "log", sql) == ["FINISHED"]
    cluster[2].restart()

    assert states(cluster[2], "log", sql) == ["FINISHED"]


def test_a_row_names_statement_session_user_and_options(cluster):
    with hs2(cluster[1]) as client:
        client.open(username="ann", configuration={"use:database": "default"})
        session = cluster[1].sessions[-1]
        ran(client, "SELECT 'tagged'", confOverlay={"client_identifier": "nightly load"})
    (row,) = rows(
        cluster[0],
        "SELECT session_id, db_user, db_user_connection, db_name, query_type, query_opts_config,"
        " impala_coordinator, session_type, hiveserver2_protocol_version, resource_pool"
        " FROM sys.impala_query_log WHERE query_opts_config LIKE '%CLIENT_IDENTIFIER=nightly%'",
    )

    assert session in cluster[1].sessions
    assert row == (
        session,
        "ann",
        "ann",
        "default",
        "QUERY",
        "CLIENT_IDENTIFIER=nightly load",
        f"{cluster[1].host}:27000",
        "HIVESERVER2",
        "HIVE_CLI_SERVICE_PROTOCOL_V6",
        "default-pool",
    )


def test_times_are_numbers_and_timestamps_that_sql_can_compare(cluster):
    with hs2(cluster[0]) as client:
        ran(client, "SELECT sleep(20)")
    ((long_enough, lately, count),) = rows(
        cluster[0],
        "SELECT max(total_time_ms) >= 20, max(start_time_utc) > '2020-01-01',"
        " count(DISTINCT query_id) FROM sys.impala_query_log WHERE `sql` = 'SELECT sleep(20)'",
    )

    assert (long_enough, lately) == (True, True)
    assert count >= 1


def test_what_failed_or_did_not_plan_is_in_the_log_as_an_exception(cluster):
    cluster[0].fail_next("no luck today", at="status")
    with hs2(cluster[0]) as client:
        ran(client, "SELECT 'no luck today'")
        client.execute("SELECT 1 FROM nowhere_at_all")
    found = rows(
        cluster[1],
        "SELECT query_state, query_type, query_status FROM sys.impala_query_log WHERE"
        " `sql` IN ('SELECT \\'no luck today\\'', 'SELECT 1 FROM nowhere_at_all') ORDER BY 2",
    )

    assert [row[:2] for row in found] == [("EXCEPTION", "QUERY"), ("EXCEPTION", "UNKNOWN")]
    assert found[0][2] == "no luck today"
    assert "Could not resolve table reference: 'nowhere_at_all'" in found[1][2]


@pytest.mark.parametrize(
    "sql", ["USE default", "/* x */ SET MEM_LIMIT=1g", "SHOW TABLES", "-- x\nEXPLAIN SELECT 1"]
)
def test_what_is_only_about_the_session_or_the_catalog_is_not_logged(cluster, sql):
    with hs2(cluster[0]) as client:
        ran(client, sql)
        ran(client, "SELECT 'logged after it'")

    assert states(cluster[0], "log", sql.replace("\n", "\\n")) == []
    assert "FINISHED" in states(cluster[0], "log", "SELECT 'logged after it'")


def test_the_log_can_lag_behind_and_until_then_the_statement_is_live(until):
    sql = "SELECT 'late'"
    with LocalCluster(2, query_log_delay=0.5) as slow:
        with hs2(slow[0]) as client:
            ran(client, sql)
        first = states(slow[1], "live", sql), states(slow[1], "log", sql)
        until(lambda: states(slow[1], "log", sql) == ["FINISHED"])

        assert first == (["FINISHED"], [])
        assert states(slow[1], "live", sql) == []


def test_what_was_not_yet_written_is_lost_by_a_kill():
    sql = "SELECT 'too late'"
    with LocalCluster(2, query_log_delay=600) as slow:
        with hs2(slow[0]) as client:
            ran(client, sql)
        slow[0].restart()

        assert states(slow[1], "live", sql) == []
        assert states(slow[1], "log", sql) == []


def test_a_statement_is_in_exactly_one_of_the_two_tables_also_while_it_is_closed(cluster):
    both = (
        "SELECT query_state FROM sys.impala_query_log WHERE `sql` = '{0}' UNION ALL"
        " SELECT query_state FROM sys.impala_query_live WHERE `sql` = '{0}'"
    )
    for number in range(30):
        sql = f"SELECT {number} AS closing"
        with hs2(cluster[0]) as client, ThreadPoolExecutor(1) as other:
            operation, _ = client.run(sql)
            reading = other.submit(rows, cluster[1], both.format(sql))
            client.call("CloseOperation", operationHandle=operation)

            assert reading.result(WAIT_SECONDS) == [("FINISHED",)]


# -- the tables themselves -----------------------------------------------------------------------


def test_the_tables_are_listed_and_described(cluster):
    described = [row[0] for row in rows(cluster[0], "DESCRIBE sys.impala_query_log")]

    assert ("sys",) in [row[:1] for row in rows(cluster[0], "SHOW DATABASES")]
    assert rows(cluster[0], "SHOW TABLES IN sys") == [("impala_query_live",), ("impala_query_log",)]
    assert described[:3] == ["cluster_id", "query_id", "session_id"]
    assert len(described) == 56
    assert described == [row[0] for row in rows(cluster[0], "DESCRIBE sys.impala_query_live")]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO sys.impala_query_log SELECT * FROM sys.impala_query_log",
        "TRUNCATE TABLE sys.impala_query_log",
        "ALTER TABLE sys.impala_query_live ADD COLUMNS (x INT)",
        "CREATE TABLE sys.mine (x INT)",
        "CREATE VIEW sys.mine AS SELECT 1",
        "DROP TABLE sys.impala_query_log",
        "DROP DATABASE sys CASCADE",
        "CREATE DATABASE sys",
    ],
)
def test_nobody_can_change_them(cluster, sql):
    assert error(cluster[0], sql)
    assert rows(cluster[0], "SHOW TABLES IN sys") == [("impala_query_live",), ("impala_query_log",)]


def test_they_can_be_joined_and_copied(cluster):
    with hs2(cluster[0]) as client:
        ran(client, "SELECT 'to be copied'")
        ran(client, "DROP TABLE IF EXISTS copied")
        ran(
            client,
            "CREATE TABLE copied AS SELECT l.query_id, l.`sql` FROM sys.impala_query_log l"
            " LEFT JOIN sys.impala_query_live r ON l.query_id = r.query_id"
            " WHERE r.query_id IS NULL AND l.`sql` = 'SELECT \\'to be copied\\''",
        )

    assert rows(cluster[1], "SELECT DISTINCT `sql` FROM copied") == [("SELECT 'to be copied'",)]


@pytest.mark.parametrize(
    "options", [{"workload_management": False}, {"flags": {"impala_version": "4.3"}}]
)
def test_without_workload_management_there_are_no_such_tables(options):
    with LocalCluster(1, **options) as plain:
        told = error(plain[0], "SELECT * FROM sys.impala_query_log")

        assert "AnalysisException: Could not resolve table reference" in told
        assert rows(plain[0], "SHOW DATABASES LIKE 'sys'") == []


def test_a_delay_is_not_negative():
    with pytest.raises(ValueError, match="query_log_delay must not be negative, not -1"):
        LocalCluster(1, query_log_delay=-1)


def test_they_are_read_through_the_library(cluster):
    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sys.impala_query_live")

        assert cursor.fetchall()[0][0] >= 0
