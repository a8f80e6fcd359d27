"""The loop and the cursor on coordinators in memory: nothing sleeps, nothing opens a socket."""

import gc
import pickle
import random
import re
import weakref
from collections import deque

import pytest
from impala.error import HiveServer2Error, OperationalError
from thrift.transport.TTransport import TTransportException

from impala_ha import Cluster, Coordinator, Retry, State, errors
from impala_ha.core.faults import CallFailed, CredentialKind, Fault, Phase
from impala_ha.core.kerberos_errors import GSSError
from impala_ha.dbapi.cursor import Cursor
from impala_ha.dbapi.dict_cursor import DictCursor
from impala_ha.failover.attempts import Call
from impala_ha.sql.session_state import Session
from impala_ha.testing.fakes import FakeClock, FakeDriver, Unsent, failover, state


def lost():
    return TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes")


class World:
    """Three coordinators, tried in the order of the list."""

    def __init__(self, cluster=None, sync_ddl=False, **retry):
        self.clock = FakeClock()
        self.driver = FakeDriver()
        self.cluster = cluster or Cluster(
            [Coordinator(host) for host in "abc"],
            policy="ordered",
            clock=self.clock,
            rng=random.Random(7),
        )
        self.failover = failover(self.cluster, self.driver, Retry(**retry), sync_ddl=sync_ddl)

    def __getitem__(self, host):
        return self.driver[host]

    def connect(self):
        self.failover.run(Call("connect", proof=True), lambda _: None)
        return self

    def cursor(self, configuration=(), kind=Cursor, **options):
        return kind(self.failover, Session("etl", dict(configuration)), **options)

    def state(self, host):
        return {c.coordinator.host: c.state for c in self.cluster.snapshot()}[host]

    def statements(self):
        return {host: self[host].statements() for host in "abc" if self[host].statements()}


@pytest.fixture
def world():
    return World()


@pytest.fixture
def cursor(world):
    return world.connect().cursor()


def down(world, hosts):
    for host in hosts:
        world[host].down = True


def test_connecting_walks_past_the_dead(world):
    down(world, "ab")

    world.connect()

    assert world.driver.opened == ["a", "b", "c"]
    assert world.clock.slept == [0.0, 0.0]


def test_a_dead_coordinator_is_left_alone_by_the_next_connection(world):
    down(world, "a")
    world.connect().failover.links.detach(world.failover.links.current)
    world.connect()

    assert world.driver.opened == ["a", "b", "b"]


def test_an_ejected_one_comes_back_half_open(world):
    down(world, "a")
    world.connect()
    world["a"].down = False
    world.clock.time += 6.1

    assert world.state("a") is State.HALF_OPEN
    assert world.cluster.pick() == Coordinator("a")
    assert world.cluster.pick() == Coordinator("b"), "one caller at a time"


def test_opening_makes_the_session_of_the_first_cursor(world):
    world.connect().cursor()

    assert world["a"].count("OpenSession") == 1


def test_a_second_cursor_has_a_session_of_its_own(world):
    world.connect().cursor()
    world.cursor()

    assert world["a"].count("OpenSession") == 2


def test_a_read_goes_on_elsewhere_with_its_session(world):
    cursor = world.connect().cursor({"mem_limit": "1g"})
    cursor.execute("USE sales")
    cursor.execute("set sync_ddl = true")
    world["a"].down = True

    cursor.execute("select 1")

    assert [("one",), ("two",)] == cursor.fetchall()
    assert world["b"].statements() == ["select 1"]
    configuration = {"mem_limit": "1g", "use:database": "sales", "sync_ddl": "true"}
    assert list(world["b"].sessions.values()) == [configuration]
    assert cursor.coordinator == Coordinator("b")


def test_on_hive_the_session_is_rebuilt_by_statements(world):
    for host in "abc":
        world[host].impala = False
    cursor = world.connect().cursor()
    cursor.execute("USE sales")
    cursor.execute("SET hive.x=1")
    world["a"].down = True

    cursor.execute("select 1")

    assert world["b"].statements() == ["USE `sales`", "SET hive.x=1", "select 1"]


