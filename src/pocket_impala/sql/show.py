"""SHOW: what there is, and how it was made."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence

from pocket_impala.coordinator.contract import Column, ImpalaError, Job
from pocket_impala.sql.context import Context
from pocket_impala.sql.functions import names as function_names
from pocket_impala.sql.jobs import TableJob
from pocket_impala.sql.reader import Reader
from pocket_impala.sql.stats import column_stats, partitions, size, table_stats
from pocket_impala.sql.tables import Table

_SHOWN = (
    "AGGREGATE", "ANALYTIC", "COLUMN", "CREATE", "CURRENT", "DATA", "DATABASES", "FILES",
    "FUNCTIONS", "GRANT", "PARTITIONS", "RANGE", "ROLE", "ROLES", "SCHEMAS", "TABLE", "TABLES",
    "VIEWS",
)  # fmt: skip
_STORED = {"TEXT": "TEXTFILE", "JSON": "JSONFILE"}


def plan_show(reader: Reader, context: Context) -> Job:
    """Plan a SHOW statement."""
    reader.expect("SHOW")
    if reader.take_one("DATABASES", "SCHEMAS"):
        pattern = _pattern(reader)
        databases = context.catalog.databases()
        return _answer(
            "name comment", [(d.name, d.comment) for d in databases if fits(d.name, pattern)]
        )
    if word := reader.take_one("TABLES", "VIEWS"):
        return _tables(reader, context, views_only=word == "VIEWS")
    if reader.take("CREATE"):
        return _create(reader, context)
    if reader.take("FILES", "IN"):
        return _files(reader, context)
    if reader.take_one("ANALYTIC", "AGGREGATE") or reader.sees("FUNCTIONS"):
        return _functions(reader, context)
    return _statistics(reader, context)


def _tables(reader: Reader, context: Context, *, views_only: bool) -> Job:
    database = reader.name() if reader.take("IN") else context.session.database
    pattern = _pattern(reader)
    tables = context.catalog.tables(context.database(database).name)
    wanted = [t for t in tables if t.view is not None or not views_only]
    return _answer("name", [(t.name,) for t in wanted if fits(t.name, pattern)])


def _files(reader: Reader, context: Context) -> Job:
    table = context.table(*reader.qualified(context.session.database))
    if reader.take("PARTITION"):
        reader.group()
    reader.end()
    files = context.catalog.files(table)
    rows = [(f"file:{file.path}", size(file.bytes), file.partition, "NONE") for file in files]
    return _answer("Path Size Partition EC_Policy", rows)


def _functions(reader: Reader, context: Context) -> Job:
    reader.expect("FUNCTIONS")
    database = reader.name() if reader.take("IN") else context.session.database
    pattern = _pattern(reader)
    rows: list[tuple[str, ...]] = []
    if context.database(database).name == "_impala_builtins":
        rows = [("", f"{n}(...)", "BUILTIN", "true") for n in function_names() if fits(n, pattern)]
    return _answer("return_type signature binary_type is_persistent", rows)


def _statistics(reader: Reader, context: Context) -> Job:
    if reader.take("PARTITIONS"):
        table = _one_table(reader, context)
        if not table.partitioned_by:
            raise ImpalaError(f"AnalysisException: Table is not partitioned: {table.full_name}")
        return TableJob("DDL", *partitions(table, context.catalog))
    if reader.take("TABLE", "STATS"):
        return TableJob("DDL", *table_stats(_one_table(reader, context), context.catalog))
    if reader.take("COLUMN", "STATS"):
        return TableJob("DDL", *column_stats(_one_table(reader, context)))
    if reader.take_one("ROLES", "GRANT", "CURRENT"):
        raise ImpalaError("AnalysisException: Authorization is not enabled.")
    raise reader.failure(*_SHOWN)


def _one_table(reader: Reader, context: Context) -> Table:
    table = context.table(*reader.qualified(context.session.database))
    reader.end()
    return table


def _create(reader: Reader, context: Context) -> Job:
    if reader.take_one("TABLE", "VIEW") is None:
        reader.fail("FUNCTION", "TABLE", "VIEW")
    table = _one_table(reader, context)
    text = _view_text(table) if table.view is not None else _table_text(table)
    return _answer("result", [(text,)])


def _view_text(table: Table) -> str:
    return f"CREATE VIEW {table.full_name} AS\n{table.view}"


def _table_text(table: Table) -> str:
    text = f"CREATE {'EXTERNAL ' if table.external else ''}TABLE {table.full_name} (\n  "
    lines = [_column_text(column) for column in table.plain_columns]
    if table.keys:
        lines.append(f"PRIMARY KEY ({', '.join(table.keys)})")
    text += ",\n  ".join(lines) + "\n)\n"
    if table.partitioned_by:
        columns = ",\n  ".join(_column_text(column) for column in table.partition_columns)
        text += f"PARTITIONED BY (\n  {columns}\n)\n"
    if table.comment:
        text += f"COMMENT {_quoted(table.comment)}\n"
    text += (
        f"STORED AS {_STORED.get(table.format, table.format)}\nLOCATION {_quoted(table.location)}"
    )
    if table.properties:
        pairs = (f"{_quoted(k)}={_quoted(v)}" for k, v in sorted(table.properties.items()))
        text += f"\nTBLPROPERTIES ({', '.join(pairs)})"
    return text


def _column_text(column: Column) -> str:
    comment = f" COMMENT {_quoted(column.comment)}" if column.comment else ""
    return f"{column.name} {column.type.upper()}{comment}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _pattern(reader: Reader) -> str:
    reader.take("LIKE")
    pattern = "*" if reader.ended else reader.string()
    reader.end()
    return pattern


def fits(name: str, pattern: str) -> bool:
    """Whether *name* is one of *pattern*: ``*`` is any text, ``|`` separates alternatives."""
    parts = (part.strip().lower().replace("[", "[[]") for part in pattern.split("|"))
    return any(fnmatch.fnmatchcase(name, part) for part in parts)


def _answer(names: str, rows: Iterable[Sequence[object]]) -> Job:
    columns = tuple(Column(name.replace("_", " "), "string") for name in names.split())
    kept = list(rows)
    return TableJob("DDL", columns, lambda: kept)
