"""EXPLAIN: what is read and written in Impala's words, and how in DuckDB's."""

from __future__ import annotations

from pocket_impala.coordinator.contract import Column, Job
from pocket_impala.sql.context import Context
from pocket_impala.sql.insert import Target, read_insert
from pocket_impala.sql.jobs import TableJob
from pocket_impala.sql.query import bind, parse, scanned
from pocket_impala.sql.reader import Reader
from pocket_impala.sql.tables import Table

_INSERTS = ("INSERT", "UPSERT")


def plan_explain(reader: Reader, context: Context) -> Job:
    """Plan EXPLAIN of a query or of an INSERT."""
    reader.expect("EXPLAIN")
    target = None
    if any(map(reader.sees, _INSERTS)) or (reader.sees("WITH") and reader.leads_to(*_INSERTS)):
        target, tree = read_insert(reader, context)
    elif any(map(reader.sees, ("SELECT", "VALUES", "WITH", "("))):
        tree = parse(reader.sql, reader.start)
    else:
        reader.fail("CREATE", "DELETE", "INSERT", "SELECT", "UPDATE", "UPSERT", "VALUES", "WITH")
    with context.planning() as lane:
        scope = context.scope(lane)
        nodes = _nodes(target, scanned(tree, scope))
        bound = bind(tree, scope, context.duck)

    def explain() -> list[tuple[str]]:
        how = str(lane.rows(f"EXPLAIN {bound.sql}")[0][1])
        return [(line,) for line in [*nodes, "", *how.splitlines()]]

    return TableJob("QUERY", (Column("Explain String", "string"),), explain, lane)


def _nodes(target: Target | None, tables: list[Table]) -> list[str]:
    """The nodes of Impala's plan that tell which tables are read and written."""
    scans = [f"{n:02}:SCAN {_kind(t)} [{t.full_name}]" for n, t in enumerate(tables)]
    return [_sink(target), "|", *reversed(scans)]


def _sink(target: Target | None) -> str:
    if target is None:
        return "PLAN-ROOT SINK"
    kind, name = _kind(target.table), target.table.full_name
    if kind == "KUDU":
        return f"{'UPSERT' if target.upsert else 'INSERT'} INTO KUDU [{name}]"
    return f"WRITE TO HDFS [{name}, OVERWRITE={str(target.overwrite).lower()}]"


def _kind(table: Table) -> str:
    return "KUDU" if table.keys else "HDFS"
