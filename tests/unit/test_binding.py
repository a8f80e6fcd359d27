"""Markers count in code only; what works with impyla gives the same statement here."""

import datetime as dt
import itertools
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impala.interface import _bind_parameters

from impala_ha import errors
from impala_ha.sql.parameters import bind
from impala_ha.sql.scanner import TokenType, scan


def bound(sql, values, style=None):
    return bind(sql, values, {"paramstyle": style} if style else None)[0]


POSITIONAL = [
    ("select ?", [1], None, "select 1"),
    ("select %s", ["it's"], None, r"select 'it\'s'"),
    ("select ?", ['a"\\b\n\r'], None, r"select 'a\"\\b\n\r'"),
    ("select :1, :2, :1", [1, None], None, "select 1, NULL, 1"),
    ("select ?, '%s'", (7,), "qmark", "select 7, '%s'"),
    ("select '?', %s", (7,), "format", "select '?', 7"),
    ("select '?', :1", (7,), "numeric", "select '?', 7"),
    ("select 1 % 2, :1, ?", (7,), "numeric", "select 1 % 2, 7, ?"),
    ("select :1, ?", (7,), None, "select 7, 7"),
    ("select ?", [dt.date(2024, 5, 1)], None, "select '2024-05-01'"),
    (
        "select ?",
        [dt.datetime(2024, 5, 1, 10, 11, 12)],  # noqa: DTZ001 - Impala has no zones
        None,
        "select '2024-05-01 10:11:12'",
    ),
    ("select ?", [Decimal("1.50")], None, "select 1.50"),
    ("select ?, ?", [True, 2.5], None, "select True, 2.5"),
    ("select ?, ?", [1e16, -0.0], None, "select 1e+16, -0.0"),
    ("select 1 where 1 in ?", [(1, 2)], None, "select 1 where 1 in (1, 2)"),
    ("select * from t_%s_x", [5], None, "select * from t_5_x"),
    ("select '%s'", [20240501], None, "select '20240501'"),
    ("select `%s`", [5], None, "select `5`"),
    ("select a like '%%x', ?", [1], None, "select a like '%%x', 1"),
    ("select /*+ shuffle */ ? from t [noshuffle]", [1], None, None),
    ("select :10, ?, ?, ?, ?, ?, ?, ?, ?, ?", list(range(10)), None, None),
]


@pytest.mark.parametrize(("sql", "values", "style", "expected"), POSITIONAL)
def test_positions_are_bound_in_every_style_as_impyla_binds_them(sql, values, style, expected):
    assert expected in (None, bound(sql, values, style))
    assert bound(sql, values, style) == _bind_parameters(sql, values, style)


NAMED = [
    ("select :a, %(b)s", {"a": 1, "b": "x"}, "select 1, 'x'"),
    ("select %(a)s like '%%'", {"a": "b"}, "select 'b' like '%'"),
    ("select :a", {"a": None, "unused": 1}, "select NULL"),
    ("select :a", {"a": dt.date(2024, 5, 1)}, "select '2024-05-01'"),
    ("select :a", {"a": "it's"}, r"select 'it\'s'"),
    ("select 10 %% 3, :a", {"a": 1}, "select 10 % 3, 1"),
    ("select %%(a)s, :a", {"a": 1}, "select %(a)s, 1"),
    ("select %%%(a)s", {"a": 1}, "select %1"),
    ("select '%(a)s', 'x%(a)s%%'", {"a": 5}, "select '5', 'x5%'"),
    (r"select 'x\\%(a)s\n\'%%'", {"a": 5}, r"select 'x\\5\n\'%'"),
    ("select `t_%(a)s` /* %%20 */", {"a": 5}, "select `t_5` /* %20 */"),
    ("select %(avg(x))s, %(a b)s", {"avg(x)": 1, "a b": 2}, "select 1, 2"),
    ("select 1 in %(a)s", {"a": (1, 2)}, "select 1 in (1, 2)"),
    ("select :ä, :_b", {"ä": 1, "_b": 2}, "select 1, 2"),
    ("select 1", {"a": 1}, "select 1"),
]


