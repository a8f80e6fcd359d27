"""SQLAlchemy's own tests of a dialect: how they make and empty databases and tables of Impala."""

import pytest
from sqlalchemy import Float, Numeric, Table, event
from sqlalchemy.dialects import registry

registry.register("impala.ha", "impala_ha.sqlalchemy", "ImpalaDialect")
registry.register("impala", "impala_ha.sqlalchemy", "ImpalaDialect")  # not impyla's, which fails
pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing import provision  # noqa: E402 - after the rewriting of its assertions
from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402, F403 - as SQLAlchemy asks for


@provision.create_db.for_db("impala")
def _create(_config, engine, name):
    """The databases of one worker."""
    with engine.connect() as connection:
        for database in _databases(name):
            connection.exec_driver_sql(f"CREATE DATABASE IF NOT EXISTS {database}")


@provision.drop_db.for_db("impala")
def _drop(_config, engine, name):
    with engine.connect() as connection:
        for database in _databases(name):
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {database} CASCADE")


@provision.configure_follower.for_db("impala")
def _configure(config, name):
    _, config.test_schema, config.test_schema_2 = _databases(name)


def _databases(name):
    return name, f"{name}_test_schema", f"{name}_test_schema_2"


@provision.update_db_opts.for_db("impala")
def _options(_url, options, _given):
    """Tables with a primary key are Kudu's, for only those can be changed."""
    options["stored_as"] = "kudu"


@event.listens_for(Table, "before_create")
def _can_be_emptied(table, _connection, **_):
    """Without a key there is no table of Kudu; these are deleted from, or have NOT NULL."""
    numbers = {type(column.type) for column in table.c} <= {Numeric, Float}
    if not table.primary_key and (numbers or not all(column.nullable for column in table.c)):
        table.kwargs["impala_stored_as"] = "ICEBERG"


@provision.delete_from_all_tables.for_db("impala")
def _empty(connection, _config, metadata):
    for table in metadata.sorted_tables:
        if table.primary_key:
            connection.execute(table.delete())
        else:
            connection.exec_driver_sql(f"TRUNCATE TABLE IF EXISTS {table.fullname}")
