"""A write is repeated only where its first run is certainly over, and told truly where it is not."""

from collections import deque

import pytest
from impala._thrift_gen.ImpalaService import ttypes as impala
from impala._thrift_gen.TCLIService import ttypes as hs2
from test_failover import World, lost

from impala_ha import State, errors
from impala_ha.testing.fakes import state

IDEMPOTENT = [
    "drop table if exists t",
    "create table if not exists t (i int)",
    "drop database if exists d cascade",
    "insert overwrite t values (1)",
    "upsert into t values (1, 2)",
    "refresh t",
    "compute stats t",
]
WRITE = "insert into t values (1)"
OK = hs2.TStatus(statusCode=hs2.TStatusCode.SUCCESS_STATUS)
PHASES = ["ExecuteStatement", "GetOperationStatus"]


@pytest.fixture
def world():
    return World()


@pytest.fixture
def cursor(world):
    return world.connect().cursor()


def unknown(cursor, sql, **more):
    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute(sql, **more)
    return caught.value


@pytest.mark.parametrize("sql", IDEMPOTENT)
@pytest.mark.parametrize("rpc", PHASES)
def test_an_idempotent_write_is_repeated_once_its_session_was_closed(world, cursor, sql, rpc):
    world["a"].script[rpc] = deque([lost()])

    cursor.execute(sql)

    assert {"a": [sql], "b": [sql]} == world.statements()
    assert ["a"] == world.driver.ended
    first, last = cursor.attempts
    assert first.may_have_run
    assert first.ended
    assert last.fault is None


@pytest.mark.parametrize("sql", IDEMPOTENT)
@pytest.mark.parametrize("rpc", PHASES)
def test_it_is_not_repeated_where_the_first_run_may_be_yet_to_come(world, cursor, sql, rpc):
    """The request lies in the socket of a process that hangs: it will run when that wakes up."""
    world["a"].script[rpc] = deque([lost()])
    world["a"].hung = True

    error = unknown(cursor, sql)

    assert {"a": [sql]} == world.statements()
    assert not error.attempts[-1].ended
    assert error.session_id


@pytest.mark.parametrize("sql", IDEMPOTENT)
def test_it_is_repeated_where_the_process_is_gone(world, cursor, sql):
    def dies(_):
        world["a"].down = True
        raise lost()

    world["a"].script["ExecuteStatement"] = deque([dies])

    cursor.execute(sql)

    assert [sql] == world["b"].statements()


@pytest.mark.parametrize("text", ["Failed due to unreachable impalad(s): x:1", "Session closed"])
def test_a_clean_answer_is_fenced_on_the_same_connection(world, cursor, text):
    """Files may still be moved for a statement that was told to have failed."""
    sql, session = IDEMPOTENT[3], cursor.session.handle.sessionId.guid
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "ERROR_STATE", text)])

    cursor.execute(sql)

    assert [sql, sql] == world["a"].statements()
    assert 1 == world["a"].count("CloseSession")
    assert session not in world["a"].sessions
    assert [] == world.driver.ended


def test_a_session_that_would_not_close_is_no_fence(world, cursor):
    text = "Failed due to unreachable impalad(s): x:1"
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "ERROR_STATE", text)])
    world["a"].script["CloseSession"] = deque(["Something else"])
    world["a"].hung = True

    unknown(cursor, IDEMPOTENT[3])

    assert [IDEMPOTENT[3]] == world["a"].statements()


@pytest.mark.parametrize("rpc", PHASES)
def test_a_write_that_matters_keeps_its_session(world, cursor, rpc):
    """It may run to its end: ending it would undo what the caller may find to be done."""
    world["a"].script[rpc] = deque([lost()])

    unknown(cursor, WRITE)
    cursor.execute("select 1")

    assert [] == world.driver.ended
    assert 0 == world["a"].count("CloseSession")


@pytest.mark.parametrize("rpc", PHASES)
def test_the_caller_alone_overrides_the_fence(world, cursor, rpc):
    world["a"].script[rpc] = deque([lost()])
    world["a"].hung = True

    cursor.execute(WRITE, idempotent=True)

    assert {"a": [WRITE], "b": [WRITE]} == world.statements()


def test_a_read_needs_no_fence(world, cursor):
    world["a"].script["ExecuteStatement"] = deque([lost()])
    world["a"].hung = True

    cursor.execute("select 1")

    assert ["select 1"] == world["b"].statements()


