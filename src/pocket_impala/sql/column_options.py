"""NOT NULL and DEFAULT: what the columns of Kudu have, and of Iceberg the former."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pocket_impala.coordinator.contract import Column, ImpalaError
from pocket_impala.sql import typenames
from pocket_impala.sql.context import Context
from pocket_impala.sql.query import parse, translate, written
from pocket_impala.sql.tables import Table

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - Impala's TIMESTAMP has no time zone


def with_defaults(context: Context, table: Table) -> Table:
    """
    *table* with keys that are never NULL, and with the values of its defaults, computed once.

    Raises:
        ImpalaError: Its format has no such options.
    """
    for column in table.columns:
        unknown = not column.nullable and table.format not in ("KUDU", "ICEBERG")
        if unknown or (column.default is not None and table.format != "KUDU"):
            text = f"{column.name} {column.type.upper()}"
            text += " NOT NULL" * (not column.nullable)
            text += f" DEFAULT {column.default}" * (column.default is not None)
            raise ImpalaError(
                "AnalysisException: Unsupported column options for file format "
                f"'{table.format}': '{text}'"
            )
    columns = (
        replace(c, nullable=c.nullable and c.name not in table.keys, default=_value(context, c))
        for c in table.columns
    )
    return replace(table, columns=tuple(columns))


def _value(context: Context, column: Column) -> str | None:
    if column.default is None:
        return None
    with context.planning() as lane:
        constant = parse(f"SELECT {column.default}").expressions[0]
        cell = typenames.cast_cell(written(translate(constant, context.scope(lane))), column.type)
        value = lane.rows(f"SELECT CAST({cell} AS VARCHAR)")[0][0]
    return None if value is None else str(value)


def filler(column: Column) -> str:
    """The SQL of what stands in *column* where a statement does not name it."""
    return "NULL" if column.default is None else typenames.literal(column.default)


def check_given(table: Table, names: Sequence[str]) -> None:
    """Raise if a column is not among *names* that cannot do without."""
    for column in table.columns:
        if not (column.nullable or column.default is not None or column.name in names):
            raise ImpalaError(
                "AnalysisException: Missing values for column that is not nullable and has no "
                f"default value {column.name}"
            )


def without_nulls(table: Table, query: str) -> str:
    """*query* without the rows that Kudu drops: with NULL where there must be none."""
    needed = [typenames.quote(column.name) for column in table.columns if not column.nullable]
    if not needed:
        return query
    return f"SELECT * FROM ({query}) WHERE {' AND '.join(f'{n} IS NOT NULL' for n in needed)}"


def shown_default(column: Column) -> str:
    """How DESCRIBE writes the default: of a TIMESTAMP as microseconds, which Kudu keeps."""
    if column.default is None or column.type != "timestamp":
        return column.default or ""
    return str((datetime.fromisoformat(column.default) - _EPOCH) // timedelta(microseconds=1))
