"""The SQL that the dialect writes, and the types that it reads; no server is asked."""

import datetime as dt
import decimal
import enum
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable, DropIndex
from sqlalchemy.sql.elements import SavepointClause

from impala_ha.sqlalchemy import ARRAY, BINARY, DOUBLE, MAP, STRING, STRUCT, TINYINT, ImpalaDialect
from impala_ha.sqlalchemy.types import parse_type


class Color(enum.Enum):
    RED = 1


class _Shout(sa.TypeDecorator):
    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value.upper() + "!"

    process_literal_param = process_bind_param


T = sa.Table(
    "t",
    sa.MetaData(),
    sa.Column("id", sa.Integer),
    sa.Column("name", sa.String(10)),
    sa.Column("price", sa.Numeric(10, 2)),
    sa.Column("small", sa.Float(precision=23)),
    sa.Column("date", sa.Date),
)
C = T.c


def written(statement, *, literal=True, **options):
    compiled = statement.compile(
        dialect=ImpalaDialect(**options), compile_kwargs={"literal_binds": literal}
    )
    return " ".join(str(compiled).split())


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (C.name == "100%", "t.name = '100%'"),
        (C.name == "a\\b", r"t.name = 'a\\b'"),
        (C.name == "it's :now", r"t.name = 'it\'s :now'"),
        (C.name == "two\nlines", r"t.name = 'two\nlines'"),
        (C.name + "x", "concat(t.name, 'x')"),
        (sa.func.aggregate_strings(C.name, ","), "group_concat(t.name, ',')"),
        (C.id / 2, "t.id / 2"),
        (C.id % 2, "t.id % 2"),
        (C.date, "t.`date`"),
        (C.name.regexp_match("^a"), "t.name REGEXP '^a'"),
        (C.name.regexp_match("^a", flags="i"), "t.name IREGEXP '^a'"),
        (~C.name.regexp_match("^a"), "t.name NOT REGEXP '^a'"),
        (C.name.regexp_replace("a", "b"), "regexp_replace(t.name, 'a', 'b')"),
        (C.name.ilike("A%"), "t.name ILIKE 'A%'"),
        (C.name.not_ilike("A%"), "t.name NOT ILIKE 'A%'"),
        (C.name.like("a\\_b", escape="\\"), r"t.name LIKE 'a\\_b'"),
        (
            C.name.like("a/_b", escape="/"),
            r"t.name LIKE regexp_replace(replace('a/_b', '\\', '\\\\'), '[/](.)', '\\\\\\1')",
        ),
        (C.date == dt.date(2024, 2, 29), "t.`date` = '2024-02-29'"),
        (sa.literal(b"\x00'"), "cast(unhex('0027') as binary)"),
        (sa.literal("%s''"), r"'%s\'\''"),
        (sa.literal("it's", _Shout), r"'IT\'S!'"),
        (sa.literal(Color.RED, sa.Enum(Color)), "'RED'"),
        (sa.literal(dt.timedelta(hours=3), sa.Interval), "'1970-01-01 03:00:00'"),
        (sa.func.now(), "now()"),
        (sa.func.current_timestamp(), "current_timestamp()"),
        (sa.func.current_date(), "current_date()"),
        (sa.func.localtimestamp(), "now()"),
        (sa.func.user(), "user()"),
        (sa.func.current_user(), "current_user()"),
        (sa.true(), "true"),
        (sa.cast(C.id, sa.String), "CAST(t.id AS STRING)"),
        (sa.cast(C.id, sa.Text), "CAST(t.id AS STRING)"),
        (sa.cast(C.id, sa.Numeric), "CAST(t.id AS DECIMAL(38, 10))"),
    ],
)
def test_expressions_are_impalas(expression, expected):
    assert f"SELECT {expected}" in written(sa.select(expression)).replace(" AS anon_1", "")


@pytest.mark.skipif(sa.__version__ < "2", reason="SQLAlchemy 1.4 has no such operators")
def test_bits_are_shifted_by_functions():
    shifted = sa.select(C.id.bitwise_lshift(2), C.id.bitwise_rshift(1).bitwise_or(1))

    assert (
        "SELECT shiftleft(t.id, 2) AS anon_1, (shiftright(t.id, 1)) | 1 AS anon_2 FROM t"
    ) == written(shifted)


@pytest.mark.parametrize(
    "expression", [C.name + "%" + C.name, C.name.contains("%"), C.name.not_like("%" + C.name + "%")]
)
def test_texts_are_joined_by_a_function(expression):
    """``||`` is OR before Impala 4."""
    assert "||" not in written(sa.select(expression))
    assert "concat(" in written(sa.select(expression))


