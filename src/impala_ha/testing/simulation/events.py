"""A virtual clock, and the events that move it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from itertools import count
from typing import TypeVar

Value = TypeVar("Value")
#: It yields the seconds that it sleeps, or None to sleep until it is woken with a value.
Steps = Generator["float | None", object, Value]


class EventLoop:
    """Runs what is due, in order of time; what is due at the same moment in order of arrival."""

    def __init__(self) -> None:
        self._now = 0.0
        self._numbers = count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def now(self) -> float:
        """Seconds since the start."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Refuse: what runs here yields the seconds that it sleeps."""
        raise RuntimeError(f"nobody may block the simulation, for {seconds} s or at all")

    def call_at(self, time: float, act: Callable[[], None]) -> None:
        """Call *act* at *time*."""
        heappush(self._due, (time, next(self._numbers), act))

    def run(self, until: float) -> None:
        """Run what is due until then."""
        due = self._due
        while due and due[0][0] <= until:
            self._now, _, act = heappop(due)
            act()
        self._now = until


class Process:
    """Runs *steps* in a loop."""

    def __init__(self, loop: EventLoop, steps: Steps[None]):
        self._loop = loop
        self._steps = steps
        loop.call_at(loop.now(), self.wake)

    def wake(self, value: object = None) -> None:
        """Go on with *value* for what it has waited for."""
        try:
            seconds = self._steps.send(value)
        except StopIteration:
            return
        if seconds is not None:
            self._loop.call_at(self._loop.now() + seconds, self.wake)
