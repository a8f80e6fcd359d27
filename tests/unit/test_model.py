"""The nouns refuse what cannot be, and read well in a log."""

import pickle

import pytest

from impala_ha.core.faults import Fault, Phase
from impala_ha.core.model import Attempt, Coordinator


def test_a_coordinator_listens_where_impala_does_unless_told_otherwise():
    assert ("a", 21050, 1, "") == (Coordinator("a").host, Coordinator("a").port, 1, "")


def test_coordinators_are_equal_when_host_and_port_are():
    assert Coordinator("a", weight=2, zone="east") == Coordinator("a")
    assert Coordinator("a") != Coordinator("a", 1)
    assert 1 == len({Coordinator("a", weight=2), Coordinator("a")})


@pytest.mark.parametrize(
    ("coordinator", "text"),
    [(Coordinator("a"), "a:21050"), (Coordinator("::1", 1), "[::1]:1")],
)
def test_a_coordinator_reads_as_it_is_written(coordinator, text):
    assert text == str(coordinator)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"host": ""}, "needs a host"),
        ({"host": b"a"}, "needs a host, a text, not b'a'"),
        ({"host": "a", "port": "21050"}, "port of a must be a whole number, not '21050'"),
        ({"host": "a", "weight": 1.5}, "weight of a must be a whole number, not 1.5"),
        ({"host": "a", "port": 0}, "port of a must be within 1..65535, not 0"),
        ({"host": "a", "port": 65536}, "port of a must be within 1..65535, not 65536"),
        ({"host": "a", "weight": 0}, "weight of a must be at least 1, not 0"),
        ({"host": "a", "priority": -1}, "priority of a must be at least 0, not -1"),
        ({"host": "a", "priority": "1"}, "priority of a must be a whole number, not '1'"),
        (
            {"host": "a", "krb_host": "impala/a@R"},
            "krb_host of a must be the name of a host, without service and realm, not 'impala/a@R'",
        ),
    ],
)
def test_a_coordinator_that_cannot_be_is_refused(told, why):
    with pytest.raises(ValueError, match=why):
        Coordinator(**told)


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("a", False),
        ("1.2.3", False),
        ("1.2.3.4.example", False),
    ],
)
def test_an_address_is_told_from_a_name(host, is_one):
    """Kerberos and certificates are about names."""
    assert is_one is Coordinator(host).is_address


GOOD = Attempt("execute", 2, Coordinator("b"), 0.25)
FAILED = Attempt(
    "execute",
    1,
    Coordinator("a"),
    1.5,
    Fault.LOST,
    Phase.SENT,
    OSError("broken pipe"),
    "broken pipe",
)


def test_an_attempt_is_one_line():
    assert "#2 b:21050 (0.25 s) ok" == str(GOOD)
    assert "#1 a:21050 (1.50 s) stopped answering after the statement was sent: broken pipe" == str(
        FAILED
    )


@pytest.mark.parametrize(
    ("fault", "phase", "may"),
    [
        (Fault.LOST, Phase.SENT, True),
        (Fault.LOST, Phase.UNSENT, False),
        (Fault.BUSY, Phase.RUNNING, False),
        (Fault.EXECUTORS, Phase.RUNNING, True),
        (None, None, False),
    ],
)
def test_a_statement_may_have_run_if_it_was_sent_and_the_fault_says_so(fault, phase, may):
    assert may is Attempt("execute", 1, Coordinator("a"), 0.0, fault, phase).may_have_run


def test_an_attempt_travels_without_its_exception():
    copy = pickle.loads(pickle.dumps(FAILED.portable()))

    assert FAILED == copy
    assert None is copy.error
    assert str(FAILED) == str(copy)
