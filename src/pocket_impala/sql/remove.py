"""DROP and TRUNCATE."""

from __future__ import annotations

from pocket_impala.coordinator.contract import ImpalaError, Job
from pocket_impala.sql import stats
from pocket_impala.sql.clauses import if_exists
from pocket_impala.sql.context import Context, no_table
from pocket_impala.sql.jobs import SUMMARY, TableJob
from pocket_impala.sql.reader import Reader


def plan_drop(reader: Reader, context: Context) -> Job:
    """Plan a DROP statement."""
    reader.expect("DROP")
    if reader.take_one("DATABASE", "SCHEMA"):
        return _drop_database(reader, context)
    if reader.sees("STATS") or reader.sees("INCREMENTAL"):
        return stats.plan_drop(reader, context)
    kind = reader.take_one("TABLE", "VIEW")
    if kind is None:
        reader.fail(
            "DATABASE", "FUNCTION", "INCREMENTAL", "ROLE", "SCHEMA", "STATS", "TABLE", "VIEW"
        )
    return _drop_table(reader, context, view=kind == "VIEW")


def _drop_database(reader: Reader, context: Context) -> Job:
    quiet = if_exists(reader)
    name = reader.name()
    cascade = reader.take_one("CASCADE", "RESTRICT") == "CASCADE"
    reader.end()
    if name == context.session.database:
        raise ImpalaError(f"AnalysisException: Cannot drop current default database: {name}")
    if name == "_impala_builtins":
        raise ImpalaError("AuthorizationException: Cannot modify system database.")
    if name == "default":
        raise ImpalaError("AnalysisException: Cannot drop default database")
    if not quiet:
        context.database(name)

    def drop() -> list[tuple[str]]:
        with context.warehouse.catalog.write() as catalog:
            if catalog.database(name) is None:
                if quiet:
                    return [("Database does not exist.",)]
                raise ImpalaError(f"AnalysisException: Database does not exist: {name}")
            tables = catalog.tables(name)
            if tables and not cascade:
                raise ImpalaError(
                    "ImpalaRuntimeException: Error making 'dropDatabase' RPC to Hive Metastore: \n"
                    f"CAUSED BY: InvalidOperationException: Database {name} is not empty. "
                    "One or more tables exist."
                )
            for table in tables:
                catalog.drop_table(table)
            catalog.drop_database(name)
        return [("Database has been dropped.",)]

    return TableJob("DDL", SUMMARY, drop)


def _drop_table(reader: Reader, context: Context, *, view: bool) -> Job:
    quiet = if_exists(reader)
    database, name = reader.qualified(context.session.database)
    reader.take("PURGE")
    reader.end()
    kind = "View" if view else "Table"
    found = context.catalog.table(database, name)
    if found is None and not quiet:
        context.table(database, name)
    wrong = found is not None and (found.view is not None) != view
    other = "table" if view else "view"
    if wrong and not quiet:
        raise ImpalaError(
            f"AnalysisException: DROP {kind.upper()} not allowed on a {other}: {database}.{name}"
        )

    def drop() -> list[tuple[str]]:
        if wrong:
            return [(f"Drop {kind.lower()} is not allowed on a {other}.",)]
        with context.warehouse.catalog.write() as catalog:
            table = catalog.table(database, name)
            if table is None:
                if quiet:
                    return [(f"{kind} does not exist.",)]
                raise no_table(database, name)
            catalog.drop_table(table)
        return [(f"{kind} has been dropped.",)]

    return TableJob("DDL", SUMMARY, drop)


def plan_truncate(reader: Reader, context: Context) -> Job:
    """Plan a TRUNCATE statement."""
    reader.expect("TRUNCATE")
    reader.take("TABLE")
    quiet = if_exists(reader)
    database, name = reader.qualified(context.session.database)
    reader.end()
    if not quiet or context.catalog.table(database, name) is not None:
        table = context.table(database, name)
        if table.view is not None:
            raise ImpalaError(
                f"AnalysisException: TRUNCATE TABLE not supported on VIEW: {table.full_name}"
            )

    def truncate() -> list[tuple[str]]:
        with context.warehouse.catalog.write() as catalog:
            table = catalog.table(database, name)
            if table is None:
                if quiet:
                    return [("Table does not exist.",)]
                raise no_table(database, name)
            catalog.remove_files(catalog.files(table))
            catalog.touch(table, unchanged=False)
        return [("Table has been truncated.",)]

    return TableJob("DDL", SUMMARY, truncate)
