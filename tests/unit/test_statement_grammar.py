"""
A grammar of statements: whatever stands between and inside of the words, a write is a write.

Statements are made of tokens whose class is known.  Between them come white space, comments with
anything in them and hints in each of Impala's three forms; names and texts hold quotes, comment
marks, semicolons and words of SQL.  What is read of such a text must not depend on any of it.
"""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from impala_ha.sql.statement import Effect, Statement

TEMPTING = st.sampled_from(
    [
        *("insert into t", "select", "drop table t", "upsert", "with x as", "if not exists"),
        *(";", "--", "/*", "* /", "-- +shuffle", "/* +shuffle", "[shuffle]", "\\", "''", '"', "`"),
        *("'", "\n", "(", ")", "explain", "use d", "set x=1", "é", "\ufeff", "\t"),
    ]
)
ANYTHING = st.lists(TEMPTING | st.text(max_size=3), max_size=4).map(" ".join)


def without(*characters):
    """Anything at all, but for *characters*."""

    def strip(text):
        for character in characters:
            text = text.replace(character, "")
        return text

    return ANYTHING.map(strip)


def escaped(quote):
    """Text in *quote*, whose backslashes and quotes are escaped as Impala reads them."""
    return ANYTHING.map(lambda text: text.replace("\\", "\\\\").replace(quote, f"\\{quote}"))


def block(text):
    """No comment ends in the middle of itself; none begins there either, for in Spark they nest."""
    while "*/" in text or "/*" in text:
        text = text.replace("*/", "").replace("/*", "")
    return text.strip("*/")


def no_hint(text):
    """What follows a plus sign is a hint, which a statement that takes none does not allow."""
    return not text.lstrip().startswith("+")


LINE_END = st.sampled_from(["\n", "\r\n"])
BLANK = st.sampled_from([" ", "  ", "\n", "\t", "\r\n", "\f"])
COMMENT = st.one_of(
    st.builds("--{}{}".format, without("\n", "\r").filter(no_hint), LINE_END),
    ANYTHING.map(block).filter(no_hint).map("/*{}*/".format),
)
HINT = st.sampled_from(
    ["/* +SHUFFLE */", "/*+ straight_join */", "-- +NOSHUFFLE,CLUSTERED\n", "--+clustered\n"]
)
BETWEEN = st.lists(BLANK | COMMENT | HINT, min_size=1, max_size=3).map("".join)
AROUND = st.lists(BLANK | COMMENT, max_size=3).map("".join)

QUOTED = st.one_of(
    escaped("'").map("'{}'".format),
    escaped('"').map('"{}"'.format),
    without("'", "\\").map(lambda text: f"'it''s {text}'"),
)
NAME = st.one_of(
    st.sampled_from(
        ["t", "db.t", "Inserted", "`if not exists`", "update_time", "is_select", "T_2"]
    ),
    without("`", "\\").map(lambda text: f"`x{text}`"),
)
VALUE = st.one_of(
    QUOTED, NAME, st.sampled_from(["1", "-2.5e3", "NULL", "a.b[0]", "cast(1 as int)"])
)
BRACKETS = st.sampled_from(["", "[SHUFFLE]", "[noshuffle]"])

# A statement is a list of tokens, put together with whatever stands between them.


def sequence(*parts):
    """A strategy for the tokens of *parts*, which are words, tokens or lists of tokens."""
    strategies = [st.just([part]) if isinstance(part, str) else part for part in parts]
    return st.tuples(*strategies).map(lambda lists: [token for one in lists for token in one])


def token(strategy):
    return strategy.map(lambda text: [text] if text else [])


