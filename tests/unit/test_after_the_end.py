"""What is known stays known when the coordinator goes: rows that came, counts, and what is over."""

import threading
from collections import deque

import pytest
from impala._thrift_gen.ImpalaService import ttypes as impala
from impala._thrift_gen.TCLIService import ttypes as hs2
from test_failover import World, lost

from impala_ha import Attempt, Cluster, Coordinator, State, errors
from impala_ha.core.faults import Fault, Phase
from impala_ha.testing.fakes import FakeClock, state

WRITE = "insert into t values (1)"
OK = hs2.TStatus(statusCode=hs2.TStatusCode.SUCCESS_STATUS)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def cursor(world):
    return world.connect().cursor()


def batch(*values, more):
    column = hs2.TColumn(stringVal=hs2.TStringColumn(values=[*values], nulls=b"\0"))
    rows = hs2.TRowSet(startRowOffset=0, rows=[], columns=[column])
    return lambda _: hs2.TFetchResultsResp(status=OK, hasMoreRows=more, results=rows)


REST = {
    "fetchone": lambda cursor: [cursor.fetchone(), cursor.fetchone()],
    "fetchmany": lambda cursor: [*cursor.fetchmany(5), None],
    "fetchall": lambda cursor: [*cursor.fetchall(), None],
    "next": lambda cursor: [next(cursor), next(cursor, None)],
    "iteration": lambda cursor: [*cursor, None],
    "fetchcolumnar": lambda cursor: [("two",), *cursor.fetchcolumnar(), None],
}


@pytest.mark.parametrize("rest", REST.values(), ids=REST)
def test_a_result_that_is_complete_is_not_lost(world, cursor, rest):
    """Impala said with the first rows that there are no more."""
    world["a"].script["FetchResults"] = deque([batch(b"one", b"two", more=False)])
    cursor.execute("select 1")
    assert ("one",) == cursor.fetchone()
    down = world["a"]
    down.down = True

    assert [("two",), None] == rest(cursor)
    assert 1 == down.count("FetchResults")


@pytest.mark.parametrize("more", [True, False])
def test_rows_that_are_here_are_given_out_though_the_rest_may_be_lost(world, cursor, more):
    world["a"].script["FetchResults"] = deque([batch(b"one", b"two", b"three", more=more)])
    cursor.execute("select 1")
    cursor.fetchone()
    world["a"].down = True

    assert ("two",) == cursor.fetchone()
    assert [("three",)] == cursor.fetchmany(1)
    if more:
        with pytest.raises(errors.ResultLost):
            cursor.fetchone()
    else:
        assert cursor.fetchone() is None


def test_an_empty_batch_is_not_the_end_unless_impala_says_so(world, cursor):
    world["a"].script["FetchResults"] = deque([batch(more=True), batch(b"one", more=False)])
    cursor.execute("select 1")

    assert [("one",)] == cursor.fetchall()
    assert 2 == world["a"].count("FetchResults")


def test_hive_always_says_that_there_are_no_more(world):
    """So it is asked until nothing comes."""
    world["a"].impala = False
    cursor = world.connect().cursor()
    world["a"].script["FetchResults"] = deque([batch(b"one", more=False), None])
    cursor.execute("select 1")
    cursor.fetchall()

    assert 2 <= world["a"].count("FetchResults")


# A write that is finished.


def closes_with(world, rows, failed=None):
    counts = impala.TDmlResult(rows_modified=rows, num_row_errors=failed)
    answer = impala.TCloseImpalaOperationResp(status=OK, dml_result=counts)
    world["a"].script["CloseImpalaOperation"] = deque([lambda _: answer])


@pytest.mark.parametrize(
    ("rows", "failed", "counts"),
    [({"": 1}, None, (1, 0)), ({"day=1": 2, "day=2": 3}, 0, (5, 0)), ({"": 4}, 2, (4, 2))],
)
def test_the_counts_of_a_finished_write_outlive_its_coordinator(
    world, cursor, rows, failed, counts
):
    closes_with(world, rows, failed)
    cursor.execute(WRITE)
    world["a"].down = True

    assert counts == cursor.rowcounts
    assert counts[0] == cursor.rowcount


@pytest.mark.parametrize("first", [lambda c: c.execute(WRITE), lambda c: c.execute_async(WRITE)])
def test_who_waits_for_its_end_again_asks_for_nothing(world, cursor, first):
    """It was closed, and the server does not know it any more."""
    closes_with(world, {"": 1})
    first(cursor)
    cursor.finish()
    asked = len(world["a"].log)
    cursor.finish()

    assert asked == len(world["a"].log)
    assert 1 == cursor.rowcount


ENDED = {"CANCELED_STATE": 3, "CLOSED_STATE": 4, "UKNOWN_STATE": 6, "state 8": 8}


@pytest.mark.parametrize("sql", [WRITE, "select 1"])
@pytest.mark.parametrize(("name", "number"), ENDED.items())
def test_what_has_ended_in_another_way_is_not_done(world, cursor, sql, name, number):
    """Hive and Spark say so of what was cancelled elsewhere, or took too long (8)."""
    ended = hs2.TGetOperationStatusResp(status=OK, operationState=number)
    world["a"].script["GetOperationStatus"] = deque([lambda _: ended])

    with pytest.raises(errors.OperationalError, match=f"Operation is in {name}"):
        cursor.execute(sql)
    assert {"a": [sql]} == world.statements()
    cursor.execute("select 2")
    assert [("one",), ("two",)] == cursor.fetchall()


