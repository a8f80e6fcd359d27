"""Parameters are bound as impyla binds them, and text in quotes is text."""

import datetime as dt
from decimal import Decimal

import pytest
from impala.interface import _bind_parameters

from impala_ha import errors
from impala_ha._binding import bind

POSITIONAL = [
    ("select ?", [1], None, "select 1"),
    ("select %s", ["it's"], None, r"select 'it\'s'"),
    ("select :1, :2, :1", [1, None], None, "select 1, NULL, 1"),
    ("select ?, '%s'", (7,), "qmark", "select 7, '%s'"),
    ("select '?', %s", (7,), "format", "select '?', 7"),
    ("select '?', :1", (7,), "numeric", "select '?', 7"),
    ("select ?", [dt.date(2024, 5, 1)], None, "select '2024-05-01'"),
    (
        "select ?",
        [dt.datetime(2024, 5, 1, 10, 11, 12)],  # noqa: DTZ001 - Impala has no zones
        None,
        "select '2024-05-01 10:11:12'",
    ),
    ("select ?", [Decimal("1.50")], None, "select 1.50"),
    ("select ?, ?", [True, 2.5], None, "select True, 2.5"),
]


@pytest.mark.parametrize(("sql", "values", "style", "bound"), POSITIONAL)
def test_positions_are_bound_in_every_style(sql, values, style, bound):
    configuration = {"paramstyle": style} if style else None

    assert bound == bind(sql, values, configuration)[0]
    assert bound == _bind_parameters(sql, values, style), "impyla says the same"


NAMED = [
    ("select :a, %(b)s", {"a": 1, "b": "x"}, "select 1, 'x'"),
    ("select %(a)s like '%%'", {"a": "b"}, "select 'b' like '%'"),
    ("select :a", {"a": None, "unused": 1}, "select NULL"),
    ("select :a", {"a": dt.date(2024, 5, 1)}, "select '2024-05-01'"),
    ("select :a", {"a": "it's"}, r"select 'it\'s'"),
]


@pytest.mark.parametrize(("sql", "values", "bound"), NAMED)
def test_names_are_bound_in_both_styles(sql, values, bound):
    assert bound == bind(sql, values, None)[0]
    assert bound == _bind_parameters(sql, values), "impyla says the same"


@pytest.mark.parametrize(
    ("sql", "bound"),
    [
        ("select '10:am', :a", "select '10:am', 1"),
        ('select "x:a", :a', 'select "x:a", 1'),
        ("select `c:a` from t where i = :a", "select `c:a` from t where i = 1"),
        ("select :a -- or :b\n", "select 1 -- or :b\n"),
        ("select /* :b */ :a", "select /* :b */ 1"),
        ("select '%(a)s', :a", "select '1', 1"),
    ],
)
def test_a_colon_in_a_literal_or_a_comment_is_text(sql, bound):
    """impyla takes ``'10:am'`` for a parameter; ``%(a)s`` in a literal is bound there and here."""
    assert bound == bind(sql, {"a": 1}, None)[0]


def test_a_colon_in_a_value_is_text():
    assert "select 'x:b', ':a'" == bind("select :a, ':a'", {"a": "x:b"}, None)[0]


def test_the_stand_in_for_a_colon_is_never_one_of_the_callers_characters():
    first = chr(0xE000)

    assert (
        f"select '{first}:x', '{first}'" == bind(f"select '{first}:x', :a", {"a": first}, None)[0]
    )


@pytest.mark.parametrize("nothing", [None, [], {}, ()])
def test_without_parameters_markers_are_text(nothing):
    sql = "select '%s', ':a', '?', 100 % 7"

    assert (sql, None) == bind(sql, nothing, None)


def test_the_style_is_for_binding_and_is_not_sent():
    configuration = {"paramstyle": "qmark", "mem_limit": "1g"}

    assert ("select 1", {"mem_limit": "1g"}) == bind("select ?", [1], configuration)
    assert {"paramstyle": "qmark", "mem_limit": "1g"} == configuration, "the caller's is untouched"


def test_a_configuration_goes_along_without_parameters():
    assert ("select 1", {"mem_limit": "1g"}) == bind("select 1", None, {"mem_limit": "1g"})


@pytest.mark.parametrize(
    ("sql", "values", "configuration"),
    [
        ("select ?, ?", [1], None),
        ("select ?", [1, 2], None),
        ("select ?", [1], {"paramstyle": "named"}),
        ("select ?", [1], {"paramstyle": "runes"}),
        ("select ?", "text", None),
        (b"select 1", None, None),
        (None, [1], None),
    ],
)
def test_what_does_not_fit_is_a_programming_error(sql, values, configuration):
    with pytest.raises(errors.ProgrammingError):
        bind(sql, values, configuration)


def test_a_name_without_a_value_is_told_as_impyla_tells_it():
    with pytest.raises(KeyError, match="missing") as caught:
        bind("select :missing", {"a": 1}, None)

    assert isinstance(caught.value, errors.ProgrammingError)
    assert str(caught.value).startswith("the parameters do not fit the statement: KeyError")


@pytest.mark.parametrize("sql", ["select %(a)q", "select %"])
def test_a_marker_python_does_not_know_is_a_programming_error_too(sql):
    with pytest.raises(ValueError, match="do not fit") as caught:
        bind(sql, {"a": 1}, None)

    assert isinstance(caught.value, errors.ProgrammingError)
