"""What a caller catches: both what it was and what it means, with the words kept."""

import pickle
import ssl

import pytest
from impala.error import HiveServer2Error, HttpError, RPCError
from thrift.Thrift import TApplicationException
from thrift.transport.TTransport import TTransportException

from impala_ha import Attempt, Coordinator, errors
from impala_ha.core.faults import Fault, Phase

TOLD = [
    errors.AuthenticationFailed,
    errors.CoordinatorLost,
    errors.NoCoordinatorLeft,
    errors.OutcomeUnknown,
    errors.ResultLost,
]
CAUSES = [
    TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes"),
    TApplicationException(TApplicationException.INTERNAL_ERROR, "x"),
    HiveServer2Error("Invalid session id: 1:2"),
    HttpError(503, "Service Unavailable", b"page", {"Retry-After": "1"}),
    ConnectionResetError(104, "Connection reset by peer"),
    TimeoutError("timed out"),
    ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]"),
    EOFError(),
]


def attempt(cause):
    return Attempt("execute", 1, Coordinator("a"), 0.5, Fault.LOST, Phase.SENT, cause, str(cause))


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: type(cause).__name__)
@pytest.mark.parametrize("kind", TOLD, ids=lambda kind: kind.__name__)
def test_an_error_is_what_it_means_and_what_it_stands_for(kind, cause):
    error = errors.make_error(kind, "words", cause, [attempt(cause)])

    assert isinstance(error, kind)
    assert isinstance(error, type(cause))
    assert isinstance(error, errors.OperationalError)
    assert "words" == str(error)
    assert cause is error.__cause__
    assert kind.__name__ == type(error).__name__


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: type(cause).__name__)
@pytest.mark.parametrize("kind", TOLD, ids=lambda kind: kind.__name__)
def test_an_error_survives_pickle_with_its_classes_words_and_attempts(kind, cause):
    """Celery, multiprocessing and their like send exceptions from one process to another."""
    error = errors.make_error(kind, "words", cause, [attempt(cause)])

    copy = pickle.loads(pickle.dumps(error))

    assert type(error) is type(copy)
    assert "words" == str(copy)
    assert error.attempts == copy.attempts
    assert Coordinator("a") == copy.coordinator
    assert None is copy.attempts[0].error


def test_what_callers_look_at_is_there():
    eof, http = CAUSES[0], CAUSES[3]

    assert (
        TTransportException.END_OF_FILE == errors.make_error(errors.CoordinatorLost, "x", eof).type
    )
    told = errors.make_error(errors.CoordinatorLost, "x", http)
    assert (503, {"Retry-After": "1"}) == (told.code, told.http_headers)


def test_the_classes_are_made_once():
    one, two = (errors.make_error(errors.ResultLost, "x", EOFError()) for _ in range(2))

    assert type(one) is type(two)


def test_an_error_of_another_kind_is_only_the_cause():
    error = errors.make_error(errors.CoordinatorLost, "words", KeyError("x"))

    assert errors.CoordinatorLost is type(error)
    assert isinstance(error.__cause__, KeyError)


def test_an_error_without_a_cause_is_plain():
    error = errors.make_error(errors.NoCoordinatorLeft, "words")

    assert (errors.NoCoordinatorLeft, None) == (type(error), error.__cause__)
    assert (None, ()) == (error.coordinator, error.attempts)


def test_an_error_that_nobody_told_can_be_raised_too():
    assert "" == str(errors.ResultLost())
    assert "x" == str(pickle.loads(pickle.dumps(errors.ResultLost("x"))))


def test_an_error_that_is_the_kind_already_needs_no_class_of_its_own():
    first = errors.make_error(errors.OutcomeUnknown, "first", CAUSES[0])

    assert errors.CoordinatorLost is type(
        errors.make_error(errors.CoordinatorLost, "second", first)
    )


def test_an_error_that_cannot_be_combined_is_only_the_cause():
    class FinalError(OSError):
        def __init_subclass__(cls):
            raise TypeError("final")

    error = errors.make_error(errors.CoordinatorLost, "words", FinalError("x"))

    assert errors.CoordinatorLost is type(error)
    assert isinstance(error.__cause__, FinalError)


@pytest.mark.parametrize(
    ("session", "query", "tag", "text"),
    [
        ("1:2", "3:4", "t", "words\nSession id 1:2, query id 3:4, statement tag t."),
        ("1:2", None, None, "words\nSession id 1:2."),
        (None, None, None, "words"),
    ],
)
def test_an_unknown_outcome_tells_what_to_look_for(session, query, tag, text):
    """Who looks at the coordinator's list of queries needs the id."""
    error = errors.make_error(errors.OutcomeUnknown, "words", CAUSES[0], [attempt(CAUSES[0])])
    error.identify(session, query, tag)

    for each in (error, pickle.loads(pickle.dumps(error))):
        assert text == str(each)
        assert (session, query, tag) == (each.session_id, each.query_id, each.statement_tag)
        assert Phase.SENT is each.phase
    assert None is errors.OutcomeUnknown("x").phase


def test_a_wrong_call_lists_every_mistake():
    error = errors.ConfigurationError(["one", "two"])

    assert "2 mistakes:\n- one\n- two" == str(error)
    assert ("one", "two") == error.problems


def test_a_wrong_call_with_one_mistake_says_it_plainly():
    assert "one" == str(errors.ConfigurationError(iter(["one"])))


@pytest.mark.parametrize("problems", [["one"], ["one", "two"]])
def test_a_wrong_call_survives_pickle(problems):
    error = errors.ConfigurationError(problems)

    copy = pickle.loads(pickle.dumps(error))

    assert (str(error), error.problems) == (str(copy), copy.problems)


def test_the_server_status_is_an_rpc_error_as_in_impyla():
    assert isinstance(errors.make_error(errors.OutcomeUnknown, "x", CAUSES[2]), RPCError)
