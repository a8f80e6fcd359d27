"""An engine of the smallest kind: it answers numbers, sleeps, fails, and counts nothing."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from impala_ha.testing._impalad.contract import Column, ImpalaError, SessionState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class TinyJob:
    kind = "QUERY"

    def __init__(self, columns, values, *, kind="QUERY", seconds=0.0, modified=None):
        self.columns: Sequence[Column] = columns
        self.kind = kind
        self.modified_rows: Mapping[str, int] | None = None
        self._values = values
        self._seconds = seconds
        self._modified = modified
        self._stop = threading.Event()
        self._given = False

    def run(self) -> None:
        if self._stop.wait(self._seconds):
            raise ImpalaError("Cancelled")
        self.modified_rows = self._modified

    def cancel(self) -> None:
        self._stop.set()

    def fetch(self, rows: int):
        values = [[] for _ in self.columns] if self._given else self._values
        self._given = True
        return values

    def close(self) -> None:
        pass


class TinyEngine:
    def plan(self, sql: str, session: SessionState, overlay=None) -> TinyJob:
        text = sql.strip().lower()
        if match := re.fullmatch(r"select sleep\((\d+)\)", text):
            return TinyJob([Column("slept", "boolean")], [[True]], seconds=int(match[1]) / 1000)
        if match := re.fullmatch(r"select (\d+)", text):
            return TinyJob([Column(match[1], "tinyint")], [[int(match[1])]])
        if text.startswith("insert"):
            return TinyJob([], [], kind="DML", modified={"": 1})
        raise ImpalaError("ParseException: Syntax error in line 1:\n" + sql)


def make_engine(warehouse: Path, *, data: Path | None, memory_limit: str) -> TinyEngine:
    return TinyEngine()
