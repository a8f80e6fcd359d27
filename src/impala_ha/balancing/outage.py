"""
The backoff that the calls of a process share while no coordinator is healthy.

One call at a time tries each coordinator, and the others use the result: twenty threads try hardly
more often than one would.  Without clock, lock and network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from impala_ha.core.model import Coordinator

Pause = Callable[[int], float]  # from the tries of a coordinator to seconds
_LOOK = 1.0  # seconds, while other calls try all coordinators


class Wait(NamedTuple):
    """
    The call must wait before its next try.

    Attributes:
        seconds: How long.
        alone: Whether no other call tries or waits, so that nothing can change before.
    """

    seconds: float
    alone: bool


class Outage:
    """The tries of all calls while no coordinator is healthy."""

    def __init__(self) -> None:
        self._calls: set[int] = set()
        self._tries: Counter[Coordinator] = Counter()
        self._next: dict[Coordinator, float] = {}
        self._others: dict[Coordinator, float] = {}

    def note_others(self, where: Coordinator, next_try: float) -> None:
        """Note that other processes will not try *where* before *next_try*."""
        self._others[where] = next_try

    def next_try(self, where: Coordinator) -> float:
        """When *where* is to be tried again."""
        return max(self._next.get(where, 0.0), self._others.get(where, 0.0))

    def pick_or_wait(
        self,
        call: int,
        now: float,
        tried: Iterable[Coordinator],
        free: Iterable[Coordinator],
        pause: Pause,
    ) -> Coordinator | Wait:
        """
        The coordinator that *call* may try now, or how long it must wait.

        Args:
            call: A number that identifies the call, until `call_ended`.
            now: Seconds of the clock.
            tried: The coordinators that it has tried.  Where it is the only call, its backoff
                continues from there, and not from that of calls that have ended.
            free: The coordinators that no call tries at the moment, in order of preference.
            pause: From the number of tries of a coordinator to the seconds before the next one.
        """
        if not self._calls:
            self._tries = Counter(tried)
            self._next = {where: now + pause(times) for where, times in self._tries.items()}
        self._calls.add(call)
        # The least tried first, or one that has recovered might wait for two rounds.
        by_turn = sorted(free, key=lambda each: (self._tries[each], self.next_try(each)))
        if not by_turn:
            return Wait(_LOOK, alone=False)
        where = by_turn[0]
        wait = self.next_try(where) - now
        if wait > 0:
            return Wait(wait, len(self._calls) == 1)
        self._tries[where] += 1
        self._next[where] = now + pause(self._tries[where])
        return where

    def call_ended(self, call: int) -> None:
        """Forget *call*."""
        self._calls.discard(call)

    def over(self) -> None:
        """A coordinator answered: forget the backoff."""
        self._tries.clear()
        self._next.clear()
        self._others.clear()
