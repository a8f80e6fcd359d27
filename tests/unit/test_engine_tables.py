"""Tables of the pocket Impala: several processes write them, any may be killed, nothing is halved."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading

import pytest
from engine_lab import Lab

from pocket_impala.coordinator.contract import ImpalaError


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path / "warehouse")


def test_an_insert_tells_how_many_rows_it_wrote(lab):
    lab.run("CREATE TABLE t (a INT)")

    assert {"": 2} == lab.changed("INSERT INTO t VALUES (1), (2)")
    assert {"": 0} == lab.changed("INSERT INTO t SELECT a FROM t WHERE a > 9")
    assert [(1,), (2,)] == lab.rows("SELECT a FROM t ORDER BY a")


def test_columns_that_an_insert_does_not_name_are_null(lab):
    lab.run("CREATE TABLE t (a INT, b STRING, c DOUBLE)")
    lab.run("INSERT INTO t (c, a) VALUES (1.5, 1)")

    assert [(1, None, 1.5)] == lab.rows("SELECT * FROM t")


def test_an_overwrite_takes_the_place_of_all_rows(lab):
    lab.run("CREATE TABLE t (a INT)")
    lab.run("INSERT INTO t VALUES (1), (2)")
    lab.run("INSERT OVERWRITE TABLE t SELECT cast(a + 10 AS INT) FROM t WHERE a = 1")

    assert [(11,)] == lab.rows("SELECT a FROM t")


def test_rows_are_counted_by_partition(lab):
    lab.run("CREATE TABLE t (a INT) PARTITIONED BY (y INT, m STRING)")

    assert {"y=1/m=a": 2} == lab.changed("INSERT INTO t PARTITION (y=1, m='a') VALUES (1), (2)")
    assert {"y=1/m=b": 1, "y=2/m=a": 1} == lab.changed(
        "INSERT INTO t PARTITION (y, m) SELECT 3, 1, 'b' UNION ALL SELECT 4, 2, 'a'"
    )
    assert {"y=3/m=c": 1} == lab.changed("INSERT INTO t PARTITION (y=3, m) SELECT 5, 'c'")
    assert [("1", "a"), ("1", "b"), ("2", "a"), ("3", "c"), ("Total", "")] == [
        row[:2] for row in lab.rows("SHOW PARTITIONS t")
    ]


def test_an_overwrite_leaves_other_partitions_alone(lab):
    lab.run("CREATE TABLE t (a INT) PARTITIONED BY (y INT)")
    lab.run("INSERT INTO t PARTITION (y) VALUES (1, 1), (2, 2)")
    lab.run("INSERT OVERWRITE t PARTITION (y=2) VALUES (20)")

    assert [(1, 1), (20, 2)] == lab.rows("SELECT a, y FROM t ORDER BY y")


def test_a_partition_without_rows_is_made_and_dropped(lab):
    lab.run("CREATE TABLE t (a INT) PARTITIONED BY (y INT)")
    lab.run("ALTER TABLE t ADD PARTITION (y=1)")
    lab.run("INSERT INTO t PARTITION (y=2) VALUES (1)")
    lab.run("ALTER TABLE t DROP PARTITION (y=2)")

    assert ["1", "Total"] == [row[0] for row in lab.rows("SHOW PARTITIONS t")]
    assert [] == lab.rows("SELECT * FROM t")


def test_with_may_stand_before_insert(lab):
    lab.run("CREATE TABLE t (a INT)")
    lab.run("WITH w AS (SELECT 7 AS a) INSERT INTO t SELECT a FROM w")

    assert [(7,)] == lab.rows("SELECT a FROM t")


def test_columns_change_and_old_rows_follow(lab):
    lab.run("CREATE TABLE t (a INT, b STRING)")
    lab.run("INSERT INTO t VALUES (1, 'x')")
    lab.run("ALTER TABLE t CHANGE a n BIGINT")
    lab.run("ALTER TABLE t DROP COLUMN b")
    lab.run("ALTER TABLE t ADD COLUMNS (b STRING)")

    assert [(1, None)] == lab.rows("SELECT n, b FROM t")
    assert ["bigint", "string"] == lab.types("SELECT * FROM t")


def test_rows_move_with_a_renamed_table(lab):
    lab.run("CREATE TABLE t (a INT)")
    lab.run("INSERT INTO t VALUES (1)")
    lab.run("ALTER TABLE t RENAME TO u")
    lab.run("CREATE TABLE t (a INT)")

    assert [(1,)] == lab.rows("SELECT a FROM u")
    assert [] == lab.rows("SELECT a FROM t")


def test_every_type_is_stored_with_nulls(lab):
    lab.run(
        "CREATE TABLE t (a BOOLEAN, b TINYINT, c SMALLINT, d INT, e BIGINT, f FLOAT, g DOUBLE,"
        " h DECIMAL(38,17), i STRING, j CHAR(4), k VARCHAR(3), l TIMESTAMP, m DATE, n BINARY)"
    )
    lab.run(
        "INSERT INTO t VALUES (true, 1, 2, 3, 4, 0.5, 0.25, 1.5, 'x', CAST('ab' AS CHAR(4)),"
        " CAST('abc' AS VARCHAR(3)), '2024-01-02 03:04:05.123456', '0001-01-01', unhex('00FF'))"
    )
    lab.run(f"INSERT INTO t VALUES ({', '.join(['NULL'] * 14)})")
    filled, empty = lab.rows("SELECT * FROM t ORDER BY d")

    assert (
        True, 1, 2, 3, 4, 0.5, 0.25, "1.50000000000000000", "x", "ab  ", "abc",
        "2024-01-02 03:04:05.123456000", "0001-01-01", b"\x00\xff",
    ) == filled  # fmt: skip
    assert (None,) * 14 == empty


@pytest.mark.parametrize(
    ("kind", "value", "source"),
    [
        ("VARCHAR(3)", "'ab'", "STRING"),
        ("VARCHAR(3)", "CAST('ab' AS VARCHAR(4))", "VARCHAR(4)"),
        ("CHAR(3)", "'ab'", "STRING"),
        ("CHAR(3)", "CAST('ab' AS VARCHAR(3))", "VARCHAR(3)"),
        ("DECIMAL(4,2)", "1.234", "DECIMAL(4,3)"),
        ("DECIMAL(4,2)", "5", "TINYINT"),
        ("DECIMAL(4,2)", "CAST(1 AS DOUBLE)", "DOUBLE"),
    ],
)
def test_a_value_that_may_not_fit_is_to_be_cast(lab, kind, value, source):
    lab.run(f"CREATE TABLE t (a {kind})")
    with pytest.raises(ImpalaError) as raised:
        lab.run(f"INSERT INTO t VALUES ({value})")
    lab.run(f"INSERT INTO t VALUES (CAST({value} AS {kind}))")

    assert str(raised.value).startswith("AnalysisException: Possible loss of precision")
    assert f"(type: {source}) would need to be cast to {kind} for column 'a'" in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("VARCHAR(4)", "CAST('ab' AS VARCHAR(3))"),
        ("VARCHAR(4)", "CAST('ab' AS CHAR(3))"),
        ("CHAR(4)", "CAST('ab' AS CHAR(3))"),
        ("STRING", "CAST('ab' AS CHAR(3))"),
        ("DECIMAL(6,2)", "1.5"),
        ("DECIMAL(6,2)", "5"),
    ],
)
def test_a_value_that_fits_needs_no_cast(lab, kind, value):
    lab.run(f"CREATE TABLE t (a {kind})")
    lab.run(f"INSERT INTO t VALUES ({value})")

    assert 1 == len(lab.rows("SELECT * FROM t"))


def test_columns_of_kudu_have_defaults_and_refuse_null(lab):
    lab.run(
        "CREATE TABLE t (id INT PRIMARY KEY, n INT DEFAULT 2 + 3 COMMENT 'five', "
        "s STRING NOT NULL DEFAULT 'x', at TIMESTAMP DEFAULT '2024-02-29', needed INT NOT NULL) "
        "STORED AS KUDU"
    )
    lab.run("INSERT INTO t (id, needed) VALUES (1, 7), (2, NULL)")
    with pytest.raises(ImpalaError, match="not nullable and has no default value needed"):
        lab.run("INSERT INTO t (id) VALUES (3)")

    assert [(1, 5, "x", "2024-02-29 00:00:00", 7)] == lab.rows("SELECT * FROM t")
    assert [
        ("id", "int", "", "true", "true", "false", ""),
        ("n", "int", "five", "false", "", "true", "5"),
        ("s", "string", "", "false", "", "false", "x"),
        ("at", "timestamp", "", "false", "", "true", "1709164800000000"),
        ("needed", "int", "", "false", "", "false", ""),
    ] == [row[:7] for row in lab.rows("DESCRIBE t")]


@pytest.mark.parametrize(
    ("column", "format_"),
    [("a INT NOT NULL", "PARQUET"), ("a INT DEFAULT 1", "TEXT"), ("a INT DEFAULT 1", "ICEBERG")],
)
def test_other_tables_have_no_such_options(lab, column, format_):
    words = "TEXTFILE" if format_ == "TEXT" else format_
    with pytest.raises(ImpalaError, match=f"file format '{format_}': '{column}'"):
        lab.run(f"CREATE TABLE t ({column}) STORED AS {words}")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ("('x')", "(type: STRING) is not compatible with column 'a' (type: INT)"),
        ("(3000000000)", "(type: BIGINT) would need to be cast to INT for column 'a'"),
    ],
)
def test_a_value_that_impala_does_not_convert_is_refused(lab, values, text):
    lab.run("CREATE TABLE t (a INT)")

    assert text in lab.error(f"INSERT INTO t VALUES {values}")


def test_a_primary_key_decides_what_insert_and_upsert_do(lab):
    lab.run("CREATE TABLE k (id INT PRIMARY KEY, v STRING, w INT) STORED AS KUDU")

    assert {"": 2} == lab.changed("INSERT INTO k VALUES (1, 'a', 1), (2, 'b', 2), (1, 'c', 3)")
    assert {"": 0} == lab.changed("INSERT INTO k VALUES (1, 'z', 9)")
    assert {"": 2} == lab.changed("UPSERT INTO k (id, v) VALUES (1, 'A'), (3, 'C')")
    assert [(1, "A", 1), (2, "b", 2), (3, "C", None)] == lab.rows("SELECT * FROM k ORDER BY id")


def test_update_and_delete_change_the_rows_they_name(lab):
    lab.run("CREATE TABLE k (id INT PRIMARY KEY, v INT) STORED AS KUDU")
    lab.run("INSERT INTO k VALUES (1, 10), (2, NULL), (3, 30)")

    assert {"": 1} == lab.changed("UPDATE k SET v = cast(v + 1 AS INT) WHERE v > 10")
    assert {"": 1} == lab.changed("DELETE FROM k WHERE v IS NULL")
    assert {"": 0} == lab.changed("DELETE k WHERE v > 99")
    assert [(1, 10), (3, 31)] == lab.rows("SELECT * FROM k ORDER BY id")
    assert {"": 2} == lab.changed("DELETE FROM k")


@pytest.fixture
def joined(lab):
    lab.run("CREATE TABLE k (id INT PRIMARY KEY, v INT, w STRING) STORED AS KUDU")
    lab.run("INSERT INTO k VALUES (1, 10, 'a'), (2, NULL, 'b'), (3, 30, 'c')")
    lab.run("CREATE TABLE u (id INT, v INT)")
    lab.run("INSERT INTO u VALUES (1, 11), (2, 12), (9, 99)")
    return lab


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE k SET v = u.v FROM k JOIN u ON k.id = u.id WHERE u.v < 99",
        "UPDATE k SET k.v = u.v FROM k, u WHERE k.id = u.id",
        "UPDATE default.k SET default.k.v = u.v FROM default.u, default.k WHERE default.k.id = u.id",
        "UPDATE x SET x.v = y.v FROM u y JOIN k x ON x.id = y.id AND x.w LIKE '%'",
        (
            "UPDATE x SET v = cast(y.n AS INT) FROM k AS x, (SELECT id, 10 + id AS n FROM u) y "
            "WHERE x.id = y.id"
        ),
        "UPDATE k SET v = y.n FROM k, (VALUES (1 AS id, 11 AS n), (2, 12)) y WHERE k.id = y.id",
    ],
)
def test_rows_are_updated_from_a_join(joined, statement):
    assert {"": 2} == joined.changed(statement)
    assert [(1, 11, "a"), (2, 12, "b"), (3, 30, "c")] == joined.rows("SELECT * FROM k ORDER BY id")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE k FROM k JOIN u ON k.id = u.id",
        "DELETE default.k FROM default.k, default.u WHERE default.k.id = u.id",
        "DELETE x FROM u JOIN k x ON x.id = u.id",
        "DELETE x FROM k AS x WHERE x.id < 3",
    ],
)
def test_rows_are_deleted_from_a_join(joined, statement):
    assert {"": 2} == joined.changed(statement)
    assert [(3,)] == joined.rows("SELECT id FROM k")


def test_a_row_that_a_join_finds_twice_is_one_row(joined):
    joined.run("INSERT INTO u VALUES (1, 11)")

    assert {"": 2} == joined.changed("UPDATE k SET v = u.v FROM k, u WHERE k.id = u.id")
    assert 3 == joined.value("SELECT count(*) FROM k")


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("UPDATE k x SET v = 1", "ParseException"),  # an alias stands in FROM
        ("UPDATE k AS x SET v = 1", "ParseException"),
        ("DELETE FROM k x WHERE x.id = 1", "ParseException"),
        ("DELETE FROM k FROM k", "ParseException"),
        ("DELETE FROM k USING u WHERE k.id = u.id", "ParseException"),
        ("UPDATE k SET v = 1 FROM k x", "'k' is not a valid table alias or reference"),
        ("UPDATE k SET v = 1 FROM u", "'k' is not a valid table alias or reference"),
        ("DELETE u FROM k, u", "Impala only supports modifying Kudu and Iceberg tables"),
        ("DELETE x FROM k, (SELECT 1) x", "Cannot modify view"),
        ("UPDATE k SET u.v = 1 FROM k, u", "does not belong to target table"),
        ("UPDATE k SET v = (SELECT 1)", "Subqueries are not supported as update expressions"),
        ("UPDATE k SET id = 1 FROM k, u", "Key column 'id' cannot be updated"),
        ("UPDATE k SET v = id FROM k, u", "id"),  # whose?
    ],
)
def test_an_update_or_delete_that_impala_refuses_is_refused(joined, statement, text):
    assert text in joined.error(statement)


def test_concurrent_upserts_lose_nothing(lab):
    lab.run("CREATE TABLE k (id INT PRIMARY KEY, v INT) STORED AS KUDU")

    def work(first):
        for number in range(first, first + 3):
            lab.changed(f"UPSERT INTO k VALUES ({number}, 0)")

    threads = [threading.Thread(target=work, args=(10 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 12 == lab.value("SELECT count(*) FROM k")


def test_another_process_sees_at_once_what_one_wrote(lab, tmp_path):
    other = Lab(tmp_path / "warehouse")
    lab.run("CREATE TABLE t (a INT)")
    other.run("INSERT INTO t VALUES (1)")
    seen = lab.rows("SELECT a FROM t")
    lab.run("DROP TABLE t")

    assert [(1,)] == seen
    assert "AnalysisException: Table does not exist: default.t" == other.error("REFRESH t")


def test_a_reader_ends_with_the_rows_it_began_with(lab):
    lab.run("CREATE TABLE t (a INT)")
    lab.run("INSERT INTO t VALUES (1)")
    job = lab.job("SELECT a FROM t")
    lab.run("INSERT OVERWRITE t VALUES (2)")
    lab.run("DROP TABLE t")
    job.run()

    assert [(1,)] == [tuple(column) for column in job.fetch(10)]
    job.close()


def _insert_for_ever(warehouse, begun):
    lab = Lab(warehouse)
    for turn in itertools.count():
        lab.run("INSERT INTO t VALUES (1), (1)")
        lab.run("INSERT OVERWRITE o SELECT a FROM t")
        if turn == 0:
            begun.send("both statements went well")


@pytest.mark.slow
def test_a_killed_writer_leaves_no_half_statement(lab, tmp_path):
    """Each INSERT writes two rows: their number is even whenever the writer dies."""
    lab.run("CREATE TABLE t (a INT)")
    lab.run("CREATE TABLE o (a INT)")
    context = multiprocessing.get_context("spawn")
    for _ in range(3):
        told, begun = context.Pipe(duplex=False)
        writer = context.Process(
            target=_insert_for_ever, args=(tmp_path / "warehouse", begun), daemon=True
        )
        writer.start()
        begun.close()  # so that the end of the writer is the end of the pipe
        with told:
            told.recv()
        writer.kill()
        writer.join()
        assert -signal.SIGKILL == writer.exitcode
        counted = lab.value("SELECT count(*) FROM t")
        assert counted > 0
        assert 0 == counted % 2
        assert 0 == lab.value("SELECT count(*) FROM o") % 2
        lab.run("INSERT INTO t VALUES (1), (1)")


def test_what_a_killed_writer_left_is_deleted_an_hour_later(lab, tmp_path):
    lab.run("CREATE TABLE t (a INT)")
    lab.run("INSERT INTO t VALUES (1)")
    folder = tmp_path / "warehouse" / "default.db" / "t"
    (kept,) = folder.iterdir()
    lost, young = folder / "lost_data.0.parq", folder / "young_data.0.parq"
    for path in (lost, young):
        path.write_bytes(b"")
    stage = tmp_path / "warehouse" / ".stage-1"
    stage.mkdir()
    for path in (kept, lost, stage):
        os.utime(path, (1, 1))
    Lab(tmp_path / "warehouse")

    assert {kept, young} == set(folder.iterdir())
    assert not stage.exists()


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE `../t` (a INT)", "CREATE DATABASE `a/b`", "CREATE VIEW `a b` AS SELECT 1"],
)
def test_a_name_that_is_no_name_is_refused(lab, statement):
    assert "AnalysisException: Invalid " in lab.error(statement)


def test_the_system_database_cannot_be_changed(lab):
    text = "AuthorizationException: Cannot modify system database."

    assert text == lab.error("CREATE TABLE _impala_builtins.t (a INT)")
    assert text == lab.error("DROP DATABASE _impala_builtins CASCADE")


def test_a_folder_of_files_becomes_tables(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "Shop.csv").write_text("id,price,day,note\n1,2.50,2024-01-02,\n2,13.75,,x\n")
    lab = Lab(tmp_path / "warehouse", data=data)
    Lab(tmp_path / "warehouse", data=data)

    assert ["int", "decimal(9,2)", "date", "string"] == lab.types("SELECT * FROM shop")
    assert [(1, "2.50", "2024-01-02", None), (2, "13.75", None, "x")] == lab.rows(
        "SELECT * FROM shop ORDER BY id"
    )


def test_a_dropped_data_table_stays_dropped_and_its_file_stays(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "t.csv").write_text("a\n1\n")
    Lab(tmp_path / "warehouse", data=data).run("DROP TABLE t")

    assert [] == Lab(tmp_path / "warehouse", data=data).rows("SHOW TABLES")
    assert (data / "t.csv").exists()


def test_a_data_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "broken.parquet").write_text("no parquet")

    with pytest.raises(Exception, match=r"Cannot make a table of .*broken\.parquet"):
        Lab(tmp_path / "warehouse", data=tmp_path)


def test_stored_times_reach_from_1400_to_9999(lab):
    """Literals of nanoseconds among them do not narrow the column; microseconds are kept."""
    lab.run("CREATE TABLE t (ts TIMESTAMP)")
    lab.run(
        "INSERT INTO t VALUES (cast('1400-01-01 00:00:00' as timestamp)),"
        " (cast('2014-06-23 13:30:51.123456789' as timestamp)),"
        " (cast('9999-12-31 23:59:59' as timestamp))"
    )

    assert [
        ("1400-01-01 00:00:00",),
        ("2014-06-23 13:30:51.123456000",),
        ("9999-12-31 23:59:59",),
    ] == lab.rows("SELECT ts FROM t ORDER BY ts")