@pytest.mark.parametrize(
    "sql", ["insert into t values (1)", "create table t (i int)", "drop table t"]
)
def test_a_write_that_was_sent_is_never_sent_again(world, cursor, sql):
    world["a"].script["ExecuteStatement"] = deque([lost()])

    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute(sql)

    assert world.statements() == {"a": [sql]}
    assert isinstance(caught.value, TTransportException)
    assert caught.value.type == TTransportException.END_OF_FILE
    assert "TSocket read 0 bytes" in str(caught.value)
    assert caught.value.coordinator == Coordinator("a")


def test_a_fetch_after_an_unknown_outcome_does_not_send_the_write_again(world, cursor):
    world["a"].script["ExecuteStatement"] = deque([lost()])
    with pytest.raises(errors.OutcomeUnknown):
        cursor.execute("insert into t values (1)")

    with pytest.raises(errors.ProgrammingError):
        cursor.fetchall()

    assert world.statements() == {"a": ["insert into t values (1)"]}


OVERWRITE = "insert overwrite t select * from v"
IDEMPOTENT_PLAN = ["WRITE TO HDFS [default.t, OVERWRITE=true]", "|", "00:SCAN HDFS [default.u]"]


@pytest.mark.parametrize("rpc", ["ExecuteStatement", "GetOperationStatus"])
def test_a_lost_write_that_replaces_rows_by_those_of_other_tables_is_run_again(world, cursor, rpc):
    world["a"].script[rpc] = deque([lost()])
    world["b"].rows = IDEMPOTENT_PLAN

    cursor.execute(OVERWRITE)

    assert world["b"].statements() == [f"EXPLAIN {OVERWRITE}", OVERWRITE]
    assert ["a", "b"] == [attempt.coordinator.host for attempt in cursor.attempts]
    assert world.driver.ended == ["a"], "what may still run there must not overtake the second"


@pytest.mark.parametrize(
    "plan",
    [
        [*IDEMPOTENT_PLAN, "01:SCAN HDFS [default.t]"],
        ["nothing that anybody knows"],
    ],
)
def test_one_that_reads_what_it_writes_is_not(world, cursor, plan):
    world["a"].script["ExecuteStatement"] = deque([lost()])
    world["b"].rows = plan

    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute(OVERWRITE)

    assert world["b"].statements() == [f"EXPLAIN {OVERWRITE}"]
    assert ["a"] == [attempt.coordinator.host for attempt in caught.value.attempts]
    assert world.driver.ended == []


def test_nor_is_one_whose_plan_nobody_tells(world, cursor):
    world["a"].script["ExecuteStatement"] = deque([lost()])
    world["b"].script["ExecuteStatement"] = deque(["AnalysisException: no such table"])

    with pytest.raises(errors.OutcomeUnknown):
        cursor.execute(OVERWRITE)

    assert world["b"].statements() == [f"EXPLAIN {OVERWRITE}"]


def test_who_says_that_it_is_not_idempotent_is_believed(world, cursor):
    world["a"].script["ExecuteStatement"] = deque([lost()])

    with pytest.raises(errors.OutcomeUnknown):
        cursor.execute(OVERWRITE, idempotent=False)

    assert world["b"].statements() == []


def test_all_its_tries_count_together(world, cursor):
    world["b"].rows = IDEMPOTENT_PLAN
    world["a"].script["ExecuteStatement"] = deque([lost()])
    world["b"].script["ExecuteStatement"] = deque([None, lost()])
    world["c"].script["ExecuteStatement"] = deque([lost()])

    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute(OVERWRITE)

    assert ["a", "b", "c"] == [attempt.coordinator.host for attempt in caught.value.attempts]


def test_a_write_whose_bytes_never_left_goes_elsewhere(world, cursor):
    world["a"].script["ExecuteStatement"] = deque([Unsent(lost())])

    cursor.execute("insert into t values (1)")

    assert world["b"].statements() == ["insert into t values (1)"]


def test_a_write_on_a_connection_that_died_while_idle_goes_elsewhere(world, cursor):
    world["a"].down = True

    cursor.execute("insert into t values (1)")

    assert world.statements() == {"b": ["insert into t values (1)"]}


def test_a_write_lost_while_it_ran_is_reported(world, cursor):
    world["a"].script["GetOperationStatus"] = deque([lost()])

    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute("insert into t values (1)")

    assert world.statements() == {"a": ["insert into t values (1)"]}
    assert caught.value.attempts[-1].phase is Phase.RUNNING


