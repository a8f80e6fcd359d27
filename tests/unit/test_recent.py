"""Settings that are remembered: what is the same, and what is read anew each time."""

import random

import pytest

from impala_ha import ConfigurationError, Coordinator
from impala_ha.balancing.policies import POLICIES
from impala_ha.options import recent
from impala_ha.options.settings import Settings


def read(**arguments):
    return recent.read(arguments, hosts_known=False)


def test_what_says_the_same_is_read_once():
    first = read(host=["a", "b"], timeout=3)

    assert read(host=["a", "b"], timeout=3, port=None) is first
    assert (Coordinator("a"), Coordinator("b")) == first.coordinators


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"host": "a"}, {"host": "b"}),
        ({"host": ["a", "b"]}, {"host": ["b", "a"]}),
        ({"timeout": 1}, {"timeout": 1.5}),
        ({"port": 1}, {"port": "1"}),
    ],
)
def test_what_says_something_else_is_read(one, other):
    assert read(**one) is not read(**other)


def test_a_mistake_that_equals_something_right_is_one():
    read(use_ssl=True)

    with pytest.raises(ConfigurationError, match="use_ssl"):
        read(use_ssl=1.5)
    with pytest.raises(ConfigurationError, match="port"):
        read(port=True)


def test_the_environment_counts_as_it_is_now(monkeypatch):
    assert read().options.policy == "round_robin"
    monkeypatch.setenv("IMPALA_HA_POLICY", "random")
    assert read().options.policy == "random"
    monkeypatch.setenv("IMPALA_HA_POLICY", "ordered")
    assert read().options.policy == "ordered"


def test_another_ticket_cache_is_another_form_of_login(monkeypatch):
    first = read(auth_mechanism="GSSAPI").options.key
    monkeypatch.setenv("KRB5CCNAME", "elsewhere")

    assert read(auth_mechanism="GSSAPI").options.key != first


@pytest.mark.parametrize(
    "arguments",
    [
        {"auth_mechanism": "PLAIN", "password": "geheim"},
        {"auth_mechanism": "LDAP", "user": "etl", "password": lambda: "geheim"},
        {"policy": POLICIES["random"](random.Random(7))},
        {"host": [Coordinator("a", weight=2)]},
        {"krb_host": {"a": "b"}, "auth_mechanism": "GSSAPI"},
    ],
)
def test_secrets_and_what_may_change_are_not_remembered(arguments, monkeypatch):
    monkeypatch.setattr(recent, "_RECENT", {})

    assert isinstance(read(**arguments), Settings)
    assert recent._RECENT == {}


def test_a_secret_of_the_environment_is_not_remembered(monkeypatch):
    monkeypatch.setattr(recent, "_RECENT", {})
    monkeypatch.setenv("IMPALA_HA_PASSWORD", "geheim")
    read(auth_mechanism="PLAIN")

    assert recent._RECENT == {}


def test_a_variable_that_nobody_knows_makes_a_warning_each_time(monkeypatch):
    monkeypatch.setenv("IMPALA_HA_POLCY", "random")
    for _ in range(2):
        with pytest.warns(UserWarning, match="IMPALA_HA_POLCY"):
            read()


def test_not_more_is_remembered_than_a_program_uses(monkeypatch):
    monkeypatch.setattr(recent, "_RECENT", {})
    for number in range(250):
        read(timeout=number + 1)

    assert len(recent._RECENT) <= 100
