"""
INSERT OVERWRITE and UPSERT whose coordinator was lost: run again where that is the same as once.

Whether they read what they write only a coordinator can tell, for views may lie between.
"""

import pytest

import impala_ha
from impala_ha import Cluster, Coordinator, Outcome, OutcomeUnknown
from impala_ha.testing import LocalCluster


@pytest.fixture(scope="module")
def local():
    with LocalCluster(2) as cluster:
        yield cluster


@pytest.fixture
def cursor(local):
    cluster = Cluster([Coordinator(one.host, one.port) for one in local], policy="ordered")
    options = {"connect_timeout": 2, "probe_after": 0.3, "hedge_after": 0}
    with impala_ha.connect(cluster, **options) as connection, connection.cursor() as cursor:
        for sql in (
            "DROP VIEW IF EXISTS own",
            "DROP TABLE IF EXISTS target",
            "DROP TABLE IF EXISTS source",
            "DROP TABLE IF EXISTS keyed",
            "CREATE TABLE target (i INT)",
            "CREATE TABLE source (i INT)",
            "CREATE TABLE keyed (i INT PRIMARY KEY) STORED AS KUDU",
            "CREATE VIEW own AS SELECT CAST(i + 1 AS INT) AS i FROM target",
            "INSERT INTO source VALUES (1), (2)",
            "INSERT INTO target VALUES (10)",
        ):
            cursor.execute(sql)
        yield cursor


def rows(cursor, table):
    cursor.execute(f"SELECT i FROM {table} ORDER BY i")
    return [i for (i,) in cursor.fetchall()]


@pytest.mark.parametrize("cut", ["ExecuteStatement:response", "GetOperationStatus:response"])
@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("INSERT OVERWRITE target SELECT i FROM source", "target"),
        ("UPSERT INTO keyed SELECT i FROM source", "keyed"),
    ],
)
def test_a_write_that_replaces_rows_by_those_of_another_table_goes_on(  # noqa: PLR0917
    local, cursor, until, cut, sql, table
):
    before = local.executions(sql)
    local[0].cut(cut, 3)

    cursor.execute(sql)

    assert rows(cursor, table) == [1, 2]
    assert 1 <= local.executions(sql) - before <= 2


def test_keys_that_a_view_draws_by_lot_are_reported(local, cursor):
    """The plan of another coordinator does not show what the view computes: rows would double."""
    cursor.execute("CREATE TABLE drawn (id STRING PRIMARY KEY, i INT) STORED AS KUDU")
    cursor.execute("CREATE VIEW IF NOT EXISTS lots AS SELECT uuid() AS id, i FROM source")
    sql = "UPSERT INTO drawn SELECT id, i FROM lots"
    local[0].cut("ExecuteStatement:response", 3)

    with pytest.raises(OutcomeUnknown) as caught:
        cursor.execute(sql)
    outcome = caught.value.resolve()

    assert (outcome, local.executions(sql)) == (Outcome.DONE, 1)
    assert rows(cursor, "drawn") == [1, 2]


def test_where_all_is_replaced_it_does_not_matter_what_was_drawn(local, cursor):
    cursor.execute("CREATE VIEW IF NOT EXISTS drawn_from AS SELECT i FROM source WHERE rand() >= 0")
    sql = "INSERT OVERWRITE target SELECT i FROM drawn_from LIMIT 10"
    local[0].cut("ExecuteStatement:response", 3)

    cursor.execute(sql)

    assert rows(cursor, "target") == [1, 2]


def test_one_that_reads_its_own_table_through_a_view_is_reported(local, cursor):
    sql = "INSERT OVERWRITE target SELECT i FROM own"
    local[0].cut("ExecuteStatement:response", 3)

    with pytest.raises(OutcomeUnknown) as caught:
        cursor.execute(sql)
    outcome = caught.value.resolve()

    assert (outcome, local.executions(sql)) == (Outcome.DONE, 1)
    assert rows(cursor, "target") == [11]