def test_a_write_that_runs_where_no_ticket_is_to_be_had_is_reported(world, cursor):
    """Over HTTP a cookie may end while a statement is polled, and the KDC be away."""
    why = GSSError("Cannot contact any KDC for realm 'X' (KRB5_KDC_UNREACH)", "KRB5_KDC_UNREACH")
    world["a"].script["GetOperationStatus"] = deque([CallFailed(Phase.TICKET, why)])

    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute("insert into t values (1)")

    assert world.statements() == {"a": ["insert into t values (1)"]}
    last = caught.value.attempts[-1]
    assert (Fault.NO_KDC, Phase.RUNNING) == (last.fault, last.phase)
    assert State.HEALTHY is world.state("a")


def test_a_write_that_had_ended_is_done_though_closing_it_failed(world, cursor):
    world["a"].script["CloseImpalaOperation"] = deque([lost()])

    cursor.execute("insert into t values (1)")

    assert world.statements() == {"a": ["insert into t values (1)"]}
    assert cursor.rowcount == -1


def test_a_write_the_caller_knows_to_be_idempotent_is_repeated(world, cursor):
    world["a"].script["ExecuteStatement"] = deque([lost()])

    cursor.execute("insert into t values (1)", idempotent=True)

    assert world["b"].statements() == ["insert into t values (1)"]


def test_a_read_the_caller_knows_to_matter_is_not_repeated(world, cursor):
    world["a"].script["ExecuteStatement"] = deque([lost()])

    with pytest.raises(errors.OutcomeUnknown):
        cursor.execute("select nextval()", idempotent=False)


@pytest.mark.parametrize(
    "text",
    [
        "Invalid session id: 1:2",
        "Client session expired due to more than 5s of inactivity (last activity was at: x).",
    ],
)
def test_a_lost_session_is_opened_anew_and_nobody_is_blamed(world, cursor, text):
    world["a"].script["ExecuteStatement"] = deque([text])

    cursor.execute("insert into t values (1)")

    assert world["a"].statements() == ["insert into t values (1)"] * 2
    assert world["a"].count("OpenSession") == 2
    assert world.state("a") is State.HEALTHY
    (wait,) = world.clock.slept
    assert 0 < wait < 1, "nothing is asked of the same coordinator without a wait"


def test_a_lost_session_while_a_write_ran_is_reported(world, cursor):
    world["a"].script["GetOperationStatus"] = deque(["Invalid or unknown query handle: 1:2."])

    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute("insert into t values (1)")

    assert isinstance(caught.value, HiveServer2Error)


def test_the_users_own_error_passes_through_untouched(world, cursor):
    world["a"].script["ExecuteStatement"] = deque(["AnalysisException: Could not resolve 't'"])

    with pytest.raises(HiveServer2Error) as caught:
        cursor.execute("select * from t")

    assert type(caught.value) is HiveServer2Error
    assert str(caught.value) == "AnalysisException: Could not resolve 't'"
    assert caught.value.__cause__ is None
    assert world.state("a") is State.HEALTHY


def test_an_error_while_running_passes_through_untouched(world, cursor):
    failed = lambda request: state(request, "ERROR_STATE", "UDF ERROR: overflow")  # noqa: E731
    world["a"].script["GetOperationStatus"] = deque([failed])

    with pytest.raises(OperationalError, match="^UDF ERROR: overflow$"):
        cursor.execute("select 1")


def test_a_draining_coordinator_is_left_and_its_open_result_read_to_the_end(world, cursor):
    cursor.execute("select 1")
    assert cursor.fetchone() == ("one",)
    other = world.cursor()
    world["a"].script["ExecuteStatement"] = deque(["Server is being shut down: grace 1s"])

    other.execute("insert into t values (1)")

    assert world["b"].statements() == ["insert into t values (1)"]
    assert world.state("a") is State.DRAINING
    assert cursor.fetchall() == [("two",)]
    assert world.state("a") is State.DRAINING, "reading a result does not make it well"


def test_moving_closes_the_session_at_the_draining_one(world, cursor):
    world["a"].script["ExecuteStatement"] = deque(["Server is being shut down: grace 1s"])

    cursor.execute("select 1")

    assert world["a"].sessions == {}


def test_a_full_coordinator_is_left_without_blame(world):
    full = "Number of sessions for user etl exceeds coordinator limit 1"
    world["a"].script["OpenSession"] = deque([full])

    world.connect()

    assert world.driver.opened == ["a", "b"]
    assert world.state("a") is State.HEALTHY


