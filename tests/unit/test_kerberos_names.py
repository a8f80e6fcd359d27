"""Under which name Kerberos knows a coordinator."""

import pytest

from impala_ha.core.kerberos_errors import PrincipalMismatch
from impala_ha.core.model import Coordinator
from impala_ha.options.kerberos_names import Identity, given, host_of, read

A = Coordinator("a")

NAMES = [
    (None, A, "a"),
    (None, Coordinator("A.Example.Com."), "a.example.com"),
    ("lb.example.com", A, "lb.example.com"),
    ("_HOST.example.com", A, "a.example.com"),
    ({"a": "x", "b": "y"}, A, "x"),
    ({"B": "y"}, A, "a"),
    ({"B": "y"}, Coordinator("b"), "y"),
    ({"a": "x", "a:21051": "y"}, Coordinator("a", 21051), "y"),
    ({"a": "_HOST.example.com"}, A, "a.example.com"),
    ("a=x, b=y", Coordinator("b"), "y"),
    *[
        ({key: "x"}, Coordinator(host, 21051), "x")
        for host in ("a.test", "A.test.")
        for key in ("a.test", "a.test.", "A.TEST:21051", "a.test.:21051")
    ],
    ("lb", Coordinator("a", krb_host="own"), "own"),
    ("lb", Coordinator("a", krb_host="_HOST.test"), "a.test"),
]


@pytest.mark.parametrize(("said", "coordinator", "name"), NAMES)
def test_a_coordinator_goes_by_what_was_said_of_it_or_by_its_own_name(said, coordinator, name):
    assert name == host_of(said and read(said), coordinator)


def test_a_name_that_was_looked_up_takes_the_place_of_an_address():
    where = Coordinator("10.0.0.1")

    assert "a.example.com" == host_of(None, where, "a.example.com")
    assert "a.test" == host_of("_HOST.test", where, "a")
    assert "lb" == host_of("lb", where, "a")


def test_what_was_read_can_be_read_again_and_hashed():
    names = read({"a": "x"})

    assert names == read(names)
    assert hash(names)
    assert "x" == given(names, A)


@pytest.mark.parametrize("value", ["", "impala/a", "a@REALM", "a b", {"a": "b@R"}, {"a": 1}, 7])
def test_what_is_no_name_of_a_host_is_refused(value):
    with pytest.raises(ValueError, match="must be the name of a host, a pattern with _HOST"):
        read(value)


def test_a_connection_is_opened_as_one_user_and_stays_so():
    identity = Identity()
    for _ in range(2):
        identity.check("etl@X")

    with pytest.raises(
        PrincipalMismatch, match="one of bob@X, and the connection was opened as etl@X"
    ):
        identity.check("bob@X")
    assert "etl@X" == identity.principal
