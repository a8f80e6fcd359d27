"""Queries mean in the pocket Impala what they mean in Impala: types, NULLs, functions, names."""

from __future__ import annotations

import duckdb
import pytest
from engine_lab import Lab, rows_of


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("warehouse"))
    lab.run(
        "CREATE TABLE t (i INT, b BIGINT, d DECIMAL(10,2), f DOUBLE, s STRING, ts TIMESTAMP,"
        " dt DATE, bo BOOLEAN)"
    )
    lab.run(
        "INSERT INTO t VALUES (1, 2, 3.5, 4.5, 'x', '2024-01-31 03:04:05', '2024-01-31', true),"
        " (2, 3, -1.25, 0.5, 'Y', '2024-02-29 00:00:00', '2024-02-29', false),"
        " (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
    )
    return lab


@pytest.mark.parametrize("value", ["abc", "é世", r"a\\x41"])
def test_a_binary_has_the_bytes_of_its_string(value, lab):
    made = f"cast('{value}' as binary)"

    ((raw, again),) = lab.rows(f"SELECT {made}, cast({made} AS string)")
    assert (raw, again.encode()) == (again.encode(), raw)
    assert raw == value.replace("\\\\", "\\").encode()


@pytest.mark.parametrize("value", ["0.0", "0.5", "-0.5"])
def test_a_decimal_below_one_has_a_zero_before_its_point(value, lab):
    made = f"cast({value} as decimal(1,1))"

    assert [(value, value)] == lab.rows(f"SELECT {made}, cast({made} AS string)")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM t WHERE (i, b) IN ((1, 2))",
        "SELECT count(*) FILTER (WHERE i > 1) FROM t",
        "SELECT 1 FROM t WHERE i = ANY (SELECT 1)",
        "SELECT 1 FROM t WHERE i > ALL (SELECT 1)",
        "SELECT i << 1 FROM t",
        "SELECT 1 FROM t LEFT JOIN (t a JOIN t b ON a.i = b.i) ON t.i = a.i",
        "SELECT i >> 1 FROM t",
        "SELECT x.i FROM t, LATERAL (SELECT t.i) x",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY i) FROM t",
        "SELECT i FROM t QUALIFY row_number() OVER (ORDER BY i) = 1",
    ],
)
def test_what_impalas_grammar_does_not_have_is_refused(lab, sql):
    assert "ParseException: Syntax error" in lab.error(sql)