def test_a_full_queue_is_waited_for_and_nobody_else_asked(world, cursor):
    text = "Rejected query from pool default-pool: queue full, limit=1, num_queued=1."
    full = lambda request: state(request, "ERROR_STATE", text)  # noqa: E731
    world["a"].script["GetOperationStatus"] = deque([full, full])

    cursor.execute("insert into t values (1)")

    assert world.statements() == {"a": ["insert into t values (1)"] * 3}
    assert len(world.clock.slept) == 2
    assert all(seconds > 0 for seconds in world.clock.slept)


def test_a_queue_that_stays_full_is_reported_in_the_servers_words(world, cursor):
    text = "Rejected query from pool default-pool: queue full, limit=1, num_queued=1."
    full = lambda request: state(request, "ERROR_STATE", text)  # noqa: E731
    world["a"].script["GetOperationStatus"] = deque([full] * 1000)

    with pytest.raises(OperationalError, match="queue full"):
        cursor.execute("select 1")

    assert 55 < world.clock.time - 1000 < 60


def test_create_table_as_select_turned_away_by_the_queue_is_reported(world, cursor):
    """Its table is there already, so that running it again would fail."""
    text = "Rejected query from pool default-pool: queue full, limit=1, num_queued=1."
    full = lambda request: state(request, "ERROR_STATE", text)  # noqa: E731
    world["a"].script["GetOperationStatus"] = deque([full])

    with pytest.raises(errors.OutcomeUnknown, match="queue full"):
        cursor.execute("create table t as select 1")

    assert world.statements() == {"a": ["create table t as select 1"]}


def test_everyone_down_is_reported_in_full_within_the_deadline(world):
    down(world, "abc")

    with pytest.raises(errors.NoCoordinatorLeft) as caught:
        world.connect()

    text = str(caught.value)
    assert [a.coordinator.host for a in caught.value.attempts[:3]] == ["a", "b", "c"]
    assert {a.coordinator.host for a in caught.value.attempts[3:6]} == {"a", "b", "c"}
    assert ", at its deadline of 60 s:" in text
    assert ["- a:21050", "- b:21050", "- c:21050"] == re.findall(r"(?m)^- \w:21050", text)
    assert 5 == len(text.splitlines())
    assert isinstance(caught.value, TTransportException)
    assert 30 < world.clock.time - 1000 < 60


def test_opening_gets_no_more_time_than_the_deadline_leaves():
    world = World(deadline=3)
    down(world, "abc")

    with pytest.raises(errors.NoCoordinatorLeft):
        world.connect()

    assert world.driver.limits[0] == 10
    assert max(world.driver.limits[1:]) <= 3


def test_a_statement_that_takes_down_what_it_runs_on_is_not_taken_to_all(world, cursor):
    for host in "abc":
        world[host].script["ExecuteStatement"] = deque([lost()] * 9)

    with pytest.raises(errors.CoordinatorLost) as caught:
        cursor.execute("select crash()")

    assert len(caught.value.attempts) == 3
    assert world.statements() == {host: ["select crash()"] for host in "abc"}


def test_a_lost_executor_is_a_reason_to_run_a_read_again(world, cursor):
    text = "Failed due to unreachable impalad(s): x:27000"
    world["a"].script["GetOperationStatus"] = deque(
        [lambda request: state(request, "ERROR_STATE", text)]
    )

    cursor.execute("select 1")

    assert world.statements() == {"a": ["select 1"] * 2}


def test_who_you_are_is_not_tried_on_everyone(world):
    world.driver.credential = CredentialKind.SECRET
    world["a"].script["connect"] = deque([CallFailed(Phase.LOGIN, lost())])

    with pytest.raises(errors.AuthenticationFailed, match="denied access"):
        world.connect()

    assert world.driver.opened == ["a"]
    assert world.state("a") is State.HEALTHY


def test_a_polled_statement_sleeps_on_the_clusters_clock(world, cursor):
    running = lambda request: state(request, "RUNNING_STATE")  # noqa: E731
    world["a"].script["GetOperationStatus"] = deque([running] * 3)

    cursor.execute("select 1")

    assert [0.0005, 0.0005, 0.0005] == world.clock.slept


# What a connection changed itself.


