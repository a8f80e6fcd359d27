"""
How loaded a coordinator is by its own web pages: a reading, and 64 bytes of the shared file.

    key 8 | at, read at, leased until, next at: 8 each | memory 4 | connections, threads, waiting,
    queries, web port: 2 each | quiescing 1 | 5 of nothing | CRC-32 4

Times are seconds of one clock, 0 for none.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any, NamedTuple

SIZE = 64
_FORM = struct.Struct("<8s4df5HB5x")
_SUM = struct.Struct("<I")
_MOST = 2**16 - 1
_SLACK = 1.0  # seconds; a reading that is newer than now by more is another clock's
THREADS = 64  # Impala's default of --fe_service_threads


class Load(NamedTuple):
    """
    What the pages say.

    Attributes:
        connections: That have a service thread.
        threads: Service threads there are (``--fe_service_threads``).
        waiting: Connections that wait to be set up, or for a service thread.
        queries: Registered: running, or not closed yet.
        memory: The part of the process's memory limit that is in use, 0..1; 0 if not known.
        quiescing: Whether it is being shut down.
    """

    connections: int
    threads: int = THREADS
    waiting: int = 0
    queries: int = 0
    memory: float = 0.0
    quiescing: bool = False

    @property
    def figure(self) -> float:
        """
        From 0 (idle) to 1 (something has run out): 1 - free threads * free queries * free memory.

        Each factor is the free part, 0..1.  Connections that wait count as if they had a thread,
        and there is room for as many queries as there are threads.
        """
        free = 1.0
        used = (self.connections + self.waiting, self.queries)
        for part in (*(each / self.threads for each in used), self.memory):
            free *= 1 - min(1.0, max(0.0, part))
        return 1 - free


def load_of(
    metrics: dict[str, Any], threads: int, root: dict[str, Any], server: str
) -> Load | None:
    """
    The load that two pages tell; None if it is not in them.

    Args:
        metrics: ``/jsonmetrics?json``.
        threads: Service threads; see `threads_of`.
        root: ``/?json``; empty if it cannot be had.
        server: The Thrift server whose connections count: ``"hiveserver2-frontend"``.
    """
    at = f"impala.thrift-server.{server}."
    connections = _number(metrics.get(f"{at}connections-in-use"))
    if connections is None:
        return None
    limit = _number(metrics.get("mem-tracker.process.limit"))
    return Load(
        int(connections),
        threads,
        int(_number(metrics.get(f"{at}connection-setup-queue-size")) or 0),
        int(_number(metrics.get("impala-server.num-queries-registered")) or 0),
        min(1.0, (_number(metrics.get("memory.rss")) or 0.0) / limit) if limit else 0.0,
        root.get("is_quiescing") is True,
    )


def threads_of(flags: dict[str, Any]) -> int:
    """The service threads that ``/varz?json`` tells; Impala's default if it cannot be had."""
    return number_of_flag(flags, "fe_service_threads", _MOST) or THREADS


def number_of_flag(flags: dict[str, Any], name: str, most: int) -> int | None:
    """The number, from 1 to *most*, that ``/varz?json`` tells of a flag; None for anything else."""
    shown = flags.get("flags")
    for flag in shown if isinstance(shown, list) else ():
        if isinstance(flag, dict) and flag.get("name") == name:
            text = str(flag.get("current"))
            short = text.isdecimal() and len(text) <= len(str(most))
            return int(text) if short and 0 < int(text) <= most else None
    return None


def _number(value: object) -> float | None:
    """A number of something that there is; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**63:
        return None
    return value


class LoadReport(NamedTuple):
    """
    What the web pages of a coordinator say of its load.

    Attributes:
        load: From 0 (idle) to 1 (service threads, queries or memory have run out).
        age: Seconds since it was read.
        threads: Its service threads: how many connections it serves at a time.
    """

    load: float
    age: float
    threads: int


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What is known of one coordinator's web pages.

    Attributes:
        key: Of the coordinator.
        at: When it was written.
        read_at: When *load* was true; 0: there is none.
        leased_until: Until then somebody reads them; 0: nobody.
        next_at: Not to be read before.
        port: Of the web server; 0: not known.
        load: What they said.
    """

    key: bytes
    at: float = 0.0
    read_at: float = 0.0
    leased_until: float = 0.0
    next_at: float = 0.0
    port: int = 0
    load: Load = Load(0)

    def packed(self) -> bytes:
        """Its bytes."""
        load = self.load
        times = (self.at, self.read_at, self.leased_until, self.next_at)
        numbers = (load.connections, load.threads, load.waiting, load.queries)
        counts = (min(each, _MOST) for each in numbers)
        body = _FORM.pack(self.key, *times, load.memory, *counts, self.port, load.quiescing)
        return body + _SUM.pack(zlib.crc32(body))

    @staticmethod
    def unpacked(data: bytes, now: float) -> Reading | None:
        """The reading in *data*; None if they are damaged, or of another clock than *now*."""
        body = data[: -_SUM.size]
        if len(data) != SIZE or data[-_SUM.size :] != _SUM.pack(zlib.crc32(body)):
            return None
        key, at, read_at, leased, next_at, memory, *rest = _FORM.unpack(body)
        connections, threads, waiting, queries, port, quiescing = rest
        times = at, read_at, leased, next_at
        if not threads or not all(0 <= time <= now + _LONGEST for time in times):
            return None
        if max(at, read_at) > now + _SLACK:
            return None
        load = Load(connections, threads, waiting, queries, memory, bool(quiescing))
        return Reading(key, at, read_at, leased, next_at, port, load)


_LONGEST = 3700.0  # seconds; no lease and no pause is longer
