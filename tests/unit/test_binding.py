"""Parameters are bound as impyla binds them, and text in quotes is text."""

import datetime as dt
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impala.interface import _bind_parameters

from impala_ha import errors
from impala_ha._binding import bind
from impala_ha._scanner import Token, scan

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


def test_a_name_without_a_value_is_told_with_those_that_have_one():
    with pytest.raises(KeyError, match="no value is given for 'b', 'c'; given are 'a'") as caught:
        bind("select :a, :b, %(c)s, :b", {"a": 1}, None)

    assert isinstance(caught.value, errors.ProgrammingError)


def test_a_marker_that_is_none_is_told_with_what_to_write():
    with pytest.raises(ValueError, match=r"'%\(a\)d' is no marker: write %\(a\)s, or %% for a %"):
        bind("select %(a)d", {"a": 1}, None)


@pytest.mark.parametrize(
    ("sql", "values", "bound"),
    [
        ("select '2026-01-01 00:00:00', %s", [7], "select '2026-01-01 00:00:00', 7"),
        ("select '10:20:30', ?", [7], "select '10:20:30', 7"),
        ("select 'http://h:8080/p', :1", [7], "select 'http://h:8080/p', 7"),
        ("select '?', ?", [7], "select '?', 7"),
        ("/* %s ? :1 */ select %s -- ?", [7], "/* %s ? :1 */ select 7 -- ?"),
        ("select `a?b`, ? from `t:1`", [7], "select `a?b`, 7 from `t:1`"),
        ("select '100%sure', %s", [7], "select '100%sure', 7"),
        (r"select 'it\'s ?', ?", [7], r"select 'it\'s ?', 7"),
        ("select '100% of', %(a)s", {"a": 7}, "select '100% of', 7"),
        ("select 5 % 2, %(a)s", {"a": 7}, "select 5 % 2, 7"),
        ("select 5 %% 2, '%%', `%%`, %(a)s", {"a": 7}, "select 5 % 2, '%', `%`, 7"),
        ("select '10:am', \"x:a\", `c:a`, :a", {"a": 7}, "select '10:am', \"x:a\", `c:a`, 7"),
        ("select 5 -%s, 5 -:1", [-3], "select 5 - -3, 5 - -3"),
    ],
)
def test_what_stands_in_literals_names_and_comments_is_text(sql, values, bound):
    assert bound == bind(sql, values, None)[0]


@pytest.mark.parametrize(
    ("sql", "values", "bound"),
    [
        ("select '%s'", [7], "select '7'"),
        ("select '%s'", ["it's"], r"select 'it\'s'"),
        ("select '%s'", [dt.date(2024, 5, 1)], "select '2024-05-01'"),
        ("select '%s'", [None], "select NULL"),
        ("select '/y=%s/m=%s', %s", [2024, 5, 1], "select '/y=2024/m=5', 1"),
        ("select '%(a)s'", {"a": 7}, "select '7'"),
        ('select "%(a)s"', {"a": 'say "x"'}, r"select 'say \"x\"'"),
        ("select a like '%(a)s%%'", {"a": "b'"}, r"select a like 'b\'%'"),
        ("select '%(a)s'", {"a": None}, "select NULL"),
    ],
)
def test_a_marker_in_quotes_that_is_meant_is_a_part_of_the_literal(sql, values, bound):
    """impyla puts quotes into the quotes of a text, and 'NULL' where nothing is."""
    assert bound == bind(sql, values, None)[0]


@pytest.mark.parametrize("value", [None, b"x", [1], float("inf")])
def test_what_is_no_part_of_a_literal_is_told(value):
    with pytest.raises(errors.ProgrammingError, match="leave out the quotes"):
        bind("select 'x%(a)s'", {"a": value}, None)


@pytest.mark.parametrize(
    ("sql", "values", "why"),
    [
        ("select ?", [1, 2], "markers for 1 parameters outside of literals .* and 2 are given"),
        ("select ?, ?", [1], "a marker for parameter 2, and 1 are given"),
        ("select :2", [1], "a marker for parameter 2, and 1 are given"),
        ("select :0", [1], "a marker for parameter 0, and 1 are given"),
        ("select 'x'", [1], "markers for 0 parameters"),
        ("select ?", {1, 2}, "a list, a tuple or a mapping, not set"),
        ("select ?", [object()], "parameter 1: a object has no literal"),
        ("select :a", {"a": {}}, "parameter 'a': a dict has no literal"),
        ("select ?", ["\ud800"], "parameter 1: a text that is not valid Unicode"),
        ("select '\ud800'", None, "the statement is not valid Unicode"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_sent(sql, values, why):
    with pytest.raises(errors.ProgrammingError, match=why):
        bind(sql, values, None)


VALUES = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.sampled_from(
        ["'", "\\", "\\'", "';--", "?", ":1", "%s", "%(a)s", "%%", '"', "`", "\n", "*/"]
    ),
)
STYLES = {
    "qmark": ("select ?, ? -- '", lambda a, b: [a, b]),
    "format": ("select %s, %s -- '", lambda a, b: [a, b]),
    "numeric": ("select :1, :2 -- '", lambda a, b: (a, b)),
    "named": ("select :a, :b -- '", lambda a, b: {"a": a, "b": b}),
    "pyformat": ("select %(a)s, %(b)s -- '", lambda a, b: {"a": a, "b": b}),
    "in a literal": ("select '%(a)s', '%(b)s' -- '", lambda a, b: {"a": a, "b": b}),
}


@given(st.sampled_from(list(STYLES)), VALUES, VALUES)
def test_a_text_is_one_literal_whatever_is_in_it(style, one, two):
    sql, values = STYLES[style]

    bound = bind(sql, values(one, two), None)[0]
    pieces = [(p.token, bound[p.start : p.end]) for p in scan(bound)]

    assert [
        Token.CODE,
        Token.STRING,
        Token.CODE,
        Token.STRING,
        Token.CODE,
        Token.COMMENT,
    ] == [token for token, _ in pieces]
    for (_, written), value in zip(pieces[1:4:2], (one, two), strict=True):
        plain = written[1:-1].replace("\\n", "\n").replace("\\r", "\r")
        assert value == re.sub(r"\\(.)", r"\1", plain) or "\\" in value


@pytest.mark.timeout(10)
@pytest.mark.parametrize("style", STYLES)
def test_many_literals_take_no_more_than_their_length(style):
    """Each was copied with all that stood before it."""
    sql, values = STYLES[style]
    many = "select " + "'x:a', " * 200_000 + sql.removeprefix("select ")

    assert bind(many, values(1, 2), None)[0].startswith("select 'x:a', 'x:a', ")
