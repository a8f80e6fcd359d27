"""SELECT, WITH, VALUES and EXPLAIN."""

from __future__ import annotations

from impala_ha.testing._impalad.contract import Column, Job
from impala_ha.testing._impalad.sql.context import Context
from impala_ha.testing._impalad.sql.jobs import QueryJob, TableJob
from impala_ha.testing._impalad.sql.query import bind, parse, presented
from impala_ha.testing._impalad.sql.reader import Reader


def plan_query(reader: Reader, context: Context) -> Job:
    """Plan a query."""
    tree = parse(reader.sql, reader.start)
    with context.planning() as lane:
        bound = bind(tree, context.scope(lane, nanoseconds=True), context.duck)
    return QueryJob(lane, presented(bound), bound.columns)


def plan_explain(reader: Reader, context: Context) -> Job:
    """Plan EXPLAIN of a query, or of the query of an INSERT: its operators as DuckDB has them."""
    reader.expect("EXPLAIN")
    if not reader.seek("SELECT", "VALUES", "WITH", "("):
        reader.fail("CREATE", "DELETE", "INSERT", "SELECT", "UPDATE", "UPSERT", "VALUES", "WITH")
    tree = parse(reader.sql, reader.start)
    with context.planning() as lane:
        bound = bind(tree, context.scope(lane), context.duck)

    def explain() -> list[tuple[str]]:
        text = str(lane.rows(f"EXPLAIN {bound.sql}")[0][1])
        return [(line,) for line in text.splitlines()]

    return TableJob("QUERY", (Column("Explain String", "string"),), explain, lane)
