"""ALTER TABLE, ALTER VIEW and ALTER DATABASE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from pocket_impala.coordinator.contract import Column, ImpalaError, Job
from pocket_impala.sql import partitions, properties
from pocket_impala.sql.alteration import alteration, changed, existing
from pocket_impala.sql.catalog import Writing
from pocket_impala.sql.clauses import (
    if_exists,
    if_not_exists,
    read_column,
    read_columns,
)
from pocket_impala.sql.context import Context, checked_name
from pocket_impala.sql.jobs import SUMMARY, TableJob
from pocket_impala.sql.reader import Reader
from pocket_impala.sql.tables import Table
from pocket_impala.sql.views import view_columns, view_query

Planner: TypeAlias = Callable[[Reader, Context, Table], Job]


def plan_alter(reader: Reader, context: Context) -> Job:
    """Plan an ALTER statement."""
    reader.expect("ALTER")
    if reader.take_one("DATABASE", "SCHEMA"):
        return _alter_database(reader, context)
    what = reader.take_one("TABLE", "VIEW")
    if what is None:
        reader.fail("DATABASE", "TABLE", "VIEW")
    table = context.table(*reader.qualified(context.session.database))
    if (table.view is not None) != (what == "VIEW"):
        raise ImpalaError(
            f"AnalysisException: ALTER {what} not allowed on a "
            f"{'table' if what == 'VIEW' else 'view'}: {table.full_name}"
        )
    if what == "VIEW":
        return _alter_view(reader, context, table)
    return _alter_table(reader, context, table)


def _alter_database(reader: Reader, context: Context) -> Job:
    context.database(reader.name())
    reader.expect("SET", "OWNER")
    reader.seek("\0")
    return TableJob("DDL", SUMMARY, lambda: [("Updated database.",)])


def _alter_view(reader: Reader, context: Context, view: Table) -> Job:
    if reader.take("RENAME"):
        return _rename(reader, context, view)
    if reader.take("SET"):
        return properties.plan_set(reader, context, view)
    aliases = view_columns(reader) if reader.sees("(") else []
    reader.expect("AS")
    columns, sql = view_query(reader, context, aliases)
    summary = "View has been altered."
    return alteration(
        context, view, summary, lambda now, _: replace(now, columns=columns, view=sql)
    )


def _alter_table(reader: Reader, context: Context, table: Table) -> Job:
    if reader.take("PARTITION"):
        reader.group()
    word = reader.take_one(*_ALTERATIONS)
    if word is None:
        reader.fail(*_ALTERATIONS)
    return _ALTERATIONS[word](reader, context, table)


def _change(reader: Reader, context: Context, table: Table) -> Job:
    reader.take("COLUMN")
    old = existing(table, reader.name())
    new, _ = read_column(reader)
    return changed(reader, context, table, old, new)


def _recover(reader: Reader, context: Context, table: Table) -> Job:
    reader.expect("PARTITIONS")
    reader.end()
    return alteration(context, table, "Partitions have been recovered.", lambda now, _: now)


def _sort(reader: Reader, context: Context, table: Table) -> Job:
    reader.expect("BY")
    reader.seek("\0")
    return alteration(context, table, "Updated table.", lambda now, _: now)


def _add(reader: Reader, context: Context, table: Table) -> Job:
    if reader.sees("PARTITION") or reader.sees("IF", "NOT", "EXISTS", "PARTITION"):
        return partitions.plan_add(reader, context, table)
    reader.take_one("COLUMN", "COLUMNS")
    quiet = if_not_exists(reader)
    found = read_columns(reader).columns if reader.sees("(") else (read_column(reader)[0],)
    reader.end()
    names = {column.name for column in table.columns}
    for column in found:
        if column.name in names and not quiet:
            raise ImpalaError(f"AnalysisException: Column already exists: {column.name}")

    def add(now: Table, _: Writing) -> Table:
        there = {column.name for column in now.columns}
        new = tuple(column for column in found if column.name not in there)
        return _with_columns(now, now.plain_columns + new)

    return alteration(context, table, "New column(s) have been added to the table.", add)


def _drop(reader: Reader, context: Context, table: Table) -> Job:
    if reader.sees("PARTITION") or reader.sees("IF", "EXISTS", "PARTITION"):
        quiet = if_exists(reader)
        reader.expect("PARTITION")
        return partitions.plan_drop(reader, context, table, quiet=quiet)
    reader.take("COLUMN")
    gone = existing(table, reader.name())
    reader.end()
    if gone in table.partition_columns:
        raise ImpalaError(f"AnalysisException: Cannot drop partition column: {gone.name}")
    if len(table.plain_columns) == 1:
        raise ImpalaError(
            f"AnalysisException: Cannot drop column '{gone.name}' from {table.full_name}. "
            "Tables must contain at least 1 column."
        )

    def drop(now: Table, _: Writing) -> Table:
        return _with_columns(now, tuple(c for c in now.plain_columns if c.name != gone.name))

    return alteration(context, table, "Column has been dropped.", drop)


def _alter_column(reader: Reader, context: Context, table: Table) -> Job:
    reader.take("COLUMN")
    old = existing(table, reader.name())
    reader.expect("SET", "COMMENT")
    return changed(reader, context, table, old, replace(old, comment=reader.string()))


def _replace(reader: Reader, context: Context, table: Table) -> Job:
    reader.expect("COLUMNS")
    columns = read_columns(reader).columns
    reader.end()
    summary = "Table columns have been replaced."
    return alteration(context, table, summary, lambda now, _: _with_columns(now, columns))


def _rename(reader: Reader, context: Context, table: Table) -> Job:
    reader.expect("TO")
    database, name = reader.qualified(context.session.database)
    reader.end()
    context.database(database)
    checked_name(name, "table/view")
    problem = ImpalaError(f"AnalysisException: Table already exists: {database}.{name}")
    if context.catalog.table(database, name) is not None:
        raise problem

    def rename(now: Table, catalog: Writing) -> Table:
        if catalog.table(database, name) is not None:
            raise problem
        return replace(now, database=database, name=name)

    return alteration(context, table, "Renaming was successful.", rename)


def _with_columns(table: Table, plain: tuple[Column, ...]) -> Table:
    """*table* with other plain columns; new ones get new numbers in the files."""
    columns = plain + table.partition_columns
    known = dict(zip((column.name for column in table.columns), table.fields, strict=True))
    fields, number = [], table.next_field
    for column in columns:
        if column.name not in known:
            known[column.name] = number
            number += 1
        fields.append(known[column.name])
    return replace(table, columns=columns, fields=tuple(fields), next_field=number)


_ALTERATIONS: Mapping[str, Planner] = {
    "ADD": _add,
    "ALTER": _alter_column,
    "CHANGE": _change,
    "DROP": _drop,
    "RECOVER": _recover,
    "RENAME": _rename,
    "REPLACE": _replace,
    "SET": properties.plan_set,
    "SORT": _sort,
}
