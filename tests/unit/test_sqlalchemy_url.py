"""URLs of engines, and what they make of the options in them."""

import re
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.dialects import registry
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

import impala_ha.dbapi
from impala_ha.errors import ConfigurationError
from impala_ha.sqlalchemy import ImpalaDialect, ImpalaHADialect

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture(autouse=True)
def _registered():
    """As the entry points do once the package is installed, and not only on the path."""
    registry.register("impala.ha", "impala_ha.sqlalchemy", "ImpalaDialect")
    registry.register("impala_ha", "impala_ha.sqlalchemy", "ImpalaHADialect")


def arguments(url):
    return ImpalaDialect().create_connect_args(make_url(url))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("impala+ha://", {}),
        ("impala+ha:///sales", {"database": "sales"}),
        (
            "impala+ha://etl:p%40ss@a:21051/sales",
            {
                "host": "a",
                "port": 21051,
                "user": "etl",
                "password": "p@ss",
                "database": "sales",
            },
        ),
        ("impala+ha://a,b,c/sales", {"host": "a,b,c", "database": "sales"}),
        ("impala+ha://a,b:21051", {"host": "a,b", "port": 21051}),
        (
            "impala+ha:///sales?host=a:21050&host=b:21051",
            {"database": "sales", "host": "a:21050,b:21051"},
        ),
        ("impala+ha:///?host=a:21050,b:21051", {"host": "a:21050,b:21051"}),
        ("impala+ha:///?host=dns://impala:21050", {"host": "dns://impala:21050"}),
        ("impala+ha:///?host=[::1]:21050", {"host": "[::1]:21050"}),
        ("impala+ha://[::1]:21051/sales", {"host": "::1", "port": 21051, "database": "sales"}),
        ("impala+ha://a?use_ssl=false", {"host": "a", "use_ssl": False}),
        ("impala+ha://a?use_ssl=TRUE", {"host": "a", "use_ssl": True}),
        ("impala+ha://a?timeout=30&retries=2", {"host": "a", "timeout": 30.0, "retries": 2}),
        ("impala+ha://a?auth_mechanism=ldap", {"host": "a", "auth_mechanism": "LDAP"}),
        ("impala+ha:///?port=21051", {"port": 21051}),
        # None would be "not given", and the default is a quarter of a second.
        ("impala+ha://a?hedge_after=0", {"host": "a", "hedge_after": "0"}),
        (
            "impala+ha:///?http_cookie_names=a&http_cookie_names=b",
            {"http_cookie_names": "a,b"},
        ),
    ],
)
def test_a_url_names_the_arguments_of_connect_with_their_types(url, expected):
    positional, named = arguments(url)

    assert [] == positional
    assert expected == named
    assert {n: type(v) for n, v in expected.items()} == {n: type(v) for n, v in named.items()}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("?timout=3", "timout is not an option of connect(): did you mean timeout"),
        ("?timeout=soon", "timeout must be a number of seconds, not 'soon'"),
        ("?use_ssl=perhaps", "use_ssl must be true or false"),
        ("?port=x", "port must be a whole number, not 'x'"),
        ("?timeout=1&timeout=2", "timeout is given more than once"),
        ("a/?host=b", "host is given twice"),
        ("/x?database=y", "database is given twice"),
        ("?password=hidden", "password cannot stand behind the question mark"),
        ("?jwt=hidden", "jwt cannot stand behind the question mark"),
        ("?password_cmd=hidden", "IMPALA_HA_PASSWORD_CMD"),
        ("?ldap_password=hidden", "ldap_password cannot stand"),
        ("?on_event=print", "on_event must be callable"),
        ("a:99999/sales", "port must be within 1..65535, not '99999'"),
        ("a:0", "port must be within 1..65535, not '0'"),
        ("/?host=a:0", "port of a must be a whole number within 1..65535, not '0'"),
        ("/?host=a&host=a", "host names a:21050 twice"),
        ("/?host=http://a", "host 'http://a' is a URL"),
        ("/?host=[::1", "host '[::1' is not host, host:port or [ipv6]:port"),
        ("/?host=a:21050&port=21051", "port=21051 contradicts host"),
    ],
)
def test_a_mistake_in_a_url_is_told_when_the_engine_is_made(url, told):
    with pytest.raises(ConfigurationError, match=re.escape(told)) as raised:
        create_engine(f"impala+ha://{url}")

    assert "hidden" not in str(raised.value)


def test_all_mistakes_of_a_url_are_in_one_error():
    with pytest.raises(ConfigurationError) as raised:
        arguments("impala+ha://a?host=b&timout=3&use_ssl=perhaps&password=hidden")

    assert 4 == len(raised.value.problems)


def test_values_are_bound_in_one_style():
    with pytest.raises(ArgumentError, match="paramstyle must be qmark"):
        create_engine("impala+ha://", paramstyle="pyformat")


def test_no_repr_shows_a_password():
    engine = create_engine("impala+ha://etl:hidden@a,b/sales")

    assert "hidden" not in f"{engine!r} {engine.url!r} {engine.dialect!r}"


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("impala+ha://a", ImpalaDialect, "impala"),
        ("impala_ha://a", ImpalaHADialect, "impala_ha"),
    ],
)
def test_a_url_leads_to_the_dialect_of_its_name(url, kind, name):
    engine = create_engine(url)

    assert type(engine.dialect) is kind
    assert (name, "ha") == (engine.dialect.name, engine.dialect.driver)
    assert impala_ha.dbapi is engine.dialect.dbapi


def test_the_package_names_its_dialects_to_sqlalchemy():
    section = PROJECT.read_text("utf-8").split('entry-points."sqlalchemy.dialects"]')[1]
    named = dict(
        re.findall(r'^"?([\w.]+)"? = "impala_ha.sqlalchemy:(\w+)"$', section, re.MULTILINE)
    )

    assert {"impala.ha": "ImpalaDialect", "impala_ha": "ImpalaHADialect"} == named
