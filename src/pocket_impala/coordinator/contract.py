"""
What the service asks of the SQL engine, and nothing more.

The service (`service.py`) speaks Thrift and knows sessions, handles and faults;
the engine (`engine.py`) knows SQL, the catalog and DuckDB.  They meet here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable


class ImpalaError(Exception):
    """An error as a client of Impala reads it: the text is all there is."""


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column of a result set.

    Attributes:
        name: As the client sees it.
        type: An Impala type in lower case: ``"bigint"``, ``"decimal(18,4)"``, ``"array<int>"``.
        comment: What ``DESCRIBE`` shows.
        nullable: Whether NULL may stand in it; Kudu and Iceberg hold it.
        default: The text of what stands in it where an INSERT does not name it (Kudu); None: NULL.
    """

    name: str
    type: str
    comment: str = ""
    nullable: bool = True
    default: str | None = None


@dataclass(slots=True)
class SessionState:
    """What lives in one HS2 session; ``USE`` and ``SET`` change it."""

    user: str
    database: str = "default"
    options: dict[str, str] = field(default_factory=dict)


Cells: TypeAlias = Mapping[str, str]  # the texts of one row of a system table, by column


class SystemRows(Protocol):
    """
    Where the rows of the system tables come from.

    Attributes:
        columns: Of each table.
        logs: The files of what is over: one JSON object of texts a line.
    """

    @property
    def columns(self) -> Sequence[Column]:
        """Of each table."""
        ...

    @property
    def logs(self) -> Sequence[Path]:
        """The files of what is over."""
        ...

    @property
    def ask_live(self) -> Callable[[], Sequence[Cells]]:
        """Asks all coordinators for what runs."""


class Job(Protocol):
    """
    One planned statement.

    Attributes:
        columns: Of the result set; empty when there is none (USE, DML).
        kind: ``"QUERY"``, ``"DDL"``, ``"DML"`` or ``"SET"``, as Impala's profile names it.
        modified_rows: After `run`, for DML: rows written for each partition (``""`` when the
            table has none), else None.
    """

    columns: Sequence[Column]
    kind: str
    modified_rows: Mapping[str, int] | None

    def run(self) -> None:
        """Do the work (called in a thread).  Raises `ImpalaError`."""

    def cancel(self) -> None:
        """Stop `run` or `fetch` in another thread soon; they raise `ImpalaError("Cancelled")`."""

    def fetch(self, rows: int) -> list[Sequence[object]]:
        """
        Up to *rows* next rows, one sequence a column; no values at the end.

        Values are bool, int, float, bytes, str (also for timestamp, date, decimal and, as JSON,
        for complex types, written as Impala writes them), and None for NULL.
        """

    def close(self) -> None:
        """Let go of what the job holds.  May be called twice."""


class Engine(Protocol):
    """SQL over the shared warehouse."""

    def plan(
        self, sql: str, session: SessionState, overlay: Mapping[str, str] | None = None
    ) -> Job:
        """Parse and check *sql*.  Raises `ImpalaError`: what Impala says at once, as it says it."""

    def schemas(self, pattern: str) -> Job:
        """What GetSchemas answers; *pattern* as in HiveServer2 (``%``, ``_``, ``.*``)."""

    def tables(self, schema: str, table: str) -> Job:
        """What GetTables answers."""

    def table_columns(self, schema: str, table: str, column: str) -> Job:
        """What GetColumns answers."""

    def functions(self, schema: str, function: str) -> Job:
        """What GetFunctions answers."""


@runtime_checkable
class SharedCatalog(Protocol):
    """What an engine can do that shares a catalog with those of the other coordinators."""

    def join(self, name: str) -> None:
        """Be known to the other coordinators by *name*."""

    def lag(self, seconds: float) -> None:
        """See what other coordinators change only after *seconds*; 0 ends it."""

    def show_system_tables(self, rows: SystemRows) -> None:
        """Have database ``sys`` from now on."""
