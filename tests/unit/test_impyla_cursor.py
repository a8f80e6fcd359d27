"""The cursor beside impyla's own, in each state that a tool may find it in."""

import sys
from collections import deque

import pytest
from impala._thrift_gen.TCLIService import ttypes as hs2
from impala.error import Error
from impala.hiveserver2 import HiveServer2Connection, HS2Service
from test_failover import World

from impala_ha.dbapi.cursor import Cursor
from impala_ha.dbapi.dict_cursor import DictCursor
from impala_ha.testing.fakes import FakeClient, FakeCoordinator, FakeTransport, state

CALLS = {
    "_wait_to_finish": lambda cursor: cursor._wait_to_finish(),
    "_reset_state": lambda cursor: cursor._reset_state(),
    "close_operation": lambda cursor: cursor.close_operation(),
    "cancel_operation": lambda cursor: cursor.cancel_operation(),
    "cancel_operation(False)": lambda cursor: cursor.cancel_operation(False),
    "status": lambda cursor: cursor.status(),
    "execution_failed": lambda cursor: cursor.execution_failed(),
    "is_executing": lambda cursor: cursor.is_executing(),
    "get_log": lambda cursor: cursor.get_log(),
    "get_profile": lambda cursor: cursor.get_profile(),
    "has_result_set": lambda cursor: cursor.has_result_set,
    "rowcounts": lambda cursor: cursor.rowcounts,
    "rowcount": lambda cursor: cursor.rowcount,
    "lastrowid": lambda cursor: cursor.lastrowid,
    "description": lambda cursor: cursor.description,
    # Not buffersize, which is "for internal use" there: ours follows from the size of the rows.
    "arraysize": lambda cursor: cursor.arraysize,
    "set_arraysize": lambda cursor: cursor.set_arraysize(5),
    "fetchone": lambda cursor: cursor.fetchone(),
    "fetchmany": lambda cursor: cursor.fetchmany(3),
    "fetchall": lambda cursor: cursor.fetchall(),
    "next": next,
    "list": list,
    "fetchcbatch": lambda cursor: cursor.fetchcbatch(),
    "fetchcolumnar": lambda cursor: cursor.fetchcolumnar(),
    "executemany": lambda cursor: cursor.executemany("select 1", []),
    "_last_operation_active": lambda cursor: cursor._last_operation_active,
    "_buffer": lambda cursor: len(cursor._buffer),
    "setinputsizes": lambda cursor: cursor.setinputsizes([1]),
    "close": lambda cursor: cursor.close(),
}
OF_USE = {"status", "execution_failed", "is_executing", "get_profile"}  # which is closed


def executed(cursor):
    cursor.execute("select 1")


def read(cursor):
    cursor.execute("select 1")
    cursor.fetchall()


def half_read(cursor):
    cursor.execute("select 1")
    cursor.fetchone()


def written(cursor):
    cursor.execute("insert into t values (1)")


def reset(cursor):
    cursor.execute("select 1")
    cursor._reset_state()


def cancelled(cursor):
    cursor.execute_async("select 1")
    cursor.cancel_operation()


def failed(cursor):
    with pytest.raises(Error):
        cursor.execute("fail")


def closed(cursor):
    cursor.close()


def closed_with_a_result(cursor):
    cursor.execute("select 1")
    cursor.fetchone()
    cursor.close()


STATES = {
    function.__name__: function
    for function in (executed, read, half_read, written, reset, cancelled, failed)
} | {"fresh": lambda cursor: None, "closed": closed, "closed with a result": closed_with_a_result}


def prepared(server, reach):
    """What a real server does that the one in memory does not: it forgets what was closed."""
    if reach is failed:
        server.script["ExecuteStatement"] = deque(["AnalysisException: no"])
    if reach in (read, written):
        gone = "Invalid or unknown query handle: 1:2."
        server.script["GetOperationStatus"] = deque([state, gone, gone])


def answer(call, cursor):
    """What it gives, or the error."""
    try:
        got = call(cursor)
    except Exception as error:  # noqa: BLE001 - which one is the question
        return error
    return len(got) if "Batch" in repr(got) else got


def impylas(server, database=None, **options):
    service = HS2Service(FakeClient(server, FakeTransport(server)), retries=1)
    return HiveServer2Connection(service, default_db=database).cursor(user="etl", **options)


def both(call, reach, database=None):
    """What impyla's cursor answers, and ours."""
    server = FakeCoordinator("a")
    theirs = impylas(server, database)
    world = World()
    ours = world.connect().cursor({"use:database": database} if database else {})
    prepared(server, reach)
    prepared(world["a"], reach)
    reach(theirs)
    reach(ours)
    return answer(call, theirs), answer(call, ours)


