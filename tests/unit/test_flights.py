"""Several calls on their way at once: what is sent together, and whose reply is whose."""

from collections import deque

import pytest
from impala._thrift_gen.TCLIService import ttypes as hs2
from loopback import Answers, Peer, hiveserver2, hiveserver2_over_http
from test_failover import World, lost
from test_rows import not_yet, rows
from thrift.Thrift import TApplicationException

import impala_ha
from impala_ha import OutcomeUnknown, errors
from impala_ha.testing.fakes import state

SELECT = "select 1"
WAITS = {"FETCH_ROWS_TIMEOUT_MS": "10000", "LONG_POLLING_TIME_MS": "0"}


@pytest.fixture
def world():
    """Coordinators of Impala 4.5, which wait for the end and for rows."""
    world = World()
    world.driver.revives = True
    for host in "abc":
        offer(world[host], WAITS)
    return world


@pytest.fixture
def cursor(world):
    return world.connect().cursor()


def offer(server, options):
    """Have *server* list *options* in its answer to OpenSession."""
    usual = server._OpenSession

    def opened(request):
        answer = usual(request)
        answer.configuration = {**answer.configuration, **options}
        return answer

    server._OpenSession = opened


def calls(server, since="ExecuteStatement"):
    """The names of the calls behind the last one called *since*."""
    names = [name for name, _ in server.log]
    return names[len(names) - names[::-1].index(since) :]


def overlay(server):
    """Query options of the last statement."""
    return [asked.confOverlay or {} for name, asked in server.log if name == "ExecuteStatement"][-1]


FIRST = ["GetOperationStatus", "GetResultSetMetadata", "FetchResults"]
END = ["GetLog", "CloseOperation"]


def test_a_read_is_polled_described_and_fetched_at_once(world, cursor):
    world["a"].rows = ["one"]

    cursor.execute(SELECT)

    assert FIRST + END == calls(world["a"])
    assert "c" == cursor.description[0][0]
    assert -1 == cursor.rowcount
    assert [("one",)] == cursor.fetchall()
    assert FIRST + END == calls(world["a"])


@pytest.mark.parametrize("fetch", ["fetchone", "__next__", "fetchmany"])
def test_rows_are_counted_once_they_are_handed_out(world, cursor, fetch):
    world["a"].rows = ["one"]
    cursor.execute(SELECT)
    assert -1 == cursor.rowcount

    getattr(cursor, fetch)()

    assert 1 == cursor.rowcount


def test_what_has_more_rows_is_closed_once_they_have_come(world, cursor):
    cursor.execute(SELECT)
    assert FIRST == calls(world["a"])

    assert [("one",), ("two",)] == cursor.fetchall()
    assert [*FIRST, "FetchResults", *END] == calls(world["a"])


def test_who_wants_to_close_it_himself_may(world):
    world["a"].rows = ["one"]
    cursor = world.connect().cursor(close_finished_queries=False)
    cursor.execute(SELECT)
    assert [("one",)] == cursor.fetchall()
    assert FIRST == calls(world["a"])

    cursor.close_operation()
    assert [*FIRST, "CloseOperation"] == calls(world["a"])


def test_a_write_is_polled_to_its_end_before_anything_else_is_asked(world, cursor):
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "RUNNING_STATE")])

    cursor.execute("insert into t values (1)")

    polls = ["GetOperationStatus"] * 2
    assert [*polls, "GetLog", "CloseImpalaOperation"] == calls(world["a"])


def test_a_server_without_a_method_that_was_asked_in_a_flight_is_asked_as_impyla_does(world):
    """Hive counts no rows that a statement changed; its connection is as good as before."""
    world["a"].impala = False
    unknown = TApplicationException(TApplicationException.UNKNOWN_METHOD, "CloseImpalaOperation")
    world["a"].script["CloseImpalaOperation"] = deque([unknown] * 2)
    cursor = world.connect().cursor()

    for _ in range(2):
        cursor.execute("insert into t values (1)")

        closing = ["GetLog", "CloseImpalaOperation", "CloseOperation"]
        assert ["GetOperationStatus", *closing] == calls(world["a"])
    assert 2 == len(world["a"].statements())


