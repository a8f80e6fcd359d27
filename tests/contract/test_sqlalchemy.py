"""Engines of our dialect, on coordinators that are killed, drained and stopped."""

from __future__ import annotations

import datetime as dt
import decimal
import os
from contextlib import contextmanager, suppress

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import registry

import impala_ha
from impala_ha.sqlalchemy import ARRAY, MAP, STRING, STRUCT

pytestmark = pytest.mark.servers
since_2 = pytest.mark.skipif(sa.__version__ < "2", reason="SQLAlchemy 1.4 cannot")


@pytest.fixture(scope="module", autouse=True)
def _registered():
    """As the entry points do once the package is installed, and not only on the path."""
    registry.register("impala.ha", "impala_ha.sqlalchemy", "ImpalaDialect")


@pytest.fixture
def engine(cluster):
    """An engine whose first choice is the first coordinator, with a memory of its own."""
    made = []

    def create_engine(connect_args=None, **options):
        coordinators = [impala_ha.Coordinator(one.host, one.port) for one in cluster]
        remembers = impala_ha.Cluster(coordinators, policy="ordered")
        arguments = {"host": remembers, "timeout": 5, "deadline": 20, **(connect_args or {})}
        made.append(sa.create_engine("impala+ha://", connect_args=arguments, **options))
        return made[-1]

    yield create_engine
    for each in made:
        each.dispose()


@contextmanager
def tables(engine, *statements):
    """Tables that the last statements drop; each is named ``made``, or begins with it."""
    with engine.connect() as connection:
        names = ("made_view", "made", "made_kudu")
        try:
            for statement in statements:
                connection.exec_driver_sql(statement)
            yield connection
        finally:
            inspector = sa.inspect(connection)
            views = inspector.get_view_names()
            for name in names:
                kind = "VIEW" if name in views else "TABLE"
                connection.exec_driver_sql(f"DROP {kind} IF EXISTS {name}")


def raw(connection):
    return connection.connection.dbapi_connection


# Connections that are lost.


def test_200_checkouts_with_pre_ping_go_well_while_a_coordinator_is_killed(engine, cluster):
    impala = engine(pool_pre_ping=True, pool_size=3)
    for number in range(200):
        if number == 50:
            cluster[0].kill()
        if number == 120:
            cluster[0].restart()
        if number == 150:
            cluster[1].drain()
        with impala.connect() as connection:
            assert number == connection.scalar(sa.select(sa.literal(number)))


def test_a_ping_is_one_call_and_no_statement(engine, cluster):
    with engine().connect() as connection:
        ours = raw(connection)
        ours.ping()
        statements, sessions = len(cluster.journal()), cluster[0].sessions
        cluster[0].fail_next("Server is being shut down: grace 1s", at="GetInfo")

        assert connection.dialect.do_ping(ours)  # the call that was refused was the only one
        assert cluster[1].host == ours.coordinator.host
        assert statements == len(cluster.journal())
        assert set(cluster[0].sessions) <= set(sessions)


def test_a_ping_leaves_a_coordinator_that_drains(engine, cluster):
    with engine().connect() as connection:
        ours = raw(connection)
        assert cluster[0].host == ours.coordinator.host
        cluster[0].drain()

        assert connection.dialect.do_ping(ours)
        assert cluster[1].host == ours.coordinator.host


def test_a_ping_is_answered_no_where_nobody_is_left(engine, cluster):
    with engine(connect_args={"deadline": 1}).connect() as connection:
        for one in cluster:
            one.kill()

        assert not connection.dialect.do_ping(raw(connection))


def lost_in_the_middle(connection, hurt):
    """Read until *hurt* is done to the coordinator, and on."""
    result = connection.execution_options(stream_results=True, max_row_buffer=10).exec_driver_sql(
        "SELECT a.i FROM (VALUES (1 AS i), (2), (3), (4), (5), (6), (7), (8), (9), (10)) a, "
        "(VALUES (1 AS i), (2), (3), (4), (5), (6), (7), (8), (9), (10)) b, "
        "(VALUES (1 AS i), (2), (3), (4), (5), (6), (7), (8), (9), (10)) c"
    )
    result.fetchmany(10)
    hurt()
    return result.fetchall()


