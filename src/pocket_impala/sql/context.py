"""What planning a statement needs: the session, the warehouse, DuckDB."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pocket_impala.coordinator.contract import ImpalaError, SessionState
from pocket_impala.sql.catalog import Reading
from pocket_impala.sql.duck import Duck, Lane
from pocket_impala.sql.options import memory
from pocket_impala.sql.query import Scope
from pocket_impala.sql.rules import Surroundings
from pocket_impala.sql.tables import Database, Table
from pocket_impala.sql.view import View
from pocket_impala.sql.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Context:
    """
    Where a statement is planned.

    Attributes:
        options: The session's query options under those of this one statement; names upper case.
        changes: Whether the statement may change what it names.
    """

    warehouse: Warehouse
    duck: Duck
    session: SessionState
    options: Mapping[str, str]
    catalog: View
    changes: bool = True

    def lane(self) -> Lane:
        """A lane for the statement's job; a MEM_LIMIT gives it a DuckDB of its own."""
        limit = memory(self.options)
        if limit:
            return Lane(Duck(f"{limit}B"), owned=True)
        return Lane(self.duck)

    @contextmanager
    def planning(self) -> Iterator[Lane]:
        """A lane for the statement's job, given back when planning fails."""
        lane = self.lane()
        try:
            yield lane
        except BaseException:
            lane.close()
            raise

    def scope(
        self, lane: Lane, catalog: Reading | None = None, *, nanoseconds: bool = False
    ) -> Scope:
        """Where the names of its query are looked up: in *catalog* if planning is over."""
        session = self.session
        around = Surroundings(session.user, session.database, lane.number, nanoseconds)
        return Scope(catalog or self.catalog, around)

    def database(self, name: str) -> Database:
        """A database that must exist."""
        if self.changes and self.catalog.is_system(name):
            raise ImpalaError("AuthorizationException: Cannot modify system database.")
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


def checked_name(name: str, what: str) -> str:
    """*name*, which becomes that of a folder.  Raises `ImpalaError` when it is none of Impala's."""
    if re.fullmatch(r"\w{1,128}", name) is None:
        raise ImpalaError(f"AnalysisException: Invalid {what} name: {name}")
    return name


def no_table(database: str, name: str) -> ImpalaError:
    """The error of a statement about a table that is not there."""
    return ImpalaError(f"AnalysisException: Table does not exist: {database}.{name}")
