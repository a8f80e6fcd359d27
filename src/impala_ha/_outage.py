"""
The backoff that the calls of a process share while no coordinator is healthy.

One of them tries, and the others learn from it: twenty threads ask hardly more often than one
would.  Knows no clock, no lock and no network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Pause = Callable[[int], float]  # from the rounds over all coordinators to seconds


class Wait(NamedTuple):
    """
    No try yet.

    Attributes:
        seconds: Until the next one.
        alone: Whether no other call waits, so that nobody else can find out anything before.
    """

    seconds: float
    alone: bool


class Outage:
    """
    The tries of all calls while no coordinator is healthy.

    Args:
        hosts: How many coordinators there are; that many tries are a round.
    """

    def __init__(self, hosts: int):
        self._hosts = hosts
        self._calls: set[int] = set()
        self._tries = 0
        self._next = 0.0

    def turn(self, call: int, now: float, rounds: int, pause: Pause) -> Wait | None:
        """
        Whether *call* may try now (None), or how long the next try is to wait.

        Args:
            call: Stands for it, until it has ended.
            now: Seconds of the clock.
            rounds: How often it has been to everyone.  Where it is alone, that is its backoff:
                nobody is to wait because of a call that is no more.
            pause: Seconds before the next try.
        """
        if not self._calls:
            self._tries, self._next = rounds * self._hosts, now + pause(rounds)
        self._calls.add(call)
        if now < self._next:
            return Wait(self._next - now, len(self._calls) == 1)
        self._tries += 1
        self._next = now + pause(self._tries // self._hosts)
        return None

    def ended(self, call: int) -> None:
        """Count on *call* no more."""
        self._calls.discard(call)

    def over(self) -> None:
        """A coordinator answered: the next outage is another one."""
        self._tries, self._next = 0, 0.0