def missing(times):
    return deque(["AnalysisException: Could not resolve table reference: 't'"] * times)


def test_a_table_of_ours_that_another_coordinator_has_not_heard_of_is_waited_for(world, cursor):
    cursor.execute("create table t (i int)")
    world["a"].down = True
    world["b"].script["ExecuteStatement"] = missing(3)

    cursor.execute("select * from t")

    assert world["b"].statements() == ["select * from t"] * 4
    assert world["c"].statements() == [], "on the same coordinator"
    assert world.clock.time - 1000 < 10


def test_a_table_that_stays_missing_is_missing(world, cursor):
    cursor.execute("create table t (i int)")
    world["a"].down = True
    world["b"].script["ExecuteStatement"] = missing(1000)

    with pytest.raises(HiveServer2Error, match="Could not resolve table reference"):
        cursor.execute("select * from t")

    assert 10 <= world.clock.time - 1000 < 16


def test_a_table_that_we_never_touched_is_missing_at_once(world, cursor):
    cursor.execute("create table mine (i int)")
    world["a"].down = True
    world["b"].script["ExecuteStatement"] = missing(1)

    with pytest.raises(HiveServer2Error):
        cursor.execute("select * from t")

    assert world["b"].statements() == ["select * from t"]


def test_where_we_changed_it_a_missing_table_is_missing(world, cursor):
    cursor.execute("create table u (i int)")
    world["a"].script["ExecuteStatement"] = missing(1)

    with pytest.raises(HiveServer2Error):
        cursor.execute("select * from t")

    assert world["a"].statements() == ["create table u (i int)", "select * from t"]


def test_reading_changes_nothing(world, cursor):
    cursor.execute("select 1")
    world["a"].down = True
    world["b"].script["ExecuteStatement"] = missing(1)

    with pytest.raises(HiveServer2Error):
        cursor.execute("select * from t")


def overlays(coordinator):
    return [r.confOverlay for rpc, r in coordinator.log if rpc == "ExecuteStatement"]


def test_sync_ddl_goes_with_changes_alone(world):
    world = World(sync_ddl=True)
    cursor = world.connect().cursor()

    cursor.execute("select 1")
    cursor.execute("create table t (i int)")
    cursor.execute(
        "insert into t values (1)", configuration={"SYNC_DDL": "false", "mem_limit": "1g"}
    )

    assert overlays(world["a"]) == [
        None,
        {"SYNC_DDL": "true"},
        {"SYNC_DDL": "false", "mem_limit": "1g"},
    ]


def test_an_unknown_outcome_names_session_and_query(world, cursor):
    world["a"].script["GetOperationStatus"] = deque([lost()])

    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute("insert into t values (1)")

    told = caught.value
    assert re.fullmatch(r"[0-9a-f]{16}:[0-9a-f]{16}", told.query_id)
    assert f"Session id {told.session_id}, query id {told.query_id}." in str(told)
    assert told.phase is Phase.RUNNING
    again = pickle.loads(pickle.dumps(told))
    assert (again.query_id, again.phase, str(again)) == (told.query_id, told.phase, str(told))
    assert again.type == told.type


def test_an_unknown_outcome_without_an_answer_has_no_query_id(world, cursor):
    world["a"].script["ExecuteStatement"] = deque([lost()])

    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute("insert into t values (1)")

    assert caught.value.query_id is None
    assert caught.value.session_id in str(caught.value)


# Results.


def test_an_untouched_result_is_had_again_elsewhere(world, cursor):
    cursor.execute("select 1")
    world["a"].down = True

    assert cursor.fetchmany(10) == [("one",), ("two",)]
    assert world.statements() == {"a": ["select 1"], "b": ["select 1"]}


def test_fetchall_hands_out_nothing_until_it_has_everything(world, cursor):
    world["a"].script["FetchResults"] = deque([None, lost()])
    cursor.execute("select 1")

    assert cursor.fetchall() == [("one",), ("two",)]
    assert cursor.rowcount == 2


def test_a_begun_result_is_lost_and_told(world, cursor):
    cursor.execute("select 1")
    assert cursor.fetchone() == ("one",)
    world["a"].down = True

    with pytest.raises(errors.ResultLost, match="Execute the statement again"):
        cursor.fetchone()

    assert world.statements() == {"a": ["select 1"]}
    with pytest.raises(errors.ResultLost):
        cursor.fetchall()


