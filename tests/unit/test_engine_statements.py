"""SHOW, DESCRIBE, SET, USE and DDL of the pocket Impala answer in Impala's words."""

from __future__ import annotations

import re

import pytest
from engine_lab import Lab, rows_of

from pocket_impala.coordinator.contract import ImpalaError


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path / "warehouse")


@pytest.mark.parametrize(
    ("before", "statement", "summary"),
    [
        ([], "CREATE DATABASE d COMMENT 'x'", "Database has been created."),
        (["CREATE DATABASE d"], "CREATE SCHEMA IF NOT EXISTS d", "Database already exists."),
        (["CREATE DATABASE d"], "DROP DATABASE d", "Database has been dropped."),
        ([], "DROP DATABASE IF EXISTS d", "Database does not exist."),
        ([], "CREATE TABLE t (a INT)", "Table has been created."),
        (
            ["CREATE TABLE t (a INT)"],
            "CREATE TABLE IF NOT EXISTS t (a INT)",
            "Table already exists.",
        ),
        ([], "CREATE TABLE t AS SELECT 1 a UNION ALL SELECT 2", "Inserted 2 row(s)"),
        (["CREATE TABLE t (a INT)"], "DROP TABLE t PURGE", "Table has been dropped."),
        ([], "DROP TABLE IF EXISTS t", "Table does not exist."),
        (["CREATE TABLE t (a INT)"], "TRUNCATE TABLE t", "Table has been truncated."),
        (["CREATE TABLE t (a INT)"], "CREATE VIEW v AS SELECT a FROM t", "View has been created."),
        (["CREATE VIEW v AS SELECT 1 a"], "DROP VIEW v", "View has been dropped."),
        (
            ["CREATE VIEW v AS SELECT 1 a"],
            "DROP TABLE IF EXISTS v",
            "Drop table is not allowed on a view.",
        ),
        (
            ["CREATE TABLE t (a INT)"],
            "DROP VIEW IF EXISTS t",
            "Drop view is not allowed on a table.",
        ),
        (["CREATE VIEW v AS SELECT 1 a"], "ALTER VIEW v AS SELECT 2 b", "View has been altered."),
        (["CREATE TABLE t (a INT)"], "COMPUTE STATS t", "Updated 1 partition(s) and 1 column(s)."),
        (["CREATE TABLE t (a INT)"], "DROP STATS t", "Stats have been dropped."),
        (
            ["CREATE TABLE t (a INT)"],
            "ALTER TABLE t ADD COLUMNS (b INT)",
            "New column(s) have been added to the table.",
        ),
        (["CREATE TABLE t (a INT)"], "ALTER TABLE t CHANGE a b INT", "Column has been altered."),
        (
            ["CREATE TABLE t (a INT, b INT)"],
            "ALTER TABLE t DROP COLUMN a",
            "Column has been dropped.",
        ),
        (["CREATE TABLE t (a INT)"], "ALTER TABLE t RENAME TO u", "Renaming was successful."),
        (["CREATE TABLE t (a INT)"], "ALTER TABLE t SET TBLPROPERTIES ('k'='v')", "Updated table."),
        (["CREATE TABLE t (a INT)"], "COMMENT ON TABLE t IS 'x'", "Updated table."),
    ],
)
def test_ddl_answers_with_one_summary(lab, before, statement, summary):
    for one in before:
        lab.run(one)
    job = lab.run(statement)

    assert ["summary"] == [column.name for column in job.columns]
    assert "DDL" == job.kind
    assert [(summary,)] == rows_of(job)


@pytest.mark.parametrize(
    "statement",
    [
        "USE default",
        "REFRESH t",
        "INVALIDATE METADATA",
        "INVALIDATE METADATA t",
        "SET mem_limit=1g",
    ],
)
def test_some_statements_have_no_result_set(lab, statement):
    lab.run("CREATE TABLE t (a INT)")

    assert () == tuple(lab.run(statement).columns)


