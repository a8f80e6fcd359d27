"""What the caller holds: connect(), connection and cursor, over a server of this process."""

import sys
from collections import deque
from types import SimpleNamespace

import pytest
from impala.error import HiveServer2Error, OperationalError
from impala.hiveserver2 import CBatch
from loopback import Answers, Peer, hiveserver2
from test_failover import World, lost

import impala_ha
from impala_ha import Cluster, ConfigurationError, Coordinator, errors
from impala_ha.auth import gss_library
from impala_ha.core.extras import MissingExtra
from impala_ha.dbapi.cursor_session import printed_id
from impala_ha.testing.fakes import state


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def peer(answers):
    with Peer(hiveserver2(answers)) as server:
        yield server


@pytest.fixture
def cluster(peer):
    return Cluster([peer.coordinator])


@pytest.fixture
def cursor():
    return World().connect().cursor()


def of(world_cursor):
    """The coordinator in memory behind a cursor of `World`."""
    return world_cursor._session.link.client._server


# connect() and the connection.


def test_hosts_and_options_make_a_connection(peer):
    with impala_ha.connect(str(peer.coordinator), database="d", user="etl") as connection:
        assert connection.coordinator == peer.coordinator
        assert connection.default_db == "d"
        assert connection.kerberized() is False


def test_a_repr_tells_where_it_is_and_no_secret(cluster, peer):
    connection = impala_ha.connect(cluster, jwt=None, user="etl", password="s3cret")

    assert str(peer.coordinator) in repr(connection)
    assert "s3cret" not in repr(connection)
    connection.close()
    assert "<impala_ha Connection closed," in repr(connection)


def test_reconnecting_opens_a_new_connection(cluster, peer, answers):
    with impala_ha.connect(cluster) as connection:
        connection.reconnect()
        assert connection.coordinator == peer.coordinator
        assert peer.accepted == 2

        connection._failover.links.detach(connection._failover.links.current)
        connection.reconnect()
        assert peer.accepted == 3


def test_the_service_of_impyla_is_there(cluster):
    with impala_ha.connect(cluster) as connection:
        transport = connection.service.client._oprot.trans
        assert transport._TBufferedTransport__trans.port == cluster.coordinators[0].port


@pytest.mark.parametrize("word", ["port", "policy", "eject_for", "eject_most"])
def test_a_cluster_has_its_own_rules(cluster, word):
    with pytest.raises(ConfigurationError, match=f"{word} cannot be given with a Cluster"):
        impala_ha.connect(cluster, **{word: 7})


def test_kerberos_without_its_library_says_what_to_install(cluster, monkeypatch):
    monkeypatch.setattr(gss_library, "FILE", "libgssapi_krb5.so.none")
    monkeypatch.setitem(sys.modules, "kerberos", None)
    monkeypatch.setitem(sys.modules, "gssapi", None)

    with pytest.raises(MissingExtra, match=r"apt install libgssapi-krb5-2"):
        impala_ha.connect(cluster, auth_mechanism="gssapi")


# Reading.


def test_columns_are_batches_of_impyla(cursor):
    cursor.execute("select 1")
    batches = cursor.fetchcolumnar()

    assert all(isinstance(batch, CBatch) for batch in batches)
    assert [batch.columns[0].values for batch in batches] == [["one"], ["two"]]


def test_one_batch_of_columns_begins_the_result(cursor):
    cursor.execute("select 1")
    assert cursor.fetchcbatch().columns[0].values == ["one"]
    of(cursor).down = True

    with pytest.raises(errors.ResultLost):
        cursor.fetchcbatch()


def test_the_log_of_an_open_statement_is_asked_for(cursor):
    cursor.execute("select 1")

    assert cursor.get_log() == ""
    assert of(cursor).count("GetLog") == 1


def test_a_kept_log_is_not(cursor):
    cursor.execute("select 1")
    cursor.fetchall()

    assert cursor.get_log() == ""
    assert of(cursor).count("GetLog") == 1


def test_a_statement_may_have_failed(cursor):
    cursor.execute_async("select 1")

    assert cursor.execution_failed() is False


def test_cancelling_stops_the_statement_where_it_runs(cursor):
    cursor.execute_async("select 1")
    cursor.cancel()

    assert of(cursor).count("CancelOperation") == 1


