"""
The catalog as statements of one coordinator see it when they are planned.

It has the system tables, which no file of the warehouse holds, and where the coordinator lags it
shows what others have changed as it was before.  What is changed goes to the catalog itself, which
is the same for all.
"""

from __future__ import annotations

import sqlite3
from functools import cached_property

from pocket_impala.coordinator.contract import SystemRows
from pocket_impala.sql import system
from pocket_impala.sql.catalog import Reading
from pocket_impala.sql.lag import Old
from pocket_impala.sql.tables import Database, DataFile, Table


class View(Reading):
    """
    What one transaction of one coordinator sees.

    Args:
        db: The transaction.
        rows: Where the rows of the system tables come from; None when there are no such tables.
        old: What it sees instead of what is there.
    """

    def __init__(self, db: sqlite3.Connection, rows: SystemRows | None, old: Old) -> None:
        super().__init__(db)
        self._rows = rows
        self._old = old

    def is_system(self, database: str) -> bool:
        """Whether nobody may change anything in *database*."""
        return self._rows is not None and database == system.DATABASE.name

    def databases(self) -> list[Database]:
        """All databases, by name."""
        found: dict[str, Database | None] = {each.name: each for each in super().databases()}
        found.update(self._old.databases)
        if self._rows is not None:
            found[system.DATABASE.name] = system.DATABASE
        return [each for _, each in sorted(found.items()) if each is not None]

    def tables(self, database: str) -> list[Table]:
        """The tables and views of a database, by name."""
        if self._rows is not None and self.is_system(database):
            return system.described(self._rows)
        found: dict[str, Table | None] = {each.name: each for each in super().tables(database)}
        for (home, name), old in self._old.tables.items():
            if home == database:
                found[name] = None if old is None else old.table
        return [each for _, each in sorted(found.items()) if each is not None]

    def table(self, database: str, name: str) -> Table | None:
        """One table or view, if it exists."""
        if self.is_system(database):
            return self._filled.get(name)
        if (database, name) in self._old.tables:
            old = self._old.tables[database, name]
            return None if old is None else old.table
        return super().table(database, name)

    def files(self, table: Table) -> list[DataFile]:
        """The files that hold the table's rows, oldest first."""
        old = self._old.tables.get((table.database, table.name))
        return old.files if old else super().files(table)

    def partitions(self, table: Table) -> list[str]:
        """The table's partitions, also those without rows."""
        old = self._old.tables.get((table.database, table.name))
        return old.partitions if old else super().partitions(table)

    @cached_property
    def _filled(self) -> dict[str, Table]:
        """The system tables as they were when the statement first mentioned one."""
        return {} if self._rows is None else system.filled(self._rows)