def test_a_result_that_is_lost_is_a_disconnect_and_the_next_checkout_goes_elsewhere(
    engine, cluster
):
    impala = engine()
    with impala.connect() as connection:
        with pytest.raises(sa.exc.OperationalError) as raised:
            lost_in_the_middle(connection, cluster[0].kill)

    assert isinstance(raised.value.orig, impala_ha.ResultLost)
    assert raised.value.connection_invalidated
    with impala.connect() as connection:
        assert 1 == connection.scalar(sa.text("SELECT 1"))


def test_a_write_of_unknown_outcome_is_a_disconnect(engine, cluster):
    impala = engine()
    with tables(impala, "CREATE TABLE made (i INT)"), impala.connect() as connection:
        cluster[0].cut("ExecuteStatement:response")
        with pytest.raises(sa.exc.OperationalError) as raised:
            connection.exec_driver_sql("INSERT INTO made VALUES (1)")

        assert isinstance(raised.value.orig, impala_ha.OutcomeUnknown)
        assert raised.value.connection_invalidated


def started(cluster, words):
    return [each.sql for each in cluster.journal() if each.event == "started" and words in each.sql]


def test_a_flush_of_unknown_outcome_is_told_and_never_sent_again(engine, cluster):
    class Made(orm.declarative_base()):
        __tablename__ = "made"
        i = sa.Column(sa.Integer, primary_key=True, autoincrement=False)

    impala = engine()
    with tables(impala, "CREATE TABLE made (i INT)"), orm.Session(impala) as session:
        before = len(started(cluster, "INSERT INTO made"))
        session.add(Made(i=1))
        cluster[0].cut("ExecuteStatement:response")
        with pytest.raises(sa.exc.OperationalError, match="was not run again") as raised:
            session.commit()
        with pytest.raises(sa.exc.InvalidRequestError, match="rolled back"):
            session.commit()
        session.rollback()
        session.commit()

        assert isinstance(raised.value.orig, impala_ha.OutcomeUnknown)
        assert 1 == session.scalar(sa.select(sa.literal(1)))
        assert 1 >= len(started(cluster, "INSERT INTO made")) - before


def test_objects_are_loaded_with_those_that_another_table_links_to_them(engine):
    base = orm.declarative_base()
    links = sa.Table(
        "made_kudu",
        base.metadata,
        sa.Column("one", sa.Integer, primary_key=True),
        sa.Column("other", sa.Integer, primary_key=True),
    )

    class Node(base):
        __tablename__ = "made"
        i = sa.Column(sa.Integer, primary_key=True, autoincrement=False)
        others = orm.relationship(
            "Node",
            secondary=links,
            primaryjoin=lambda: Node.i == orm.foreign(links.c.one),
            secondaryjoin=lambda: Node.i == orm.foreign(links.c.other),
        )

    impala = engine(stored_as="kudu")
    with tables(impala), orm.Session(impala) as session:
        base.metadata.create_all(impala)
        session.add_all([Node(i=1), Node(i=2), Node(i=3)])
        session.flush()
        session.execute(links.insert().values([{"one": 1, "other": 2}, {"one": 1, "other": 3}]))
        session.expunge_all()
        query = sa.select(Node).options(orm.joinedload(Node.others)).order_by(Node.i)
        found = session.execute(query).unique().scalars().all()

        assert {1: {2, 3}, 2: set(), 3: set()} == {
            node.i: {other.i for other in node.others} for node in found
        }


@since_2
def test_of_several_inserts_those_after_an_unknown_one_are_not_sent(engine, cluster):
    table = sa.Table("made", sa.MetaData(), sa.Column("i", sa.Integer))
    impala = engine()
    with tables(impala), impala.connect() as connection:
        table.create(connection)
        before = len(started(cluster, "INSERT INTO made"))
        many = table.insert().execution_options(insertmanyvalues_page_size=1)
        cluster[0].cut("ExecuteStatement:response")
        with pytest.raises(sa.exc.OperationalError) as raised:
            connection.execute(many, [{"i": i} for i in range(3)])

    assert isinstance(raised.value.orig, impala_ha.OutcomeUnknown)
    assert 1 >= len(started(cluster, "INSERT INTO made")) - before


def test_a_coordinator_that_hangs_is_left_and_nothing_is_lost(engine, cluster):
    impala = engine(connect_args={"timeout": 1, "probe_after": 0.3, "connect_timeout": 1})
    with impala.connect() as connection:
        cluster[0].hang()

        assert 1 == connection.scalar(sa.text("SELECT 1"))
        assert cluster[1].host == raw(connection).coordinator.host