def test_a_result_begun_by_iteration_is_begun(world, cursor):
    cursor.execute("select 1")
    assert next(iter(cursor)) == ("one",)
    world["a"].down = True

    with pytest.raises(errors.ResultLost):
        list(cursor)


def test_rows_that_are_here_already_are_handed_out(world, cursor):
    world["a"].rows = ["x"]
    cursor.execute("select 1")
    cursor._ensure_buffer_is_filled()
    world["a"].down = True

    assert cursor.fetchone() == ("x",)


def test_the_result_of_a_write_is_not_had_by_writing_again(world, cursor):
    cursor.execute("with x as (select 1) insert into t select * from x")
    world["a"].down = True

    with pytest.raises(errors.ResultLost):
        cursor.fetchall()

    assert sum(map(len, world.statements().values())) == 1


def test_a_begun_result_is_not_started_over_when_another_cursor_moved_the_connection(world):
    one, two = world.connect().cursor(), world.cursor()
    two.execute("select 2")
    two.fetchmany(1)
    world["a"].down = True
    one.execute("select 1")

    with pytest.raises(errors.ResultLost):
        two.fetchmany(1)

    assert world["b"].statements() == ["select 1"]


def test_cursors_move_house_lazily(world):
    one, two = world.connect().cursor(), world.cursor()
    world["a"].down = True
    one.execute("select 1")
    assert world["b"].count("OpenSession") == 1

    two.execute("select 2")

    assert world["b"].count("OpenSession") == 2
    assert world.driver.opened == ["a", "b"]


def test_an_error_about_the_rows_stays_what_it_is(world, cursor):
    cursor.execute("select 1")
    cursor.fetchone()
    world["a"].script["FetchResults"] = deque(["UDF ERROR: Decimal expression overflowed"])

    with pytest.raises(HiveServer2Error, match="^UDF ERROR"):
        cursor.fetchone()


def test_an_asynchronous_read_is_had_again_while_it_is_polled(world, cursor):
    cursor.execute_async("select 1")
    world["a"].down = True

    assert cursor.is_executing() is False
    assert cursor.fetchall() == [("one",), ("two",)]
    assert world.statements() == {"a": ["select 1"], "b": ["select 1"]}


def test_an_asynchronous_write_that_is_lost_while_polled_is_unknown(world, cursor):
    cursor.execute_async("insert into t values (1)")
    world["a"].down = True

    with pytest.raises(errors.OutcomeUnknown):
        cursor.status()
    with pytest.raises(errors.OutcomeUnknown):
        cursor._wait_to_finish()

    assert world.statements() == {"a": ["insert into t values (1)"]}


def test_metadata_calls_fail_over(world, cursor):
    world["a"].script["GetTables"] = deque([lost()])

    cursor.get_tables()

    assert world["b"].count("GetTables") == 1
    assert cursor.fetchall() == [("one",), ("two",)]


def test_questions_about_names_fail_over(world, cursor):
    world["a"].script["GetSchemas"] = deque([lost()])

    assert cursor.database_exists("one") is True
    assert world["b"].count("GetSchemas") == 1


def test_a_profile_lives_where_the_statement_ran(world, cursor):
    cursor.execute("select 1")
    assert cursor.get_profile() == "profile"
    world["a"].down = True

    with pytest.raises(errors.ResultLost):
        cursor.get_profile()
    with pytest.raises(errors.ResultLost, match="was lost before"):
        cursor.get_summary()


def test_ping_finds_a_coordinator_that_takes_work(world, cursor):
    world["a"].script["GetInfo"] = deque(["Server is being shut down: grace 1s"])

    assert cursor.ping() is True
    assert cursor.coordinator == Coordinator("b")


def test_ping_says_no_when_nobody_is_there(world, cursor):
    down(world, "abc")

    assert cursor.ping() is False


# Interruption, closing, misuse.


@pytest.mark.parametrize("before", [0, 1])
def test_ctrl_c_is_never_retried_and_stops_the_statement(world, cursor, before):
    steps = ["Invalid session id: 1:2"] * before + [KeyboardInterrupt()]
    world["a"].script["ExecuteStatement"] = deque(steps)

    with pytest.raises(KeyboardInterrupt):
        cursor.execute("select 1")

    assert world.statements() == {"a": ["select 1"] * (before + 1)}
    assert world.driver.ended == ["a"], "through another connection: this one is out of step"
    assert world.cluster.snapshot()[0].connections == 0