SELECT = st.recursive(
    st.one_of(
        sequence("select", token(VALUE)),
        sequence("select", token(VALUE), "from", token(NAME)),
        sequence("select", "*", "from", token(NAME), "where", token(NAME), "=", token(QUOTED)),
        sequence("values", "(", token(QUOTED), ",", "1", ")"),
    ),
    lambda inner: st.one_of(
        sequence(inner, "union", "all", inner),
        sequence("select", "*", "from", "(", inner, ")", "v"),
        sequence("(", inner, ")"),
    ),
    max_leaves=4,
)
WITH = sequence("with", token(NAME), "as", "(", SELECT, ")")
READ = st.one_of(
    SELECT,
    sequence(WITH, SELECT),
    sequence("(", WITH, SELECT, ")"),
    sequence("show", "tables", "like", token(QUOTED)),
    sequence("describe", token(NAME)),
)
INSERT = sequence(
    token(st.sampled_from(["insert", "INSERT"])), "into", token(NAME), token(BRACKETS), SELECT
)
UPSERT = sequence("upsert", "into", token(NAME), SELECT, "where", "uuid", "(", ")", "=", "''")
WRITE = st.one_of(
    INSERT,
    sequence(WITH, INSERT),
    sequence("(", WITH, INSERT, ")"),
    sequence(WITH, UPSERT),
    sequence("insert", "overwrite", token(NAME), SELECT, "where", "rand", "(", ")", ">", "0"),
    sequence("create", "table", token(NAME), "as", SELECT),
    sequence("create", "table", "if", "not", "exists", token(NAME), "as", SELECT),
    sequence("create", "table", token(NAME), "(", "i", "int", "comment", token(QUOTED), ")"),
    sequence("drop", "table", token(NAME)),
    sequence("update", token(NAME), "set", "i", "=", token(QUOTED)),
    sequence("delete", "from", token(NAME), "where", "s", "=", token(QUOTED)),
    sequence("alter", "table", token(NAME), "drop", "if", "exists", "partition", "(", "p=1", ")"),
    sequence("truncate", "table", "if", "exists", token(NAME)),
    sequence("explain", "analyze", INSERT),
)
IDEMPOTENT = st.one_of(
    sequence("refresh", token(NAME)),
    sequence("invalidate", "metadata"),
    sequence("compute", "stats", token(NAME)),
    sequence("drop", "table", "if", "exists", token(NAME)),
    sequence("create", "table", "if", "not", "exists", token(NAME), "(", "i", "int", ")"),
    sequence("insert", "overwrite", token(NAME), "values", "(", token(QUOTED), ")"),
)
EXPLAIN = sequence("explain", st.one_of(READ, WRITE.filter(lambda tokens: tokens[0] != "explain")))


@st.composite
def written(draw, statement, *, bom=True):
    """The text of a statement: any case, anything around and between its tokens."""
    head = "\ufeff" if bom and draw(st.booleans()) else ""
    tokens = draw(statement)
    if draw(st.booleans()):
        tokens = [token.upper() if token.isalpha() else token for token in tokens]
    filling = BETWEEN if draw(st.booleans()) else st.just(" ")
    text = tokens[0] + "".join(draw(filling) + token for token in tokens[1:])
    # Where a mark ends a token and one begins the filling, they must not make a third.
    return (
        head + draw(AROUND) + text + draw(st.sampled_from(["", ";", " ;", "\n;;"])) + draw(AROUND)
    )


@given(written(st.one_of(READ, EXPLAIN)))
def test_what_reads_is_read(sql):
    assert Effect.READ is Statement.parse(sql).effect, sql


@given(written(WRITE))
@example("with t as (select 1) -- +shuffle\ninsert into u select * from t")
@example("with t as (select ';--' /* ' */) /* \" */ insert into u select '' from t")
def test_what_writes_is_never_run_twice(sql):
    assert Effect.WRITE is Statement.parse(sql).effect, sql


@given(written(IDEMPOTENT))
def test_what_may_run_twice_is_known_for_it(sql):
    assert Effect.IDEMPOTENT is Statement.parse(sql).effect, sql


@given(written(st.one_of(READ, IDEMPOTENT, WRITE)), written(st.one_of(READ, WRITE), bom=False))
def test_several_statements_in_one_text_are_never_run_twice(one, two):
    assert Effect.WRITE is Statement.parse(f"{one}\n;{two}").effect


@given(token(NAME), AROUND)
def test_the_database_of_a_use_is_found(name, after):
    """Unless it is one of another database's, which nobody can use."""
    (name,) = name
    setting = Statement.parse(f"use {name}{after}").setting

    if name.startswith("`"):
        assert ("use:database", name[1:-1]) == setting
    elif name.isidentifier():
        assert ("use:database", name) == setting
