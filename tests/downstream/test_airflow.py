"""Airflow's hook for our connection type, as tasks use it, without a scheduler."""

import json

import pytest
import sqlalchemy
from airflow.providers.apache.impala.hooks.impala import ImpalaHook
from airflow.providers_manager import ProvidersManager
from airflow.sdk import BaseHook

import impala_ha


@pytest.fixture
def hook(cluster, monkeypatch):
    connection = {
        "conn_type": "impala_ha",
        "host": cluster.hosts,
        "schema": "default",
        "extra": {"policy": "least_connections", "deadline": 30},
    }
    monkeypatch.setenv("AIRFLOW_CONN_FLEET", json.dumps(connection))
    return BaseHook.get_hook("fleet")


@pytest.fixture
def table(hook):
    hook.run("CREATE TABLE airflow_rows (a STRING, b STRING)")
    yield "airflow_rows"
    hook.run("DROP TABLE airflow_rows")


def test_the_connection_type_and_its_form_are_known():
    manager = ProvidersManager()

    assert "impala-ha" in manager.providers
    assert "impala_ha" in manager.hooks
    fields = manager.connection_form_widgets
    assert "extra__impala_ha__policy" in fields
    assert "Coordinators" == manager.field_behaviours["impala_ha"]["relabeling"]["host"]


def test_the_hook_is_airflows_own_on_our_connections(hook):
    assert isinstance(hook, ImpalaHook)
    connection = hook.get_conn()
    with connection:
        assert isinstance(connection, impala_ha.Connection)


def test_it_reads(hook):
    assert [(3000,)] == hook.get_records("SELECT count(*) FROM flights")
    assert 3000 == hook.get_first("SELECT count(*) FROM flights WHERE 1 = %(one)s", {"one": 1})[0]
    assert ["n"] == list(hook.get_df("SELECT count(*) AS n FROM flights").columns)
    assert (True, "Connection successfully tested") == hook.test_connection()


def test_its_url_leads_to_the_same_coordinators(hook, cluster):
    url = sqlalchemy.make_url(hook.get_uri())
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        assert 3000 == connection.scalar(sqlalchemy.text("SELECT count(*) FROM flights"))
        options = connection.connection.dbapi_connection.options
    engine.dispose()

    assert "impala_ha" == hook.dialect_name
    assert (cluster.hosts, "default") == (url.query["host"], url.database)
    assert ("least_connections", 30) == (options.policy, options.deadline)


def test_what_is_secret_is_left_out_of_its_url(monkeypatch):
    connection = {
        "conn_type": "impala_ha",
        "host": "a:21050,b",
        "login": "etl",
        "password": "p@ss",
        "extra": {"use_ssl": True, "jwt": "hidden"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_FLEET", json.dumps(connection))
    url = BaseHook.get_hook("fleet").sqlalchemy_url

    assert {"host": "a:21050,b", "use_ssl": "True"} == url.query
    assert ("etl", "p@ss") == (url.username, url.password)


def test_it_reads_in_chunks(hook):
    chunks = hook.get_df_by_chunks("SELECT origin FROM flights", chunksize=1000)

    assert [1000, 1000, 1000] == [len(chunk) for chunk in chunks]


def test_it_writes(hook, table):
    hook.insert_rows(table, [("1", "x"), ("2", "y")], target_fields=["a", "b"])

    assert [("1", "x"), ("2", "y")] == hook.get_records(f"SELECT * FROM {table} ORDER BY a")


def test_it_runs_several_statements(hook, table):
    statements = [f"INSERT INTO {table} VALUES ('1', 'x')", f"SELECT count(*) FROM {table}"]

    assert [None, [(1,)]] == hook.run(
        statements, handler=lambda cursor: cursor.fetchall() if cursor.description else None
    )


def test_an_engine_of_it_reads(hook):
    with hook.get_sqlalchemy_engine().connect() as connection:
        result = connection.exec_driver_sql("SELECT count(*) FROM flights")

        assert 3000 == result.scalar_one()


def test_an_empty_host_means_those_of_the_environment(cluster, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_FLEET", json.dumps({"conn_type": "impala_ha"}))
    monkeypatch.setenv("IMPALA_HA_HOSTS", cluster.hosts)

    assert [(1,)] == BaseHook.get_hook("fleet").get_records("SELECT 1")


def test_airflows_own_type_is_as_it_was(cluster, monkeypatch):
    connection = {"conn_type": "impala", "host": cluster[0].host, "port": cluster[0].port}
    monkeypatch.setenv("AIRFLOW_CONN_ONE", json.dumps(connection))
    cluster.heal()
    found = BaseHook.get_hook("one").get_conn()

    assert not isinstance(found, impala_ha.Connection)
    found.close()
