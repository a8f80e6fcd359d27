"""What the processes of a simulated machine share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import cast

from impala_ha.balancing.shared_file import Slot, Unpacked, View
from impala_ha.balancing.shared_records import TURN_SIZE, Record, Turn, loads_of
from impala_ha.core.clock import Clock

_MANY_TURNS = 64  # that are not added to the loads yet, as in the file


class MemoryPlace:
    """A place in memory, with the rules of `SharedFile` and the time of *clock*."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._records: dict[bytes, Record] = {}
        self._turns: list[Turn] = []
        self._added = 0

    def now(self) -> float:
        """Seconds of the clock."""
        return self._clock.now()

    def read(self, keys: Iterable[bytes], unpacked: Unpacked = Record.unpacked) -> View:  # noqa: ARG002
        """The records with those *keys*, of any kind."""
        records = self._records
        found = {key: records[key] for key in keys if key in records}
        return View(self._clock.now(), found, self._added)

    def update(
        self,
        keys: Iterable[bytes],
        change: Callable[[View], Iterable[Slot]],
        unpacked: Unpacked = Record.unpacked,  # noqa: ARG002
    ) -> bool:
        """Replace the records that *change* returns."""
        if len(self._turns) >= _MANY_TURNS:
            now, turns = self._clock.now(), self._turns
            for key, load in loads_of(turns, now).items():
                self._records[key] = self._records.get(key, Record(key)).with_load(load, now)
            self._added += len(turns) * TURN_SIZE
            self._turns = []
        for record in change(self.read(keys)):
            self._records[record.key] = cast("Record", record)
        return True

    @contextmanager
    def turns(self) -> Iterator[MemoryTurns]:
        """The turns that are not added to the loads."""
        yield MemoryTurns(self._turns, self._added)


class MemoryTurns:
    """The last *turns*, the first of which is at place *begin*."""

    def __init__(self, turns: list[Turn], begin: int):
        self._turns = turns
        self._begin = begin

    def read(self, begin: int, end: int | None = None) -> tuple[list[Turn], int]:
        """The turns from *begin* to *end*, and where they end."""
        first = (begin - self._begin) // TURN_SIZE
        last = len(self._turns) if end is None else (end - self._begin) // TURN_SIZE
        return self._turns[first:last], self._begin + last * TURN_SIZE

    def append(self, turn: Turn) -> int:
        """Append *turn*; where it begins."""
        self._turns.append(turn)
        return self._begin + (len(self._turns) - 1) * TURN_SIZE
