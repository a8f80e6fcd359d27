"""The kinds of planned statements: a stream of rows, a small table of rows, a write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from pocket_impala.coordinator.contract import Column, ImpalaError, Job
from pocket_impala.sql.duck import Lane

SUMMARY = (Column("summary", "string"),)
Row: TypeAlias = Sequence[object]


class QueryJob:
    """A SELECT: DuckDB computes while rows are fetched."""

    kind = "QUERY"
    modified_rows: Mapping[str, int] | None = None

    def __init__(self, lane: Lane, sql: str, columns: Sequence[Column]) -> None:
        self.columns = columns
        self._lane = lane
        self._sql = sql

    def run(self) -> None:
        """Start DuckDB."""
        self._lane.execute(self._sql)

    def cancel(self) -> None:
        """Stop DuckDB."""
        self._lane.stop()

    def fetch(self, rows: int) -> list[Sequence[object]]:
        """The next rows, by column."""
        return list(zip(*self._lane.fetch(rows), strict=True))

    def close(self) -> None:
        """Let the cursor go."""
        self._lane.close()


class TableJob:
    """A statement whose result is small: SHOW, DESCRIBE, DDL, USE, SET."""

    modified_rows: Mapping[str, int] | None = None

    def __init__(
        self,
        kind: str,
        columns: Sequence[Column],
        work: Callable[[], Iterable[Row] | None],
        lane: Lane | None = None,
    ) -> None:
        self.columns = columns
        self.kind = kind
        self._work = work
        self._lane = lane
        self._rows: list[Row] = []
        self._cancelled = False

    def run(self) -> None:
        """Do it."""
        self._check()
        self._rows = list(self._work() or ())

    def cancel(self) -> None:
        """Stop before or while it is done."""
        self._cancelled = True
        if self._lane is not None:
            self._lane.stop()

    def fetch(self, rows: int) -> list[Sequence[object]]:
        """The next rows, by column."""
        self._check()
        taken, self._rows = self._rows[:rows], self._rows[rows:]
        return list(zip(*taken, strict=True))

    def close(self) -> None:
        """Let the cursor go, if there is one."""
        if self._lane is not None:
            self._lane.close()

    def _check(self) -> None:
        if self._cancelled:
            raise ImpalaError("Cancelled")


class SyncedJob:
    """
    A statement with SYNC_DDL: when it is done, all coordinators know what was changed.

    Args:
        job: The statement.
        reveal: Shows them.
    """

    def __init__(self, job: Job, reveal: Callable[[], None]) -> None:
        self.columns = job.columns
        self.kind = job.kind
        self.modified_rows: Mapping[str, int] | None = None
        self._job = job
        self._reveal = reveal

    def run(self) -> None:
        """Do it, and show it."""
        self._job.run()
        self.modified_rows = self._job.modified_rows
        self._reveal()

    def cancel(self) -> None:
        """Stop it."""
        self._job.cancel()

    def fetch(self, rows: int) -> list[Sequence[object]]:
        """The next rows, by column."""
        return self._job.fetch(rows)

    def close(self) -> None:
        """Let go of what it holds."""
        self._job.close()


class WriteJob:
    """An INSERT, UPSERT, UPDATE or DELETE: no rows come back but their number."""

    kind = "DML"
    columns: Sequence[Column] = ()

    def __init__(self, lane: Lane, work: Callable[[Lane], Mapping[str, int]]) -> None:
        self.modified_rows: Mapping[str, int] | None = None
        self._lane = lane
        self._work = work

    def run(self) -> None:
        """Write, then let the catalog list what was written."""
        self.modified_rows = self._work(self._lane)

    def cancel(self) -> None:
        """Stop DuckDB; what was written is thrown away."""
        self._lane.stop()

    def fetch(self, rows: int) -> list[Sequence[object]]:  # noqa: ARG002 - the contract's
        """Nothing."""
        self._lane.check()
        return []

    def close(self) -> None:
        """Let the cursor go."""
        self._lane.close()