@pytest.mark.parametrize(("sql", "values", "expected"), NAMED)
def test_names_are_bound_in_both_styles_as_impyla_binds_them(sql, values, expected):
    assert expected == bound(sql, values)
    assert expected == _bind_parameters(sql, values), "impyla says the same"


@pytest.mark.parametrize("style", ["qmark", "format", "numeric", "named", "pyformat"])
def test_a_dict_is_bound_by_name_whatever_the_style(style):
    assert bound("select :a, %(a)s", {"a": 1}, style) == "select 1, 1"


MARKERS = {"qmark": "?", "format": "%s", "numeric": ":1", "named": ":a", "pyformat": "%(a)s"}
TEXTS = [
    "'2026-01-01 00:00:00'",
    "'10:20:30'",
    "'http://h:8080/p'",
    "'?'",
    '"?"',
    "':1'",
    "'10:am'",
    '"x:a"',
    r"'it\'s ? :1 :a'",
    "'a?%s :1'",
    "'100% of'",
    "'%some%'",
    "'% d'",
    "`c:a?`",
    "/* :a :1 ? %s %(a)s */",
    "/*+ shuffle */",
    "-- :a ? %(a)s %(other)s it's\n",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("chosen", [True, False])
@pytest.mark.parametrize("style", MARKERS)
def test_in_quotes_and_in_comments_a_marker_is_text_in_every_style(style, chosen, text):
    values = {"a": 7} if style in ("named", "pyformat") else [7]
    sql = f"select {text} {MARKERS[style]} {text}"

    assert bound(sql, values, style if chosen else None) == f"select {text} 7 {text}"


@pytest.mark.parametrize(
    ("sql", "values", "expected"),
    [
        ("select '%s'", ["it's"], r"select 'it\'s'"),
        ('select "%s"', ['it\'s "so"'], r'select "it\'s \"so\""'),
        ("select '%(a)s'", {"a": "x"}, "select 'x'"),
        (
            "select '%(a)s 00:00', '%%s'",
            {"a": dt.date(2024, 5, 1)},
            "select '2024-05-01 00:00', '%s'",
        ),
        ("select '-%(a)s'", {"a": -1}, "select '--1'"),
    ],
)
def test_a_value_in_quotes_goes_in_as_text(sql, values, expected):
    """impyla puts quotes within the quotes."""
    assert expected == bound(sql, values)


@pytest.mark.parametrize("value", [None, [1], b"x", dt.timedelta(1), float("nan")])
@pytest.mark.parametrize("quote", ["'", '"', "`"])
def test_what_is_no_text_does_not_go_into_quotes(value, quote):
    """impyla makes the word NULL of None."""
    for sql, values in [("%s", [value]), ("%(a)s", {"a": value})]:
        with pytest.raises(errors.ProgrammingError, match="cannot stand within"):
            bound(f"select {quote}{sql}{quote}", values)


def test_a_text_does_not_go_into_a_name():
    with pytest.raises(errors.ProgrammingError, match="parameter a: a value of type str cannot"):
        bound("select `%(a)s`", {"a": "x"})


def test_a_value_in_quotes_does_not_come_after_a_backslash():
    """The backslash would take the one that guards the value's quote."""
    with pytest.raises(errors.ProgrammingError, match="backslash"):
        bound(r"select '\%(a)s'", {"a": "' or 1 = 1 --"})


@pytest.mark.parametrize("marker", ["?", "%s", ":1", ":a", "%(a)s"])
def test_a_negative_number_after_a_minus_does_not_begin_a_comment(marker):
    values = {"a": -1} if "a" in marker else [-1]

    assert bound(f"select 5-{marker}", values) == "select 5- -1"
    assert bound(f"select 5 - {marker}", values) == "select 5 - -1"


def test_a_percent_sign_alone_is_a_percent_sign():
    sql = "select i % 3, i %(j + 1), i %t, '5% off', '% d', :a"

    assert bound(sql, {"a": 1}) == sql.replace(":a", "1")


def test_a_statement_may_be_long():
    """It is bound in one pass; a pass for each literal would take minutes here."""
    texts = "'10:20', " * 100_000

    assert bound(f"select {texts}:a", {"a": 1}) == f"select {texts}1"
    assert bound(f"select {texts}?", [1]) == f"select {texts}1"


@pytest.mark.parametrize("nothing", [None, [], {}, (), ""])
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
    ("sql", "values", "style", "message"),
    [
        (
            "select ?, ?",
            [1],
            None,
            r"markers \(\?, %s or :1\) for 2 values, and 1 were .*value are 2",
        ),
        ("select ?", [1, 2], None, "for 1 values, and 2 were given.*without a marker 2"),
        ("select ?", [1] * 30, None, r"2, 3, 4, 5, 6, 7, 8, 9, 10, 11, \.\.\."),
        ("select '?'", [1], "qmark", r"markers \(\?\) for 0 values.*In quotes and comments"),
        ("select 'x%s'", [1], None, "only '%s' is one"),
        ("select 'not closed ?", [1], None, "for 0 values"),
        ("select 1 /* ?", [1], None, "for 0 values"),
        ("select :2", [1, 2], None, "without a marker 1"),
        ("select :1, :3", [1, 2], "numeric", r"\(:1\).*without a value are 3, without a marker 2"),
        ("select :0", [1], None, "without a value are 0"),
        ("select :1" + "0" * 5000, [1], None, "without a value"),
        ("select :a", [1], None, "for 0 values"),
        ("select ?", [1], "named", "'named' needs a dict"),
        ("select ?", [1], "pyformat", "'pyformat' needs a dict"),
        ("select ?", [1], "runes", "'runes' is none of qmark, format, numeric"),
        ("select ?", [1], ["qmark"], "is none of"),
        ("select ?", "text", None, "list, tuple or dict, not str"),
        ("select ?", b"text", None, "list, tuple or dict, not bytes"),
        ("select ?", 1, None, "list, tuple or dict, not int"),
        ("select ?", iter([1]), None, "list, tuple or dict, not list_iterator"),
        ("select :missing, :no", {"a": 1}, None, "no value for missing, no; given are a"),
        ("select '%(missing)s'", {"a": 1}, None, "no value for missing.* %% a"),
        ("select %s, :a", {"a": 1}, None, "%s is a marker for a list"),
        ("select '%s', :a", {"a": 1}, None, "'%s' is a marker for a list"),
        ("select ?, :a", {"a": 1}, None, r"\? is a marker for a list"),
        ("select :1, :a", {"a": 1}, None, ":1 is a marker for a list"),
        ("select %(a)q", {"a": 1}, None, r"write %\(a\)s, with an s"),
        ("select '%(a)d'", {"a": 1}, None, r"write %\(a\)s, with an s"),
        ("select ?, ?", [1, object()], None, "parameter 2: a value of type object has no SQL"),
        ("select :a", {"a": 1j}, None, "parameter a: a value of type complex has no SQL"),
        (b"select 1", None, None, "not bytes"),
        (None, [1], None, "not NoneType"),
    ],
)
def test_what_does_not_fit_is_a_programming_error_that_tells(sql, values, style, message):
    with pytest.raises(errors.ProgrammingError, match=message):
        bound(sql, values, style)


