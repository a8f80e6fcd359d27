"""
The backoff that the calls of a process share while no coordinator is healthy.

Each coordinator is tried by one of them at a time, and the others learn from it: twenty threads ask
hardly more often than one would.  Knows no clock, no lock and no network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from impala_ha.core.model import Coordinator

Pause = Callable[[int], float]  # from the tries of a coordinator to seconds
_LOOK = 1.0  # seconds, while each coordinator is being tried


class Wait(NamedTuple):
    """
    No try yet.

    Attributes:
        seconds: Until the next one.
        alone: Whether nobody else tries or waits, so that nothing can be found out before.
    """

    seconds: float
    alone: bool


class Outage:
    """The tries of all calls while no coordinator is healthy."""

    def __init__(self) -> None:
        self._calls: set[int] = set()
        self._tries: Counter[Coordinator] = Counter()
        self._next: dict[Coordinator, float] = {}

    def pick_or_wait(
        self,
        call: int,
        now: float,
        tried: Iterable[Coordinator],
        free: Iterable[Coordinator],
        pause: Pause,
    ) -> Coordinator | Wait:
        """
        Whom *call* may try now, or how long it is to wait.

        Args:
            call: Stands for it, until it has ended.
            now: Seconds of the clock.
            tried: Where it has been.  Where it is alone, its backoff goes on from there: nobody is
                to wait because of a call that is no more.
            free: Whom nobody tries at the moment; rather the first.
            pause: Seconds between two tries of a coordinator.
        """
        if not self._calls:
            self._tries = Counter(tried)
            self._next = {where: now + pause(times) for where, times in self._tries.items()}
        self._calls.add(call)
        # The one that was tried least, or chance would let one that is back wait for two rounds.
        by_turn = sorted(free, key=lambda each: (self._tries[each], self._next.get(each, 0.0)))
        if not by_turn:
            return Wait(_LOOK, alone=False)
        where = by_turn[0]
        wait = self._next.get(where, 0.0) - now
        if wait > 0:
            return Wait(wait, len(self._calls) == 1)
        self._tries[where] += 1
        self._next[where] = now + pause(self._tries[where])
        return where

    def call_ended(self, call: int) -> None:
        """Count on *call* no more."""
        self._calls.discard(call)

    def over(self) -> None:
        """A coordinator answered: the next outage is another one."""
        self._tries.clear()
        self._next.clear()