@pytest.mark.parametrize("statement", ["create table t as select 1", "alter table t add columns"])
def test_neither_are_rows_asked_for_of_what_changes_something(world, cursor, statement):
    usual = world["a"]._operation
    world["a"]._operation = lambda rows: usual(rows=True)  # their result is a sentence

    cursor.execute(statement)

    assert ["GetOperationStatus"] == calls(world["a"])
    assert ["GetResultSetMetadata", "FetchResults"] == (cursor.fetchone(), calls(world["a"])[1:])[1]


def test_nor_of_a_read_that_must_not_run_again(world, cursor):
    cursor.execute(SELECT, idempotent=False)

    assert ["GetOperationStatus"] == calls(world["a"])


@pytest.mark.parametrize("offered", [{}, {"LONG_POLLING_TIME_MS": "0"}], ids=["2.7", "no fetch"])
def test_a_server_that_would_wait_for_rows_without_limit_is_polled(offered):
    world = World()
    offer(world["a"], offered)
    cursor = world.connect().cursor()

    cursor.execute(SELECT)
    assert ["GetOperationStatus"] == calls(world["a"])
    cursor.fetchone()
    assert FIRST == calls(world["a"])


class TestWaits:
    def test_the_server_is_told_to_wait_for_a_second(self, world, cursor):
        cursor.execute(SELECT)
        assert dict.fromkeys(WAITS, "1000") == overlay(world["a"])

    def test_of_a_write_only_for_its_end(self, world, cursor):
        cursor.execute("insert into t values (1)")
        assert {"LONG_POLLING_TIME_MS": "1000"} == overlay(world["a"])

    def test_it_is_not_told_what_it_does_not_list(self):
        world = World()
        world.connect().cursor().execute(SELECT)
        assert {} == overlay(world["a"])

    @pytest.mark.parametrize("statement", ["set", "SET ALL", "set mem_limit=1g", "use db"])
    def test_what_is_done_at_once_needs_none(self, world, cursor, statement):
        cursor.execute(statement)
        assert {} == overlay(world["a"])

    @pytest.mark.parametrize("name", WAITS)
    @pytest.mark.parametrize("how", ["overlay", "set", "session"])
    def test_what_the_caller_has_set_stays(self, world, name, how):
        own = {name.lower(): "5"}
        cursor = world.connect().cursor(configuration=own if how == "session" else ())
        if how == "set":
            cursor.execute(f"set {name}=5")
        cursor.execute(SELECT, configuration=own if how == "overlay" else None)

        (other,) = WAITS.keys() - {name}
        assert (own if how == "overlay" else {}) | {other: "1000"} == overlay(world["a"])
        assert (name == "FETCH_ROWS_TIMEOUT_MS") is ("FetchResults" not in calls(world["a"]))

    def test_a_server_that_polls_as_its_operator_wants_is_left_alone(self):
        world = World()
        offer(world["a"], WAITS | {"LONG_POLLING_TIME_MS": "5000"})
        world.connect().cursor().execute(SELECT)
        assert {"FETCH_ROWS_TIMEOUT_MS": "1000"} == overlay(world["a"])

    @pytest.mark.parametrize(
        ("options", "milliseconds"),
        [
            ({"timeout": 1}, 500),
            ({"probe_after": 0.5}, 250),
            ({"timeout": 60}, 1000),
            ({"probe_after": 0.001}, 1),  # nothing would be without limit
        ],
    )
    def test_it_waits_less_than_its_client_has_patience(self, options, milliseconds):
        answers = Answers()
        offer(answers.server, WAITS)
        with Peer(hiveserver2(answers)) as peer:
            where = peer.coordinator
            with impala_ha.connect(where.host, where.port, **options) as connection:
                connection.cursor().execute(SELECT)
        assert dict.fromkeys(WAITS, str(milliseconds)) == overlay(answers.server)