@pytest.mark.parametrize("kind", [KeyError, TypeError, ValueError])
def test_it_is_also_the_error_that_impyla_lets_through(kind):
    with pytest.raises(kind, match="^the parameters have no value for missing"):
        bound("select :missing", {"a": 1})


def test_a_value_is_not_shown_in_an_error():
    with pytest.raises(errors.ProgrammingError) as caught:
        bound("select ?", [{"password": "hunter2"}])

    assert "hunter2" not in str(caught.value)


QUOTES_AND_COMMENTS = ["'", '"', "`", "\\", "--", "/*", "*/", "\n", "\r", "\0", "\u2028", "\u02bc"]
MARKERS_AND_WORDS = ["%s", "%(a)s", "%(b)s", "%", "?", ":1", ":a", ";", " or 1=1 ", "x"]
HOSTILE = st.lists(st.sampled_from(QUOTES_AND_COMMENTS + MARKERS_AND_WORDS)).map("".join)


def unescape(literal):
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), literal)


@given(st.one_of(HOSTILE, st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_text_is_one_string_in_every_style_and_in_any_quotes(value):
    quoted = [f"{q}{m}{q}" for q, m in itertools.product("'\"", ("%s", "%(a)s"))]
    for marker in [*MARKERS.values(), *quoted]:
        sql = bound(f"select {marker} /* end */", {"a": value} if "a" in marker else [value])
        pieces = [(token.type, token.text) for token in scan(sql)]

        assert [TokenType.CODE, TokenType.STRING, TokenType.CODE, TokenType.COMMENT] == [
            t for t, _ in pieces
        ]
        assert unescape(pieces[1][1][1:-1]) == value
        assert ("select ", " ", "/* end */") == (pieces[0][1], *(p for _, p in pieces[2:]))


@given(HOSTILE, HOSTILE)
def test_a_value_is_not_searched_for_markers(one, other):
    first, second = bound("?", [one]), bound("?", [other])

    assert f"select {first}, {second}" == bound("select ?, ?", [one, other])
    assert f"select {second}, {first}" == bound("select :2, :1", [one, other])
    assert f"select {first}, {second}" == bound("select :a, %(b)s", {"a": one, "b": other})


@given(HOSTILE.filter(lambda key: key not in ("a", "b")), HOSTILE)
def test_a_key_that_the_statement_does_not_name_changes_nothing(key, value):
    sql = "select :a, '%(b)s', '5 %%', i %(c), %%"

    assert bound(sql, {"a": 1, "b": 2}) == bound(sql, {key: value, "b": 2, "a": 1})


SQL = st.lists(
    st.sampled_from(["select ", "'x'", "'%%'", "`n`", "1", " + ", "/* %% */", "%%", "(", "\n"])
    | st.sampled_from([":a", "%(a)s", "%(b)s"])
).map(" ".join)


MOST = 10**38 - 1  # what Impala holds exactly


@given(SQL, st.integers(-MOST, MOST) | st.text("ab'\"\\\n:%"), st.none() | st.booleans())
def test_named_statements_are_those_of_impyla(sql, one, other):
    values = {"a": one, "b": other}

    assert _bind_parameters(sql, values) == bound(sql, values)


@given(
    st.lists(
        st.sampled_from(["select ", "'x'", "'%%'", "`n`", "1", " + ", "?", "%s", "'%s'", "%%"])
    ),
    st.sampled_from([None, "qmark", "format"]),
)
def test_listed_statements_are_those_of_impyla(parts, style):
    chosen = {None: ("?", "%s", "'%s'"), "qmark": ("?",), "format": ("%s", "'%s'")}[style]
    sql, values = " ".join(parts), list(range(sum(part in chosen for part in parts)))
    expected = _bind_parameters(sql, values, style) if values else sql

    assert expected == bound(sql, values, style)


@pytest.mark.parametrize("parameters", [None, {"a": 1}])
def test_a_statement_that_cannot_be_encoded_is_reported_before_it_is_sent(parameters):
    with pytest.raises(errors.ProgrammingError, match="half of a surrogate pair"):
        bind("select '\ud800'", parameters, None)


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("select 1 from t where s like '%s' and id = :1", [7]),
        ("select '%s', :1, :2", [1, 2]),
    ],
)
def test_a_marker_in_quotes_never_takes_the_value_of_one_with_a_number(sql, values):
    """impyla gives both the same value: ``like '%s' and id = :1`` becomes ``like '7'``."""
    with pytest.raises(errors.ProgrammingError, match="paramstyle"):
        bind(sql, values, None)


def test_the_style_tells_which_of_two_markers_is_meant():
    sql = "select 1 from t where s like '%s' and id = :1"

    assert sql.replace(":1", "7") == bind(sql, [7], {"paramstyle": "numeric"})[0]


@pytest.mark.parametrize("text", ["cast(null as struct<a:int>)", "x::int", "map<string:int>"])
def test_a_colon_between_a_field_and_its_type_is_no_marker(text):
    assert f"select {text}, 1" == bind(f"select {text}, :b", {"b": 1}, None)[0]


def test_a_name_without_a_value_is_reported_where_a_marker_can_stand():
    with pytest.raises(errors.ProgrammingError, match="nme"):
        bind("select 1 where a=:nme", {"name": 1}, None)
