"""
Statements that a warehouse without caches has nothing to do for, and those it refuses.

REFRESH and INVALIDATE METADATA check their table and are done: every coordinator reads the
catalog anew for each statement.
"""

from __future__ import annotations

from impala_ha.testing._impalad.contract import ImpalaError, Job
from impala_ha.testing._impalad.sql.context import Context
from impala_ha.testing._impalad.sql.jobs import TableJob
from impala_ha.testing._impalad.sql.reader import Reader


def plan_refresh(reader: Reader, context: Context) -> Job:
    """Plan a REFRESH statement."""
    reader.expect("REFRESH")
    if not reader.take("AUTHORIZATION"):
        if reader.take("FUNCTIONS"):
            context.database(reader.name())
        else:
            context.table(*reader.qualified(context.session.database))
        if reader.take("PARTITION"):
            reader.group()
    reader.end()
    return TableJob("DDL", (), lambda: None)


def plan_invalidate(reader: Reader, context: Context) -> Job:
    """Plan an INVALIDATE METADATA statement."""
    reader.expect("INVALIDATE", "METADATA")
    if not reader.ended:
        context.table(*reader.qualified(context.session.database))
    reader.end()
    return TableJob("DDL", (), lambda: None)


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