def test_what_the_second_try_says_is_not_reported_of_the_first(world, cursor):
    """ "Table already exists" is what a CREATE says that has run before."""
    sql = "create table t (i int)"
    world["a"].script["ExecuteStatement"] = deque([lost()])
    world["b"].script["ExecuteStatement"] = deque(["AnalysisException: Table already exists: d.t"])

    error = unknown(cursor, sql, idempotent=True)

    assert "Table already exists" in str(error)
    assert 2 == len(error.attempts)


@pytest.mark.parametrize("sql", [IDEMPOTENT[0], WRITE])
def test_nobody_left_is_not_reported_of_what_may_have_run(world, sql):
    """At the deadline nobody else could be reached, but the first may have done it."""
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque([lost()])
    world["a"].script["connect"] = deque()
    world["b"].down = world["c"].down = True

    def dies(_):
        world["a"].down = True
        raise lost()

    world["a"].script["ExecuteStatement"] = deque([dies])
    error = unknown(cursor, sql, idempotent=True)

    assert len(error.attempts) > 3
    assert "Connection" in str(error) or "Could not connect" in str(error)


def test_three_runs_are_the_most_of_an_idempotent_write(world, cursor):
    for host in "abc":
        world[host].script["ExecuteStatement"] = deque([lost()] * 9)

    unknown(cursor, IDEMPOTENT[0])

    assert {host: [IDEMPOTENT[0]] for host in "abc"} == world.statements()


CATALOG = "Couldn't open transport for catalog:26000 (connect() failed: Connection refused)"


@pytest.mark.parametrize(
    "text",
    [
        CATALOG,
        "Request for Catalog service is rejected since catalogd c:26000 is in standby mode",
        "Server is being shut down: shutdown grace period left: 1s",
        "Session is closed",
        "Invalid session id: 1:2",
        "RPC recv timed out: dest address: c:26000, rpc: x",
    ],
)
@pytest.mark.parametrize("prefix", ["", "Query 1:2 failed:\n"])
def test_an_insert_that_a_restart_of_catalogd_ends_is_not_run_again(world, cursor, text, prefix):
    """UpdateCatalog comes after the rows were written."""
    told = f"{prefix}{text}\n"
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "ERROR_STATE", told)])

    error = unknown(cursor, WRITE)

    assert {"a": [WRITE]} == world.statements()
    assert text in str(error)
    assert {State.HEALTHY} == {world.state(host) for host in "abc"}


@pytest.mark.parametrize("text", [CATALOG, "RPC client failed to connect: " + CATALOG])
def test_ddl_that_was_executed_inside_execute_statement_is_not_run_again(world, cursor, text):
    """As Impala did up to 4.0; since 3.4 it sends the request to catalogd up to ten times."""
    world["a"].script["ExecuteStatement"] = deque([text + "\n"])

    unknown(cursor, "create table t (i int)")

    assert {"a": ["create table t (i int)"]} == world.statements()


ADMISSION = [
    "Rejected query from pool root.etl: queue full, limit=1, num_queued=1.",
    "Admission for query exceeded timeout 60000ms in pool p. Queued reason: x Additional Details: y",
    (
        "Admission for query exceeded timeout 60000ms in pool p. Queued reason: "
        "Coordinator not registered with the statestore."
    ),
]


def profile(line):
    text = f"Query (id=1:2):\n  Summary:\n    Sql Statement: insert\n    {line}\n"
    return lambda _: impala.TGetRuntimeProfileResp(status=OK, profile=text)


@pytest.mark.parametrize("text", ADMISSION)
@pytest.mark.parametrize("prefix", ["", "Query 1:2 failed:\n"])
@pytest.mark.parametrize(
    "line", ["Admission result: Rejected", "Admission result: Timed out (queued)", ""]
)
def test_a_write_that_admission_control_turned_away_has_not_run(world, cursor, text, prefix, line):
    told = f"{prefix}{text}\n"
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "ERROR_STATE", told)])
    world["a"].script["GetRuntimeProfile"] = deque([profile(line)])

    cursor.execute(WRITE)

    assert 2 == sum(map(len, world.statements().values()))
    assert all(seconds > 0 for seconds in world.clock.slept) or "registered" in text


