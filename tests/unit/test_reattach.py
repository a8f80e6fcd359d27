"""A connection that breaks under a statement, while its coordinator and session live on."""

from collections import deque
from types import SimpleNamespace

import pytest
from test_failover import World, lost
from thrift.transport.TTransport import TTransportException

from impala_ha import Coordinator, State, errors
from impala_ha.hs2.client import ConnectionClosed
from impala_ha.hs2.operation import _heights


@pytest.fixture
def world():
    world = World()
    world.driver.revives = True
    return world


@pytest.fixture
def cursor(world):
    return world.connect().cursor()


def revived(world, host="a"):
    return world[host].count("revive")


def test_a_write_survives_a_connection_that_breaks_while_it_runs(world, cursor):
    world["a"].script["GetOperationStatus"] = deque([lost()])

    cursor.execute("insert into t values (1)")

    assert world.statements() == {"a": ["insert into t values (1)"]}
    assert revived(world) == 1
    assert world.state("a") is State.HEALTHY
    assert len(cursor.attempts) == 1


def test_where_the_session_is_gone_the_rules_decide(world, cursor):
    world["a"].script["GetOperationStatus"] = deque([lost(), "Invalid session id: 1:2"])

    with pytest.raises(errors.OutcomeUnknown):
        cursor.execute("insert into t values (1)")

    assert world.statements() == {"a": ["insert into t values (1)"]}


def test_a_statement_that_was_sent_is_not_sent_again_on_the_new_connection(world, cursor):
    world["a"].script["ExecuteStatement"] = deque([lost()])

    with pytest.raises(errors.OutcomeUnknown):
        cursor.execute("insert into t values (1)")

    assert world.statements() == {"a": ["insert into t values (1)"]}


def test_a_silent_coordinator_is_not_asked_again(world, cursor):
    silent = TTransportException(TTransportException.TIMED_OUT, "read timeout")
    world["a"].script["GetOperationStatus"] = deque([silent])

    cursor.execute("select 1")

    assert revived(world) == 0
    assert cursor.coordinator == Coordinator("b")


def test_neither_is_one_that_timed_out_without_thrift(world, cursor):
    world["a"].script["GetOperationStatus"] = deque([TimeoutError("timed out")])

    cursor.execute("select 1")

    assert revived(world) == 0


def test_hive_ends_its_sessions_with_the_connection(world):
    world["a"].impala = False
    cursor = world.connect().cursor()
    world["a"].script["GetOperationStatus"] = deque([lost()])

    cursor.execute("select 1")

    assert revived(world) == 0
    assert cursor.coordinator == Coordinator("b")


def test_a_result_goes_on_where_it_stopped(world, cursor):
    cursor.execute("select 1")
    assert cursor.fetchone() == ("one",)
    cursor._session.link.client.invalidate(lost())

    assert cursor.fetchall() == [("two",)]
    assert world.statements() == {"a": ["select 1"]}


def test_rows_that_were_lost_on_the_way_are_missed(world, cursor):
    """The server sent the second row into the broken connection and goes on with the third."""
    world["a"].rows = ["one", "two", "three"]
    cursor.execute("select 1")
    assert cursor.fetchone() == ("one",)

    def swallowed(request):
        world["a"]._FetchResults(request)
        raise lost()

    world["a"].script["FetchResults"] = deque([swallowed])

    with pytest.raises(errors.ResultLost, match="went on with row 2, and row 1 was expected"):
        cursor.fetchone()


def test_an_untouched_result_with_lost_rows_is_had_again(world, cursor):
    cursor.execute("select 1")

    def swallowed(request):
        world["a"]._FetchResults(request)
        raise lost()

    world["a"].script["FetchResults"] = deque([swallowed])

    assert cursor.fetchall() == [("one",), ("two",)]
    assert world.statements() == {"a": ["select 1", "select 1"]}
    assert world.state("a") is State.HEALTHY


def test_a_dead_coordinator_is_asked_once(world, cursor):
    cursor.execute("select 1")
    other = world.cursor()
    other.execute("select 2")
    world["a"].down = True

    assert cursor.fetchall() == [("one",), ("two",)]
    assert other.fetchall() == [("one",), ("two",)]
    assert revived(world) == 1


