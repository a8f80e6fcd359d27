"""
Database ``sys``: the tables of workload management, which any coordinator can read.

Their rows come from all coordinators.  A statement that ends while somebody looks must not fall
between the two tables, nor be in both: what runs is asked for first, then the log is measured, and
what the log has by then is left out of what runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pocket_impala.coordinator.contract import Cells, Column, SystemRows
from pocket_impala.sql import typenames
from pocket_impala.sql.tables import Database, Table

DATABASE = Database("sys", "System database for Impala workload management", "", "impala")
_LIVE, _LOG = "impala_query_live", "impala_query_log"


def described(rows: SystemRows) -> list[Table]:
    """The tables without their rows."""
    columns = tuple(rows.columns)
    return [
        Table(DATABASE.name, name, columns, format="SYSTEM", owner="impala", source=_empty(columns))
        for name in (_LIVE, _LOG)
    ]


def filled(rows: SystemRows) -> dict[str, Table]:
    """The tables as they are now, by name."""
    running = rows.ask_live()
    logged = [(path, _ids(path)) for path in rows.logs]
    known = {query_id for _, ids in logged for query_id in ids}
    running = [row for row in running if row["query_id"] not in known]
    live, log = described(rows)
    return {
        _LIVE: replace(live, source=_values(running, live.columns)),
        _LOG: replace(log, source=" UNION ALL ".join(_parts(logged, log.columns))),
    }


def _ids(log: Path) -> list[str]:
    """The query id of each line that is whole, oldest first."""
    try:
        # What follows the last newline is still being written, or was cut short.
        lines = log.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [found for line in lines if (found := _id(line)) is not None]


def _id(line: bytes) -> str | None:
    try:
        return str(json.loads(line)["query_id"])
    except ValueError:  # nothing, or cut short by a kill
        return None


def _parts(
    logged: Sequence[tuple[Path, Sequence[str]]], columns: Sequence[Column]
) -> Iterator[str]:
    yield _empty(columns)
    for path, ids in logged:
        if ids:
            yield _lines(path, len(ids), columns)


def _lines(log: Path, count: int, columns: Sequence[Column]) -> str:
    """The first *count* lines of a file of the log: it only grows, so they stay the same."""
    texts = ", ".join(f"{typenames.literal(column.name)}: 'VARCHAR'" for column in columns)
    source = (
        f"SELECT * FROM read_json({typenames.literal(str(log))}, format='newline_delimited',"
        f" columns={{{texts}}}, ignore_errors=true) WHERE query_id IS NOT NULL LIMIT {count}"
    )
    return f"SELECT {_cast(columns)} FROM ({source})"


def _values(rows: Sequence[Cells], columns: Sequence[Column]) -> str:
    if not rows:
        return _empty(columns)
    lines = (", ".join(typenames.literal(row[column.name]) for column in columns) for row in rows)
    names = ", ".join(typenames.quote(column.name) for column in columns)
    values = ", ".join(f"({line})" for line in lines)
    return f"SELECT {_cast(columns)} FROM (VALUES {values}) AS t({names})"


def _empty(columns: Sequence[Column]) -> str:
    cells = ", ".join(
        f"CAST(NULL AS {typenames.to_duck(column.type)}) AS {typenames.quote(column.name)}"
        for column in columns
    )
    return f"SELECT {cells} WHERE false"


def _cast(columns: Sequence[Column]) -> str:
    return ", ".join(
        f"CAST({typenames.quote(column.name)} AS {typenames.to_duck(column.type)})"
        f" AS {typenames.quote(column.name)}"
        for column in columns
    )
