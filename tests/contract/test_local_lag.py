"""A coordinator that lags: it hears late of what the others did to databases and tables."""

from __future__ import annotations

import itertools

import pytest
from hs2 import hs2

from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers

LONG = 600
NUMBERS = itertools.count(1)


@pytest.fixture
def table():
    return f"lag_{next(NUMBERS)}"


def run(coordinator, *statements, **options):
    """Run statements in one session; return the error of the last, or its first column."""
    with hs2(coordinator) as client:
        for sql in statements:
            answer = client.execute(sql, confOverlay=options)
            if answer.status.errorMessage:
                return answer.status.errorMessage
            status = client.finish(answer.operationHandle)
            if status.errorMessage:
                return status.errorMessage
        if not status.hasResultSet:
            return None
        (column, *_) = client.fetch(answer.operationHandle).results.columns
        values = next(value for value in vars(column).values() if value is not None).values
        return [value.decode() if isinstance(value, bytes) else value for value in values]


def count(coordinator, table):
    return run(coordinator, f"SELECT count(*) FROM {table}")


def test_a_new_table_is_unknown_to_a_laggard_until_the_lag_is_over(cluster, until, table):
    cluster[1].lag(0.7)
    run(cluster[0], f"CREATE TABLE {table} (n INT)", f"INSERT INTO {table} VALUES (1)")

    assert "Could not resolve table reference" in count(cluster[1], table)
    assert run(cluster[1], f"SHOW TABLES LIKE '{table}'") == []
    assert count(cluster[2], table) == [1], "the others know it at once"
    until(lambda: count(cluster[1], table) == [1])


def test_a_laggard_knows_what_it_did_itself(cluster, table):
    cluster[1].lag(LONG)
    run(cluster[1], f"CREATE TABLE {table} (n INT)", f"INSERT INTO {table} VALUES (1)")

    assert count(cluster[1], table) == [1]
    assert run(cluster[1], f"SHOW TABLES LIKE '{table}'") == [table]


def test_a_laggard_reads_the_old_rows_of_a_table(cluster, table):
    run(cluster[0], f"CREATE TABLE {table} (n INT)", f"INSERT INTO {table} VALUES (1)")
    cluster[1].lag(LONG)
    run(cluster[0], f"INSERT INTO {table} VALUES (2)", f"INSERT OVERWRITE {table} VALUES (3), (4)")

    assert run(cluster[1], f"SELECT n FROM {table}") == [1]
    assert run(cluster[0], f"SELECT n FROM {table} ORDER BY n") == [3, 4]


def test_a_laggard_reads_a_table_that_was_dropped(cluster, table):
    run(cluster[0], f"CREATE TABLE {table} (n INT)", f"INSERT INTO {table} VALUES (1)")
    cluster[1].lag(LONG)
    run(cluster[0], f"DROP TABLE {table}")

    assert count(cluster[1], table) == [1]
    assert "Could not resolve" in count(cluster[0], table)


def test_a_laggard_sees_the_old_columns_and_partitions(cluster, table):
    run(
        cluster[0],
        f"CREATE TABLE {table} (n INT) PARTITIONED BY (day STRING)",
        f"INSERT INTO {table} PARTITION (day='mon') VALUES (1)",
    )
    cluster[1].lag(LONG)
    run(
        cluster[0],
        f"ALTER TABLE {table} ADD COLUMNS (extra INT)",
        f"ALTER TABLE {table} ADD PARTITION (day='tue')",
    )

    assert run(cluster[1], f"DESCRIBE {table}") == ["n", "day"]
    assert run(cluster[0], f"DESCRIBE {table}") == ["n", "extra", "day"]
    assert "tue" not in run(cluster[1], f"SHOW PARTITIONS {table}")
    assert "tue" in run(cluster[0], f"SHOW PARTITIONS {table}")


def test_a_renamed_table_still_has_its_old_name_on_a_laggard(cluster, table):
    run(cluster[0], f"CREATE TABLE {table} (n INT)")
    cluster[1].lag(LONG)
    run(cluster[0], f"ALTER TABLE {table} RENAME TO {table}_new")

    assert run(cluster[1], f"SHOW TABLES LIKE '{table}*'") == [table]
    assert run(cluster[0], f"SHOW TABLES LIKE '{table}*'") == [f"{table}_new"]


def test_databases_come_and_go_late(cluster, table):
    run(cluster[0], f"CREATE DATABASE {table}_old", f"CREATE TABLE {table}_old.t (n INT)")
    cluster[1].lag(LONG)
    run(
        cluster[0],
        f"DROP DATABASE {table}_old CASCADE",
        f"CREATE DATABASE {table}_new",
        f"CREATE TABLE {table}_new.t (n INT)",
    )

    assert run(cluster[1], f"SHOW DATABASES LIKE '{table}*'") == [f"{table}_old"]
    assert run(cluster[1], f"SHOW TABLES IN {table}_old") == ["t"]
    assert "Database does not exist" in run(cluster[1], f"USE {table}_new")