def test_planning_changes_nothing(lab):
    for statement in ("CREATE TABLE t (a INT)", "CREATE DATABASE d", "SET mem_limit=1g"):
        lab.job(statement).close()
    lab.run("CREATE DATABASE e")
    lab.job("USE e").close()

    assert [] == lab.rows("SHOW TABLES")
    assert ["_impala_builtins", "default", "e"] == [row[0] for row in lab.rows("SHOW DATABASES")]
    assert "default" == lab.session.database
    assert {} == lab.session.options


def test_use_changes_the_database_of_the_session(lab):
    lab.run("CREATE DATABASE d")
    lab.run("USE `D`")
    lab.run("CREATE TABLE t (a INT)")

    assert "d" == lab.value("SELECT current_database()")
    assert [("t",)] == lab.rows("SHOW TABLES IN d")


def test_set_keeps_an_option_and_shows_it(lab):
    lab.run("SET request_pool='root.a b'")

    assert {"REQUEST_POOL": "root.a b"} == lab.session.options
    assert ("REQUEST_POOL", "root.a b", "REGULAR") in lab.rows("SET")
    assert [("REQUEST_POOL", "root.a b", "REGULAR")] == lab.rows("SET request_pool")


def test_set_to_nothing_is_the_default_again(lab):
    lab.run("SET mt_dop=4")
    lab.run("SET mt_dop=''")

    assert {} == lab.session.options


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("batch_size='10=50'", "Failed to parse query option 'BATCH_SIZE': 10=50"),
        ("mt_dop=65", "Invalid value for query option MT_DOP: 65 is not in range [0, 64]"),
    ],
)
def test_an_option_takes_the_numbers_that_it_takes_in_impala(setting, told, lab):
    with pytest.raises(ImpalaError, match=re.escape(told)):
        lab.run(f"SET {setting}")

    assert {} == lab.session.options


def test_set_all_shows_what_set_hides(lab):
    hidden = {row[0] for row in lab.rows("SET ALL")} - {row[0] for row in lab.rows("SET")}

    assert "BATCH_SIZE" in hidden


@pytest.mark.parametrize("statement", ["SET nope=1", "SET nope"])
def test_an_option_that_impala_does_not_know_is_refused(lab, statement):
    assert "Invalid query option: nope" == lab.error(statement)


def test_an_option_of_one_statement_is_checked_too(lab):
    with pytest.raises(ImpalaError, match="^Invalid query option: nope$"):
        lab.job("SELECT 1", nope="1")
    lab.job("SELECT 1", **{"impala.resultset.cache.size": "10"}).close()


def test_show_tables_takes_patterns(lab):
    for name in ("apple", "banana", "cherry"):
        lab.run(f"CREATE TABLE {name} (a INT)")

    assert [("apple",)] == lab.rows("SHOW TABLES LIKE 'a*'")
    assert [("apple",), ("cherry",)] == lab.rows("SHOW TABLES IN default LIKE 'a*|c*'")
    assert [] == lab.rows("SHOW TABLES 'x'")


def test_describe_tells_columns_and_partitions(lab):
    lab.run("CREATE TABLE t (a INT COMMENT 'first', b DECIMAL(5,2)) PARTITIONED BY (y INT)")

    assert [("a", "int", "first"), ("b", "decimal(5,2)", ""), ("y", "int", "")] == lab.rows(
        "DESCRIBE t"
    )


def test_describe_formatted_tells_the_details(lab):
    lab.run("CREATE EXTERNAL TABLE t (a INT) COMMENT 'c' STORED AS PARQUET TBLPROPERTIES ('k'='v')")
    lines = {row[0].strip(): row[1] for row in lab.rows("DESCRIBE FORMATTED t")}

    assert "EXTERNAL_TABLE" == lines["Table Type:"].strip()
    assert "default" == lines["Database:"].strip()


def test_what_show_create_table_shows_makes_the_same_table(lab):
    lab.run(
        "CREATE TABLE t (a INT COMMENT 'it\\'s', b STRING) PARTITIONED BY (y INT) COMMENT 'c'"
        " STORED AS PARQUET TBLPROPERTIES ('k'='v')"
    )
    shown = lab.value("SHOW CREATE TABLE t")
    lab.run("DROP TABLE t")
    lab.run(shown)

    assert shown == lab.value("SHOW CREATE TABLE t")


