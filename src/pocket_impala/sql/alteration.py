"""What the kinds of ALTER share: one change of one table in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from pocket_impala.coordinator.contract import Column, ImpalaError, Job
from pocket_impala.sql.catalog import Writing
from pocket_impala.sql.context import Context, no_table
from pocket_impala.sql.jobs import SUMMARY, TableJob
from pocket_impala.sql.reader import Reader
from pocket_impala.sql.tables import Table

# Makes of a table, as it is in the transaction, what it shall be.
Change: TypeAlias = Callable[[Table, Writing], Table]


def alteration(context: Context, table: Table, summary: str, change: Change) -> Job:
    """The job that changes a table in one transaction."""

    def work() -> list[tuple[str]]:
        with context.warehouse.catalog.write() as catalog:
            now = catalog.table(table.database, table.name)
            if now is None:
                raise no_table(table.database, table.name)
            catalog.change_table(change(now, catalog))
        return [(summary,)]

    return TableJob("DDL", SUMMARY, work)


def changed(reader: Reader, context: Context, table: Table, old: Column, new: Column) -> Job:
    """The job that puts a column in the place of another."""
    reader.end()
    if new.name != old.name and new.name in {column.name for column in table.columns}:
        raise ImpalaError(f"AnalysisException: Column already exists: {new.name}")

    def change(now: Table, _: Writing) -> Table:
        columns = tuple(new if column.name == old.name else column for column in now.columns)
        keys = tuple(new.name if key == old.name else key for key in now.keys)
        return replace(now, columns=columns, keys=keys)

    return alteration(context, table, "Column has been altered.", change)


def existing(table: Table, name: str) -> Column:
    """A column that the table must have."""
    found = next((column for column in table.columns if column.name == name), None)
    if found is None:
        raise ImpalaError(
            f"AnalysisException: Column '{name}' does not exist in table: {table.full_name}"
        )
    return found