class TestWhileItRuns:
    def test_the_rows_show_that_it_has_ended(self, world, cursor):
        world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "RUNNING_STATE")])

        cursor.execute(SELECT)

        assert FIRST == calls(world["a"])
        assert [("one",), ("two",)] == cursor.fetchall()

    def test_or_that_it_has_not(self, world, cursor):
        running = [lambda r: state(r, "RUNNING_STATE")] * 2
        world["a"].script["GetOperationStatus"] = deque(running)
        world["a"].script["FetchResults"] = deque([not_yet, not_yet])

        cursor.execute(SELECT)

        again = ["GetOperationStatus", "FetchResults"]
        assert FIRST + again + again == calls(world["a"])
        assert [("one",), ("two",)] == cursor.fetchall()

    @pytest.mark.parametrize("running", [True, False], ids=["rows", "state"])
    def test_its_error_is_told_whoever_says_it(self, world, cursor, running):
        """A fetch that fails takes the operation away, so nothing more is asked."""
        text = "Memory limit exceeded: Cannot perform hash join"
        how = ("RUNNING_STATE",) if running else ("ERROR_STATE", text)
        world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, *how)])
        world["a"].script["FetchResults"] = deque([text])

        with pytest.raises(errors.OperationalError, match=text):
            cursor.execute(SELECT)

        asked = calls(world["a"])
        assert text in cursor.get_log()
        assert "ERROR_STATE" == cursor.status()
        assert cursor.execution_failed()
        cursor.close_operation()
        assert asked == FIRST == calls(world["a"])

    def test_one_that_may_run_elsewhere_does(self, world, cursor):
        world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "RUNNING_STATE")])
        world["a"].script["FetchResults"] = deque(["Invalid or unknown query handle: 1:2."])

        cursor.execute(SELECT)

        assert {"a": [SELECT, SELECT]} == world.statements()
        assert [("one",), ("two",)] == cursor.fetchall()


class TestCuts:
    def test_what_was_cut_is_asked_again_where_it_runs(self, world, cursor):
        world["a"].script["FetchResults"] = deque([lost()])

        cursor.execute(SELECT)

        assert [("one",), ("two",)] == cursor.fetchall()
        assert {"a": [SELECT]} == world.statements()
        assert [("revive", None)] == [entry for entry in world["a"].log if entry[0] == "revive"]

    @pytest.mark.parametrize("rpc", FIRST)
    def test_rows_that_were_lost_on_the_way_are_had_again_there(self, world, cursor, rpc):
        """The server was sent the whole flight, and has answered all of it."""

        def swallowed(request):
            getattr(world["a"], f"_{rpc}")(request)
            raise lost()

        world["a"].script[rpc] = deque([swallowed])

        cursor.execute(SELECT)

        assert [("one",), ("two",)] == cursor.fetchall()
        assert {"a": [SELECT, SELECT]} == world.statements()
        assert 2 == world["a"].count("CloseOperation")
        assert world.state("a") is impala_ha.State.HEALTHY

    def test_a_fetch_that_is_still_on_its_way_may_take_rows_later(self, world, cursor):
        """It waits on the server while ours takes the first rows, and is next."""
        world["a"].script["FetchResults"] = deque([rows(0, ["one"]), rows(2, ["three"])])
        cursor.execute(SELECT)
        assert ("one",) == cursor.fetchone()

        with pytest.raises(impala_ha.ResultLost, match="row 2, and row 1 was expected"):
            cursor.fetchone()

    @pytest.mark.parametrize("down", [True, False], ids=["down", "up"])
    def test_rows_that_are_here_are_not_lost(self, world, cursor, down):
        world["a"].rows = ["one"]
        cursor.execute(SELECT)
        cursor._session.link.client.invalidate(lost())
        world["a"].down = down

        assert "c" == cursor.description[0][0]
        assert [("one",)] == cursor.fetchall()
        assert "FINISHED_STATE" == cursor.status()
        assert not cursor.is_executing()
        assert "" == cursor.get_log()
        assert {"a": [SELECT]} == world.statements()

    @pytest.mark.parametrize("rpc", END)
    def test_the_end_of_a_connection_is_noticed_before_the_next_statement(self, world, cursor, rpc):
        """Nobody has waited for the answers to the close of the last one."""
        world["a"].rows = ["one"]
        world["a"].script[rpc] = deque([lost()])
        cursor.execute(SELECT)

        cursor.execute("insert into t values (1)")

        assert {"a": [SELECT, "insert into t values (1)"]} == world.statements()

    def test_answers_that_are_late_are_no_end_of_the_connection(self, world, cursor):
        """They may come between two looks at it."""
        world["a"].rows = ["one"]
        cursor.execute(SELECT)
        transport = cursor._session.link.client.transport
        transport.readable = lambda: False
        transport.dropped = lambda: "a reply that nobody waits for"

        cursor.execute("insert into t values (1)")

        assert {"a": [SELECT, "insert into t values (1)"]} == world.statements()
        assert 0 == world["a"].count("revive")

    def test_a_write_whose_answer_comes_behind_those_is_not_run_again(self, world, cursor):
        world["a"].rows = ["one"]
        cursor.execute(SELECT)
        world["a"].script["ExecuteStatement"] = deque([lost()])

        with pytest.raises(OutcomeUnknown):
            cursor.execute("insert into t values (1)")

        assert {"a": [SELECT, "insert into t values (1)"]} == world.statements()

    @pytest.mark.parametrize("rpc", ["GetLog", "CloseImpalaOperation"])
    def test_a_write_that_had_ended_is_done(self, world, cursor, rpc):
        world["a"].script[rpc] = deque([lost()])

        cursor.execute("insert into t values (1)")

        assert {"a": ["insert into t values (1)"]} == world.statements()