def test_statistics_are_shown_when_they_were_computed(lab):
    lab.run("CREATE TABLE t (a INT, s STRING)")
    lab.run("INSERT INTO t VALUES (1, 'x'), (1, NULL)")
    before = lab.rows("SHOW TABLE STATS t")[0][0]
    lab.run("COMPUTE STATS t")

    assert -1 == before
    assert 2 == lab.rows("SHOW TABLE STATS t")[0][0]
    assert [("a", "INT", 1, 0), ("s", "STRING", 1, 1)] == [
        row[:4] for row in lab.rows("SHOW COLUMN STATS t")
    ]


def test_a_view_follows_its_table_and_its_database(lab):
    lab.run("CREATE DATABASE d")
    lab.run("USE d")
    lab.run("CREATE TABLE t (a INT)")
    lab.run("CREATE VIEW v (x COMMENT 'c') AS SELECT a FROM t WHERE a > 1")
    lab.run("USE default")
    lab.run("INSERT INTO d.t VALUES (1), (2)")

    assert [(2,)] == lab.rows("SELECT x FROM d.v")
    assert [("x", "int", "c")] == lab.rows("DESCRIBE d.v")


def test_metadata_calls_answer_with_jdbc_columns(lab):
    lab.run("CREATE TABLE t (a INT, d DECIMAL(10,2) COMMENT 'money')")
    answers = []
    for job in (
        lab.engine.schemas("def%"),
        lab.engine.tables("default", "%"),
        lab.engine.table_columns("default", "t", "%"),
        lab.engine.functions("", "nvl_"),
    ):
        job.run()
        answers.append((len(job.columns), rows_of(job)))
    (_, schemas), (_, tables), (width, columns), (_, functions) = answers

    assert [("default", "")] == schemas
    assert [("", "default", "t", "TABLE", "")] == tables
    assert 23 == width
    assert ("", "default", "t", "d", 3, "DECIMAL", 10) == columns[1][:7]
    assert "nvl2" == functions[0][2]


def test_explain_shows_a_plan(lab):
    lab.run("CREATE TABLE t (a INT)")

    assert ["Explain String"] == lab.names("EXPLAIN SELECT * FROM t")
    assert lab.rows("EXPLAIN INSERT INTO t SELECT 1")