@pytest.mark.parametrize("text", ADMISSION)
@pytest.mark.parametrize(
    "line", ["Admission result: Admitted immediately", "Admission result: Admitted (queued)"]
)
def test_a_function_that_speaks_like_admission_control_has_nothing_repeated(
    world, cursor, text, line
):
    """What fails with constant arguments is told without "UDF ERROR:"; the profile knows better."""
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "ERROR_STATE", text)])
    world["a"].script["GetRuntimeProfile"] = deque([profile(line)])

    unknown(cursor, WRITE)

    assert {"a": [WRITE]} == world.statements()


@pytest.mark.parametrize("text", ADMISSION)
@pytest.mark.parametrize("answer", [lost(), "Query id 1:2 not found."], ids=["lost", "unknown"])
def test_nor_has_it_where_the_profile_cannot_be_had(world, cursor, text, answer):
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "ERROR_STATE", text)])
    world["a"].script["GetRuntimeProfile"] = deque([answer])

    unknown(cursor, WRITE)

    assert {"a": [WRITE]} == world.statements()


@pytest.mark.parametrize(
    "sql", ["create table t as select 1", "load data inpath '/x' into table t"]
)
@pytest.mark.parametrize("text", ADMISSION)
def test_what_is_partly_done_before_admission_is_not_repeated_after_it(world, cursor, sql, text):
    """The table has been made; the files have been moved."""
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "ERROR_STATE", text)])

    unknown(cursor, sql)

    assert {"a": [sql]} == world.statements()


CONVERT = "alter table t convert to iceberg"


@pytest.mark.parametrize(
    "text",
    [
        "Server is being shut down: shutdown grace period left: 1s",
        "Invalid session id: 1:2",
        "Session is closed",
        ADMISSION[0],
        "InternalException: Error requesting prioritized load: x",
        "AnalysisException: Failed to load metadata for table: 'd.t'\nCAUSED BY: x",
    ],
)
@pytest.mark.parametrize("prefix", ["", "Query 1:2 failed:\n"])
def test_a_conversion_to_iceberg_is_not_repeated_whatever_is_answered(world, cursor, text, prefix):
    """It is executed inside ExecuteStatement, by child queries that are told what all are told."""
    world["a"].script["ExecuteStatement"] = deque([f"{prefix}{text}\n"])

    unknown(cursor, CONVERT)

    assert {"a": [CONVERT]} == world.statements()


def test_a_conversion_that_does_not_parse_is_the_users_error(world, cursor):
    world["a"].script["ExecuteStatement"] = deque(["AnalysisException: Table does not exist: d.t"])

    with pytest.raises(errors.Error, match="Table does not exist") as caught:
        cursor.execute(CONVERT)

    assert not isinstance(caught.value, errors.OutcomeUnknown)


def test_a_full_coordinator_is_left_and_all_full_ones_are_given_time(world):
    """It is said in OpenSession alone; a statement that comes from there is no session."""
    world = World(deadline=4.0)
    full = "Number of sessions for user x exceeds coordinator limit 1\n"
    for host in "abc":
        world[host].script["OpenSession"] = deque([full] * 1000)

    with pytest.raises(errors.Error):
        world.connect()

    assert len(world.driver.opened) < 60
    assert all(seconds > 0 for seconds in world.clock.slept[2:])


def test_the_same_words_from_a_running_statement_eject_nobody_and_are_the_users(world, cursor):
    """831 attempts in four seconds, once."""
    text = "Number of sessions for user x exceeds coordinator limit 1\n"
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "ERROR_STATE", text)] * 99)

    with pytest.raises(errors.OperationalError, match="Number of sessions"):
        cursor.execute(WRITE)

    assert {"a": [WRITE]} == world.statements()
    assert {State.HEALTHY} == {world.state(host) for host in "abc"}


def test_a_table_whose_metadata_does_not_load_is_tried_a_few_times(world, cursor):
    text = "AnalysisException: Failed to load metadata for table: 'd.t'\nCAUSED BY: x\n"
    world["a"].script["ExecuteStatement"] = deque([text] * 99)

    with pytest.raises(errors.Error, match="Failed to load metadata"):
        cursor.execute(WRITE)

    assert [WRITE] * 3 == world["a"].statements()
    assert all(seconds > 0 for seconds in world.clock.slept)
