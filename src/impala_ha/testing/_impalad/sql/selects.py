"""SELECT, WITH and VALUES."""

from __future__ import annotations

from impala_ha.testing._impalad.contract import Job
from impala_ha.testing._impalad.sql.context import Context
from impala_ha.testing._impalad.sql.jobs import QueryJob
from impala_ha.testing._impalad.sql.query import bind, parse, presented
from impala_ha.testing._impalad.sql.reader import Reader


def plan_query(reader: Reader, context: Context) -> Job:
    """Plan a query."""
    tree = parse(reader.sql, reader.start)
    with context.planning() as lane:
        bound = bind(tree, context.scope(lane, nanoseconds=True), context.duck)
    return QueryJob(lane, presented(bound), bound.columns)