def test_a_change_by_the_laggard_shows_it_the_whole_table(cluster, table):
    run(cluster[0], f"CREATE TABLE {table} (n INT)")
    cluster[1].lag(LONG)
    run(cluster[0], f"INSERT INTO {table} VALUES (1)")
    before = count(cluster[1], table)
    run(cluster[1], f"INSERT INTO {table} VALUES (2)")

    assert (before, count(cluster[1], table)) == ([0], [2])
    run(cluster[0], f"INSERT INTO {table} VALUES (3)")

    assert count(cluster[1], table) == [2]


def test_if_not_exists_shows_the_laggard_what_was_there(cluster, table):
    cluster[1].lag(LONG)
    run(cluster[0], f"CREATE DATABASE {table}", f"CREATE TABLE {table}.t (n INT)")
    taken = run(cluster[1], f"CREATE DATABASE {table}")
    run(
        cluster[1],
        f"CREATE DATABASE IF NOT EXISTS {table}",
        f"CREATE TABLE IF NOT EXISTS {table}.t (n INT)",
    )

    assert "Database already exists" in taken, "the catalog is asked, not the laggard's memory"
    assert count(cluster[1], f"{table}.t") == [0]


@pytest.mark.parametrize("by", [0, 1])
@pytest.mark.parametrize(
    "sql", ["INVALIDATE METADATA {0}", "INVALIDATE METADATA default.{0}", "INVALIDATE METADATA"]
)
def test_invalidate_metadata_shows_a_new_table(cluster, table, sql, by):
    cluster[1].lag(LONG)
    run(cluster[0], f"CREATE TABLE {table} (n INT)")
    run(cluster[by], sql.format(table))

    assert count(cluster[1], table) == [0]


def test_refresh_shows_new_rows_of_that_table_only(cluster, table):
    run(cluster[0], f"CREATE TABLE {table} (n INT)", f"CREATE TABLE {table}_b (n INT)")
    cluster[1].lag(LONG)
    run(cluster[0], f"INSERT INTO {table} VALUES (1)", f"INSERT INTO {table}_b VALUES (1)")
    run(cluster[1], f"REFRESH {table}")

    assert count(cluster[1], table) == [1]
    assert count(cluster[1], f"{table}_b") == [0]


@pytest.mark.parametrize("value", ["1", "true"])
def test_sync_ddl_waits_for_nobody_but_is_seen_at_once(cluster, table, value):
    cluster[1].lag(LONG)
    run(cluster[0], f"CREATE TABLE {table} (n INT)", SYNC_DDL=value)
    seen = count(cluster[1], table)
    run(cluster[0], f"INSERT INTO {table} VALUES (1)", SYNC_DDL="0")

    assert seen == [0]
    assert count(cluster[1], table) == [0]
    run(cluster[0], f"INSERT INTO {table} VALUES (1)", SYNC_DDL=value)

    assert count(cluster[1], table) == [2]


def test_metadata_calls_lag_too(cluster, table):
    cluster[1].lag(LONG)
    run(cluster[0], f"CREATE TABLE {table} (n INT)")
    with hs2(cluster[1]) as client:
        operation = client.call(
            "GetTables", sessionHandle=client.session, tableName=table
        ).operationHandle
        first = client.fetch(operation).results.columns[0].stringVal.values

    assert first == []


def test_a_laggard_that_is_healed_or_restarted_knows_everything(cluster, table):
    cluster[1].lag(LONG)
    cluster[2].lag(LONG)
    run(cluster[0], f"CREATE TABLE {table} (n INT)")
    unknown = [isinstance(count(each, table), str) for each in cluster]
    cluster[1].heal()
    cluster[2].restart()

    assert unknown == [False, True, True]
    assert [count(each, table) for each in cluster] == [[0]] * 3


def test_what_was_known_before_the_lag_stays_known(cluster, table):
    cluster[2].lag(LONG)
    run(cluster[0], f"CREATE TABLE {table} (n INT)")
    cluster[1].lag(LONG)

    assert count(cluster[1], table) == [0]


def test_a_lag_is_not_negative(cluster):
    with pytest.raises(ValueError, match="seconds must not be negative, not -1"):
        cluster[0].lag(-1)


def test_an_insert_that_is_killed_with_its_coordinator_has_not_happened(until):
    with LocalCluster(2) as cluster:
        run(cluster[0], "CREATE TABLE target (n INT)", "INSERT INTO target VALUES (1)")
        sql = "INSERT INTO target SELECT CAST(sleep(60000) AS INT)"
        with hs2(cluster[0]) as client:
            client.execute(sql)
            until(lambda: cluster.executions(sql) == 1)
            cluster[0].kill()

        assert cluster.executions(sql, mode="finished") == 0
        assert count(cluster[1], "target") == [1]
        cluster[0].restart()

        assert count(cluster[0], "target") == [1]
        told = run(cluster[1], "INSERT INTO target VALUES (2)", "SELECT count(*) FROM target")

        assert told == [2], "nothing that the dead one held is in the way"