def test_nobody_left_is_a_disconnect(engine, cluster):
    with engine(connect_args={"deadline": 1}).connect() as connection:
        for one in cluster:
            one.kill()
        with pytest.raises(sa.exc.OperationalError) as raised:
            connection.exec_driver_sql("SELECT 1")

    assert isinstance(raised.value.orig, impala_ha.NoCoordinatorLeft)
    assert raised.value.connection_invalidated


def test_a_wrong_statement_is_no_disconnect(engine):
    with engine().connect() as connection:
        with pytest.raises(sa.exc.DBAPIError) as raised:
            connection.exec_driver_sql("SELECT nothing FROM nowhere")

        assert not raised.value.connection_invalidated
        assert 1 == connection.scalar(sa.text("SELECT 1"))


@pytest.mark.parametrize("pool", ["QueuePool", "StaticPool", "SingletonThreadPool"])
def test_a_pool_that_a_forked_process_inherits_serves_it_and_its_parent(engine, pool):
    impala = engine(poolclass=getattr(sa.pool, pool))

    def answers():
        return [impala.connect().scalar(sa.select(sa.literal(n))) for n in (1, 2)]

    with impala.connect() as one, impala.connect() as two:
        assert [3, 3] == [each.scalar(sa.text("SELECT 3")) for each in (one, two)]

    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with os.fdopen(writer, "w") as told, suppress(Exception):
            told.write(str(answers()))
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as told:
        assert "[1, 2]" == told.read()
    assert [1, 2] == answers()


def test_a_connection_that_was_closed_is_not_handed_out_again(engine):
    impala = engine()
    with impala.connect() as connection:
        raw(connection).close()

    with impala.connect() as connection:
        assert 1 == connection.scalar(sa.text("SELECT 1"))


def test_a_connection_that_was_closed_is_a_disconnect(engine):
    with engine().connect() as connection:
        raw(connection).close()
        with pytest.raises(sa.exc.InterfaceError) as raised:
            connection.exec_driver_sql("SELECT 1")

    assert raised.value.connection_invalidated


def test_giving_a_connection_back_sends_nothing(engine, cluster):
    impala = engine()
    with impala.connect() as connection:
        connection.exec_driver_sql("SELECT 'the only statement'")
        before = len(cluster.journal())

    assert before == len(cluster.journal())


def test_an_engine_reaches_every_coordinator_of_its_url(cluster):
    hosts = "&".join(f"host={one.host}:{one.port}" for one in cluster)
    # Another breaker than that of other tests, whose coordinators were killed.
    url = f"impala+ha:///?{hosts}&eject_for=4.5"
    impala = sa.create_engine(url, poolclass=sa.pool.NullPool)
    seen = set()
    for _ in cluster:
        with impala.connect() as connection:
            seen.add(raw(connection).coordinator.host)

    assert {one.host for one in cluster} == seen


def test_without_a_host_the_environment_counts(cluster, monkeypatch):
    monkeypatch.setenv("IMPALA_HA_HOSTS", cluster.hosts)
    impala = sa.create_engine("impala+ha://", poolclass=sa.pool.NullPool)
    with impala.connect() as connection:
        assert 1 == connection.scalar(sa.text("SELECT 1"))


def test_arguments_of_the_call_go_before_those_of_the_url(cluster):
    url = f"impala+ha:///default?host={cluster.hosts}&timeout=30&eject_for=4.5"
    impala = sa.create_engine(url, connect_args={"timeout": 20})
    with impala.connect() as connection:
        options = raw(connection).options

    assert (20, 4.5, "default") == (options.timeout, options.eject_for, options.database)
    impala.dispose()


# Reflection.

EVERY_TYPE = """
    CREATE TABLE made (
      a_tiny TINYINT COMMENT 'it is small', a_small SMALLINT, an_int INT, a_big BIGINT,
      a_float FLOAT, a_double DOUBLE, a_decimal DECIMAL(12,4), a_bool BOOLEAN,
      a_string STRING, a_varchar VARCHAR(20), a_char CHAR(3), a_date DATE, a_time TIMESTAMP,
      some_bytes BINARY, a_list ARRAY<INT>, a_map MAP<STRING, DECIMAL(5,2)>,
      a_struct STRUCT<x: INT, y: ARRAY<STRING>>
    ) PARTITIONED BY (year INT, month INT) COMMENT 'of all kinds' STORED AS PARQUET
"""


