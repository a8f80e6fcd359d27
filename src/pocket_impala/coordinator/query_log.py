"""The log of statements that are over, for the table ``sys.impala_query_log``.

Each coordinator has a file of its own, so that none waits for one that was stopped: a line of JSON
for each statement, appended in one write, which outlives whoever wrote it.  As in Impala a
statement gets there after its handle was closed, perhaps some time after: what a killed
coordinator had not written yet is lost.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from pocket_impala.coordinator.workload import row_of

if TYPE_CHECKING:
    from pathlib import Path

    from pocket_impala.coordinator.records import Record

# Statements about nothing but the session or the catalog: Impala does not log them.
_NOT_LOGGED = {"USE", "SET", "SHOW", "DESCRIBE", "DESC", "EXPLAIN"}
_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*(\w*)", re.DOTALL)


class QueryLog:
    """The log, as one coordinator writes it.

    Args:
        path: The file; it is continued when it is there.
        coordinator: ``"host:port"`` by which Impala's tables name the coordinator.
        delay: Seconds between the end of a statement and its line.
    """

    def __init__(self, path: Path, coordinator: str, delay: float) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if os.fstat(self._file).st_size:
            # The process before may have been killed in the middle of a line.
            os.write(self._file, b"\n")
        self._coordinator = coordinator
        self._delay = delay
        self._changed = threading.Condition()
        self._waiting: deque[tuple[float, Record]] = deque()
        if delay > 0:
            threading.Thread(target=self._write_late, name="query-log", daemon=True).start()

    def add(self, record: Record) -> None:
        """Write a statement down, now or later; some are not worth it."""
        word = _FIRST_WORD.match(record.sql)
        if word is not None and word[1].upper() in _NOT_LOGGED:
            return
        if self._delay <= 0:
            self._write(record)
            return
        with self._changed:
            self._waiting.append((time.monotonic() + self._delay, record))
            self._changed.notify()

    def waiting(self) -> list[Record]:
        """Return what is over and not written yet."""
        with self._changed:
            return [record for _, record in self._waiting]

    def _write_late(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                due, record = self._waiting[0]
            time.sleep(max(0.0, due - time.monotonic()))
            self._write(record)
            # Only now: who looks in between finds it twice rather than not at all.
            with self._changed:
                self._waiting.popleft()

    def _write(self, record: Record) -> None:
        line = json.dumps(row_of(record, self._coordinator), ensure_ascii=False).encode()
        os.write(self._file, line + b"\n")
