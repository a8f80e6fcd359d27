"""
What the demo writes down while it runs: every statement, every deed, every piece of news.

Four threads and the one that hurts the coordinators write; the picture and the verdict read.
"""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


class Told(enum.Enum):
    """What a caller heard of a statement."""

    DONE = "done"
    UNKNOWN = "told as unknown"
    FAILED = "failed"


class Process(enum.Enum):
    """What was done to the process of a coordinator."""

    RUNNING = "running"
    KILLED = "killed"
    HUNG = "hung"


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One statement, from the call to what the caller heard.

    Attributes:
        thread: Which thread, from 1.
        sql: Its text.
        row: The id that it inserts; None for a read.
        told: What the caller heard.
        where: ``"host:port"`` of the coordinator that did it last.
        began: Seconds since the start.
        ended: Seconds since the start.
        error: The text of its error, ``""`` without one.
    """

    thread: int
    sql: str
    row: int | None
    told: Told
    where: str
    began: float
    ended: float
    error: str = ""

    @property
    def wait(self) -> float:
        """Seconds that the caller waited."""
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Present:
    """What a thread does at this moment: *sql*, at *where*, since *since* (seconds)."""

    sql: str
    where: str
    since: float


@dataclass(frozen=True, slots=True)
class News:
    """Something worth a line: at *time* (seconds since the start)."""

    time: float
    text: str
    bad: bool = False


class Ledger:
    """
    The book; any thread may write in it.

    Args:
        clock: Seconds; the machine's monotonic clock by default.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._present: dict[int, Present] = {}
        self._news: list[News] = []
        self._processes: dict[str, Process] = {}
        self._lookups: dict[int, bool] = {}

    def now(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    def begin(self, thread: int, sql: str, where: str) -> float:
        """Note that *thread* calls, and return when."""
        now = self.now()
        with self._lock:
            self._present[thread] = Present(sql, where, now)
        return now

    def end(self, entry: Entry) -> None:
        """Note what became of a statement."""
        with self._lock:
            self._entries.append(entry)
            self._present.pop(entry.thread, None)

    def look_up(self, row: int, *, done: bool) -> None:
        """Note what the table showed of an INSERT that was told as unknown."""
        with self._lock:
            self._lookups[row] = done

    def say(self, text: str, *, bad: bool = False) -> None:
        """Note a piece of news."""
        with self._lock:
            self._news.append(News(self.now(), text, bad))

    def process(self, where: str, process: Process) -> None:
        """Note what was done to the process of the coordinator *where*."""
        with self._lock:
            self._processes[where] = process

    @property
    def entries(self) -> list[Entry]:
        """All statements that have ended."""
        with self._lock:
            return list(self._entries)

    @property
    def present(self) -> dict[int, Present]:
        """What each thread does; a thread between two statements is not there."""
        with self._lock:
            return dict(self._present)

    @property
    def news(self) -> list[News]:
        """All news, oldest first."""
        with self._lock:
            return list(self._news)

    @property
    def processes(self) -> dict[str, Process]:
        """What was done to whom; who was left alone is not there."""
        with self._lock:
            return dict(self._processes)

    @property
    def lookups(self) -> dict[int, bool]:
        """By id: whether the row of an INSERT that was told as unknown was there at once."""
        with self._lock:
            return dict(self._lookups)
