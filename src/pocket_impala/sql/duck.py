"""
DuckDB, made stoppable.

One in-memory database serves a process; each job gets a `Lane`, a cursor of its own that another
thread can stop.  DuckDB forgets an interrupt that arrives before its query has begun, so `stop`
interrupts again until the lane is idle.  ``sleep()`` is a Python function that waits on the lane.
"""

from __future__ import annotations

import atexit
import itertools
import threading
from collections.abc import Sequence
from typing import Any

import duckdb

from pocket_impala.coordinator.contract import ImpalaError
from pocket_impala.sql import arithmetic
from pocket_impala.sql.errors import told
from pocket_impala.sql.macros import MACROS

_STOP_LIMIT = 10.0  # seconds that a stop waits for DuckDB to give in
_TICK = 0.01  # seconds between two interrupts
_CONFIG: dict[str, str] = {
    "threads": "2",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",  # a limit is a limit, and nothing is left on a disk
    "preserve_insertion_order": "true",
}
_STRICT_DIVISION = 2  # from this DuckDB on, division by zero is an error unless told otherwise
_lanes: dict[int, Lane] = {}
_numbers = itertools.count(1)


def _version() -> int:
    return int(duckdb.__version__.split(".", 1)[0])


class Duck:
    """One in-memory DuckDB and the macros that make it speak Impala."""

    def __init__(self, memory_limit: str) -> None:
        self._root = duckdb.connect(":memory:", config={**_CONFIG, "memory_limit": memory_limit})
        if _version() >= _STRICT_DIVISION:
            self._root.execute("SET GLOBAL error_on_division_by_zero = false")
        for macro in MACROS:
            self._root.execute(f"CREATE MACRO {macro}")
        self._root.create_function(
            "impala_sleep", _sleep, ["BIGINT", "BIGINT"], "BOOLEAN", side_effects=True
        )
        self._root.create_function(
            "impala_divided", arithmetic.quotient, ["VARCHAR", "VARCHAR", "BIGINT"], "VARCHAR"
        )
        self._lock = threading.Lock()
        atexit.register(self.close)  # a database that is still open then complains about leaks

    def cursor(self) -> Any:
        """A cursor for one thread."""
        with self._lock:  # the root connection itself is not safe to share
            return self._root.cursor()

    def describe(self, sql: str) -> list[tuple[str, str]]:
        """Name and DuckDB type of each column that *sql* returns.  Runs nothing."""
        cursor = self.cursor()
        try:
            return [row[:2] for row in cursor.execute(f"DESCRIBE {sql}").fetchall()]
        except duckdb.Error as error:
            raise told(error) from error
        finally:
            cursor.close()

    def close(self) -> None:
        """Let the database go.  May be called twice."""
        atexit.unregister(self.close)
        self._root.close()


class Lane:
    """
    A DuckDB cursor that another thread can stop.

    Attributes:
        number: What ``sleep()`` calls in its SQL are marked with.
    """

    def __init__(self, duck: Duck, *, owned: bool = False) -> None:
        self.number = next(_numbers)
        self._duck = duck
        self._owned = owned  # this lane has a database to itself, for its own memory limit
        self._cursor: Any = None
        self._stopped = threading.Event()
        self._busy = threading.Lock()
        _lanes[self.number] = self

    def execute(self, sql: str) -> None:
        """Run *sql*; rows come from `fetch`."""
        self._guarded(lambda: self._ready().execute(sql))

    def fetch(self, rows: int) -> list[Sequence[object]]:
        """Up to *rows* next rows."""
        found: list[Sequence[object]] = self._guarded(lambda: self._ready().fetchmany(rows))
        return found

    def rows(self, sql: str) -> list[Sequence[object]]:
        """All rows of *sql*."""
        found: list[Sequence[object]] = self._guarded(lambda: self._ready().execute(sql).fetchall())
        return found

    def stop(self) -> None:
        """End what runs here, and let nothing run here again."""
        self._stopped.set()
        for _ in range(int(_STOP_LIMIT / _TICK)):
            if self._busy.acquire(timeout=_TICK):
                self._busy.release()
                return
            if (cursor := self._cursor) is not None:
                cursor.interrupt()

    def wait(self, seconds: float) -> bool:
        """Wait; true if the lane was stopped meanwhile."""
        return self._stopped.wait(seconds)

    def check(self) -> None:
        """Raise if the lane was stopped."""
        if self._stopped.is_set():
            raise ImpalaError("Cancelled")

    def close(self) -> None:
        """Let the cursor go.  May be called twice."""
        if _lanes.pop(self.number, None) is None:
            return
        self.stop()
        with self._busy:
            if self._cursor is not None:
                self._cursor.close()
            if self._owned:
                self._duck.close()

    def _ready(self) -> Any:
        if self._cursor is None:
            self._cursor = self._duck.cursor()
        return self._cursor

    def _guarded(self, work: Any) -> Any:
        with self._busy:
            self.check()
            try:
                return work()
            except duckdb.Error as error:
                self.check()
                raise told(error) from error


def _sleep(lane: int, milliseconds: int) -> bool:
    found = _lanes.get(lane)
    if found is None or found.wait(milliseconds / 1000):
        raise ImpalaError("Cancelled")
    return True
