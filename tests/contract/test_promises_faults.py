"""
A coordinator fails between two calls of a statement: what its caller is told is true.

A test steps in just before the client sends one kind of call, and kills, stops or hurts the
coordinator.  Together with the cuts of `test_promises_cuts` (in the middle of a message) that is
every phase.
"""

from __future__ import annotations

import pytest
from promises import DONE, FAILED, UNKNOWN, Ledger, connect, give, healed, insert, select

from impala_ha import NoCoordinatorLeft
from impala_ha.hs2.client import Client
from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers

FAULTS = ("kill", "disconnect", "lose_sessions", "drain", "saturate", "hang", "mute")
WRITE_CALLS = ("ExecuteStatement", "GetOperationStatus", "GetLog", "CloseImpalaOperation")
READ_CALLS = (*WRITE_CALLS[:3], "CloseOperation", "GetResultSetMetadata", "FetchResults")
# The reply to CloseOperation is read by the next call.
WHEN = [*((rpc, "_send") for rpc in READ_CALLS), *((rpc, "read_reply") for rpc in READ_CALLS[:-3])]
WHEN += [(rpc, "read_reply") for rpc in READ_CALLS[-2:]]
GONE = {"kill", "lose_sessions"}  # what becomes of the statement cannot be asked any more
SILENT = {"hang", "mute"}


@pytest.fixture(scope="module")
def pair():
    with LocalCluster(2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def ledger(pair):
    ledger = Ledger(pair)
    yield ledger
    ledger.check_again()


@pytest.fixture
def before(monkeypatch):
    """
    Do something once, just before a call is sent or its reply is read; the list says whether it
    was.
    """

    def arm(rpc, deed, moment="_send"):
        done = []
        method = getattr(Client, moment)

        def watched(self, name, *arguments):
            if name == rpc and not done:
                done.append(name)
                deed()
            return method(self, name, *arguments)

        monkeypatch.setattr(Client, moment, watched)
        return done

    return arm


@pytest.mark.parametrize("rpc", WRITE_CALLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_write_never_runs_twice_and_its_caller_is_told_the_truth(
    pair, ledger, before, fault, rpc
):
    with healed(pair), connect(pair, timeout=_patience(fault)) as connection:
        cursor = connection.cursor()
        met = before(rpc, getattr(pair[0], fault))
        sql, write = insert()
        told = give(cursor, sql, write=write)
        _wake(pair[0])

        assert [rpc] == met
        ledger.note(told)
        assert told.how in _expected_of_write(fault, rpc), told


def _patience(fault):
    """Seconds: long, for a machine that is busy is not silent, where silence is not the case."""
    return 0.5 if fault in SILENT else 10


def _wake(coordinator):
    """Let it do what it was given meanwhile."""
    if coordinator.pid is not None:
        coordinator.resume()
        coordinator.unmute()


def _expected_of_write(fault, rpc):
    if rpc in ("GetLog", "CloseImpalaOperation"):
        return {DONE}  # it had ended
    if rpc == "GetOperationStatus":
        return {UNKNOWN} if fault in GONE | SILENT else {DONE}
    if fault in SILENT | {"kill", "disconnect"}:
        return {UNKNOWN}  # it may have arrived
    return {DONE}  # the server refused it, and the other one took it


@pytest.mark.parametrize("when", WHEN, ids="-".join)
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "mute"])  # it is as "hang"
def test_a_read_survives_everything(pair, ledger, before, fault, when):
    rpc, moment = when
    with healed(pair), connect(pair, timeout=_patience(fault)) as connection:
        cursor = connection.cursor()
        met = before(rpc, getattr(pair[0], fault), moment)
        sql, write = select()
        told = give(cursor, sql, write=write)
        cursor.get_log()

        assert [rpc] == met
        ledger.note(told)
        assert DONE == told.how, told
        assert [1, 2, 3] == [row[0] for row in told.rows]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_between_statements_is_never_seen(pair, ledger, fault):
    """Not even by a write, unless the coordinator is silent: then it may have arrived."""
    with (
        healed(pair),
        connect(pair, timeout=_patience(fault)) as connection,
        connection.cursor() as cursor,
    ):
        give(cursor, "SELECT 1", write=False)
        getattr(pair[0], fault)()
        sql, write = insert()
        told = give(cursor, sql, write=write)
        _wake(pair[0])

        ledger.note(told)
        assert (UNKNOWN if fault in SILENT else DONE) == told.how, told


@pytest.mark.parametrize("fault", ["kill", "drain", "saturate", "hang", "mute"])
def test_connecting_leads_elsewhere(pair, fault):
    with healed(pair):
        getattr(pair[0], fault)()
        with connect(pair, connect_timeout=0.5) as connection:
            assert pair[1].host == connection.coordinator.host


@pytest.mark.parametrize("fault", ["mute", "hang", "saturate", "kill", "drain"])
def test_connecting_ends_by_the_deadline_when_nobody_answers(pair, fault):
    with healed(pair):
        for coordinator in pair:
            getattr(coordinator, fault)()
        with pytest.raises(NoCoordinatorLeft) as caught:
            connect(pair, connect_timeout=0.3, deadline=1)

        tried = {attempt.coordinator.host for attempt in caught.value.attempts}
        assert {coordinator.host for coordinator in pair} == tried


def test_a_write_that_everybody_refuses_has_failed_and_never_ran(pair, ledger):
    with healed(pair), connect(pair, deadline=1) as connection, connection.cursor() as cursor:
        for coordinator in pair:
            coordinator.drain()
        sql, write = insert()
        told = give(cursor, sql, write=write)

        assert FAILED == told.how
        assert isinstance(told.error, NoCoordinatorLeft)
        ledger.note(told)


def test_a_write_that_the_queue_turned_away_is_given_again(pair, ledger):
    with healed(pair), connect(pair) as connection, connection.cursor() as cursor:
        pair[0].queue_full()
        sql, write = insert()
        told = give(cursor, sql, write=write)

        assert DONE == told.how, told
        ledger.note(told)


@pytest.mark.parametrize("ran", [False, True])
def test_a_write_that_lost_an_executor_is_not_given_again(pair, ledger, ran):
    with healed(pair), connect(pair) as connection, connection.cursor() as cursor:
        pair[0].fail_next("Failed due to unreachable impalad(s): x:27000", "status", ran=ran)
        sql, write = insert()
        told = give(cursor, sql, write=write)

        assert UNKNOWN == told.how, told
        ledger.note(told)
