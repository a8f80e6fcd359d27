"""Whether another try may follow, and what the caller is told at the end."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impala.error import HiveServer2Error
from thrift.transport.TTransport import TTransportException

from impala_ha import Attempt, Coordinator, errors
from impala_ha.core.faults import AFTER, Fault, Phase
from impala_ha.failover.attempts import Call, History, doubtful_faults, may_be_options
from impala_ha.failover.final_errors import deadline_error, final_error
from impala_ha.sql.statement import Kind

READ = Call("execute")
WRITE = Call("execute", idempotent=False, writes=True)
IDEMPOTENT = Call("execute", writes=True)  # the caller said so


def eof():
    return TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes")


def attempt(fault=Fault.LOST, phase=Phase.SENT, error=None, *, number=1, host="a", hint=""):
    error = error or eof()
    return Attempt("execute", number, Coordinator(host), 0.5, fault, phase, error, str(error), hint)


def history(*attempts):
    return History(list(attempts))


@given(
    st.sampled_from(Fault),
    st.sampled_from(Phase),
    st.sampled_from(Kind),
)
def test_a_write_is_tried_again_only_if_it_cannot_have_run(fault, phase, kind):
    doubtful = fault in doubtful_faults(kind)
    failed = replace(attempt(fault, phase), doubtful=doubtful)

    of_the_statement = fault in (Fault.QUERY, Fault.STALE, Fault.BUSY, Fault.NOT_REGISTERED)
    accepted = phase in AFTER and not of_the_statement
    may_have_run = phase.sent and (accepted or fault.may_have_run or doubtful)

    assert may_have_run is failed.may_have_run
    assert (fault.retry and not may_have_run) is WRITE.may_follow(failed)


@given(st.sampled_from(Fault), st.sampled_from(Phase))
def test_what_is_certainly_over_may_be_done_once_more(fault, phase):
    """The loop asks the fence only where it would be idempotent."""
    assert fault.retry is WRITE.may_follow(replace(attempt(fault, phase), ended=True))


def test_statements_that_do_part_of_their_work_before_admission_are_known():
    assert Fault.BUSY in doubtful_faults(Kind.CTAS)
    assert Fault.BUSY in doubtful_faults(Kind.LOAD)
    assert Fault.DRAINING in doubtful_faults(Kind.CONVERT)
    assert Fault.CATALOG in doubtful_faults(Kind.DDL)
    assert not doubtful_faults(Kind.DML)
    assert not doubtful_faults(Kind.QUERY)


@given(st.sampled_from(Fault), st.sampled_from(Phase))
def test_a_read_is_tried_again_wherever_that_can_help(fault, phase):
    assert fault.retry is READ.may_follow(attempt(fault, phase))


@given(st.sampled_from(Fault), st.sampled_from(Phase))
def test_nothing_follows_once_rows_were_handed_out(fault, phase):
    assert not Call("fetchone", again=False).may_follow(attempt(fault, phase))


def test_nothing_follows_a_success():
    assert not READ.may_follow(Attempt("execute", 1, Coordinator("a"), 0.1))


def test_a_trail_tells_where_it_was_and_how_often_the_statement_may_have_run():
    found = history(
        attempt(Fault.UNREACHABLE, Phase.CONNECT), attempt(host="b"), attempt(Fault.BUSY, host="b")
    )

    assert ["a", "b", "b"] == [coordinator.host for coordinator in found.tried]
    assert 1 == found.counted


@pytest.mark.parametrize(
    ("call", "failed", "kind"),
    [
        (READ, attempt(), errors.CoordinatorLost),
        (READ, attempt(Fault.UNREACHABLE, Phase.CONNECT), errors.CoordinatorLost),
        (WRITE, attempt(), errors.OutcomeUnknown),
        (WRITE, attempt(Fault.LOST, Phase.UNSENT), errors.CoordinatorLost),
        (WRITE, attempt(Fault.EXECUTORS, Phase.RUNNING), errors.OutcomeUnknown),
        (WRITE, attempt(Fault.UNKNOWN, Phase.SENT), errors.OutcomeUnknown),
        (WRITE, replace(attempt(Fault.BUSY), doubtful=True), errors.OutcomeUnknown),
        (IDEMPOTENT, attempt(), errors.OutcomeUnknown),
        (IDEMPOTENT, attempt(Fault.UNREACHABLE, Phase.CONNECT), errors.CoordinatorLost),
        (Call("fetchone", finished=True), attempt(phase=Phase.FETCH), errors.ResultLost),
        (READ, attempt(Fault.DENIED, Phase.LOGIN), errors.AuthenticationFailed),
        (READ, attempt(Fault.UNRESOLVED, Phase.CONNECT), errors.NoCoordinatorLeft),
        (READ, attempt(Fault.UNTRUSTED, Phase.CONNECT), errors.NoCoordinatorLeft),
        (READ, attempt(Fault.MISMATCH, Phase.OPEN), errors.NoCoordinatorLeft),
        (READ, attempt(Fault.BUSY, Phase.RUNNING), errors.CoordinatorLost),
    ],
)
def test_the_last_attempt_decides_what_is_reported(call, failed, kind):
    error = final_error(call, history(failed))

    assert kind.__name__ == type(error).__name__
    assert isinstance(error, TTransportException)
    assert (failed,) == error.attempts
    assert failed.error is error.__cause__
    assert "TSocket read 0 bytes" in str(error)


THEIRS = HiveServer2Error("queue full")


@pytest.mark.parametrize(
    ("call", "failed"),
    [
        (READ, attempt(Fault.QUERY, error=THEIRS)),
        (WRITE, attempt(Fault.QUERY, error=THEIRS)),
        (READ, attempt(Fault.UNKNOWN, Phase.OPEN, THEIRS)),
        (READ, attempt(Fault.BUSY, error=THEIRS)),
        (WRITE, attempt(Fault.BUSY, error=THEIRS)),
        (READ, attempt(Fault.EXECUTORS, error=THEIRS)),
    ],
)
def test_what_the_server_said_of_the_statement_is_passed_on_untouched(call, failed):
    assert THEIRS is final_error(call, history(failed))


@pytest.mark.parametrize("call", [WRITE, IDEMPOTENT])
@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.LOST])
def test_a_write_that_may_have_run_before_is_not_told_to_have_failed(call, fault):
    """The second try's "table exists" says nothing of the first; nor does "nobody left"."""
    found = history(attempt(), attempt(fault, Phase.OPEN, THEIRS, number=2, host="b"))

    for told in (final_error(call, found), deadline_error(call, found)):
        assert isinstance(told, errors.OutcomeUnknown)
        assert "queue full" in str(told)