def test_columns_are_reflected_with_their_types(engine):
    impala = engine()
    with tables(impala, EVERY_TYPE):
        columns = sa.inspect(impala).get_columns("made")

    written = {c["name"]: c["type"].compile(dialect=impala.dialect) for c in columns}
    assert {
        "a_tiny": "TINYINT",
        "a_small": "SMALLINT",
        "an_int": "INT",
        "a_big": "BIGINT",
        "a_float": "FLOAT",
        "a_double": "DOUBLE",
        "a_decimal": "DECIMAL(12, 4)",
        "a_bool": "BOOLEAN",
        "a_string": "STRING",
        "a_varchar": "VARCHAR(20)",
        "a_char": "CHAR(3)",
        "a_date": "DATE",
        "a_time": "TIMESTAMP",
        "some_bytes": "BINARY",
        "a_list": "ARRAY<INT>",
        "a_map": "MAP<STRING, DECIMAL(5, 2)>",
        "a_struct": "STRUCT<x: INT, y: ARRAY<STRING>>",
        "year": "INT",
        "month": "INT",
    } == written
    assert {True} == {c["nullable"] for c in columns}
    assert "it is small" == columns[0]["comment"]
    assert columns[1]["comment"] is None
    assert [ARRAY, MAP, STRUCT] == [type(c["type"]) for c in columns[14:17]]


def test_a_table_is_made_again_as_it_was_reflected(engine):
    impala = engine()
    with tables(impala, EVERY_TYPE) as connection:
        table = sa.Table("made", sa.MetaData(), autoload_with=impala)
        before = connection.exec_driver_sql("SHOW CREATE TABLE made").scalar_one()
        connection.exec_driver_sql("DROP TABLE made")
        table.create(connection)
        after = connection.exec_driver_sql("SHOW CREATE TABLE made").scalar_one()

    assert "of all kinds" == table.comment
    assert ["year", "month"] == table.kwargs["impala_partitioned_by"]
    assert "PARQUET" == table.kwargs["impala_stored_as"]
    assert before.partition("LOCATION")[0] == after.partition("LOCATION")[0]


def test_a_table_of_kudu_is_reflected_with_key_default_and_not_null(engine):
    impala = engine()
    made = """
        CREATE TABLE made_kudu (
          id INT, day STRING, name STRING NOT NULL DEFAULT 'no''body', n INT DEFAULT 2 + 3,
          at TIMESTAMP DEFAULT '2024-02-29', PRIMARY KEY (id, day)
        ) STORED AS KUDU
    """.replace("''", "\\'")
    with tables(impala, made):
        inspector = sa.inspect(impala)
        columns = {c["name"]: c for c in inspector.get_columns("made_kudu")}
        key = inspector.get_pk_constraint("made_kudu")

    assert ["id", "day"] == key["constrained_columns"]
    assert {"id": False, "day": False, "name": False, "n": True, "at": True} == {
        name: column["nullable"] for name, column in columns.items()
    }
    assert {
        "id": None,
        "day": None,
        "name": r"'no\'body'",
        "n": "5",
        "at": "unix_micros_to_utc_timestamp(1709164800000000)",
    } == {name: column["default"] for name, column in columns.items()}


def test_not_null_of_iceberg_is_reflected(engine):
    impala = engine()
    with tables(impala, "CREATE TABLE made (i INT NOT NULL, j INT) STORED AS ICEBERG"):
        columns = sa.inspect(impala).get_columns("made")

    assert [False, True] == [c["nullable"] for c in columns]


def test_tables_and_views_are_told_apart(engine):
    impala = engine()
    view = "CREATE VIEW made_view COMMENT 'a look at it' AS SELECT i FROM made"
    with tables(impala, "CREATE TABLE made (i INT)", view):
        inspector = sa.inspect(impala)
        definition = inspector.get_view_definition("made_view")

        assert "made" in inspector.get_table_names()
        assert "made_view" not in inspector.get_table_names()
        assert ["made_view"] == inspector.get_view_names()
        assert "SELECT i FROM made" in definition
        assert ["i"] == [c["name"] for c in inspector.get_columns("made_view")]
        assert {"text": "a look at it"} == inspector.get_table_comment("made_view")
        assert inspector.has_table("made_view")
        assert inspector.has_table("MADE")
        assert not inspector.has_table("m_de")  # for HiveServer2 a pattern
        with pytest.raises(sa.exc.NoSuchTableError):
            inspector.get_view_definition("made")