@pytest.mark.skipif(sa.__version__ < "2", reason="SQLAlchemy 1.4 has no such operator")
def test_a_quotient_is_rounded_down():
    assert "SELECT FLOOR(t.id / 2) AS anon_1 FROM t" == written(sa.select(C.id // 2))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (sa.select(C.id).limit(5), "SELECT t.id FROM t LIMIT 5"),
        (sa.select(C.id).order_by(C.id).offset(2), "SELECT t.id FROM t ORDER BY t.id OFFSET 2"),
        # OFFSET asks for an order
        (sa.select(C.id).offset(2), "SELECT t.id FROM t ORDER BY 1 OFFSET 2"),
        (sa.select(C.id).limit(5).offset(2), "SELECT t.id FROM t ORDER BY 1 LIMIT 5 OFFSET 2"),
        (sa.select(C.id).fetch(5), "SELECT t.id FROM t LIMIT 5"),
        (
            sa.select(C.id).order_by(C.id).fetch(5).offset(2),
            "SELECT t.id FROM t ORDER BY t.id LIMIT 5 OFFSET 2",
        ),
        (sa.select(C.id).with_for_update(), "SELECT t.id FROM t"),
        (
            sa.select(sa.values(sa.column("a", sa.Integer), name="v").data([(1,), (2,)])),
            "SELECT v.a FROM (VALUES (1 AS a), (2)) AS v",
        ),
    ],
)
def test_queries_are_impalas(statement, expected):
    assert expected == written(statement)


def test_a_query_for_ties_is_refused():
    with pytest.raises(sa.exc.CompileError, match="WITH TIES"):
        written(sa.select(C.id).fetch(5, with_ties=True))


def test_a_regular_expression_has_no_flags_but_one():
    with pytest.raises(sa.exc.CompileError, match="not 'm'"):
        written(sa.select(C.name.regexp_match("a", flags="m")))


U = sa.Table("u", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("name", sa.String(10)))
S = sa.Table("s", sa.MetaData(), sa.Column("id", sa.Integer), schema="other")
X = T.alias("x")
WITH = sa.select(U.c.id).where(U.c.name == "a").cte("c")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            sa.update(T).where(C.id == U.c.id).values(name=U.c.name),
            "UPDATE t SET t.name=u.name FROM t, u WHERE t.id = u.id",
        ),
        (
            sa.update(X).where(X.c.id == S.c.id).values(name="it's"),
            (
                r"UPDATE x SET x.name=CAST('it\'s' AS VARCHAR(10)) FROM t AS x, other.s "
                "WHERE x.id = other.s.id"
            ),
        ),
        (
            sa.update(S).where(S.c.id == X.c.id).where(X.c.name == "a").values(id=7),
            (
                "UPDATE other.s SET s.id=7 FROM other.s, t AS x "
                "WHERE other.s.id = x.id AND x.name = 'a'"
            ),
        ),
        (
            sa.update(T.join(U, C.id == U.c.id)).values({C.name: U.c.name}),
            "UPDATE t SET t.name=u.name FROM t JOIN u ON t.id = u.id",
        ),
        (sa.update(T).where(C.id == 1).values(id=2), "UPDATE t SET id=2 WHERE t.id = 1"),
        (sa.delete(T).where(C.id == U.c.id), "DELETE t FROM t, u WHERE t.id = u.id"),
        (
            sa.delete(S).where(S.c.id == U.c.id),
            "DELETE other.s FROM other.s, u WHERE other.s.id = u.id",
        ),
        (sa.delete(X).where(X.c.id == 1), "DELETE x FROM t AS x WHERE x.id = 1"),
        (
            sa.delete(T).where(C.name == " FROM t FROM "),
            "DELETE FROM t WHERE t.name = ' FROM t FROM '",
        ),
        (
            sa.delete(T).where(C.id.in_(sa.select(WITH.c.id))),
            (
                "DELETE FROM t WHERE t.id IN (SELECT c.id FROM "
                "(SELECT u.id AS id FROM u WHERE u.name = 'a') AS c)"
            ),
        ),
        (
            sa.update(T).where(C.id == WITH.c.id).values(id=WITH.c.id),
            (
                "UPDATE t SET t.id=c.id FROM t, "
                "(SELECT u.id AS id FROM u WHERE u.name = 'a') AS c WHERE t.id = c.id"
            ),
        ),
        (
            sa.insert(T).from_select(["id"], sa.select(WITH.c.id)),
            (
                "WITH c AS (SELECT u.id AS id FROM u WHERE u.name = 'a') "
                "INSERT INTO t (id) SELECT c.id FROM c"
            ),
        ),
    ],
)
def test_rows_are_changed_by_what_they_are_joined_with(statement, expected):
    assert expected == written(statement)


