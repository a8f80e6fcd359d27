"""One scanner for classification, parameters and scripts: where quoted text and comments stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impala_ha.sql.scanner import TokenType, identifiers, scan, split

C, S, N, K, U = (
    TokenType.CODE,
    TokenType.STRING,
    TokenType.NAME,
    TokenType.COMMENT,
    TokenType.UNCLOSED,
)


def tokens(sql):
    return [(token.type, token.text) for token in scan(sql)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("", []),
        ("select 1", [(C, "select 1")]),
        ("'a' b", [(S, "'a'"), (C, " b")]),
        (r"'it\'s' x", [(S, r"'it\'s'"), (C, " x")]),
        ("'it''s'", [(S, "'it'"), (S, "'s'")]),
        (r"'a\\'--b", [(S, r"'a\\'"), (K, "--b")]),
        ('"--"', [(S, '"--"')]),
        ("`a;b`", [(N, "`a;b`")]),
        (r"`a\`b`", [(N, r"`a\`b`")]),
        ("1--a\n2", [(C, "1"), (K, "--a"), (C, "\n2")]),
        ("1--a\r\n2", [(C, "1"), (K, "--a"), (C, "\r\n2")]),
        ("/*'*/'*/'", [(K, "/*'*/"), (S, "'*/'")]),
        ("/*/**/*/", [(K, "/*/**/"), (C, "*/")]),
        ("/*/ x", [(U, "/*/ x")]),
        ("- - / *", [(C, "- - / *")]),
        ("'open -- x", [(U, "'open -- x")]),
        ("'open\\", [(U, "'open\\")]),
        (r"'open\'", [(U, r"'open\'")]),
        ('a "b', [(C, "a "), (U, '"b')]),
    ],
)
def test_tokens_are_those_of_impala(sql, expected):
    assert expected == tokens(sql)


@given(st.text(alphabet="'\"`-/*\\\r\n ax;", max_size=60))
def test_every_character_belongs_to_one_token(sql):
    """In order, without gap or overlap, and only the last one can be open."""
    found = list(scan(sql))

    assert sql == "".join(token.text for token in found)
    assert all(token.text == sql[token.start :][: len(token.text)] != "" for token in found)
    assert all(token.type is not U for token in found[:-1])


@given(st.text(alphabet="'\"`-/*\\\r\n ax;", max_size=60))
def test_a_text_full_of_backslashes_is_cut_alike(sql):
    """It is matched a part at a time, so that it takes no more memory than its length."""
    many = sql + "\n" + "\\a" * 100_001

    slowly = "".join(part for part in split(many))

    assert many == slowly
    assert [*scan(sql)][:-1] == [*scan(many)][: len([*scan(sql)][:-1])]


@pytest.mark.parametrize(
    "sql",
    [
        "select '" + "\\'" * 1_000_000,
        "select '" + "\\'" * 1_000_000 + "'",
        "'" + "x" * 5_000_000,
        "/*" * 1_000_000,
        "/* " + "*" * 2_000_000,
        "'a'," * 200_000,
        "-" * 1_000_001,
        "`" * 1_000_001,
    ],
    ids=["escapes-open", "escapes", "long-open", "comments", "stars", "many", "dashes", "names"],
)
@pytest.mark.timeout(20)
def test_no_text_takes_more_than_linear_time(sql):
    """Quadratic time would be minutes here, which the time limit of the test would end."""
    assert len(sql) == sum(len(token.text) for token in scan(sql))


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("CREATE TABLE Db.T (i int)", {"create", "table", "db", "t", "i", "int"}),
        ("drop view `my view`", {"drop", "view", "my"}),
        ("insert into 2024_t values (1, 'nobody', 17)", {"insert", "into", "2024_t", "values"}),
        ("drop table t -- and not u", {"drop", "table", "t"}),
        ("drop table t /* u */", {"drop", "table", "t"}),
        ("drop table größe", {"drop", "table", "größe"}),
        ("drop table t '", {"drop", "table", "t"}),
        ("", set()),
    ],
)
def test_the_names_in_a_text(sql, names):
    assert names == identifiers(sql)


def test_names_come_from_the_head_of_a_text_alone():
    """What follows is rows, and it would be long."""
    assert {"insert", "into", "t", "values"} == identifiers(
        "insert into t values " + "('x')," * 10_000 + "(nobody)"
    )
