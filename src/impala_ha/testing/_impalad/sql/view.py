"""
The catalog as statements of one coordinator see it when they are planned.

It has the system tables, which no file of the warehouse holds.  What is changed goes to the
catalog itself, which is the same for all.
"""

from __future__ import annotations

import sqlite3
from functools import cached_property

from impala_ha.testing._impalad.contract import SystemRows
from impala_ha.testing._impalad.sql import system
from impala_ha.testing._impalad.sql.catalog import Reading
from impala_ha.testing._impalad.sql.tables import Database, Table


class View(Reading):
    """
    What one transaction of one coordinator sees.

    Args:
        db: The transaction.
        rows: Where the rows of the system tables come from; None when there are no such tables.
    """

    def __init__(self, db: sqlite3.Connection, rows: SystemRows | None) -> None:
        super().__init__(db)
        self._rows = rows

    def is_system(self, database: str) -> bool:
        """Whether nobody may change anything in *database*."""
        return self._rows is not None and database == system.DATABASE.name

    def databases(self) -> list[Database]:
        """All databases, by name."""
        found = super().databases()
        if self._rows is not None:
            found = [*(each for each in found if not self.is_system(each.name)), system.DATABASE]
        return sorted(found, key=lambda database: database.name)

    def tables(self, database: str) -> list[Table]:
        """The tables and views of a database, by name."""
        if self._rows is not None and self.is_system(database):
            return system.described(self._rows)
        return super().tables(database)

    def table(self, database: str, name: str) -> Table | None:
        """One table or view, if it exists."""
        if self.is_system(database):
            return self._filled.get(name)
        return super().table(database, name)

    @cached_property
    def _filled(self) -> dict[str, Table]:
        """The system tables as they were when the statement first mentioned one."""
        return {} if self._rows is None else system.filled(self._rows)