def test_a_connection_that_died_while_idle_is_made_anew_with_its_session(world, cursor):
    world["a"].script["CloseSession"] = deque(["never"])
    cursor._session.link.client.transport.dropped = lambda: "TSocket read 0 bytes"

    cursor.execute("insert into t values (1)")

    assert revived(world) == 1
    assert world["a"].count("OpenSession") == 1
    assert world.statements() == {"a": ["insert into t values (1)"]}


def test_a_closed_connection_is_not_made_anew(world, cursor):
    link = cursor._session.link
    world.failover.links.close()

    assert isinstance(link.client.broken, ConnectionClosed)
    assert link.usable() is False
    assert revived(world) == 0


def test_closing_makes_a_broken_connection_anew_to_end_its_sessions(world, cursor):
    cursor.execute("select 1")
    cursor._session.link.client.invalidate(lost())

    cursor.close()

    assert world["a"].sessions == {}


def test_closing_notices_a_connection_that_broke_while_idle(world, cursor):
    cursor._session.link.client.transport.dropped = lambda: "TSocket read 0 bytes"

    world.failover.links.close()

    assert revived(world) == 1
    assert world["a"].sessions == {}


def test_closing_ends_sessions_on_a_connection_that_breaks_meanwhile(world, cursor):
    world.cursor()
    world["a"].script["CloseSession"] = deque([lost()])

    world.failover.links.close()

    assert revived(world) == 1
    assert world["a"].sessions == {}


def test_closing_ends_sessions_on_a_broken_connection_that_was_left(world, cursor):
    left = cursor._session.link
    world.failover.links.detach(left)
    left.client.invalidate(lost())

    world.failover.links.close()

    assert revived(world) == 1
    assert world["a"].sessions == {}


def test_a_new_cursor_makes_a_connection_anew_that_broke_while_idle(world, cursor):
    stale = ["TSocket read 0 bytes"]
    cursor._session.link.client.transport.dropped = lambda: stale.pop() if stale else ""

    world.cursor()

    assert revived(world) == 1
    assert world.driver.opened == ["a"]
    assert world.state("a") is State.HEALTHY


def test_closing_ends_the_sessions_behind_one_that_the_server_forgot(world, cursor):
    other = world.cursor()
    world["a"].sessions.pop(cursor.session.handle.sessionId.guid)

    world.failover.links.close()

    assert world["a"].sessions == {}
    assert other.session is not cursor.session


def test_a_write_of_unknown_outcome_is_not_ended_by_what_comes_after(world, cursor):
    world["a"].script["ExecuteStatement"] = deque([lost()])
    with pytest.raises(errors.OutcomeUnknown):
        cursor.execute("insert into t values (1)")

    cursor.execute("select count(*) from t")
    cursor.close()
    world.failover.links.close()

    assert world.driver.ended == []
    assert len(world["a"].sessions) == 1, "left to the server: the INSERT may run in it"


def test_a_lost_read_is_ended_before_it_runs_elsewhere(world, cursor):
    world["a"].script["ExecuteStatement"] = deque([lost()])

    cursor.execute("select 1")

    assert world.driver.ended == ["a"]


def test_questions_about_a_statement_survive_too(world, cursor):
    cursor.execute("select 1")
    world["a"].script["GetRuntimeProfile"] = deque([lost()])

    assert cursor.get_profile() == "profile"


def test_closing_finds_the_sessions_of_cursors_that_are_gone_on_a_connection_that_is(world):
    """Nobody else holds the link: it is not to go before its sessions were closed anew."""
    world.connect()
    cursor = world.cursor()
    cursor.execute("select 1")
    client = cursor._session.link.client
    del cursor
    client.transport.dropped = lambda: "TSocket read 0 bytes"
    world["a"].script["CloseSession"] = deque([lost()])  # as it would on the old connection
    close = client.attach

    def mended(*connection):
        world["a"].script["CloseSession"].clear()
        close(*connection)

    client.attach = mended

    world.failover.links.close()

    assert {} == world["a"].sessions


@pytest.mark.parametrize(
    ("results", "heights"),
    [
        (SimpleNamespace(columns=None, rows=[1, 2]), {2}),
        (SimpleNamespace(columns=[], rows=None), {0}),
        (SimpleNamespace(columns=[SimpleNamespace(a=None, b=SimpleNamespace(values="xyz"))]), {3}),
        (SimpleNamespace(columns=[SimpleNamespace(a=None)]), {0}),
    ],
)
def test_rows_are_counted_by_the_columns(results, heights):
    assert _heights(results) == heights
