"""
What the demo writes down while it runs: every statement, every action, every piece of message.

Four threads and the one that kills coordinators write; the picture and the verdict read.
"""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


class Result(enum.Enum):
    """What a caller heard of a statement."""

    DONE = "done"
    UNKNOWN = "outcome unknown"
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
        result: What the caller heard.
        where: ``"host:port"`` of the coordinator that did it last.
        began: Seconds since the start.
        ended: Seconds since the start.
        error: The text of its error, ``""`` without one.
    """

    thread: int
    sql: str
    row: int | None
    result: Result
    where: str
    began: float
    ended: float
    error: str = ""

    @property
    def wait(self) -> float:
        """Seconds that the caller waited."""
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Running:
    """What a thread does at this moment: *sql*, at *where*, since *since* (seconds)."""

    sql: str
    where: str
    since: float


@dataclass(frozen=True, slots=True)
class Event:
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
        self._running: dict[int, Running] = {}
        self._messages: list[Event] = []
        self._processes: dict[str, Process] = {}
        self._lookups: dict[int, bool] = {}

    def now(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    def begin(self, thread: int, sql: str, where: str) -> float:
        """Note that *thread* calls, and return when."""
        now = self.now()
        with self._lock:
            self._running[thread] = Running(sql, where, now)
        return now

    def end(self, entry: Entry) -> None:
        """Note what became of a statement."""
        with self._lock:
            self._entries.append(entry)
            self._running.pop(entry.thread, None)

    def look_up(self, row: int, *, done: bool) -> None:
        """Note what the table showed of an INSERT of unknown outcome."""
        with self._lock:
            self._lookups[row] = done

    def log(self, text: str, *, bad: bool = False) -> None:
        """Note a piece of message."""
        with self._lock:
            self._messages.append(Event(self.now(), text, bad))

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
    def running(self) -> dict[int, Running]:
        """What each thread does; a thread between two statements is not there."""
        with self._lock:
            return dict(self._running)

    @property
    def messages(self) -> list[Event]:
        """All messages, oldest first."""
        with self._lock:
            return list(self._messages)

    @property
    def processes(self) -> dict[str, Process]:
        """What was done to whom; who was left alone is not there."""
        with self._lock:
            return dict(self._processes)

    @property
    def lookups(self) -> dict[int, bool]:
        """By id: whether the row of an INSERT of unknown outcome was there at once."""
        with self._lock:
            return dict(self._lookups)
