"""SELECT, WITH and VALUES."""

from __future__ import annotations

from pocket_impala.coordinator.contract import Job
from pocket_impala.sql.context import Context
from pocket_impala.sql.jobs import QueryJob
from pocket_impala.sql.query import bind, parse, presented
from pocket_impala.sql.reader import Reader


def plan_query(reader: Reader, context: Context) -> Job:
    """Plan a query."""
    tree = parse(reader.sql, reader.start)
    with context.planning() as lane:
        bound = bind(tree, context.scope(lane, nanoseconds=True), context.duck)
    return QueryJob(lane, presented(bound), bound.columns)
