"""What planning a statement needs: the session, the warehouse, DuckDB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from impala_ha.testing._impalad.contract import ImpalaError, SessionState
from impala_ha.testing._impalad.sql.catalog import Reading
from impala_ha.testing._impalad.sql.duck import Duck, Lane
from impala_ha.testing._impalad.sql.options import memory
from impala_ha.testing._impalad.sql.query import Scope
from impala_ha.testing._impalad.sql.rules import Surroundings
from impala_ha.testing._impalad.sql.tables import Database, Table
from impala_ha.testing._impalad.sql.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Context:
    """
    Where a statement is planned.

    Attributes:
        options: The session's query options under those of this one statement; names upper case.
    """

    warehouse: Warehouse
    duck: Duck
    session: SessionState
    options: Mapping[str, str]
    catalog: Reading

    def lane(self) -> Lane:
        """A lane for the statement's job; a MEM_LIMIT gives it a DuckDB of its own."""
        limit = memory(self.options)
        if limit:
            return Lane(Duck(f"{limit}B"), owned=True)
        return Lane(self.duck)

    def scope(self, lane: Lane, catalog: Reading | None = None) -> Scope:
        """Where the names of its query are looked up: in *catalog* if planning is over."""
        around = Surroundings(self.session.user, self.session.database, lane.number)
        return Scope(catalog or self.catalog, around)

    def database(self, name: str) -> Database:
        """A database that must exist."""
        found = self.catalog.database(name)
        if found is None:
            raise ImpalaError(f"AnalysisException: Database does not exist: {name}")
        return found

    def table(self, database: str, name: str) -> Table:
        """A table or view that must exist."""
        self.database(database)
        found = self.catalog.table(database, name)
        if found is None:
            raise no_table(database, name)
        return found


def no_table(database: str, name: str) -> ImpalaError:
    """The error of a statement about a table that is not there."""
    return ImpalaError(f"AnalysisException: Table does not exist: {database}.{name}")