@pytest.mark.parametrize(
    "asked",
    ["get_columns", "get_pk_constraint", "get_indexes", "get_foreign_keys", "get_table_comment"],
)
def test_what_is_not_there_is_no_such_table(engine, asked):
    inspector = sa.inspect(engine())

    with pytest.raises(sa.exc.NoSuchTableError, match="never_there"):
        getattr(inspector, asked)("never_there")
    with pytest.raises(sa.exc.NoSuchTableError, match=r"nowhere\.never_there"):
        getattr(inspector, asked)("never_there", schema="nowhere")
    with pytest.raises(sa.exc.NoSuchTableError, match="no`name"):
        getattr(inspector, asked)("no`name")


def test_who_may_not_see_a_table_is_told_so(engine, cluster):
    denied = (
        "AuthorizationException: User 'u' does not have privileges to access: default.never_there"
    )
    inspector = sa.inspect(engine())
    for asked, call in (
        (inspector.get_columns, "ExecuteStatement"),
        (inspector.has_table, "GetTables"),
    ):
        cluster[0].fail_next(denied, at=call)
        with pytest.raises(sa.exc.DBAPIError, match="does not have privileges"):
            asked("never_there")


def test_databases_and_version_are_asked_for_without_a_statement(engine, cluster):
    impala = engine()
    before = len(cluster.journal())
    inspector = sa.inspect(impala)

    assert {"default", "_impala_builtins"} <= set(inspector.get_schema_names())
    assert "default" == inspector.default_schema_name
    assert impala.dialect.server_version_info >= (4, 0)
    assert before == len(cluster.journal())


# Statements.

