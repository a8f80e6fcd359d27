"""Rows that have not come yet, that come in no order, or that are none."""

from collections import deque

import pytest
from impala._thrift_gen.TCLIService import ttypes as hs2
from test_failover import World

from impala_ha import CoordinatorLost, ResultLost
from impala_ha.hs2 import polling

OK = hs2.TStatus(statusCode=hs2.TStatusCode.SUCCESS_STATUS)
LATER = hs2.TStatus(statusCode=hs2.TStatusCode.STILL_EXECUTING_STATUS)

WAYS = {
    "fetchone": lambda cursor: [cursor.fetchone(), cursor.fetchone()],
    "fetchmany": lambda cursor: cursor.fetchmany(2),
    "fetchall": lambda cursor: cursor.fetchall(),
    "iteration": list,
    "fetchcolumnar": lambda cursor: [
        (value,) for batch in cursor.fetchcolumnar() for value in batch.columns[0].values
    ],
    "fetchcbatch": lambda cursor: [
        (value,) for batch in iter(cursor.fetchcbatch, None) for value in batch.columns[0].values
    ],
}


@pytest.fixture
def world():
    return World()


@pytest.fixture
def cursor(world):
    return world.connect().cursor()


def rows(first, *columns, more=True, status=OK):
    """An answer to FetchResults, one list of texts a column."""
    columns = [
        hs2.TColumn(stringVal=hs2.TStringColumn(values=[v.encode() for v in c], nulls=b"\0"))
        for c in columns
    ]
    got = hs2.TRowSet(startRowOffset=first, rows=[], columns=columns)
    return lambda _: hs2.TFetchResultsResp(status=status, hasMoreRows=more, results=got)


def not_yet(_):
    """What Impala says when no row has come for a while."""
    return hs2.TFetchResultsResp(status=LATER, hasMoreRows=True)


@pytest.mark.parametrize("fetch", WAYS.values(), ids=WAYS)
def test_rows_that_have_not_come_yet_are_waited_for(world, cursor, fetch):
    """Also between two batches: "still executing" is neither an error nor the end."""
    world["a"].script["FetchResults"] = deque([not_yet, not_yet, rows(0, ["one"]), not_yet])
    world["a"].script["FetchResults"] += [rows(1, ["two"]), rows(2, [], more=False)]
    cursor.execute("select 1")

    assert [("one",), ("two",)] == fetch(cursor)
    assert 5 <= world["a"].count("FetchResults")
    assert {"a": ["select 1"]} == world.statements()


@pytest.mark.parametrize("fetch", WAYS.values(), ids=WAYS)
def test_a_result_may_have_no_rows_at_all(world, cursor, fetch):
    world["a"].script["FetchResults"] = deque([not_yet, rows(0, [], more=False)])
    cursor.execute("select 1")

    assert [] == [row for row in fetch(cursor) if row is not None]


@pytest.mark.parametrize("first", [0, 2, -1, 2**40])
@pytest.mark.parametrize("fetch", [name for name in WAYS if name != "fetchcolumnar"])
def test_a_gap_in_a_begun_result_is_reported(world, cursor, fetch, first):
    """Rows that are left out or come twice are never handed out as if all were well."""
    world["a"].script["FetchResults"] = deque([rows(0, ["one"]), rows(first, ["two"])])
    cursor.execute("select 1")
    assert ("one",) == cursor.fetchone()

    with pytest.raises(ResultLost, match=f"went on with row {first}, and row 1 was expected"):
        WAYS[fetch](cursor)


def test_a_gap_in_a_result_that_nobody_saw_is_a_reason_to_read_it_anew(world, cursor):
    world["a"].script["FetchResults"] = deque([rows(0, ["one"]), rows(5, ["six"])])
    cursor.execute("select 1")

    assert [("one",), ("two",)] == cursor.fetchall()
    assert 2 == sum(len(texts) for texts in world.statements().values())


NO_ROWS = {
    "no columns": rows(0),
    "a column too many": rows(0, ["one"], ["two"]),
    "a column without values": lambda _: hs2.TFetchResultsResp(
        status=OK,
        hasMoreRows=True,
        results=hs2.TRowSet(startRowOffset=0, rows=[], columns=[hs2.TColumn()]),
    ),
}


@pytest.mark.parametrize("answer", NO_ROWS.values(), ids=NO_ROWS)
def test_rows_that_do_not_fit_their_description_are_none(world, cursor, answer):
    for host in "abc":
        world[host].script["FetchResults"] = deque([answer])
    cursor.execute("select 1")

    with pytest.raises(CoordinatorLost, match="do not fit"):
        cursor.fetchall()


def test_columns_of_different_heights_are_none(world, cursor):
    """impyla would end the result where the shortest of them ends."""
    described = world["a"]._GetResultSetMetadata(None)
    described.schema.columns *= 2
    for host in "abc":
        world[host].script["GetResultSetMetadata"] = deque([lambda _: described] * 2)
        world[host].script["FetchResults"] = deque([rows(0, ["one", "two"], ["one"])])
    cursor.execute("select 1")

    with pytest.raises(CoordinatorLost, match=r"the columns have \[1, 2\] rows"):
        cursor.fetchone()


@pytest.mark.parametrize("kind", [None, 99], ids=["no primitive type", "a later one"])
def test_a_column_of_an_unknown_type_is_a_string(world, cursor, kind):
    described = world["a"]._GetResultSetMetadata(None)
    (entry,) = described.schema.columns[0].typeDesc.types
    entry.primitiveEntry = kind and hs2.TPrimitiveTypeEntry(type=kind)
    world["a"].script["GetResultSetMetadata"] = deque([lambda _: described])
    cursor.execute("select 1")

    assert [("one",), ("two",)] == cursor.fetchall()
    assert "STRING" == cursor.description[0][1]


def test_a_query_of_ours_waits_for_its_rows_as_well(world, cursor):
    """Or `resolve()` might take a log that is slow for one in which the statement is not."""
    script = [not_yet, rows(0, ["one"]), not_yet, rows(1, [], more=False)]
    world["a"].script["FetchResults"] = deque(script)

    assert [("one",)] == polling.rows(cursor.session, "select 1", world.failover.cluster.clock)