@pytest.mark.parametrize(
    "name", ["current_timestamp", "CURRENT_DATE", "user", "current_user", "localtime"]
)
def test_a_function_has_its_brackets(lab, name):
    assert f"column/field reference: '{name.lower()}'" in lab.error(f"SELECT {name}")
    assert f"column/field reference: '{name.lower()}'" in lab.error(
        f"SELECT i FROM t WHERE s = {name}"
    )
    assert 1 == lab.value(f"SELECT x.{name} FROM (SELECT 1 AS {name}) x ORDER BY {name}")
    assert 1 == lab.value(f"WITH x AS (SELECT 1 AS {name}) SELECT {name} FROM x")


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("1", "tinyint"),
        ("300", "smallint"),
        ("70000", "int"),
        ("3000000000", "bigint"),
        ("-5", "tinyint"),
        ("1 + 1", "smallint"),
        ("cast(1 as int) + cast(1 as int)", "bigint"),
        ("1 / 3", "double"),
        ("7 div 2", "tinyint"),
        ("1.5", "decimal(2,1)"),
        ("1.5 * 2.25", "decimal(6,3)"),
        ("1e3", "double"),
        ("'a'", "string"),
        ("null", "boolean"),
        ("true", "boolean"),
        ("cast('a' as varchar(7))", "varchar(7)"),
        ("cast('a' as char(7))", "char(7)"),
        ("now()", "timestamp"),
        ("date '2024-01-01'", "date"),
        ("unhex('00')", "binary"),
        ("i + b", "bigint"),
        ("d / d", "decimal(23,13)"),
        ("d + 1", "decimal(11,2)"),
        ("sum(i)", "bigint"),
        ("sum(d)", "decimal(38,2)"),
        ("avg(d)", "decimal(38,6)"),
        ("avg(i)", "double"),
        ("count(*)", "bigint"),
        ("min(s)", "string"),
        ("date_add(dt, 1)", "date"),
        ("date_add(ts, 1)", "timestamp"),
        ("year(ts)", "int"),
    ],
)
def test_an_expression_has_impalas_type(lab, expression, kind):
    assert [kind] == lab.types(f"SELECT {expression} FROM t")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("100 + 100", 200),
        ("1 / 4", 0.25),
        ("7 div 2", 3),
        ("7 div 0", None),
        ("7 % 0", None),
        ("1.0 / 3", "0.333333"),
        ("'It\\'s'", "It's"),
        ('"double"', "double"),
        ("'a\\tb'", "a\tb"),
        ("'a' = 'A'", False),
        ("'a_b' like 'a\\\\_b'", True),
        ("'axb' like 'a\\\\_b'", False),
        ("'abc' rlike 'B'", False),
        ("'abc' iregexp 'B'", True),
        ("'ABC' ilike 'a%'", True),
        ("cast('abc' as int)", None),
        ("cast(cast(1.7 as double) as int)", 1),
        ("cast(true as string)", "1"),
        ("cast(2.0e0 as string)", "2"),
        ("cast('ab' as char(4))", "ab  "),
        ("cast('abcdef' as varchar(3))", "abc"),
        ("cast(0 as timestamp)", "1970-01-01 00:00:00"),
        ("cast('2024-01-02 03:04:05.123456789' as timestamp)", "2024-01-02 03:04:05.123456789"),
        ("cast('2024-01-02 03:04:05.5' as timestamp)", "2024-01-02 03:04:05.500000000"),
        ("cast('1400-01-01' as timestamp)", "1400-01-01 00:00:00"),
        ("cast('9999-12-31 23:59:59' as timestamp)", "9999-12-31 23:59:59"),
        ("date '0001-01-01'", "0001-01-01"),
        ("unhex('AA')", b"\xaa"),
        ("concat('a', null)", None),
        ("concat_ws('-', 'a', 'b')", "a-b"),
        ("substr('hello', 2, 3)", "ell"),
        ("substring('hello', -3)", "llo"),
        ("left('hello', 2)", "he"),
        ("instr('abcabc', 'c')", 3),
        ("instr('abcabc', 'c', 4)", 6),
        ("locate('c', 'abcabc')", 3),
        ("split_part('a,b,c', ',', 2)", "b"),
        ("initcap('hello world')", "Hello World"),
        ("length('ä')", 2),
        ("char_length('ä')", 1),
        ("lpad('7', 3, '0')", "007"),
        ("trim('  x ')", "x"),
        ("regexp_extract('abc123', '([a-z]+)([0-9]+)', 2)", "123"),
        ("regexp_replace('aab', 'a+', 'c')", "cb"),
        ("regexp_like('abc', 'b')", True),
        ("nvl(null, 'x')", "x"),
        ("nvl2(null, 1, 2)", 2),
        ("if(1 > 2, 'yes', 'no')", "no"),
        ("decode(2, 1, 'one', 2, 'two', 'many')", "two"),
        ("decode(null, null, 'nothing', 'something')", "nothing"),
        ("coalesce(null, null, 3)", 3),
        ("nullif(1, 1)", None),
        ("zeroifnull(null)", 0),
        ("greatest(1, 3, 2)", 3),
        ("least(1, null)", None),
        ("typeof(1)", "TINYINT"),
        ("typeof(cast(1 as decimal(5,2)))", "DECIMAL(5,2)"),
        ("date_add('2024-01-31', 1)", "2024-02-01 00:00:00"),
        ("date_add(date '2024-01-31', interval 1 month)", "2024-02-29"),
        ("date_sub(date '2024-03-01', 1)", "2024-02-29"),
        ("add_months(date '2024-01-31', 1)", "2024-02-29"),
        ("datediff('2024-03-01', '2024-02-01')", 29),
        ("months_between('2024-03-31', '2024-02-29')", 1.0),
        ("last_day(date '2024-02-01')", "2024-02-29"),
        ("trunc(timestamp '2024-02-17 10:11:12', 'MM')", "2024-02-01 00:00:00"),
        ("date_trunc('hour', timestamp '2024-02-17 10:11:12')", "2024-02-17 10:00:00"),
        ("extract(month from timestamp '2024-02-17 10:11:12')", 2),
        ("extract(timestamp '2024-02-17 10:11:12', 'day')", 17),
        ("dayofweek('2024-02-18')", 1),
        ("unix_timestamp('1970-01-02')", 86400),
        ("unix_timestamp('02/01/1970', 'dd/MM/yyyy')", 86400),
        ("from_unixtime(86400)", "1970-01-02 00:00:00"),
        ("from_unixtime(86400, 'dd.MM.yyyy')", "02.01.1970"),
        ("to_date(timestamp '2024-02-17 10:11:12')", "2024-02-17"),
        ("from_timestamp(timestamp '2024-02-17 10:11:12', 'HH:mm')", "10:11"),
        ("round(2.567, 2)", "2.57"),
        ("pmod(-1, 3)", 2),
        ("bitand(6, 3)", 2),
        ("log(2, 8)", 3.0),
        ("current_database()", "default"),
        ("user()", "ann"),
        ("null <=> null", True),
        ("1 is not distinct from null", False),
        ("`t`.`i` + 0", 1),
    ],
)
def test_an_expression_has_impalas_value(lab, expression, value):
    assert value == lab.value(f"SELECT {expression} FROM t WHERE i = 1")


def test_the_version_is_an_impalads(lab):
    assert lab.value("SELECT version()").startswith("impalad version 4.5.0-RELEASE")