@pytest.mark.parametrize("name", ["a`b", "`", "x\\", "x\\\\"])
def test_a_name_that_would_go_on_behind_its_backtick_is_refused(name):
    with pytest.raises(sa.exc.CompileError, match="no backtick in them"):
        written(sa.select(sa.literal(1).label(name)))


@pytest.mark.parametrize("name", ["a b", "100%", "a\\b", "ä", "it's", 'say "a"', "Date"])
def test_a_name_is_the_same_in_backticks(name):
    assert f"SELECT 1 AS `{name}`" == written(sa.select(sa.literal(1).label(name)))


def test_a_savepoint_is_refused_before_it_is_sent():
    savepoint = SavepointClause("one")

    with pytest.raises(sa.exc.CompileError, match="no savepoints"):
        written(savepoint)


V = sa.Table("v", sa.MetaData(), sa.Column("id", sa.Integer))
BOTH = U.join(V, U.c.id == V.c.id)


@pytest.mark.parametrize(
    ("joined", "expected"),
    [
        (T.join(BOTH, C.id == U.c.id), "u JOIN v ON u.id = v.id JOIN t ON t.id = u.id"),
        (
            T.outerjoin(BOTH, C.id == V.c.id),
            "u JOIN v ON u.id = v.id RIGHT OUTER JOIN t ON t.id = v.id",
        ),
        (
            T.outerjoin(BOTH, C.id == V.c.id).outerjoin(X, X.c.id == C.id),
            (
                "u JOIN v ON u.id = v.id RIGHT OUTER JOIN t ON t.id = v.id "
                "LEFT OUTER JOIN t AS x ON x.id = t.id"
            ),
        ),
        (
            T.outerjoin(U, C.id == U.c.id).join(V, C.id == V.c.id),
            "t LEFT OUTER JOIN u ON t.id = u.id JOIN v ON t.id = v.id",
        ),
    ],
)
def test_joins_have_no_brackets(joined, expected):
    assert f"SELECT t.id FROM {expected}" == written(sa.select(C.id).select_from(joined))


def test_a_comma_stands_behind_a_join_that_keeps_all_of_its_right():
    full = T.outerjoin(U, C.id == U.c.id, full=True)
    written_first = "SELECT v.id FROM t FULL OUTER JOIN u ON t.id = u.id, v"

    assert written_first == written(sa.select(V.c.id).select_from(V, full))
    with pytest.raises(sa.exc.CompileError, match="FULL JOIN"):
        written(sa.select(V.c.id).select_from(full, X.outerjoin(V, X.c.id == V.c.id, full=True)))


@pytest.mark.parametrize(
    "joined",
    [
        T.join(BOTH, C.id == U.c.id, full=True),
        T.join(X, X.c.id == C.id).outerjoin(BOTH, C.id == U.c.id),
    ],
)
def test_a_join_that_needs_brackets_is_refused(joined):
    with pytest.raises(sa.exc.CompileError, match="use selectinload"):
        written(sa.select(C.id).select_from(joined))


def test_an_update_of_one_table_has_no_alias():
    with pytest.raises(sa.exc.CompileError, match="update the table itself"):
        written(sa.update(X).values(name="a"))


def test_values_are_cast_where_impala_does_not_convert_them_by_itself():
    assert (
        "INSERT INTO t (id, name, price, small, `date`) VALUES (?, CAST(? AS VARCHAR(10)), "
        "CAST(? AS DECIMAL(10, 2)), CAST(? AS FLOAT), ?)"
    ) == written(sa.insert(T), literal=False)
    assert "INSERT INTO t (name) VALUES (CAST('a' AS VARCHAR(10)))" == written(
        sa.insert(T).values(name=sa.literal("a", sa.String(10)))
    )
    # not where it is compared, for CAST would cut it
    assert "INSERT INTO t (name) SELECT t.name FROM t WHERE t.name = ?" == written(
        sa.insert(T).from_select(["name"], sa.select(C.name).where(C.name == "a")), literal=False
    )
    assert "UPDATE t SET name=CAST(? AS VARCHAR(10)) WHERE t.name = ?" == written(
        sa.update(T).where(C.name == "a").values(name="b"), literal=False
    )


