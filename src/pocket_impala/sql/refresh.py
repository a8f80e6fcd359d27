"""
Statements that a warehouse without caches has little to do for, and those it refuses.

REFRESH and INVALIDATE METADATA check their table, and show it as it is to coordinators that lag;
the others read the catalog anew for each statement anyway.
"""

from __future__ import annotations

from pocket_impala.coordinator.contract import ImpalaError, Job
from pocket_impala.sql.context import Context
from pocket_impala.sql.jobs import TableJob
from pocket_impala.sql.reader import Reader


def plan_refresh(reader: Reader, context: Context) -> Job:
    """Plan a REFRESH statement."""
    reader.expect("REFRESH")
    names: list[str] = []
    if not reader.take("AUTHORIZATION"):
        if reader.take("FUNCTIONS"):
            context.database(reader.name())
        else:
            table = context.table(*reader.qualified(context.session.database))
            names = [table.database, table.full_name]
        if reader.take("PARTITION"):
            reader.group()
    reader.end()
    return TableJob("DDL", (), lambda: context.warehouse.catalog.reveal(*names) if names else None)


def plan_invalidate(reader: Reader, context: Context) -> Job:
    """Plan an INVALIDATE METADATA statement."""
    reader.expect("INVALIDATE", "METADATA")
    names: list[str] = []
    if not reader.ended:
        database, name = reader.qualified(context.session.database)
        # It is for tables that this coordinator has not heard of, too.
        with context.warehouse.catalog.read() as catalog:
            if catalog.table(database, name) is None:
                context.table(database, name)
        names = [database, f"{database}.{name}"]
    reader.end()
    return TableJob("DDL", (), lambda: context.warehouse.catalog.reveal(*names))


def plan_load(reader: Reader, context: Context) -> Job:
    """Refuse LOAD DATA: there is no HDFS to load from."""
    reader.expect("LOAD", "DATA", "INPATH")
    path = reader.string()
    reader.take("OVERWRITE")
    reader.expect("INTO", "TABLE")
    context.table(*reader.qualified(context.session.database))
    raise ImpalaError(f"AnalysisException: INPATH location '{path}' does not exist.")


def plan_grant(reader: Reader, context: Context) -> Job:  # noqa: ARG001 - a planner
    """Refuse GRANT and REVOKE: there is no authorization."""
    raise ImpalaError("AnalysisException: Authorization is not enabled.")
