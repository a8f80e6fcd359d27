"""Statements in a few words: what they do to what, and none of their values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impala_ha.sql.summary import summarize


@pytest.mark.parametrize(
    ("sql", "summary"),
    [
        ("select * from flights f join `my db`.airlines on x = 1", "SELECT flights my db.airlines"),
        ("INSERT INTO TABLE sales . orders PARTITION (d='x') VALUES (1)", "INSERT sales.orders"),
        ("insert overwrite t select a, t1.c from t1", "INSERT t t1"),
        ("with x as (select 1), y (a) as (select 2 from t1) select * from x, y", "WITH t1"),
        ("create table if not exists db.t (a int)", "CREATE db.t"),
        ("drop view if exists v", "DROP v"),
        ("describe formatted db.t", "DESCRIBE db.t"),
        ("compute stats t", "COMPUTE t"),
        ("refresh t", "REFRESH t"),
        ("select extract(year from d), trim(both ' ' from s) from t", "SELECT t"),
        ("select 1 from a where b is distinct from c", "SELECT a"),
        ("/* from there */ select 'from here' -- from nowhere", "SELECT"),
        ("  ;", ""),
    ],
)
def test_a_summary_is_the_operation_with_what_it_names(sql, summary):
    assert summary == str(summarize(sql))


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("select a1, t2.c3, x-5 from t where n in ('Ann', \"Bob\")", "select a1, t2.c3, x-? "),
        ("insert into t values (1, 'a'), (-2.5e3, 'b')", "insert into t values (?)"),
        ("select 4111111111111111L, 1.5BD, .5e1d, 7y from t1d", "select ? from t1d"),
        ("select 'not closed", "select ?"),
        ("set fs.s3a.secret.key=abc", "set fs.s3a.secret.key= ?"),
        ("select /* Ann */ 1 -- Bob", "select ?"),
    ],
)
def test_its_text_has_no_literal(sql, text):
    assert summarize(sql).text.startswith(text)


@given(st.text(alphabet="abz", min_size=12, max_size=20), st.sampled_from("'\""))
def test_no_string_comes_through(secret, quote):
    shown = summarize(f"select {quote}{secret}{quote} from t where a = {quote}{secret}")

    assert secret not in shown.text
    assert secret not in str(shown)


def test_a_long_statement_is_cut():
    shown = summarize("select " + ", ".join(f"table{n}.c from table{n}" for n in range(5000)))

    assert len(shown.text) < 5000
    assert shown.text.endswith("...")
    assert len(str(shown)) <= 255