def test_a_table_has_the_clauses_that_it_names():
    table = sa.Table(
        "sales",
        sa.MetaData(),
        sa.Column("id", sa.BigInteger, nullable=False, comment="it's a key"),
        sa.Column("year", sa.SmallInteger),
        comment="what was sold",
        impala_partitioned_by=["year"],
        impala_sort_by=["id"],
        impala_row_format="DELIMITED",
        impala_stored_as="parquet",
        impala_location="/data/sales",
        impala_table_properties={"b": "2", "a": "1"},
    )

    assert (
        r"CREATE TABLE sales ( id BIGINT COMMENT 'it\'s a key' ) "
        "PARTITIONED BY (year SMALLINT) SORT BY (id) COMMENT 'what was sold' "
        "ROW FORMAT DELIMITED STORED AS PARQUET LOCATION '/data/sales' "
        "TBLPROPERTIES ('a' = '1', 'b' = '2')"
    ) == written(CreateTable(table))


def keyed(**options):
    return sa.Table(
        "k",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("u", sa.Integer, sa.CheckConstraint("u > 0"), unique=True, index=True),
        sa.Column("other", sa.Integer, sa.ForeignKey("t.id"), nullable=False, server_default="7"),
        sa.CheckConstraint("u < 9"),
        **options,
    )


def test_a_table_has_nothing_that_impala_lacks():
    assert "CREATE TABLE k ( id INT, u INT, other INT )" == written(CreateTable(keyed()))


def test_a_table_of_kudu_has_key_default_and_not_null():
    kudu = keyed(impala_stored_as="KUDU", impala_partition_by="HASH (id) PARTITIONS 3")

    assert (
        "CREATE TABLE k ( id INT NOT NULL, u INT, other INT NOT NULL DEFAULT 7, "
        "PRIMARY KEY (id) ) PARTITION BY HASH (id) PARTITIONS 3 STORED AS KUDU"
    ) == written(CreateTable(kudu))


def test_an_engine_has_a_format_for_tables_that_name_none():
    assert written(CreateTable(T), stored_as="parquet").endswith("STORED AS PARQUET")
    assert written(CreateTable(keyed()), stored_as="kudu").endswith("STORED AS KUDU")
    assert "STORED" not in written(CreateTable(T), stored_as="kudu")  # it has no key
    assert written(CreateTable(keyed(impala_stored_as="ORC")), stored_as="kudu").endswith("ORC")


def test_an_index_is_no_statement():
    (index,) = keyed().indexes

    assert ("", "") == (written(CreateIndex(index)), written(DropIndex(index)))


@pytest.mark.parametrize("column", [sa.Computed("1 + 1"), sa.Identity()])
def test_a_column_that_the_server_would_compute_is_refused(column):
    with pytest.raises(sa.exc.CompileError, match="computes no columns"):
        written(CreateTable(sa.Table("c", sa.MetaData(), sa.Column("a", sa.Integer, column))))