def test_ctrl_c_between_two_polls_cancels_on_the_same_connection(world, cursor):
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "RUNNING_STATE")])

    def interrupt(_):
        raise KeyboardInterrupt

    world.clock.sleep = interrupt

    with pytest.raises(KeyboardInterrupt):
        cursor.execute("select 1")

    assert world["a"].count("CancelOperation") == 1
    assert world.driver.ended == []


def test_a_closed_cursor_says_so(cursor):
    cursor.close()
    cursor.close()

    with pytest.raises(errors.InterfaceError, match="closed"):
        cursor.execute("select 1")
    with pytest.raises(errors.InterfaceError, match="closed"):
        cursor.fetchall()


def test_closing_a_cursor_closes_its_session(world, cursor):
    cursor.execute("select 1")
    cursor.close()

    assert world["a"].sessions == {}
    assert world["a"].count("CloseOperation") == 1


def test_closing_a_connection_closes_all_sessions(world, cursor):
    world.cursor()
    assert len(world["a"].sessions) == 2

    world.failover.links.close()
    world.failover.links.close()

    assert world["a"].sessions == {}
    with pytest.raises(errors.InterfaceError, match="the connection is closed"):
        cursor.execute("select 1")


def test_a_forgotten_cursors_session_is_closed_at_the_next_call(world, cursor):
    forgotten = world.cursor()
    assert len(world["a"].sessions) == 2
    del forgotten
    assert len(world["a"].sessions) == 2, "garbage collection does not talk on the socket"

    cursor.execute("select 1")

    assert len(world["a"].sessions) == 1


def test_the_sessions_of_a_dropped_link_are_closed(world):
    cursor = world.connect().cursor()
    cursor.execute("select 1")
    world.failover.links.current = None
    del cursor

    assert world["a"].sessions == {}


def test_a_dropped_link_that_broke_is_let_go(world):
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque([lost()])
    cursor.execute("select 1")
    new = weakref.ref(cursor._session.link)
    del cursor
    world.failover.links.current = None
    gc.collect()

    assert new() is None, "the traceback of what broke the old link leads to the cursor"
    assert world["b"].sessions == {}


def test_nothing_was_executed(cursor):
    for method in (cursor.fetchone, cursor.fetchall, cursor.fetchmany, cursor.status):
        with pytest.raises(errors.ProgrammingError):
            method()
    assert cursor.description is None


def test_a_statement_must_be_text(world, cursor):
    with pytest.raises(errors.ProgrammingError, match="not bytes"):
        cursor.execute(b"select 1")

    assert world.statements() == {}


def test_rows_as_dicts(world):
    cursor = world.connect().cursor(kind=DictCursor)
    cursor.execute("select 1")

    assert cursor.fetchone() == {"c": "one"}
    assert list(cursor) == [{"c": "two"}]
    cursor.execute("select 1")
    assert cursor.fetchall() == [{"c": "one"}, {"c": "two"}]


def test_attempts_tell_what_the_last_call_tried(world, cursor):
    world["a"].script["ExecuteStatement"] = deque([lost()])

    cursor.execute("select 1")

    first, second = cursor.attempts
    assert (first.coordinator.host, first.fault, first.phase) == ("a", Fault.LOST, Phase.SENT)
    assert (second.coordinator.host, second.fault, second.operation) == ("b", None, "execute")


FULL = "Number of sessions for user etl exceeds coordinator limit 1"


def test_who_has_a_session_stays_where_another_one_found_no_room(world, cursor):
    world["a"].script["OpenSession"] = deque([FULL])
    other = world.cursor()

    cursor.execute("select 1")
    other.execute("select 2")

    assert world.statements() == {"a": ["select 1"], "b": ["select 2"]}


def test_and_leaves_it_like_any_other_when_it_is_lost_or_drains(world, cursor):
    world["a"].script["OpenSession"] = deque([FULL])
    other = world.cursor()
    world["a"].script["ExecuteStatement"] = deque(["Server is being shut down: x."])

    cursor.execute("select 1")

    assert world["b"].statements() == ["select 1"]
    assert (cursor.coordinator, other.coordinator) == (Coordinator("b"), Coordinator("b"))