def test_nulls_are_last_ascending_and_first_descending(lab):
    assert [1, 2, None] == [row[0] for row in lab.rows("SELECT i FROM t ORDER BY i")]
    assert [None, 2, 1] == [row[0] for row in lab.rows("SELECT i FROM t ORDER BY i DESC")]


def test_nulls_go_where_the_statement_says(lab):
    first = lab.rows("SELECT i FROM t ORDER BY i NULLS FIRST")
    last = lab.rows("SELECT i FROM t ORDER BY i DESC NULLS LAST")

    assert [(None,), (1,), (2,)] == first
    assert [(2,), (1,), (None,)] == last


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("SELECT 1", ["1"]),
        ("SELECT COUNT(*), Max(i), i + 1 FROM t GROUP BY i", ["count(*)", "max(i)", "i + 1"]),
        ("SELECT I AS Total, T.s FROM t", ["total", "s"]),
        ("SELECT a.i, b.i FROM t a JOIN t b ON a.i = b.i", ["i", "i"]),
        ("VALUES (1, 'x')", ["1", "'x'"]),
        ("SELECT * FROM (VALUES (1 AS one, 2 AS two)) v", ["one", "two"]),
        ("WITH w AS (SELECT i FROM t) SELECT * FROM w", ["i"]),
    ],
)
def test_columns_have_impalas_names(lab, query, names):
    assert names == lab.names(query)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        (
            "SELECT a.i, b.s FROM t a JOIN [SHUFFLE] t b ON a.i = b.i ORDER BY 1",
            [(1, "x"), (2, "Y")],
        ),
        (
            "SELECT STRAIGHT_JOIN a.i FROM t a JOIN /* +BROADCAST */ t b USING (i) ORDER BY 1",
            [(1,), (2,)],
        ),
        ("SELECT i FROM t a LEFT SEMI JOIN t b ON a.i = b.i + 1", [(2,)]),
        ("SELECT i FROM t WHERE i IN (SELECT max(i) FROM t)", [(2,)]),
        ("SELECT i FROM t x WHERE EXISTS (SELECT 1 FROM t y WHERE y.i = x.i + 1)", [(1,)]),
        ("SELECT sum(i) OVER (ORDER BY i) FROM t WHERE i IS NOT NULL", [(1,), (3,)]),
        ("SELECT i FROM t UNION SELECT i FROM t ORDER BY i LIMIT 1", [(1,)]),
        ("SELECT 1 UNION ALL SELECT 1", [(1,), (1,)]),
        ("SELECT count(distinct i, s) FROM t", [(2,)]),
        ("SELECT group_concat(s, '|') FROM (SELECT s FROM t ORDER BY i) v", [("x|Y",)]),
        ("SELECT default.t.i FROM default.t WHERE default.t.i = 2", [(2,)]),
        ("-- a comment\nSELECT /* another */ 1 -- the last\n;", [(1,)]),
        ("WITH a AS (SELECT 1 x), b AS (SELECT x + 1 y FROM a) SELECT y FROM b", [(2,)]),
        ("WITH t AS (SELECT i FROM t WHERE i = 1) SELECT i FROM t", [(1,)]),
        ("SELECT i FROM t ORDER BY i LIMIT 1 OFFSET 1", [(2,)]),
    ],
)
def test_a_query_returns_impalas_rows(lab, query, rows):
    assert rows == lab.rows(query)


def test_complex_values_come_as_json(lab, tmp_path):
    path = tmp_path / "complex.parquet"
    duckdb.sql(
        f"COPY (SELECT [1, 2] AS a, {{'x': 1, 'y': 'z'}} AS s, MAP {{'k': 1}} AS m) TO '{path}'"
    )
    other = Lab(tmp_path / "warehouse", data=tmp_path)

    types = ["array<int>", "struct<x:int,y:string>", "map<string,int>"]
    assert types == other.types("SELECT a, s, m FROM complex")
    assert [("[1,2]", '{"x":1,"y":"z"}', '{"k":1}')] == other.rows("SELECT a, s, m FROM complex")


def test_a_fetch_hands_out_no_more_than_it_was_asked_for(lab):
    job = lab.run("SELECT i FROM t ORDER BY i")

    assert [(1, 2)] == [tuple(column) for column in job.fetch(2)]
    assert [(None,)] == [tuple(column) for column in job.fetch(2)]
    assert [] == job.fetch(2)


def test_rows_stream(lab):
    """A result that is larger than the memory limit can be fetched."""
    digits = "(VALUES (0 AS n), (1), (2), (3), (4), (5), (6), (7), (8), (9))"
    tables = ", ".join(f"{digits} d{n}" for n in range(5))
    job = lab.run(f"SELECT repeat('x', 1000) FROM {tables}", MEM_LIMIT="60m")

    assert 100_000 == len(rows_of(job))
    job.close()


def test_a_job_can_be_closed_twice(lab):
    job = lab.run("SELECT 1")
    job.close()
    job.close()
