"""Rows that are taken from a job before a client asks for them.

Impala says FINISHED when the first rows are there, and what fails on the way to them fails the
query, not the fetch.  So the first batch is read by the thread that runs the query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pocket_impala.coordinator.contract import Job

_FIRST_ROWS = 1024


class ReadAhead:
    """The rows of *job*, with the first of them ready.

    Args:
        job: Where they come from.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._ready: list[Sequence[object]] = []
        self._ended = not job.columns

    def fill(self) -> None:
        """Read the first rows; blocks until they are there."""
        if not self._ended:
            self._ready = self._read(_FIRST_ROWS)

    def take(self, rows: int) -> tuple[list[Sequence[object]], bool]:
        """Return at most *rows* next rows, by column, and whether more may follow."""
        if self._ready and self._ready[0]:
            taken = [cells[:rows] for cells in self._ready]
            self._ready = [cells[rows:] for cells in self._ready]
            return taken, bool(self._ready[0]) or not self._ended
        if self._ended:
            return [() for _ in self._job.columns], False
        taken = self._read(rows)
        return taken, not self._ended

    def drop(self) -> None:
        """Let go of the rows that nobody has taken."""
        self._ready, self._ended = [], True

    def _read(self, rows: int) -> list[Sequence[object]]:
        cells = self._job.fetch(rows)
        self._ended = not cells or len(cells[0]) < rows
        return cells