@pytest.mark.parametrize("call", [WRITE, IDEMPOTENT])
def test_nobody_left_is_reported_of_a_write_that_was_never_sent(call):
    found = history(attempt(Fault.UNREACHABLE, Phase.CONNECT), attempt(Fault.LOST, Phase.UNSENT))

    assert isinstance(deadline_error(call, found), errors.NoCoordinatorLeft)


def test_one_attempt_is_reported_in_one_line_and_advice():
    assert (
        "execute failed: a:21050 (0.50 s) stopped answering after the statement was sent: "
        "TSocket read 0 bytes"
    ) == str(final_error(READ, history(attempt())))


def test_several_coordinators_are_reported_one_a_line():
    text = str(
        final_error(
            WRITE, history(attempt(Fault.UNREACHABLE, Phase.OPEN), attempt(number=2, host="b"))
        )
    )

    first, *lines, advice = text.splitlines()
    assert "execute failed after 2 attempts:" == first
    assert ["- a:21050 (0", "- b:21050 (0"] == [line[:12] for line in lines]
    assert "idempotent=True" in advice


def refused(number, host, since):
    return replace(attempt(Fault.UNREACHABLE, Phase.CONNECT, number=number, host=host), since=since)


def test_a_coordinator_has_one_line_however_often_it_was_tried():
    found = history(*(refused(n, "abc"[n % 3], n) for n in range(31)))

    first, *lines = str(deadline_error(READ, replace(found, limit=60.0))).splitlines()

    assert "execute failed after 31 attempts, at its deadline of 60 s:" == first
    assert [
        "- a:21050 (11 attempts in 30.50 s) could not be reached connecting: TSocket read 0 bytes",
        "- b:21050 (10 attempts in 27.50 s) could not be reached connecting: TSocket read 0 bytes",
        "- c:21050 (10 attempts in 27.50 s) could not be reached connecting: TSocket read 0 bytes",
    ] == lines[:3]
    assert 4 == len(lines)
    assert "`impala-ha doctor -i a:21050,b:21050,c:21050`" in lines[3]


def test_what_it_said_before_is_told_too():
    """Which try may have run must not get lost behind a later one that did not."""
    found = history(attempt(), refused(2, "a", 1.0), refused(3, "a", 2.0))

    line = str(deadline_error(WRITE, found)).splitlines()[1]

    assert (
        "- a:21050 (3 attempts in 2.50 s) could not be reached connecting: TSocket read 0 bytes "
        "(before: stopped answering after the statement was sent)"
    ) == line


def test_hints_are_reported_once_each():
    found = history(
        attempt(hint="look here"), attempt(hint="look there"), attempt(hint="look here"), attempt()
    )

    lines = str(final_error(READ, found)).splitlines()

    assert ["Hint: look here.", "Hint: look there."] == lines[-2:]


