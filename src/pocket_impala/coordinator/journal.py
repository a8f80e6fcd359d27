"""What every coordinator wrote down before it did it.

A test that kills a coordinator wants to know afterwards how often a statement ran, so the record
must outlive the process: each event is one line, appended with one write, before the deed.  A
line that a kill cut short is no event.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a statement on a coordinator.

    Attributes:
        time: Seconds since the epoch.
        coordinator: ``"host:port"``.
        event: ``"received"`` (the request was read), ``"accepted"`` (it was planned and has a
            query id), ``"started"`` (its work begins now), then one of ``"finished"``,
            ``"failed"``, ``"cancelled"``.
        query_id: As in Impala's texts; ``""`` before there is one.
        sql: The statement without the white space around it.
    """

    time: float
    coordinator: str
    event: str
    query_id: str
    sql: str


class Journal:
    """The journal of one coordinator, open for writing.

    Args:
        path: The file; it is continued when it is there.
        coordinator: ``"host:port"``.
    """

    def __init__(self, path: Path, coordinator: str) -> None:
        self._coordinator = coordinator
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if os.fstat(self._file).st_size:
            # The process before may have been killed in the middle of a line.
            os.write(self._file, b"\n")

    def write(self, event: str, query_id: str, sql: str) -> None:
        """Write one event down."""
        line = json.dumps([time.time(), self._coordinator, event, query_id, sql.strip()])
        os.write(self._file, line.encode() + b"\n")


def read(path: Path) -> list[Event]:
    """Read the events of one journal, oldest first; none when there is no file yet."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    # What follows the last newline is still being written, or was cut short.
    return [event for line in lines[:-1] if (event := _parse(line)) is not None]


def _parse(line: bytes) -> Event | None:
    try:
        return Event(*json.loads(line))
    except (ValueError, TypeError):
        return None