def test_closing_a_statement_leaves_the_cursor_usable(cursor):
    cursor.execute("select 1")
    cursor.close_operation()

    with pytest.raises(errors.ProgrammingError):
        cursor.fetchall()
    cursor.execute("select 1")
    assert cursor.fetchall() == [("one",), ("two",)]


def test_a_summary_of_nothing_is_misuse(cursor):
    with pytest.raises(errors.ProgrammingError, match="not available"):
        cursor.get_summary()
    with pytest.raises(errors.ProgrammingError, match="not available"):
        cursor.get_log()


def test_many_statements_one_after_the_other(cursor):
    cursor.executemany("insert into t values (%(i)s)", iter([{"i": 1}, {"i": 2}]))

    assert of(cursor).statements() == ["insert into t values (1)", "insert into t values (2)"]


# Errors on the way.


def test_an_error_without_words_is_fetched_as_from_old_impala(cursor):
    of(cursor).script["GetOperationStatus"] = deque([lambda r: state(r, "ERROR_STATE")])
    of(cursor).script["FetchResults"] = deque(["the reason"])

    with pytest.raises(HiveServer2Error, match="^the reason$"):
        cursor.execute("select 1")


def test_an_error_without_words_or_rows_says_what_it_is(cursor):
    of(cursor).script["GetOperationStatus"] = deque([lambda r: state(r, "ERROR_STATE")])

    with pytest.raises(OperationalError, match="^Operation is in ERROR_STATE$"):
        cursor.execute("insert into t values (1)")


def test_an_error_in_closing_a_finished_statement_is_reported(cursor):
    of(cursor).script["CloseImpalaOperation"] = deque(["Kudu error(s) reported"])

    with pytest.raises(HiveServer2Error, match="Kudu error"):
        cursor.execute("insert into t values (1)")


def test_ctrl_c_while_the_first_session_is_opened_abandons_nothing():
    world = World().connect()
    world["a"].script["OpenSession"] = deque([KeyboardInterrupt()])
    first = world.cursor()

    with pytest.raises(KeyboardInterrupt):
        world.cursor()

    assert world.driver.ended == []
    assert first.coordinator == Coordinator("a")


def test_ctrl_c_with_nothing_running_cancels_nothing(cursor):
    of(cursor).script["GetInfo"] = deque([lambda _: (_ for _ in ()).throw(KeyboardInterrupt)])
    cursor._session.link.client.invalidate = lambda _: None

    with pytest.raises(KeyboardInterrupt):
        cursor.ping()

    assert of(cursor).count("CancelOperation") == 0


def test_a_python_error_in_the_work_is_no_interruption(cursor):
    """Converting a value may fail; the statement is not cancelled for it."""
    cursor.execute("select 1")
    cursor._description = [("c", "TIMESTAMP")]

    with pytest.raises(errors.DataError, match='type TIMESTAMP is none: .*Cannot convert "one"'):
        cursor.fetchall()

    assert of(cursor).count("CancelOperation") == 0


def test_an_unknown_outcome_on_a_session_that_is_gone_can_still_be_asked_for():
    world = World()
    cursor = world.connect().cursor()
    world["a"].script["GetOperationStatus"] = deque(["Invalid session id: 1:2"])

    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute("insert into t values (1)")

    assert caught.value.resolve() is impala_ha.Outcome.DONE
    with pytest.raises(errors.OutcomeUnknown, match="the session was lost before"):
        cursor.fetchall()


def test_an_id_of_another_length_is_reported_as_it_is():
    assert printed_id(SimpleNamespace(guid=b"\x01\xff")) == "01ff"
    assert printed_id(SimpleNamespace(guid=bytes(7) + b"\1" + bytes(8))).startswith("01000")


def test_time_may_run_out_between_two_sources():
    world = World()
    cursor = world.connect().cursor()
    world["a"].script["GetOperationStatus"] = deque([lost()])
    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute("insert into t values (1)")

    def slow(_):
        world.clock.time += 60
        return "Invalid or unknown query handle"

    world["a"].script["GetOperationStatus"] = deque([lambda r: say(slow(r))])

    assert caught.value.resolve(timeout=30) is impala_ha.Outcome.UNKNOWN
    assert world["a"].count("GetInfo") == 0


def say(text):
    """The server's error with that text."""
    raise HiveServer2Error(text)
