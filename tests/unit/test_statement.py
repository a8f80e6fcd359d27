"""What a text does: reads, idempotent writes, writes; and what it changes in the session."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impala_ha.sql.scanner import TokenType, scan
from impala_ha.sql.statement import Effect, Kind, Statement

READS = [
    "select 1",
    "SELECT 1;",
    "select 1 ; ;",
    "\ufeffselect 1",
    "  \n\t select 1",
    "(select 1)",
    "( ( (select 1) union (select 2) ) )",
    "values (1), (2)",
    "-- insert into t\nselect 1",
    "/* drop table t; */ select 1",
    "select /* +straight_join */ 1",
    "select -- +straight_join\n 1",
    "select 1 -- the end",
    "select 1; -- the end",
    "select/**/1",
    "select '--', \"/*\", `;` from t",
    "select 'a;b'",
    "select 'it''s; drop table t'",
    r"select 'it\'s; drop table t'",
    r'select "say \"no\"; drop table t"',
    "select 'select', 'insert' from `insert`",
    "with t as (select 1) select * from t",
    "with t as (select 'insert') select * from t",
    "with t as (select 1) select `insert` from t",
    "with t as (select 1) select update_time, inserted from t",
    "explain insert into t values (1)",
    "EXPLAIN select 1",
    "explain analyze select 1",
    "explain formatted analyze select 1",
    "explain select analyze from t",
    "show tables",
    "describe formatted d.t",
    "desc t",
    "set",
    "set all",
    "use d",
    "with t as (select 1) -- insert\nselect * from t",
]
IDEMPOTENT = [
    "refresh t",
    "REFRESH d.t partition (p=1)",
    "invalidate metadata",
    "invalidate  metadata t",
    "compute stats t",
    "compute incremental stats t partition (p=1)",
    "create table if not exists t (i int)",
    "create external table if not exists d.t like parquet '/x' stored as parquet",
    "create database if not exists d",
    "create view if not exists v as select 1",
    "create table if not exists k (i int) partition by range (i) (partition 1 <= values < 3)",
    "create table if not exists k (i int) partition by range (i) (partition 1 <= values)",
    "drop table if exists t",
    "drop view if exists d.v",
    "/* c */ drop database if exists d cascade",
    "INSERT OVERWRITE t select 1",
    "insert overwrite table d.t partition (p=1) values (1, 'from'), (2, 'with')",
    "upsert into t values (1)",
    "upsert into t (i, s) values (1, 'x')",
]
WRITES = [
    "insert into t values (1)",
    "insert overwrite t select * from u",
    "insert overwrite t partition (p=1) select i from v",
    "insert overwrite t partition (p) select upper(concat(s, 'x')), sum(i), p from v group by s, p",
    "upsert into t (i, s) select u.i, case when (v.i in (1, 2)) then 'a' else `b` end from u, v",
    "upsert into t select * from u",
    "upsert into t values (uuid(), 1)",
    "upsert into t select now()",
    *(
        CHANCE := [
            "upsert into t select rand(), i from u",
            "insert overwrite t select * from u tablesample system(10)",
            "insert overwrite t select * from u limit 3",
            "upsert into t select row_number() over (order by i) from u",
            "upsert into t select my_function(i) from u",
            "upsert into t select lib.upper(i) from u",
            "upsert into t select `upper` (i) from u",
            "upsert into t select current_timestamp, i from u",
        ]
    ),
    "upsert into t values (my_function(1))",
    "insert overwrite t",
    "upsert into t",
    "update t set i = 1",
    "delete from t",
    "merge into t using u on t.i = u.i when matched then delete",
    "load data inpath '/x' into table t",
    "truncate table t",
    "truncate table if exists t",
    "alter table t add if not exists partition (p=1)",
    "create table t (i int)",
    "create table t as select 1",
    "create table if not exists t as select 1",
    "create table if not exists t as values (1)",
    "create table if not exists t as with x as (select 1) select * from x",
    "create table `if not exists` (i int)",
    "create table t (i int) comment 'if not exists'",
    "drop table t",
    "drop table t /* if exists */",
    "drop table `if exists`",
    "with t as (select 1) insert into u select * from t",
    "with t as (select 1) upsert into u select * from t",
    "-- select\ninsert into t select 1",
    "/* select */ insert into t select 1",
    "insert/**/into t select 1",
    "from t insert overwrite table u select *",
    "grant select on t to r",
    "kill query '1:2'",
    "explain analyze insert into t values (1)",
    # Hive runs what it explains so, whatever else is asked for.
    "explain formatted analyze insert into t values (1)",
    "explain reoptimization insert into t values (1)",
    "explain (analyze) insert into t values (1)",
    "explain analyze from (select 1) x insert into t select *",
    # Spark reads a table without FROM, and creates one with rows without AS.
    "insert overwrite t select 1 union all table t",
    "insert overwrite `t` table u union select 1",
    "create table if not exists t using parquet select 1",
    "create table if not exists t (a int) values (1)",
    "create table if not exists t table u",
    "create table if not exists t from u select *",
    "upsert into t values (localtimestamp, 1)",
    ":shutdown()",
    "selectx 1",
    "",
    ";",
    "   ",
    "-- nothing",
    "1",
    "'select'",
    "`select` 1",
    # Impala ends a comment at a carriage return, and reads a backslash in a quoted name.
    "with t as (select 1) --x\rinsert into u select * from t",
    "select 1 --x\r; drop table t",
    "with t as (select 1 as `a\\` x`) insert into u select `a\\` x` from t",
    # An EXISTS in the query of a view guards nothing.
    "create view `v` as select if(exists (select 1 from t), 1, 0)",
    # Another session or another coordinator makes another key.
    "upsert into t values (coordinator(), 1)",
    "upsert into t values (current_session(), 1)",
    "upsert into t values (pid(), 1)",
    # Several statements: the first may have run.
    "select 1; drop table t",
    "select 1; select 2",
    "set x=1; insert into t values (1)",
    "use d; drop table t",
]

#: Something is left open, or means something else in Hive or Spark, so that what is code and what is
#: not cannot be known.
OPEN = [
    "select 'abc",
    'select "abc',
    "select `abc",
    "select 1 /* never closed",
    "select 'it's'",
    "select 1\0",
    # The words of a hint are code: a name that begins in one goes on behind it.
    "with x as (select /* +`*/ 1) select 1 -- `*/ 1) insert into t select * from x",
    "select 1 -- +x /*\n, 2 */",
    "select /* +x -- */ 1",
    # In Spark comments nest, and a backslash is none in a raw literal, nor in a quoted name.
    "/* /* */ select 1 */ insert into t values (1)",
    "select 1 /* a /* b */",
    'with x as (select r\'\\\' a, "\'" b) insert into t select a, "z" from x -- "',
    "select R'\\d'",
    "with x as (select 1 `a\\`) insert into t select `a\\` from x -- `",
    # Hive and Spark put the value of a variable there.
    "with x as (select 1) ${verb} into t select * from x",
    "explain ${mode} insert into t values (1)",
    # What their scanners, and no other, read as INSERT.
    "with x as (select 1) \u0131nsert into t select * from x",
    "with x as (select 1) in\u017fert into t select * from x",
]


@pytest.mark.parametrize("sql", READS)
def test_what_only_reads_may_be_repeated(sql):
    statement = Statement.parse(sql)

    assert Effect.READ is statement.effect
    assert Kind.QUERY is statement.kind


@pytest.mark.parametrize("sql", IDEMPOTENT)
def test_what_changes_nothing_more_when_it_runs_again_may_be_repeated(sql):
    statement = Statement.parse(sql)

    assert Effect.IDEMPOTENT is statement.effect


@pytest.mark.parametrize("sql", [*WRITES, *OPEN])
def test_a_write_and_whatever_is_in_doubt_is_not_idempotent(sql):
    statement = Statement.parse(sql)

    assert Effect.WRITE is statement.effect


@pytest.mark.parametrize(
    ("sql", "setting"),
    [
        ("use sales", ("use:database", "sales")),
        ("USE `sales and more`;", ("use:database", "sales and more")),
        ("use -- which?\n sales", ("use:database", "sales")),
        ("set mem_limit=1g", ("mem_limit", "1g")),
        ("SET MEM_LIMIT = 1g ;", ("MEM_LIMIT", "1g")),
        ("set x = 'a;b'", ("x", "a;b")),
        ('set x="it is"', ("x", "it is")),
        ("set x='", None),
        ("set x=", ("x", "")),
        ("set hive.exec:y=a b", ("hive.exec:y", "a b")),
        ("/* c */ set x=1 -- why", ("x", "1")),
        ("set x='--1'", ("x", "--1")),
        ("set", None),
        ("set all", None),
        ("UNSET ALL;", ("*", "")),
        ("select 1", None),
        ("use d; use e", None),
    ],
)
def test_use_and_set_change_the_session(sql, setting):
    assert setting == Statement.parse(sql).setting


SPACE = st.sampled_from([" ", "\n", "\t", "\r\n"])


def is_hint(text):
    """Impala reads the words of a hint as code: it is no comment."""
    return text.lstrip(" ").startswith("+")


COMMENT = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12)
    .filter(lambda text: not is_hint(text))
    .map("--{}\n".format),
    st.text(st.characters(codec="utf-8"), max_size=12)
    .map("/*{}*/".format)
    .filter(lambda text: text.rfind("/*") == 0 and text.find("*/", 2) == len(text) - 2)
    .filter(lambda text: not is_hint(text[2:])),
)
FILLING = st.lists(st.one_of(SPACE, COMMENT), min_size=1, max_size=4).map("".join)


@given(st.sampled_from([*READS, *IDEMPOTENT, *WRITES]), FILLING, FILLING)
def test_comments_and_white_space_around_a_statement_change_nothing(sql, before, after):
    sql = sql.lstrip("\ufeff")
    plain = Statement.parse(sql)

    wrapped = Statement.parse(f"{before}{sql}\n{after}")

    assert (plain.effect, plain.kind) == (wrapped.effect, wrapped.kind)
    assert plain.setting == wrapped.setting


@given(
    st.lists(
        st.one_of(
            st.sampled_from(["select", "*", "from", "t", "where", "a", "=", "'b'", "and", "c"]),
            FILLING,
        )
    )
)
def test_comments_between_words_change_nothing(pieces):
    """Words stay words: a comment separates them, and never joins them."""
    assert Statement.parse("select " + " ".join(pieces)).effect is Effect.READ


@pytest.mark.parametrize(
    ("sql", "replaces", "static", "deterministic"),
    [
        ("insert overwrite t select * from u", True, 0, True),
        ("insert overwrite table d.t (a, b) select a, b from u", True, 0, True),
        ("insert overwrite `t` select * from u", True, 0, True),
        ("insert overwrite t partition (p=1, q='x') select i from v", True, 2, True),
        ("insert overwrite t partition (p) select i, p from v", True, None, True),
        ("insert overwrite t partition (p=1, q) select i, q from v", True, None, True),
        ("insert overwrite t select uuid(), i from u", True, 0, False),
        ("insert overwrite t select * from u limit 3", True, 0, False),
        ("insert overwrite t select now()", True, 0, False),
        ("insert overwrite t partition (p=1) select sum(d) from u", True, 1, False),
        ("upsert into t select i, upper(concat(s, 'x')) from u", True, None, True),
        (
            "upsert into t (i, s) select i, s from u where exists (select 1 from v)",
            True,
            None,
            True,
        ),
        # The partition is searched too: it would be another one after midnight.
        ("insert overwrite t partition (d=cast(now() as date)) values (1)", False, None, False),
        ("insert overwrite t partition (d=to_date(now())) select a from s", False, None, False),
        ("insert overwrite t partition (d=current_date) select a from s", False, None, False),
        ("insert overwrite t partition (d=current_date()) values (1)", False, None, False),
        ("insert overwrite t partition (d) select a, to_date(now()) from s", False, None, False),
        ("insert overwrite t partition (p=f(1)) select a from s", False, None, False),
        ("insert overwrite t partition (p=`f`/**/(1)) select a from s", False, None, False),
        # What is drawn by lot is another key.
        ("upsert into t select rand(), i from u", False, None, False),
        ("upsert into t select row_number() over (order by i), i from u", False, None, False),
        (
            "upsert into t select max(i) over (order by i rows 3 preceding) from u",
            False,
            False,
            False,
        ),
        ("upsert into t select * from u tablesample system(10)", False, None, False),
        ("upsert into t select my_function(i) from u", False, None, False),
        ("upsert into t select lib.upper(i) from u", False, None, False),
        ("upsert into t select `upper` (i) from u", False, None, False),
        ("upsert into t select current_timestamp, i from u", False, None, False),
        ("upsert into t select user, i from u", False, None, False),
        ("upsert into t select avg(d), i from u group by i", False, None, False),
        # Blanks and comments may stand around a dot, and a dollar sign in a name.
        ("upsert into t select lib . upper(i) from u", False, None, False),
        ("upsert into t select lib/* x */./* y */upper(i) from u", False, None, False),
        ("upsert into t select `lib` . upper(i) from u", False, None, False),
        ("upsert into t select upper$(i) from u", False, None, False),
        ("upsert into t select lib.\nupper(i) from u", False, None, False),
        ("insert overwrite d . t partition (d=now()) select a from s", False, None, False),
        ("insert overwrite t$ partition (d=now()) select a from s", False, None, False),
        ("insert overwrite t (a$) partition (d=now()) select a from s", False, None, False),
        ("insert overwrite d . `t` (`a$`) partition (p=1) select uuid() from s", True, 1, False),
        ("insert overwrite t (((select i from u)))", True, 0, True),
        ("insert overwrite t [shuffle] select i from u", True, 0, True),
        # Which rows are left out after an ORDER BY with ties is chance.
        ("upsert into t select i, j from u order by j offset 3", False, None, False),
        (
            "insert overwrite t partition (p) select i, p from u order by i offset 1",
            False,
            None,
            False,
        ),
        ("insert into t select * from u", False, None, False),
        ("with x as (select 1) insert into t select * from x", False, None, False),
        ("insert overwrite t", False, None, False),
    ],
)
def test_a_plan_may_show_that_a_write_that_replaces_rows_may_run_again(
    sql, replaces, static, deterministic
):
    statement = Statement.parse(sql)

    assert statement.replaces is replaces
    if replaces:
        assert (statement.static, statement.deterministic) == (static, deterministic)


@pytest.mark.parametrize("sql", [*READS, *IDEMPOTENT])
def test_what_may_be_repeated_anyway_needs_no_plan(sql):
    assert not Statement.parse(sql).replaces


@pytest.mark.parametrize("sql", ["select 1 as a union values (2)", "unset x"])
def test_what_is_no_setting_sets_nothing(sql):
    assert Statement.parse(sql).setting is None


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "sql",
    [
        "select '" + "x" * 10_000_000 + "'",
        "select '" + r"\'" * 1_000_000,
        "select '" + r"\'" * 1_000_000 + "'",
        "select " + "/*" * 1_000_000,
        "set x=" + " " * 1_000_000 + "y",
        "set x=y" + " " * 1_000_000 + ";",
        "use d" + " " * 1_000_000 + "e",
        "insert into t values " + "('a', 1)," * 300_000,
        "insert overwrite t partition (" + "a=b " * 200_000,
        "insert overwrite t partition (" + "a=b," * 200_000,
        "insert overwrite t (" + "a, " * 300_000,
        "insert overwrite t values (" + "1" * 1_000_000,
        "insert overwrite t values (" + "'a'" * 300_000,
        "insert overwrite t values (a" + " " * 1_000_000 + ")",
        "insert overwrite t values (a" + " ." * 500_000,
        "-- + " + "x" * 1_000_000 + "\nselect 1",
        "/* + */" * 300_000,
        "create table " + "x " * 300_000,
        "(" * 300_000 + "select 1",
        "explain " * 200_000,
    ],
    ids=range(20),
)
def test_no_text_takes_more_than_linear_time(sql):
    """Quadratic time would be minutes here, which the time limit of the test would end."""
    assert isinstance(Statement.parse(sql), Statement)


WRITING = ["insert", "upsert", "update", "delete", "merge", "load", "alter", "truncate", "grant"]


@given(FILLING, st.sampled_from(WRITING), FILLING, st.text(max_size=40))
def test_a_text_with_a_write_at_its_head_is_never_idempotent(before, word, between, rest):
    assert Statement.parse(f"{before}{word}{between}{rest}").effect is Effect.WRITE


@given(st.text())
def test_any_text_can_be_read(sql):
    """Whatever a caller sends, the server is the one that refuses it."""
    assert isinstance(Statement.parse(sql), Statement)


@given(st.text(alphabet="'\"`-/*;\\ \nab"))
def test_what_is_left_open_or_goes_on_is_never_taken_for_a_read(tail):
    """The quoting of a statement cannot be fooled into hiding a second statement."""
    sql = f"select 1 {tail}; drop table t"
    last = list(scan(sql))[-1]

    assert TokenType.CODE is not last.type or Statement.parse(sql).effect is Effect.WRITE
