"""
What the processes of a machine know together of one coordinator: a record of 64 bytes, and turns.

    key 8 | at, ejected until, leased until, next try: 8 each | load, connect time, ejected for: 4
    each | process 4 | failures 1 | fault 1 | 2 of nothing | CRC-32 4

A turn is 24 bytes: key 8 | at 8 | load 4 | CRC-32 4.

Times are seconds since the boot of the machine (CLOCK_BOOTTIME), 0 for none.  There is no text in
it: a coordinator is the hash of its name, a reason the number of a fault.

The load of a coordinator is how many connections went to it in the last seconds, by its weight:
each counts 1/weight at first, and half as much every ten seconds.  Who has the least is next.  With
one list that is a rotation (who was chosen first has decayed most); with lists that overlap
it evens out what they share.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from impala_ha.core.faults import Fault
from impala_ha.core.model import Coordinator

from .circuit_breaker import WELL, Health

SIZE = 64
KEY_SIZE = 8
_FORM = struct.Struct("<8s4d3fIBB2x")
_TURN = struct.Struct("<8sdf")
TURN_SIZE = 24
_SUM = struct.Struct("<I")
_SUMMED = struct.Struct("<8s4d3fIBB2xI")
_SUMMED_TURN = struct.Struct("<8sdfI")
_FAULTS = tuple(Fault)
#: Of what records look like: releases with different ones have different files.
_LAYOUT = (_FORM.format, _TURN.format, *(fault.name for fault in _FAULTS))
LAYOUT = f"{zlib.crc32(repr(_LAYOUT).encode()):08x}"
_HALF_LIFE = 10.0  # seconds
_MOST_FAILURES = 255
_SLACK = 1.0  # seconds; a record that is newer than now by more is another clock's
_MOST_HALVINGS = 100
_MOST = 3e38  # that a number of four bytes can be


@lru_cache(maxsize=1000)
def key_of(coordinator: Coordinator, options_key: str = "") -> bytes:
    """The key of what is known of *coordinator*, for connections with those options."""
    named = f"{coordinator.host.lower()}\n{coordinator.port}\n{options_key}"
    return blake2b(named.encode(), digest_size=KEY_SIZE).digest()


class Record(NamedTuple):
    """
    What is known of one coordinator.

    Attributes:
        key: Of the coordinator, see `key_of`.
        at: When it was written, and *load* was true.
        ejected_until: When its ejection ends; 0 if it is not ejected.
        leased_until: Until then a trial is under way; 0: none.
        next_try: While no coordinator is healthy: not before.
        load: Its connections of the last seconds, by weight.
        connect_time: Seconds that opening a connection took; 0: not known.
        ejected_for: Seconds from its ejection to *ejected_until*, trials that failed included.
        process: The number of the process that wrote it.
        failures: Consecutive failures; 255 for more.
        fault: Why it is ejected; None if it is not.
    """

    key: bytes
    at: float = 0.0
    ejected_until: float = 0.0
    leased_until: float = 0.0
    next_try: float = 0.0
    load: float = 0.0
    connect_time: float = 0.0
    ejected_for: float = 0.0
    process: int = 0
    failures: int = 0
    fault: Fault | None = None

    def packed(self) -> bytes:
        """Its bytes."""
        times_and_load = (self.load, self.connect_time, self.ejected_for)
        numbers = (*map(_fit, times_and_load), self.process, self.failures)
        times = (self.at, self.ejected_until, self.leased_until, self.next_try)
        fault = 0 if self.fault is None else _FAULTS.index(self.fault) + 1
        body = _FORM.pack(self.key, *times, *numbers, fault)
        return body + _SUM.pack(zlib.crc32(body))

    @staticmethod
    def unpacked(data: bytes, now: float) -> Record | None:
        """The record in *data*; None if they are damaged, or of another clock than *now*."""
        if len(data) != SIZE:
            return None
        *known, fault, checksum = _SUMMED.unpack(data)
        if checksum != zlib.crc32(data[: -_SUM.size]) or fault > len(_FAULTS):
            return None
        found = Record._make([*known, _FAULTS[fault - 1] if fault else None])
        return found if 0 <= found.at <= now + _SLACK else None

    def load_at(self, now: float) -> float:
        """Its load at *now*."""
        return decayed(self.load, now - self.at)

    def with_load(self, more: float, now: float) -> Record:
        """The record at *now*, with so much *more* load."""
        return self._replace(load=self.load_at(now) + more, at=now)

    def health(self, offset: float, now: float, longest: float) -> Health:
        """
        The health that it tells.

        Args:
            offset: What to add to its times, for those of the reader's clock.
            now: Seconds since the boot.
            longest: The most seconds of an ejection or a lease; what lasts longer is another
                clock's, and none.
        """
        if not (self.ejected_until or self.failures):
            return WELL
        times = (self.ejected_until, self.leased_until)
        if not all(0 <= time <= now + longest for time in times):  # NaN is not, either
            return WELL
        until, leased = (time + offset if time else None for time in times)
        return Health(
            self.failures, until, None if until is None else leased, self.fault is Fault.DRAINING
        )

    def with_health(self, health: Health, offset: float, now: float, fault: Fault | None) -> Record:
        """The record of a coordinator with that *health* since *now*; *fault* is why."""
        if health.ejected_until is None:
            ended = self._replace(ejected_until=0.0, leased_until=0.0, ejected_for=0.0, fault=None)
            return ended._replace(failures=min(health.failures, _MOST_FAILURES))
        since = self.ejected_until - self.ejected_for if self.ejected_until else now
        until = health.ejected_until - offset
        return self._replace(
            ejected_until=until,
            leased_until=(health.leased_until or offset) - offset,
            ejected_for=max(0.0, until - since),
            failures=min(health.failures, _MOST_FAILURES),
            fault=Fault.DRAINING if health.draining else fault or self.fault,
        )


class Turn(NamedTuple):
    """
    A connection that goes to a coordinator, or what else changes its load.

    Attributes:
        key: Of the coordinator.
        at: When.
        load: What it adds to the load.
    """

    key: bytes
    at: float
    load: float

    def packed(self) -> bytes:
        """Its bytes."""
        body = _TURN.pack(self.key, self.at, _fit(self.load))
        return body + _SUM.pack(zlib.crc32(body))

    @staticmethod
    def unpacked(data: bytes, now: float) -> list[Turn]:
        """The turns in *data*, without those that are damaged, or of another clock than *now*."""
        return [
            Turn(key, at, load)
            for begin, (key, at, load, checksum) in zip(
                range(0, len(data), TURN_SIZE), _SUMMED_TURN.iter_unpack(data), strict=True
            )
            if checksum == zlib.crc32(data[begin : begin + _TURN.size]) and 0 <= at <= now + _SLACK
        ]


def loads_of(turns: Iterable[Turn], now: float) -> dict[bytes, float]:
    """What the *turns* of each key add to its load at *now*."""
    loads: dict[bytes, float] = {}
    for key, at, load in turns:
        loads[key] = loads.get(key, 0.0) + decayed(load, now - at)
    return loads


def decayed(load: float, seconds: float) -> float:
    """What is left of a *load* after some *seconds*; all of it where a clock went back."""
    return load * math.pow(0.5, min(max(0.0, seconds) / _HALF_LIFE, _MOST_HALVINGS))


def _fit(number: float) -> float:
    """*number* as far as four bytes can hold it."""
    return min(max(number, -_MOST), _MOST)