def test_the_log_of_what_was_closed_is_kept(world, cursor):
    world["a"].rows = ["one"]
    world["a"].script["GetLog"] = deque([lambda _: hs2.TGetLogResp(status=rows_ok(), log="mind")])
    cursor.execute(SELECT)

    assert "mind" == cursor.get_log() == cursor._last_operation.get_log()
    assert 1 == world["a"].count("GetLog")


def rows_ok():
    return hs2.TStatus(statusCode=hs2.TStatusCode.SUCCESS_STATUS)


def test_a_log_that_was_lost_harms_no_connection(world, cursor):
    """The one that was made anew has other replies."""
    world["a"].rows = ["one"]
    cursor.execute(SELECT)
    client = cursor._session.link.client
    client.invalidate(lost())
    assert cursor._session.link.usable()

    assert "" == cursor.get_log()
    assert None is client.broken
    assert 2 == client.connections


def test_cancelling_what_is_all_here_drops_it(world, cursor):
    world["a"].rows = ["one"]
    cursor.execute(SELECT)

    cursor.cancel_operation()

    assert cursor.description is None


def test_the_columns_that_came_first_are_among_all(world, cursor):
    cursor.execute(SELECT)

    assert [["one"], ["two"]] == [batch.columns[0].values for batch in cursor.fetchcolumnar()]


def test_the_next_batch_is_asked_for_while_all_are_read(world, cursor):
    world["a"].rows = ["one", "two", "three"]
    cursor.execute(SELECT)
    asked = []
    usual = world["a"]._FetchResults
    world["a"]._FetchResults = lambda request: (asked.append(len(cursor._buffer)), usual(request))[
        1
    ]

    assert [("one",), ("two",), ("three",)] == cursor.fetchall()
    assert [1, 1] == asked  # with one in the buffer


def test_one_row_asks_for_nothing_ahead(world, cursor):
    cursor.execute(SELECT)
    cursor.fetchone()

    assert FIRST == calls(world["a"])


def test_a_value_that_is_none_leaves_nothing_on_its_way(world, cursor):
    described = world["a"]._GetResultSetMetadata(None)
    described.schema.columns[0].typeDesc.types[0].primitiveEntry.type = hs2.TTypeId.DATE_TYPE
    world["a"].script["GetResultSetMetadata"] = deque([lambda _: described])
    cursor.execute(SELECT)

    with pytest.raises(errors.DataError):
        cursor.fetchall()

    assert not cursor._session.link.client.fetching
    cursor.execute(SELECT)
    assert ("one",) == cursor.fetchone()


@pytest.mark.parametrize("carry", [hiveserver2, hiveserver2_over_http])
def test_what_carries_it_makes_no_difference(carry):
    answers = Answers()
    offer(answers.server, WAITS)
    http = carry is hiveserver2_over_http
    with Peer(carry(answers)) as peer:
        where = peer.coordinator
        with impala_ha.connect(where.host, where.port, use_http_transport=http) as connection:
            cursor = connection.cursor()
            for _ in range(3):
                cursor.execute(SELECT)
                assert [("one",), ("two",)] == cursor.fetchall()
                assert "" == cursor.get_log()
            cursor.execute("insert into t values (1)")
            cursor.close()

    assert {} == answers.server.sessions
    closed = answers.server.count("CloseOperation") + answers.server.count("CloseImpalaOperation")
    assert 4 == closed
