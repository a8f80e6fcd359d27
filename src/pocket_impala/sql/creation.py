"""What CREATE TABLE and CREATE VIEW share: the new name must be free, here and at the end."""

from __future__ import annotations

import time
from dataclasses import replace

from pocket_impala.coordinator.contract import ImpalaError, Job
from pocket_impala.sql.context import Context, checked_name
from pocket_impala.sql.jobs import SUMMARY, TableJob
from pocket_impala.sql.tables import Table
from pocket_impala.sql.warehouse import numbered


def checked(context: Context, table: Table, kind: str, *, quiet: bool) -> ImpalaError:
    """Check that the table can be made; the error for when it is there after all."""
    context.database(table.database)
    checked_name(table.name, "table/view")
    if table.database == "_impala_builtins":
        raise ImpalaError("AuthorizationException: Cannot modify system database.")
    problem = ImpalaError(f"AnalysisException: {kind} already exists: {table.full_name}")
    if context.catalog.table(table.database, table.name) and not quiet:
        raise problem
    return problem


def finished(context: Context, table: Table) -> Table:
    """*table* with all that a new table has."""
    home = f"file:{context.warehouse.home(table)}"
    return numbered(
        replace(
            table,
            location=table.location or home,
            owner=context.session.user,
            created=time.time(),
        )
    )


def creation(context: Context, table: Table, kind: str, *, quiet: bool) -> Job:
    """The job that adds a table or view without rows."""
    problem = checked(context, table, "Table", quiet=quiet)

    def create() -> list[tuple[str]]:
        with context.warehouse.catalog.write() as catalog:
            if catalog.table(table.database, table.name) is not None:
                if quiet:
                    catalog.learn(table.full_name)
                    return [(f"{kind} already exists.",)]
                raise problem
            catalog.add_table(finished(context, table))
        return [(f"{kind} has been created.",)]

    return TableJob("DDL", SUMMARY, create)
