"""COMPUTE STATS and DROP STATS, and what SHOW tells of statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from pocket_impala.coordinator.contract import Column, ImpalaError, Job
from pocket_impala.sql import typenames
from pocket_impala.sql.catalog import Reading
from pocket_impala.sql.clauses import if_exists
from pocket_impala.sql.context import Context, no_table
from pocket_impala.sql.duck import Lane
from pocket_impala.sql.jobs import SUMMARY, TableJob
from pocket_impala.sql.reader import Reader
from pocket_impala.sql.tables import Table
from pocket_impala.sql.warehouse import scan

Answer: TypeAlias = tuple[tuple[Column, ...], Callable[[], list[tuple[object, ...]]]]
_FIXED_SIZE = {"boolean": 1, "tinyint": 1, "smallint": 2, "int": 4, "bigint": 8, "float": 4,
               "double": 8, "timestamp": 16, "date": 4}  # fmt: skip
_UNKNOWN = -1
_UNITS = ("B", "KB", "MB", "GB", "TB")


def plan_compute(reader: Reader, context: Context) -> Job:
    """Plan COMPUTE [INCREMENTAL] STATS."""
    reader.expect("COMPUTE")
    reader.take("INCREMENTAL")
    reader.expect("STATS")
    table = context.table(*reader.qualified(context.session.database))
    if reader.take("PARTITION"):
        reader.group()
    if reader.sees("("):
        reader.group()
    reader.seek("\0")  # TABLESAMPLE changes the effort, not the answer
    if table.view is not None:
        raise ImpalaError(
            f"AnalysisException: COMPUTE STATS not supported for view: {table.full_name}"
        )
    lane = context.lane()
    return TableJob("DDL", SUMMARY, lambda: _compute(context, table, lane), lane)


def plan_drop(reader: Reader, context: Context) -> Job:
    """Plan DROP [INCREMENTAL] STATS; DROP itself has been read."""
    reader.take("INCREMENTAL")
    reader.expect("STATS")
    if_exists(reader)
    table = context.table(*reader.qualified(context.session.database))
    if reader.take("PARTITION"):
        reader.group()
    reader.end()

    def drop() -> list[tuple[str]]:
        _keep(context, table, {})
        return [("Stats have been dropped.",)]

    return TableJob("DDL", SUMMARY, drop)


def _compute(context: Context, table: Table, lane: Lane) -> list[tuple[str]]:
    with context.warehouse.catalog.read() as catalog:
        files = catalog.files(table)
        count = len(catalog.partitions(table)) if table.partitioned_by else 1
    scalar = [c for c in table.plain_columns if not c.type.startswith(typenames.COMPLEX)]
    cells = ["count(*)"]
    for column in scalar:
        name = typenames.quote(column.name)
        length = f"strlen(CAST({name} AS VARCHAR))"
        cells += [f"approx_count_distinct({name})", f"count(*) - count({name})",
                  f"max({length})", f"avg({length})"]  # fmt: skip
    total, *values = lane.rows(f"SELECT {', '.join(cells)} FROM ({scan(table, files)})")[0]
    lane.check()
    columns = {
        column.name: values[4 * place : 4 * place + 4] for place, column in enumerate(scalar)
    }
    _keep(context, table, {"rows": total, "columns": columns})
    return [(f"Updated {count} partition(s) and {len(scalar)} column(s).",)]


def _keep(context: Context, table: Table, stats: dict[str, object]) -> None:
    with context.warehouse.catalog.write() as catalog:
        current = catalog.table(table.database, table.name)
        if current is None:
            raise no_table(table.database, table.name)
        catalog.change_table(replace(current, stats=stats))


def column_stats(table: Table) -> Answer:
    """What SHOW COLUMN STATS answers."""
    head = _columns("Column:string Type:string #Distinct_Values:bigint #Nulls:bigint"
                    " Max_Size:bigint Avg_Size:double #Trues:bigint #Falses:bigint")  # fmt: skip
    known = table.stats.get("columns", {})
    rows: list[tuple[object, ...]] = []
    for column in table.columns:
        distinct, nulls, longest, average = known.get(column.name, [_UNKNOWN] * 4)
        fixed = _FIXED_SIZE.get(column.type)
        if fixed is not None:
            longest = average = fixed
        mean = float(_UNKNOWN if average is None else average)
        head_cells = (column.name, column.type.upper(), distinct, nulls)
        rows.append((*head_cells, longest or _UNKNOWN, mean, _UNKNOWN, _UNKNOWN))
    return head, lambda: rows


def table_stats(table: Table, catalog: Reading) -> Answer:
    """What SHOW TABLE STATS answers."""
    if table.partitioned_by:
        return partitions(table, catalog)
    files = catalog.files(table)
    total = table.stats.get("rows", _UNKNOWN)
    row = (total, len(files), *_tail(table, sum(file.bytes for file in files), table.location))
    return _columns(f"#Rows:bigint {_TAIL}"), lambda: [row]


_TAIL = ("#Files:bigint Size:string Bytes_Cached:string Cache_Replication:string Format:string"
         " Incremental_stats:string Location:string EC_Policy:string")  # fmt: skip


def partitions(table: Table, catalog: Reading) -> Answer:
    """What SHOW PARTITIONS answers: one row a partition, and their total."""
    files = catalog.files(table)
    names = [column.name for column in table.partition_columns]
    head = _columns(" ".join(f"{name}:string" for name in names) + f" #Rows:bigint {_TAIL}", names)
    rows: list[tuple[object, ...]] = []
    for spec in sorted(catalog.partitions(table)):
        own = [file for file in files if file.partition == spec]
        total = sum(file.rows for file in own) if table.stats else _UNKNOWN
        keys = [part.partition("=")[2] for part in spec.split("/")]
        home = f"{table.location}/{spec}"
        rows.append((*keys, total, len(own), *_tail(table, sum(file.bytes for file in own), home)))
    totals: Sequence[object] = _tail(table, sum(file.bytes for file in files), "")
    everything = table.stats.get("rows", _UNKNOWN)
    blank = ["Total", *[""] * (len(names) - 1)]
    rows.append((*blank, everything, len(files), totals[0], "0B", "", "", "", "", ""))
    return head, lambda: rows


def _tail(table: Table, count: int, location: str) -> tuple[object, ...]:
    return (size(count), "NOT CACHED", "NOT CACHED", table.format, "false", location, "NONE")


def size(count: int) -> str:
    """A number of bytes as Impala shows it."""
    power = min(max(count.bit_length() - 1, 0) // 10, len(_UNITS) - 1)
    return f"{count}B" if power == 0 else f"{count / 1024**power:.2f}{_UNITS[power]}"


def _columns(text: str, kept: Sequence[str] = ()) -> tuple[Column, ...]:
    pairs = (item.rsplit(":", 1) for item in text.split())
    return tuple(
        Column(name if name in kept else name.replace("_", " "), kind) for name, kind in pairs
    )