def test_a_table_that_was_written_for_impylas_dialect_is_the_same():
    theirs = pytest.importorskip("impala.sqlalchemy")
    kinds = [theirs.TINYINT, theirs.INT, theirs.DOUBLE, theirs.STRING]
    table = sa.Table(
        "t",
        sa.MetaData(),
        *(sa.Column(f"c{number}", kind) for number, kind in enumerate(kinds)),
        impala_partitioned_by="(year INT)",
        impala_stored_as="PARQUET",
        impala_table_properties={"b": 2, "a": "x"},
    )

    assert (
        "CREATE TABLE t ( c0 TINYINT, c1 INT, c2 DOUBLE, c3 STRING ) PARTITIONED BY (year INT) "
        "STORED AS PARQUET TBLPROPERTIES ('a' = 'x', 'b' = '2')"
    ) == written(CreateTable(table))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (sa.Integer(), "INT"),
        (sa.BigInteger(), "BIGINT"),
        (sa.SmallInteger(), "SMALLINT"),
        (TINYINT(), "TINYINT"),
        (sa.Boolean(), "BOOLEAN"),
        (sa.Float(), "DOUBLE"),
        (sa.Float(precision=24), "FLOAT"),
        (sa.Float(precision=53), "DOUBLE"),
        (sa.FLOAT(), "FLOAT"),
        (sa.REAL(), "DOUBLE"),
        (DOUBLE(), "DOUBLE"),
        (sa.Numeric(), "DECIMAL(38, 10)"),
        (sa.NUMERIC(12), "DECIMAL(12, 0)"),
        (sa.DECIMAL(12, 4), "DECIMAL(12, 4)"),
        (sa.Numeric(scale=4), "DECIMAL(38, 4)"),
        (sa.String(), "STRING"),
        (sa.String(20), "VARCHAR(20)"),
        (sa.Unicode(20), "VARCHAR(20)"),
        (sa.VARCHAR(20), "VARCHAR(20)"),
        (sa.CHAR(3), "CHAR(3)"),
        (sa.CHAR(), "STRING"),
        (sa.Text(), "STRING"),
        (STRING(), "STRING"),
        (sa.Enum(Color), "STRING"),
        (sa.Date(), "DATE"),
        (sa.DateTime(), "TIMESTAMP"),
        (sa.TIMESTAMP(timezone=True), "TIMESTAMP"),
        (sa.Time(), "STRING"),
        (sa.Interval(), "TIMESTAMP"),
        (sa.LargeBinary(), "BINARY"),
        (BINARY(), "BINARY"),
        (sa.JSON(), "STRING"),
        (ARRAY(sa.Integer()), "ARRAY<INT>"),
        (MAP(STRING(), sa.DECIMAL(5, 2)), "MAP<STRING, DECIMAL(5, 2)>"),
        (STRUCT([("a", sa.Integer()), ("b", ARRAY(STRING()))]), "STRUCT<a: INT, b: ARRAY<STRING>>"),
    ],
)
def test_types_have_impalas_names(kind, expected):
    assert expected == kind.compile(dialect=ImpalaDialect())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tinyint", "TINYINT"),
        ("int", "INT"),
        ("double", "DOUBLE"),
        ("float", "FLOAT"),
        ("string", "STRING"),
        ("decimal(12,4)", "DECIMAL(12, 4)"),
        ("decimal", "DECIMAL(9, 0)"),
        ("varchar(20)", "VARCHAR(20)"),
        ("char(3)", "CHAR(3)"),
        ("date", "DATE"),
        ("timestamp", "TIMESTAMP"),
        ("binary", "BINARY"),
        ("boolean", "BOOLEAN"),
        ("array<int>", "ARRAY<INT>"),
        ("map<string,decimal(5,2)>", "MAP<STRING, DECIMAL(5, 2)>"),
        # as DESCRIBE breaks it into lines
        (
            "struct<\n  a:int,\n  b:array<struct<\n    c:varchar(3)\n  >>\n>",
            "STRUCT<a: INT, b: ARRAY<STRUCT<c: VARCHAR(3)>>>",
        ),
        (
            "struct<\n  a:int comment 'it's <1, 2>',\n  b:struct<\n    c:string comment ''\n  >\n>",
            "STRUCT<a: INT, b: STRUCT<c: STRING>>",
        ),
    ],
)
def test_types_are_read_as_describe_writes_them(text, expected):
    assert expected == parse_type(text).compile(dialect=ImpalaDialect())


@pytest.mark.parametrize("text", ["variant", "uuid", "hllsketch(4)", "map<string>", ""])
def test_a_type_that_is_unknown_does_not_keep_a_table_from_being_read(text):
    assert isinstance(parse_type(text), sa.types.NullType)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (sa.Date(), "2024-02-29", dt.date(2024, 2, 29)),
        (sa.Date(), dt.date(2024, 2, 29), dt.date(2024, 2, 29)),
        (
            sa.DateTime(),
            "2024-02-29 01:02:03.5",
            dt.datetime.fromisoformat("2024-02-29T01:02:03.500000"),
        ),
        (sa.Time(), "01:02:03", dt.time(1, 2, 3)),
        (sa.Interval(), "1970-01-02 00:00:00", dt.timedelta(days=1)),
        (sa.Interval(), dt.datetime.fromisoformat("1969-12-31"), dt.timedelta(days=-1)),
        (sa.Interval(), None, None),
        (sa.LargeBinary(), "a", b"a"),
        (sa.LargeBinary(), b"a", b"a"),
        (sa.Float(), decimal.Decimal("1.5"), 1.5),
        (sa.Date(), None, None),
    ],
)
def test_values_have_pythons_types_also_where_impala_answers_with_a_text(kind, value, expected):
    process = kind.dialect_impl(ImpalaDialect()).result_processor(ImpalaDialect(), None)
    given = process(value) if process else value

    assert (type(expected), expected) == (type(given), given)


def test_a_uuid_is_a_text():
    kind = getattr(sa, "Uuid", None)
    if kind is None:
        pytest.skip("SQLAlchemy 1.4 has no such type")
    one = uuid.UUID(int=5)
    bind = kind().dialect_impl(ImpalaDialect()).bind_processor(ImpalaDialect())

    assert "STRING" == kind().compile(dialect=ImpalaDialect())
    assert isinstance(bind(one), str)