@pytest.mark.parametrize(
    ("sql", "lines"),
    [
        ("SELECT * FROM t", ["00:SCAN HDFS [default.t]"]),
        ("SELECT 1", []),
        ("WITH x AS (SELECT * FROM v) SELECT * FROM x", ["00:SCAN HDFS [default.t]"]),
        (
            "INSERT OVERWRITE u SELECT v.i FROM v, k",
            [
                "WRITE TO HDFS [default.u, OVERWRITE=true]",
                "01:SCAN KUDU [default.k]",
                "00:SCAN HDFS [default.t]",
            ],
        ),
        (
            "WITH x AS (SELECT 1 AS i) INSERT INTO t SELECT i FROM x",
            ["WRITE TO HDFS [default.t, OVERWRITE=false]"],
        ),
        (
            "UPSERT INTO k SELECT i FROM t",
            ["UPSERT INTO KUDU [default.k]", "00:SCAN HDFS [default.t]"],
        ),
    ],
)
def test_explain_tells_what_is_read_and_written(lab, sql, lines):
    for made in (
        "CREATE TABLE t (i INT)",
        "CREATE TABLE u (i INT)",
        "CREATE TABLE k (i INT PRIMARY KEY) STORED AS KUDU",
        "CREATE VIEW w AS SELECT * FROM t",
        "CREATE VIEW v AS SELECT * FROM w",
    ):
        lab.run(made)
    found = [line for (line,) in lab.rows(f"EXPLAIN {sql}")]

    assert lines == [line for line in found if " [default." in line]


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("SELECT * FROM nope", "AnalysisException: Could not resolve table reference: 'nope'"),
        ("SELECT * FROM d.nope", "AnalysisException: Could not resolve table reference: 'd.nope'"),
        (
            "SELECT nope FROM t",
            "AnalysisException: Could not resolve column/field reference: 'nope'",
        ),
        (
            "SELECT t.nope FROM t",
            "AnalysisException: Could not resolve column/field reference: 'nope'",
        ),
        ("DROP TABLE nope", "AnalysisException: Table does not exist: default.nope"),
        ("INSERT INTO nope VALUES (1)", "AnalysisException: Table does not exist: default.nope"),
        ("REFRESH nope", "AnalysisException: Table does not exist: default.nope"),
        ("CREATE TABLE t (a INT)", "AnalysisException: Table already exists: default.t"),
        ("USE nope", "AnalysisException: Database does not exist: nope"),
        ("SHOW TABLES IN nope", "AnalysisException: Database does not exist: nope"),
        ("DESCRIBE nope", "AnalysisException: Could not resolve path: 'nope'"),
        (
            "SELECT nope(1)",
            (
                "AnalysisException: default.nope() unknown for database default. "
                "Currently this db has 0 functions."
            ),
        ),
        (
            "SELECT a FROM t WHERE a = 'x'",
            "AnalysisException: operands of type INT and STRING are not comparable: a = 'x'",
        ),
        (
            "INSERT INTO t VALUES (1, 2, 3)",
            (
                "AnalysisException: Target table 'default.t' has fewer columns (2) than the "
                "SELECT / VALUES clause returns (3)"
            ),
        ),
        (
            "UPDATE t SET a = 1",
            (
                "AnalysisException: Impala only supports modifying Kudu and Iceberg tables, but the "
                "following table is neither: default.t"
            ),
        ),
        (
            "UPSERT INTO t VALUES (1, 'x')",
            "AnalysisException: UPSERT is only supported for Kudu tables",
        ),
        (
            "LOAD DATA INPATH '/x' INTO TABLE t",
            "AnalysisException: INPATH location '/x' does not exist.",
        ),
        ("SELECT 1.0 / 0", "UDF ERROR: Cannot divide decimal by zero"),
        ("SELECT cast(12345 as decimal(3,0))", "UDF ERROR: Decimal expression overflowed"),
        (
            "SELECT cast('x' as date)",
            "UDF ERROR: String to Date parse failed. Invalid string val.",
        ),
    ],
)
def test_a_mistake_is_reported_in_impalas_words(lab, statement, text):
    lab.run("CREATE TABLE t (a INT, s STRING)")

    assert text == lab.error(statement)


@pytest.mark.parametrize(
    ("statement", "line", "caret", "met"),
    [
        ("SELEC 1", 1, 0, "IDENTIFIER"),
        ("SELECT 1\nFROM t\nWHERE", 3, 5, "EOF"),
        ("CREATE TABLE x (a INTY)", 1, 18, "IDENTIFIER"),
        ("DROP", 1, 4, "EOF"),
        ("SELECT ?", 1, 7, "?"),
        ("SELECT :a", 1, 7, ":"),
        ("SET =", 1, 4, "="),
        ("SELECT 1; SELECT 2", 1, 10, "SELECT"),
        ("", 1, 0, "EOF"),
    ],
)
def test_a_syntax_error_points_at_its_place(lab, statement, line, caret, met):
    text = lab.error(statement).split("\n")

    assert f"ParseException: Syntax error in line {line}:" == text[0]
    assert caret == text[2].index("^")
    assert f"Encountered: {met}" == text[3]


def test_a_string_without_end_is_reported(lab):
    assert "ParseException: Unmatched string literal in line 1" in lab.error("SELECT 'abc")


def test_a_database_with_tables_is_dropped_with_cascade_only(lab):
    lab.run("CREATE DATABASE d")
    lab.run("CREATE TABLE d.t (a INT)")

    assert "is not empty" in lab.error("DROP DATABASE d")
    lab.run("DROP DATABASE d CASCADE")
    assert [] == lab.rows("SHOW DATABASES LIKE 'd'")