def compare(expected, got):
    if isinstance(got, Exception):
        assert isinstance(expected, Exception)
        assert isinstance(got, (Error, StopIteration))
    elif not isinstance(expected, Exception):
        assert expected == got


@pytest.mark.parametrize("reach", STATES.values(), ids=STATES)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_impylas_cursor_answers_ours_answers_and_no_error_is_a_slip_of_python(call, reach):
    compare(*both(call, reach))


@pytest.mark.parametrize("name", [name for name in CALLS if name not in OF_USE])
def test_where_connect_was_given_a_database_a_new_cursor_is_as_if_it_had_executed_use(name):
    """It is what ibis meets: it waits before it has executed anything."""
    compare(*both(CALLS[name], STATES["fresh"], "d"))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("reach", [executed, half_read, written])
def test_after_the_loss_of_a_coordinator_it_answers_or_fails_as_pep_249_says(call, reach):
    world = World()
    cursor = world.connect().cursor()
    reach(cursor)
    world["a"].down = True

    got = answer(call, cursor)

    assert not isinstance(got, Exception) or isinstance(got, (Error, StopIteration))


@pytest.mark.parametrize("sql", ["select 1", "insert into t values (1)", "use d"])
@pytest.mark.parametrize(
    ("ask", "known"),
    [("status", "FINISHED_STATE"), ("is_executing", False), ("execution_failed", False)],
)
def test_the_state_of_a_statement_that_is_over_is_known_and_nothing_runs_again(sql, ask, known):
    """Its coordinator has forgotten it: it was closed."""
    world = World()
    cursor = world.connect().cursor()
    cursor.execute(sql)
    if sql == "select 1":
        list(cursor)
    world["a"].script["GetOperationStatus"] = deque(["Invalid or unknown query handle: 1:2."])

    assert known == getattr(cursor, ask)()
    assert [sql] == world["a"].statements()
    assert world["a"].count("OpenSession") == 1


def test_closing_a_cursor_frees_the_rows_it_holds():
    world = World()
    cursor = world.connect().cursor()
    cursor.execute("select 1")
    cursor.fetchone()
    cursor.close()

    assert cursor._last_operation is None
    assert (-1, False) == (cursor.rowcount, cursor.has_result_set)


@pytest.mark.parametrize("end", ["cancel", "cancel_operation", "close_operation", "_reset_state"])
@pytest.mark.parametrize("what", ["cursor", "connection"])
def test_there_is_nothing_to_cancel_where_all_was_closed(end, what):
    world = World()
    cursor = world.connect().cursor()
    cursor.execute("select 1")
    (cursor if what == "cursor" else world.failover.links).close()

    getattr(cursor, end)()


# Rows that are here.

READS = {
    "fetchone": lambda cursor: cursor.fetchone(),
    "fetchmany": lambda cursor: cursor.fetchmany(1),
    "next": next,
    "fetchmany of three": lambda cursor: cursor.fetchmany(3),
}


def batch(_):
    column = hs2.TColumn(stringVal=hs2.TStringColumn(values=[b"x"] * 100, nulls=b"\0" * 13))
    rows = hs2.TRowSet(startRowOffset=0, rows=[], columns=[column])
    status = hs2.TStatus(statusCode=hs2.TStatusCode.SUCCESS_STATUS)
    return hs2.TFetchResultsResp(status=status, hasMoreRows=True, results=rows)


def cost(read, cursor):
    """How many functions Python calls for one of a hundred rows, and what comes."""
    cursor.execute("select 1")
    cursor.fetchone()
    calls, before = [], sys.getprofile()
    sys.setprofile(lambda frame, event, _: calls.append(event) if event == "call" else None)
    try:
        got = read(cursor)
    finally:
        sys.setprofile(before)
    return len(calls), got, cursor.rowcount


@pytest.mark.parametrize("dicts", [False, True])
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_row_that_is_here_costs_no_more_than_with_impyla(read, dicts):
    """No loop, no lock, no block: SQLAlchemy reads row by row."""
    server, world = FakeCoordinator("a"), World()
    for one in (server, world["a"]):
        one.script["FetchResults"] = deque([batch])
    theirs = cost(read, impylas(server, dictify=dicts))
    ours = cost(read, world.connect().cursor(kind=DictCursor if dicts else Cursor))

    assert theirs[1:] == ours[1:]
    assert ours[0] <= theirs[0]


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_no_row_comes_from_a_closed_connection(read):
    world = World()
    world["a"].script["FetchResults"] = deque([batch])
    cursor = world.connect().cursor()
    cursor.execute("select 1")
    cursor.fetchone()
    world.failover.links.close()

    with pytest.raises(Error, match="closed"):
        read(cursor)
