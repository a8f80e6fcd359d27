"""ALTER TABLE, ALTER VIEW, ALTER DATABASE and COMMENT ON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from impala_ha.testing._impalad.contract import Column, ImpalaError, Job
from impala_ha.testing._impalad.sql.catalog import Table, Writing
from impala_ha.testing._impalad.sql.clauses import (
    if_exists,
    if_not_exists,
    read_column,
    read_columns,
    read_partition,
    read_properties,
)
from impala_ha.testing._impalad.sql.context import Context, no_table
from impala_ha.testing._impalad.sql.create import view_columns, view_query
from impala_ha.testing._impalad.sql.jobs import SUMMARY, TableJob
from impala_ha.testing._impalad.sql.reader import Reader
from impala_ha.testing._impalad.sql.warehouse import partition_spec

# What is to be done with a table in one transaction, and the summary of it.
Change: TypeAlias = Callable[[Table, Writing], Table]
_COMPLETIONS = ("ADD", "ALTER", "CHANGE", "DROP", "RECOVER", "RENAME", "REPLACE", "SET", "SORT")


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
    if reader.take("RENAME", "TO"):
        return _rename(reader, context, view)
    if reader.take("SET"):
        return _set(reader, context, view)
    aliases = view_columns(reader) if reader.sees("(") else []
    reader.expect("AS")
    columns, sql = view_query(reader, context, aliases)
    summary = "View has been altered."
    return _job(context, view, summary, lambda now, _: replace(now, columns=columns, view=sql))


def _alter_table(reader: Reader, context: Context, table: Table) -> Job:
    if reader.take("ADD"):
        return _add(reader, context, table)
    if reader.take("DROP"):
        return _drop(reader, context, table)
    if reader.take("CHANGE"):
        reader.take("COLUMN")
        old = _existing(table, reader.name())
        new, _ = read_column(reader)
        return _changed(reader, context, table, old, new)
    if reader.take("ALTER"):
        reader.take("COLUMN")
        return _alter_column(reader, context, table)
    if reader.take("REPLACE", "COLUMNS"):
        return _replaced(reader, context, table)
    if reader.take("RENAME", "TO"):
        return _rename(reader, context, table)
    if reader.take("RECOVER", "PARTITIONS"):
        reader.end()
        return _job(context, table, "Partitions have been recovered.", lambda now, _: now)
    if reader.take("SORT", "BY"):
        reader.seek("\0")
        return _job(context, table, "Updated table.", lambda now, _: now)
    if reader.take("PARTITION"):
        reader.group()
    if not reader.take("SET"):
        reader.fail(*_COMPLETIONS)
    return _set(reader, context, table)


def _add(reader: Reader, context: Context, table: Table) -> Job:
    if reader.sees("PARTITION") or reader.sees("IF", "NOT", "EXISTS", "PARTITION"):
        return _add_partitions(reader, context, table)
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

    return _job(context, table, "New column(s) have been added to the table.", add)


def _add_partitions(reader: Reader, context: Context, table: Table) -> Job:
    quiet = if_not_exists(reader)
    specs = []
    while reader.take("PARTITION"):
        specs.append(_spec(reader, table))
        if reader.take("LOCATION"):
            reader.string()
    reader.end()
    there = context.catalog.partitions(table)
    for spec in specs:
        if spec in there and not quiet:
            raise ImpalaError(f"AnalysisException: Partition spec already exists: ({spec}).")

    def add(now: Table, catalog: Writing) -> Table:
        for spec in specs:
            catalog.add_partition(now, spec)
        return now

    return _job(context, table, "New partition has been added to the table.", add)


def _drop(reader: Reader, context: Context, table: Table) -> Job:
    if reader.sees("PARTITION") or reader.sees("IF", "EXISTS", "PARTITION"):
        quiet = if_exists(reader)
        reader.expect("PARTITION")
        return _drop_partition(context, table, _spec(reader, table), quiet=quiet)
    reader.take("COLUMN")
    gone = _existing(table, reader.name())
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

    return _job(context, table, "Column has been dropped.", drop)


def _drop_partition(context: Context, table: Table, spec: str, *, quiet: bool) -> Job:
    there = spec in context.catalog.partitions(table)
    if not there and not quiet:
        raise ImpalaError("AnalysisException: No matching partition(s) found.")

    def drop(now: Table, catalog: Writing) -> Table:
        catalog.drop_partition(now, spec)
        return now

    return _job(context, table, f"Dropped {int(there)} partition(s).", drop)


def _spec(reader: Reader, table: Table) -> str:
    values = dict(read_partition(reader))
    missing = [c.name for c in table.partition_columns if values.get(c.name) is None]
    if missing or len(values) != table.partitioned_by:
        raise ImpalaError(
            "AnalysisException: Partition spec does not match the partition columns of "
            f"{table.full_name}."
        )
    keys = {name: str(value).strip("'\"") for name, value in values.items()}
    return partition_spec(table, {**keys})


def _changed(reader: Reader, context: Context, table: Table, old: Column, new: Column) -> Job:
    reader.end()
    if new.name != old.name and new.name in {column.name for column in table.columns}:
        raise ImpalaError(f"AnalysisException: Column already exists: {new.name}")

    def change(now: Table, _: Writing) -> Table:
        columns = tuple(new if column.name == old.name else column for column in now.columns)
        keys = tuple(new.name if key == old.name else key for key in now.keys)
        return replace(now, columns=columns, keys=keys)

    return _job(context, table, "Column has been altered.", change)


def _alter_column(reader: Reader, context: Context, table: Table) -> Job:
    old = _existing(table, reader.name())
    reader.expect("SET", "COMMENT")
    return _changed(reader, context, table, old, replace(old, comment=reader.string()))


def _replaced(reader: Reader, context: Context, table: Table) -> Job:
    columns = read_columns(reader).columns
    reader.end()
    summary = "Table columns have been replaced."
    return _job(context, table, summary, lambda now, _: _with_columns(now, columns))


def _rename(reader: Reader, context: Context, table: Table) -> Job:
    database, name = reader.qualified(context.session.database)
    reader.end()
    context.database(database)
    problem = ImpalaError(f"AnalysisException: Table already exists: {database}.{name}")
    if context.catalog.table(database, name) is not None:
        raise problem

    def rename(now: Table, catalog: Writing) -> Table:
        if catalog.table(database, name) is not None:
            raise problem
        return replace(now, database=database, name=name)

    return _job(context, table, "Renaming was successful.", rename)


def _set(reader: Reader, context: Context, table: Table) -> Job:
    if reader.take_one("TBLPROPERTIES", "SERDEPROPERTIES"):
        new = read_properties(reader)
        reader.end()
        return _job(
            context,
            table,
            "Updated table." if table.view is None else "Updated view.",
            lambda now, _: replace(now, properties={**now.properties, **new}),
        )
    if reader.take("FILEFORMAT"):
        word = reader.any().text.upper()
        kind = {"TEXTFILE": "TEXT"}.get(word, word)
        return _job(context, table, "Updated table.", lambda now, _: replace(now, format=kind))
    if reader.take("LOCATION"):
        place = reader.string()
        summary = "New location has been set."
        return _job(context, table, summary, lambda now, _: replace(now, location=place))
    if reader.take("OWNER"):
        reader.take_one("USER", "ROLE")
        owner = reader.name()
        summary = "Updated table/view."
        return _job(context, table, summary, lambda now, _: replace(now, owner=owner))
    if reader.take_one("CACHED", "UNCACHED", "ROW", "COLUMN"):
        reader.seek("\0")
        return _job(context, table, "Updated table.", lambda now, _: now)
    reader.fail("CACHED", "FILEFORMAT", "LOCATION", "OWNER", "ROW", "SERDEPROPERTIES",
                "TBLPROPERTIES", "UNCACHED")  # fmt: skip


def plan_comment(reader: Reader, context: Context) -> Job:
    """Plan COMMENT ON."""
    reader.expect("COMMENT", "ON")
    what = reader.take_one("DATABASE", "TABLE", "VIEW", "COLUMN")
    if what is None:
        reader.fail("COLUMN", "DATABASE", "TABLE", "VIEW")
    if what == "DATABASE":
        return _comment_database(reader, context)
    parts = [reader.name()]
    while reader.take("."):
        parts.append(reader.name())
    comment = _comment_text(reader)
    column = parts.pop() if what == "COLUMN" else None
    name, database = parts.pop(), parts.pop() if parts else context.session.database
    table = context.table(database, name)
    if column is None:
        summary = f"Updated {what.lower()}."
        return _job(context, table, summary, lambda now, _: replace(now, comment=comment))
    old = _existing(table, column)
    return _changed(reader, context, table, old, replace(old, comment=comment))


def _comment_database(reader: Reader, context: Context) -> Job:
    name = context.database(reader.name()).name
    comment = _comment_text(reader)

    def change() -> list[tuple[str]]:
        with context.warehouse.catalog.write() as catalog:
            catalog.comment_database(name, comment)
        return [("Updated database.",)]

    return TableJob("DDL", SUMMARY, change)


def _comment_text(reader: Reader) -> str:
    reader.expect("IS")
    text = "" if reader.take("NULL") else reader.string()
    reader.end()
    return text


def _existing(table: Table, name: str) -> Column:
    found = next((column for column in table.columns if column.name == name), None)
    if found is None:
        raise ImpalaError(
            f"AnalysisException: Column '{name}' does not exist in table: {table.full_name}"
        )
    return found


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


def _job(context: Context, table: Table, summary: str, change: Change) -> Job:
    def work() -> list[tuple[str]]:
        with context.warehouse.catalog.write() as catalog:
            now = catalog.table(table.database, table.name)
            if now is None:
                raise no_table(table.database, table.name)
            catalog.change_table(change(now, catalog))
        return [(summary,)]

    return TableJob("DDL", SUMMARY, work)
