"""pandas and SQLAlchemy, with impyla's own dialect, on connections of ours."""

from __future__ import annotations

import contextlib

import pandas as pd
import pytest
import sqlalchemy as sa
from impala.sqlalchemy import STRING
from impala.util import as_pandas
from promises import connect

import impala_ha
import impala_ha.dbapi

pytestmark = [
    pytest.mark.servers,
    # pandas says so of every connection that is not SQLAlchemy's, and takes it.
    pytest.mark.filterwarnings("ignore:pandas only supports SQLAlchemy"),
]

STORY = (
    "SELECT * FROM (VALUES (1 AS i, 'one' AS s, 0.5 AS x), (2, NULL, 1.5), (3, 'three', NULL)) "
    "AS v ORDER BY i"
)


@pytest.fixture
def made():
    """Every connection that was opened."""
    return []


@pytest.fixture
def engine(cluster, made):
    @contextlib.contextmanager
    def create_engine(**options):
        def create():
            made.append(connect(cluster))
            return made[-1]

        engine = sa.create_engine("impala://", creator=create, **options)
        try:
            yield engine
        finally:
            engine.dispose()

    return create_engine


def check(frame):
    assert ["i", "s", "x"] == list(frame.columns)
    assert [1, 2, 3] == list(frame["i"])
    assert ["one", None, "three"] == [None if pd.isna(s) else s for s in frame["s"]]
    assert [0.5, 1.5] == [float(x) for x in frame["x"].dropna()]


def test_pandas_reads_a_raw_connection(cluster):
    with connect(cluster) as connection:
        check(pd.read_sql(STORY, connection))


def test_pandas_reads_on_when_the_coordinator_dies(cluster):
    with connect(cluster) as connection:
        check(pd.read_sql(STORY, connection))
        cluster[0].kill()
        check(pd.read_sql(STORY, connection))


def test_pandas_reads_in_chunks(cluster):
    with connect(cluster) as connection:
        check(pd.concat(pd.read_sql(STORY, connection, chunksize=2), ignore_index=True))


def test_pandas_passes_parameters(cluster):
    with connect(cluster) as connection:
        frame = pd.read_sql("SELECT %(name)s AS name", connection, params={"name": "it's"})

    assert ["it's"] == list(frame["name"])


def test_pandas_tells_the_servers_own_error(cluster):
    """impyla cannot roll back, and pandas would tell that instead."""
    with connect(cluster) as connection:
        with pytest.raises((impala_ha.Error, pd.errors.DatabaseError), match="never_there"):
            pd.read_sql("SELECT * FROM never_there", connection)

        check(pd.read_sql(STORY, connection))


def test_impyla_makes_a_frame_of_a_cursor(cluster):
    with connect(cluster) as connection, connection.cursor() as cursor:
        cursor.execute(STORY)

        check(as_pandas(cursor))


def test_an_engine_opens_one_connection_for_many_checkouts(engine, made):
    with engine() as impala:
        for _ in range(5):
            with impala.connect() as connection:
                assert 3 == len(connection.execute(sa.text(STORY)).fetchall())

    assert 1 == len(made)
    assert made[0].closed


def test_an_engine_serves_pandas(engine):
    with engine() as impala:
        check(pd.read_sql(sa.text(STORY), impala))


def test_a_pooled_connection_survives_its_coordinator(engine, cluster, made):
    """Without pre-ping: the connection goes elsewhere by itself."""
    with engine() as impala:
        with impala.connect() as connection:
            connection.execute(sa.text(STORY)).fetchall()
        cluster[0].kill()
        with impala.connect() as connection:
            assert 3 == len(connection.execute(sa.text(STORY)).fetchall())

    assert 1 == len(made)


@pytest.mark.parametrize("fault", ["kill", "disconnect", "lose_sessions", "drain"])
def test_pre_ping_finds_a_coordinator_that_takes_statements(engine, cluster, fault):
    with engine(pool_pre_ping=True) as impala:
        with impala.connect() as connection:
            connection.execute(sa.text(STORY)).fetchall()
        getattr(cluster[0], fault)()
        with impala.connect() as connection:
            assert 3 == len(connection.execute(sa.text(STORY)).fetchall())


def test_tables_are_made_filled_and_reflected(engine):
    metadata = sa.MetaData()
    table = sa.Table("shelf", metadata, sa.Column("i", sa.Integer), sa.Column("s", STRING))
    with engine() as impala, impala.connect() as connection:
        metadata.create_all(connection)
        try:
            connection.execute(table.insert(), [{"i": 1, "s": "a"}, {"i": 2, "s": "b"}])
            rows = connection.execute(sa.select(table).order_by(table.c.i)).fetchall()
            seen = sa.inspect(connection)

            assert [(1, "a"), (2, "b")] == [tuple(row) for row in rows]
            assert "shelf" in seen.get_table_names()
            assert ["i", "s"] == [column["name"] for column in seen.get_columns("shelf")]
        finally:
            metadata.drop_all(connection)


def test_a_url_with_several_hosts_reaches_them_all(cluster):
    """Without ports in the list, SQLAlchemy hands it on as it stands."""
    hosts = ",".join(one.host for one in cluster)
    url = f"impala://{hosts}:{cluster[0].port}/default"
    impala = sa.create_engine(url, module=impala_ha.dbapi, poolclass=sa.pool.NullPool)
    seen = set()
    for _ in range(len(cluster)):
        with impala.connect() as connection:
            raw = connection.connection.driver_connection
            seen.add(raw.coordinator.host)
            assert 3 == len(connection.execute(sa.text(STORY)).fetchall())

    assert {one.host for one in cluster} == seen


def test_words_in_a_url_are_read_as_numbers_and_flags(cluster):
    url = f"impala://{cluster[0].host}:{cluster[0].port}/default?timeout=30&use_ssl=false&retries=2"
    impala = sa.create_engine(url, module=impala_ha.dbapi)
    with impala.connect() as connection:
        options = connection.connection.driver_connection.options

        assert (30, False) == (options.timeout, options.use_ssl)
    impala.dispose()
