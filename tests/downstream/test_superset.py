"""Superset's SQL Lab on our engine spec: what it reads, and how its Stop button stops."""

import threading
import time
from contextlib import closing
from datetime import datetime

import pytest
from superset.app import create_app

import impala_ha

SLOW = "SELECT sleep(20000)"


@pytest.fixture(scope="session")
def db(tmp_path_factory):
    """The database of a Superset that is up, and empty."""
    folder = tmp_path_factory.mktemp("superset")
    config = folder / "superset_config.py"
    config.write_text(
        "SECRET_KEY = 'for tests alone'\n"
        f"SQLALCHEMY_DATABASE_URI = 'sqlite:///{folder}/superset.db'\n"
        "DB_POLL_INTERVAL_SECONDS = {'impala_ha': 0.1}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUPERSET_CONFIG_PATH", str(config))
        app = create_app()
    with app.app_context():
        from flask_appbuilder import Model
        from superset import db

        Model.metadata.create_all(db.engine)
        yield db


@pytest.fixture
def database(db, cluster):
    from superset.models.core import Database

    hosts = "&".join(f"host={host}" for host in cluster.hosts.split(","))
    found = Database(database_name="fleet", sqlalchemy_uri=f"impala_ha:///default?{hosts}")
    db.session.add(found)
    db.session.commit()
    yield found
    db.session.delete(found)
    db.session.commit()


class Worker(threading.Thread):
    """What a worker of Superset does with a query of SQL Lab."""

    def __init__(self, app, database, number):
        super().__init__()
        self.ended_with, self._app, self._database, self._number = None, app, database, number

    def run(self):
        from superset.models.core import Database
        from superset.models.sql_lab import Query

        with self._app.app_context():
            from superset import db

            query = db.session.get(Query, self._number)
            database = db.session.get(Database, self._database)
            spec = database.db_engine_spec
            with database.get_sqla_engine(schema="default") as engine:
                with closing(engine.raw_connection()) as connection:
                    with closing(connection.cursor()) as cursor:
                        try:
                            spec.execute_with_cursor(cursor, query.sql, query)
                            self.ended_with = cursor.fetchall()
                        except Exception as error:  # noqa: BLE001 - of whatever class
                            self.ended_with = error


@pytest.fixture
def worker(db, database):
    """One that runs a long query, and the query."""
    from flask import current_app
    from superset.models.sql_lab import Query

    query = Query(database=database, sql=SLOW, client_id="stop", schema="default", progress=0)
    db.session.add(query)
    db.session.commit()
    worker = Worker(current_app._get_current_object(), database.id, query.id)
    worker.query = query
    worker.start()
    yield worker
    worker.join(30)
    db.session.delete(query)
    db.session.commit()


def cancel_id(db, query, other_than=None):
    """What Superset keeps to stop *query*, once it is there and is another one."""
    end = time.monotonic() + 20
    while True:
        db.session.refresh(query)
        found = query.extra.get("cancel_query")
        if found and found != other_than:
            return found
        assert time.monotonic() < end
        time.sleep(0.05)


def test_it_is_found_by_the_name_in_the_url(database):
    spec = database.db_engine_spec

    assert ("impala_ha", "ImpalaHAEngineSpec") == (spec.engine, spec.__name__)
    assert "CAST('2019-01-02' AS DATE)" == spec.convert_dttm(
        "Date", datetime.fromisoformat("2019-01-02")
    )


@pytest.mark.parametrize("where", ["in the path", "behind the question mark", "in connect_args"])
def test_a_query_runs_in_the_database_that_was_chosen(database, cluster, where):
    cluster.heal()
    hosts = database.sqlalchemy_uri.partition("?")[2]
    if where == "behind the question mark":
        database.sqlalchemy_uri = f"impala_ha:///?database=default&{hosts}"
    if where == "in connect_args":
        database.extra = '{"engine_params": {"connect_args": {"database": "default"}}}'
    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE IF NOT EXISTS other")

    assert "default" == database.get_default_schema(None)
    for chosen in ("default", "other"):
        answer = database.get_df("SELECT current_database() AS name", schema=chosen)

        assert [chosen] == list(answer["name"])


def test_schemas_tables_views_and_columns(database, cluster):
    from superset.sql.parse import Table

    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE VIEW IF NOT EXISTS some_view AS SELECT origin FROM flights")
    schemas = database.get_all_schema_names()
    tables = {each[0] for each in database.get_all_table_names_in_schema(None, "default")}
    views = {each[0] for each in database.get_all_view_names_in_schema(None, "default")}
    columns = {each["column_name"] for each in database.get_columns(Table("flights", "default"))}

    assert "default" in schemas
    assert not [name for name in schemas if name.startswith("_")]
    assert {"airlines", "airports", "flights"} == tables
    assert {"some_view"} == views
    assert {"origin", "fare", "departed"} <= columns


def test_a_frame_of_a_query(database):
    sql = "SELECT origin, count(*) AS n FROM flights GROUP BY origin"

    assert 3000 == database.get_df(sql, schema="default")["n"].sum()


def test_sql_is_read_as_impalas(database):
    from superset.sql.parse import SQLScript

    script = SQLScript("SELECT `origin` FROM flights LIMIT 3", database.db_engine_spec.engine)

    assert not script.has_mutation()
    assert 3 == script.statements[0].get_limit_value()


def test_stop_reaches_the_coordinator_that_runs_the_query(db, worker):
    """By a connection that is at another coordinator as often as not."""
    from superset.sql_lab import cancel_query

    cancel_id(db, worker.query)

    assert cancel_query(worker.query)
    worker.join(20)
    assert "Cancelled" in str(worker.ended_with)


def test_stop_reaches_a_query_that_moved_to_another_coordinator(db, worker, cluster):
    from superset.sql_lab import cancel_query

    first = cancel_id(db, worker.query)
    cluster.heal()
    next(each for each in cluster if each.queries).kill()
    cancel_id(db, worker.query, other_than=first)

    assert cancel_query(worker.query)
    worker.join(20)
    assert "Cancelled" in str(worker.ended_with)


def test_the_secret_of_the_session_is_not_shown(database, cluster):
    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        cursor.execute_async("SELECT 1")
        secret = cursor.cancel_token.partition(" ")[2]
        shown = database.db_engine_spec.get_cancel_query_id(cursor, None)

    assert shown
    assert secret not in shown


def test_what_cannot_be_cancelled_is_said(database, cluster):
    spec = database.db_engine_spec
    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        cursor.execute_async("SELECT 1")
        kept = spec.get_cancel_query_id(cursor, None)
        cursor.close_operation()

        assert spec.get_cancel_query_id(cursor, None) is None
        assert not spec.cancel_query(cursor, None, kept)