TEXTS = [
    "100%",
    "%s",
    "%(x)s",
    "%%",
    ":name",
    "?",
    "a\\b",
    "\\",
    "it's",
    '"',
    "`",
    "\n",
    "ä€🙂",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_comes_back_as_it_was_sent(engine, text):
    bound, literal = sa.literal(text), sa.bindparam(None, text, literal_execute=True)
    with engine().connect() as connection:
        assert (text, text) == tuple(connection.execute(sa.select(bound, literal)).one())
        # beside another value, and without any
        assert text == connection.scalar(
            sa.select(literal).where(sa.literal(1) == sa.bindparam("x")), {"x": 1}
        )
        assert text == connection.scalar(sa.select(literal))


def test_percent_signs_of_plain_sql_are_left_alone(engine):
    with engine().connect() as connection:
        assert "5%%" == connection.exec_driver_sql("SELECT '5%%'").scalar()
        assert "5%" == connection.scalar(sa.text("SELECT '5%'"))
        assert ("5%", "x") == tuple(
            connection.execute(sa.text("SELECT '5%', :x"), {"x": "x"}).one()
        )
        assert 1 == connection.exec_driver_sql("SELECT %(x)s", {"x": 1}).scalar()
        assert 1 == connection.exec_driver_sql("SELECT %s", (1,)).scalar()


@pytest.mark.parametrize(
    "value",
    [
        dt.date(2024, 2, 29),
        dt.datetime.fromisoformat("2024-02-29T01:02:03.456789"),
        dt.time(1, 2, 3, 456789),
        decimal.Decimal("12345678901234567890.0123"),
        b"\x00\xff'\\",
        True,
        2**62,
        1.5,
        None,
    ],
)
def test_a_value_comes_back_with_its_type(engine, value):
    with engine().connect() as connection:
        given = connection.scalar(sa.select(sa.literal(value)))

    assert (type(value), value) == (type(given), given)


def test_rows_go_into_narrow_columns_and_come_back(engine):
    table = sa.Table(
        "made",
        sa.MetaData(),
        sa.Column("name", sa.String(5)),
        sa.Column("price", sa.Numeric(10, 2)),
        sa.Column("at", sa.Time),
        sa.Column("data", sa.LargeBinary),
    )
    row = ("ab%", decimal.Decimal("1.25"), dt.time(1, 2), b"\x00")
    impala = engine()
    with tables(impala), impala.connect() as connection:
        table.create(connection)
        connection.execute(table.insert().values(row))
        names = [column.name for column in table.c]
        connection.execute(table.insert(), [dict(zip(names, row, strict=True))] * 3)

        assert [row] * 4 == [tuple(each) for each in connection.execute(sa.select(table))]
        with pytest.raises(sa.exc.DataError, match="name has 7 bytes, and its column holds 5"):
            connection.execute(table.insert(), [{"name": "fits"}, {"name": "abcdeé"}])


@since_2
def test_many_rows_are_one_insert(engine, cluster):
    """Each INSERT makes a file."""
    table = sa.Table("made", sa.MetaData(), sa.Column("i", sa.Integer), sa.Column("s", STRING))
    impala = engine()
    with tables(impala), impala.connect() as connection:
        table.create(connection)
        before = len(cluster.journal())
        connection.execute(table.insert(), [{"i": i, "s": f"{i}?"} for i in range(500)])
        ran = [each.sql for each in cluster.journal()[before:] if each.event == "started"]

        assert 1 == len(ran)
        assert [(500, 499)] == [
            tuple(row)
            for row in connection.execute(sa.select(sa.func.count(), sa.func.max(table.c.i)))
        ]


def test_pages_need_no_order(engine):
    with engine().connect() as connection:
        numbers = sa.values(sa.column("i", sa.Integer), name="v").data([(3,), (1,), (2,)])

        assert [2, 3] == list(connection.scalars(sa.select(numbers.c.i).offset(1)))
        assert [2] == list(connection.scalars(sa.select(numbers.c.i).limit(1).offset(1)))


def test_a_result_is_streamed(engine):
    with engine().connect() as connection:
        options = {"stream_results": True, "max_row_buffer": 7}
        result = connection.execution_options(**options).exec_driver_sql(
            "SELECT * FROM (VALUES (1 AS i), (2), (3), (4), (5), (6), (7), (8), (9)) v"
        )

        assert 7 == result.cursor.arraysize
        assert [4, 4, 1] == [len(part) for part in result.partitions(4)]


def test_a_statement_has_query_options_of_its_own(engine):
    options = {"cursor_configuration": {"MEM_LIMIT": "1234567"}}
    with engine(execution_options=options).connect() as connection:
        shown = dict(row[:2] for row in connection.exec_driver_sql("SET"))

    assert "1234567" == shown["MEM_LIMIT"]


def keyed(metadata, length=10):
    """A table with a primary key, as those of Kudu have."""
    key = sa.Column("id", sa.Integer, primary_key=True)
    return sa.Table("made_kudu", metadata, key, sa.Column("s", sa.String(length)))


def test_a_statement_that_is_compiled_once_has_each_time_its_own_values(engine):
    table = keyed(sa.MetaData(), length=5)
    impala = engine(stored_as="kudu")

    def some(numbers, limit, text="%s ?"):
        chosen = sa.select(table.c.id, sa.literal(text)).where(table.c.id.in_(numbers))
        return chosen.order_by(table.c.id).limit(limit)

    def memory(connection, limit):
        options = {"cursor_configuration": {"MEM_LIMIT": limit}}
        shown = connection.execution_options(**options).execute(sa.text("SET"))
        return dict(row[:2] for row in shown)["MEM_LIMIT"]

    with tables(impala), impala.connect() as connection:
        table.create(connection)
        for number, text in enumerate(["a", "it's", "%s ?", "\\"]):
            connection.execute(table.insert().values(id=number, s=text))
        with pytest.raises(sa.exc.DataError, match="its column holds 5"):
            connection.execute(table.insert().values(id=9, s="longer"))
        compiled = len(impala._compiled_cache)

        assert [(1, "%s ?")] == list(map(tuple, connection.execute(some([1], 5))))
        assert [(0, ":x"), (1, ":x")] == list(
            map(tuple, connection.execute(some([3, 1, 0], 2, ":x")))
        )
        assert [] == connection.execute(some([], 9)).all()
        assert compiled + 1 == len(impala._compiled_cache)
        assert ["1234567", "7654321"] == [memory(connection, n) for n in ("1234567", "7654321")]
        assert ["a", "it's", "%s ?", "\\"] == list(
            connection.scalars(sa.select(table.c.s).order_by(table.c.id))
        )


@since_2
def test_an_isolation_level_that_tools_ask_for_is_taken(engine):
    with engine(isolation_level="AUTOCOMMIT").connect() as connection:
        assert "AUTOCOMMIT" == connection.get_isolation_level()


@since_2
def test_pandas_writes_a_frame_with_its_index(engine):
    frame = pd.DataFrame({"name": ["a%", None], "n": [1.5, 2.5]}, index=pd.Index([1, 2], name="i"))
    impala = engine()
    with tables(impala):
        for _ in range(2):
            frame.to_sql("made", impala, if_exists="replace")
        read = pd.read_sql_query("SELECT * FROM made ORDER BY i", impala, index_col="i")

    assert [1, 2] == list(read.index)
    assert ["a%", None] == [None if pd.isna(one) else one for one in read["name"]]
    assert [1.5, 2.5] == list(read["n"])


def test_rows_that_are_written_are_counted(engine):
    table = sa.Table("made", sa.MetaData(), sa.Column("i", sa.Integer))
    impala = engine()
    with tables(impala), impala.connect() as connection:
        table.create(connection)
        many = table.insert().execution_options(insertmanyvalues_page_size=2)
        numbers = sa.select(table.c.i)

        assert 1 == connection.execute(table.insert(), {"i": 1}).rowcount
        assert 5 == connection.execute(many, [{"i": i} for i in range(5)]).rowcount
        assert 2 == connection.execute(table.insert().values([{"i": 1}, {"i": 2}])).rowcount
        assert 8 == connection.execute(table.insert().from_select(["i"], numbers)).rowcount


@since_2
@pytest.mark.parametrize("method", [None, "multi"])
def test_pandas_tells_how_many_rows_it_wrote(engine, method):
    impala = engine()
    frame = pd.DataFrame({"n": range(7)})
    with tables(impala):
        assert 7 == frame.to_sql("made", impala, index=False, chunksize=3, method=method)
        assert 7 == frame.to_sql("made", impala, index=False, if_exists="append", method=method)
        with pytest.raises(ValueError, match="already exists"):
            frame.to_sql("made", impala, index=False)
        read = pd.concat(pd.read_sql_table("made", impala, chunksize=4))

    assert [n for n in range(7) for _ in "ab"] == sorted(read["n"])


def test_rows_are_changed_by_those_of_another_table(engine):
    metadata = sa.MetaData()
    changed = keyed(metadata)
    other = sa.Table("made", metadata, sa.Column("id", sa.Integer), sa.Column("s", sa.String(10)))
    impala = engine(stored_as="kudu")
    with tables(impala), impala.connect() as connection:
        metadata.create_all(connection)
        connection.execute(changed.insert(), [{"id": i, "s": "old"} for i in range(4)])
        connection.execute(other.insert(), [{"id": 1, "s": "one"}, {"id": 2, "s": "two"}])
        same = changed.c.id == other.c.id
        chosen = sa.select(other.c.id).where(other.c.s == "two").cte()

        update = changed.update().where(same).values(s=other.c.s)
        assert 2 == connection.execute(update).rowcount
        alias = changed.alias()
        delete = sa.delete(alias).where(alias.c.id == other.c.id, other.c.s == "one")
        assert 1 == connection.execute(delete).rowcount
        delete = sa.delete(changed).where(changed.c.id.in_(sa.select(chosen.c.id)))
        assert 1 == connection.execute(delete).rowcount

        assert [(0, "old"), (3, "old")] == [
            tuple(row) for row in connection.execute(sa.select(changed).order_by(changed.c.id))
        ]


def test_functions_are_called_with_their_brackets(engine):
    functions = [sa.func.now(), sa.func.current_timestamp(), sa.func.current_date()]
    with engine().connect() as connection:
        now, timestamp, date = connection.execute(sa.select(*functions)).one()

    assert now == timestamp
    assert now.date() == date


def test_rows_of_kudu_are_changed_and_counted(engine):
    table = keyed(sa.MetaData())
    impala = engine(stored_as="kudu")
    with tables(impala), impala.connect() as connection:
        table.create(connection)
        connection.execute(table.insert(), [{"id": i, "s": "old"} for i in range(4)])
        changed = connection.execute(table.update().where(table.c.id > 1).values(s="new"))
        gone = connection.execute(table.delete().where(table.c.id == 0))

        assert (2, 1) == (changed.rowcount, gone.rowcount)
        assert ["old", "new", "new"] == list(
            connection.scalars(sa.select(table.c.s).order_by(table.c.id))
        )