def test_a_session_is_not_rebuilt_by_what_was_cancelled(world):
    """Neither is a statement sent in it: it would run without what was set."""
    for host in "ab":
        world[host].impala = False
    cursor = world.connect().cursor()
    cursor.execute("set x=1")
    world["a"].down = True
    ended = hs2.TGetOperationStatusResp(status=OK, operationState=ENDED["CANCELED_STATE"])
    world["b"].script["GetOperationStatus"] = deque([lambda _: ended])

    with pytest.raises(errors.OperationalError, match="CANCELED_STATE"):
        cursor.execute(WRITE)
    assert ["set x=1"] == [text.lower() for text in world["b"].statements()]


def test_the_next_statement_has_counts_of_its_own(world, cursor):
    closes_with(world, {"": 1})
    cursor.execute(WRITE)
    cursor.execute("select 1")

    assert (-1, -1) == cursor.rowcounts


ENDINGS = [
    "Server is being shut down: x",
    "Couldn't open transport for catalog:26000 (refused)",
    "Session is closed",
    "Invalid or unknown query handle: 1:2.",
    "Exec() rpc failed: x",
]


@pytest.mark.parametrize("rpc", ["GetLog", "CloseImpalaOperation"])
@pytest.mark.parametrize("text", ENDINGS)
@pytest.mark.parametrize("sql", [WRITE, "insert overwrite t values (1)"])
def test_a_finished_write_is_done_whatever_is_answered_to_its_closing(
    world, cursor, rpc, text, sql
):
    world["a"].script[rpc] = deque([text])

    cursor.execute(sql)

    assert {"a": [sql]} == world.statements()
    assert {State.HEALTHY} == {world.state(host) for host in "abc"}


@pytest.mark.parametrize("rpc", ["GetLog", "CloseImpalaOperation"])
def test_other_words_about_a_finished_write_are_reported_and_nothing_is_repeated(
    world, cursor, rpc
):
    world["a"].script[rpc] = deque(["Something that nobody has heard of"])

    with pytest.raises(errors.Error, match="nobody has heard of"):
        cursor.execute("insert overwrite t values (1)")

    assert {"a": ["insert overwrite t values (1)"]} == world.statements()


# Nothing is left to cancel or close.


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize("end", ["cancel", "cancel_operation", "close_operation"])
def test_there_is_nothing_to_end_where_a_write_was_lost(world, cursor, accepted, end):
    """``except Exception: cursor.cancel_operation(); raise`` must tell what happened."""
    rpc = "GetOperationStatus" if accepted else "ExecuteStatement"
    world["a"].script[rpc] = deque([lost()])

    def program():
        try:
            cursor.execute(WRITE)
        except Exception:
            getattr(cursor, end)()
            raise

    with pytest.raises(errors.OutcomeUnknown):
        program()

    cursor.execute("select 1")
    assert [("one",), ("two",)] == cursor.fetchall()


@pytest.mark.parametrize("end", ["cancel", "cancel_operation", "close_operation"])
def test_nor_where_a_result_was_lost(world, cursor, end):
    cursor.execute("select 1")
    cursor.fetchone()
    world["a"].down = True
    with pytest.raises(errors.ResultLost):
        cursor.fetchall()

    getattr(cursor, end)()


def test_what_runs_is_still_cancelled(world, cursor):
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "RUNNING_STATE")] * 5)
    cursor.execute_async(WRITE)

    cursor.cancel_operation()

    assert 1 == world["a"].count("CancelOperation")


def test_a_write_that_was_lost_while_it_was_polled_is_not_sent_again(world, cursor):
    """The caller polls a statement that was sent asynchronously, and polls again after the error."""
    cursor.execute_async("insert overwrite t values (1)")
    world["a"].script["GetOperationStatus"] = deque([lost()])
    world["a"].hung = True
    for _ in range(2):
        with pytest.raises(errors.OutcomeUnknown) as caught:
            cursor.is_executing()

    assert {"a": ["insert overwrite t values (1)"]} == world.statements()
    assert caught.value.query_id


# A lease belongs to the call that has it.


def test_an_old_connection_does_not_end_another_callers_trial():
    """Its failure says nothing of the coordinator, and it was not picked for it."""
    clock = FakeClock()
    cluster = Cluster([Coordinator("a")], clock=clock)
    dead = Attempt("connect", 1, Coordinator("a"), 0.0, Fault.UNREACHABLE, Phase.CONNECT)
    cluster.report(dead)
    clock.time += 7
    cluster.pick()
    assert State.EJECTED is cluster.snapshot()[0].state, "somebody tries it"

    cluster.report(
        Attempt("fetchall", 1, Coordinator("a"), 0.0, Fault.BUSY, Phase.FETCH), leased=False
    )

    assert State.EJECTED is cluster.snapshot()[0].state, "and still does"


def test_who_goes_away_without_an_answer_leaves_the_trial_to_the_next(world):
    def interrupt(_):
        raise KeyboardInterrupt

    world["a"].down = True
    world.connect()
    world["a"].down = False
    world.failover.links.detach(world.failover.links.current)
    world.clock.time += 7
    world["a"].script["OpenSession"] = deque([interrupt])
    with pytest.raises(KeyboardInterrupt):
        world.connect()

    assert State.HALF_OPEN is world.state("a")


@pytest.mark.timeout(10)
def test_a_snapshot_from_another_thread_waits_for_the_pick_and_no_longer():
    cluster = Cluster([Coordinator("a")])
    found = []
    thread = threading.Thread(target=lambda: found.append(cluster.snapshot()))
    thread.start()
    thread.join()

    assert 1 == len(found)