def test_who_would_say_the_same_again_counts_as_asked_in_each_round():
    found = history(
        attempt(Fault.UNRESOLVED, Phase.CONNECT, host="typo"),
        attempt(Fault.UNREACHABLE, Phase.CONNECT, host="b"),
    )

    assert {Coordinator("typo")} == found.permanent
    assert ["typo", "b", "typo", "typo"] == [where.host for where in found.asked]


def test_when_all_is_spent_the_advice_is_to_check_the_coordinators():
    error = deadline_error(READ, history(attempt(Fault.UNREACHABLE, Phase.CONNECT)))

    assert isinstance(error, errors.NoCoordinatorLeft)
    assert "Check that the coordinators run" in str(error)


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.EXECUTORS])
def test_when_waiting_was_in_vain_the_servers_words_say_what_it_lacks(fault):
    assert THEIRS is deadline_error(READ, history(attempt(fault, error=THEIRS)))


def test_a_gateway_that_stays_busy_is_reported_as_a_coordinator_that_was_lost():
    """HTTP's 429 is no word of Impala's."""
    assert isinstance(deadline_error(READ, history(attempt(Fault.BUSY))), errors.NoCoordinatorLeft)


# May it be due to the options of the connection?

REFUSED = TTransportException(TTransportException.NOT_OPEN, "Could not connect", OSError("refused"))
EOF = TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes")
LATE = TTransportException(TTransportException.TIMED_OUT, "read timeout", TimeoutError("timed out"))
PROBED = TTransportException(
    TTransportException.TIMED_OUT, "read timeout: no answer for 30 s, nor to 2 probes: EOF"
)
OVERTAKEN = TTransportException(TTransportException.TIMED_OUT, "no answer within 0.25 s")
OVERTAKEN.overtaken = True
HANDSHAKE = TTransportException(TTransportException.NOT_OPEN, "Could not connect", OSError("EOF"))
HANDSHAKE.reached = True
NO_ANSWER = TTransportException(TTransportException.NOT_OPEN, "late", TimeoutError("timed out"))


@pytest.mark.parametrize(
    ("fault", "phase", "error", "elapsed", "expected"),
    [
        (Fault.UNREACHABLE, Phase.CONNECT, REFUSED, 0.1, False),
        (Fault.UNREACHABLE, Phase.CONNECT, HANDSHAKE, 0.1, True),
        (Fault.UNREACHABLE, Phase.CONNECT, NO_ANSWER, 0.1, True),
        (Fault.UNREACHABLE, Phase.CONNECT, NO_ANSWER, 10.0, False),
        (Fault.UNREACHABLE, Phase.LOGIN, EOF, 0.1, True),
        (Fault.UNREACHABLE, Phase.OPEN, EOF, 0.1, True),
        (Fault.UNREACHABLE, Phase.OPEN, LATE, 0.3, True),
        (Fault.UNREACHABLE, Phase.OPEN, LATE, 10.0, True),
        (Fault.UNREACHABLE, Phase.OPEN, OVERTAKEN, 0.25, False),
        (Fault.UNREACHABLE, Phase.OPEN, OVERTAKEN, 0.01, True),
        (Fault.LOST, Phase.SENT, EOF, 0.1, False),
        (Fault.LOST, Phase.RUNNING, LATE, 30.0, True),
        (Fault.LOST, Phase.RUNNING, PROBED, 30.0, False),
        (
            Fault.DRAINING,
            Phase.OPEN,
            errors.OperationalError("Server is being shut down"),
            0.1,
            False,
        ),
        (Fault.UNRESOLVED, Phase.CONNECT, REFUSED, 0.1, False),
        (Fault.NO_KDC, Phase.TICKET, errors.OperationalError("?"), 0.1, False),
        (Fault.UNTRUSTED, Phase.CONNECT, HANDSHAKE, 0.1, True),
        (Fault.MISNAMED, Phase.TICKET, errors.OperationalError("?"), 0.1, True),
        (Fault.MISMATCH, Phase.OPEN, EOF, 0.1, True),
    ],
)
def test_what_may_be_due_to_the_options(fault, phase, error, elapsed, expected):
    found = Attempt("connect", 1, Coordinator("a"), elapsed, fault, phase, error)

    assert expected is may_be_options(found, proven=False)


def test_what_is_not_due_to_options_that_were_taken_before():
    silent = Attempt("connect", 1, Coordinator("a"), 10.0, Fault.UNREACHABLE, Phase.OPEN, LATE)
    hung_up = Attempt("execute", 1, Coordinator("a"), 0.1, Fault.UNREACHABLE, Phase.OPEN, EOF)

    assert not may_be_options(silent, proven=True)
    assert may_be_options(replace(silent, elapsed=0.3), proven=True), "that is impatience"
    assert may_be_options(hung_up, proven=True), "its ticket may be too old"
    assert not may_be_options(hung_up, proven=True, opened=True)
