"""A virtual clock, the events that move it, and greenlets, which wait for them one at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Generic, Protocol, TypeVar

from impala_ha.core.extras import import_extra
from impala_ha.failover.hedging import OpenResult, Threads

Value = TypeVar("Value")


class Greenlet(Protocol):
    """As far as we need it, `greenlet.greenlet`."""

    def switch(self, *values: object) -> object:
        """Go on with it; what the caller is given when somebody goes on with him."""

    def throw(self) -> object:
        """End it where it waits."""


class EventLoop:
    """
    Runs what is due, in order of time; what is due at the same moment in order of arrival.

    It is the clock of all code that runs in it, and whoever sleeps lets the others run.
    """

    def __init__(self) -> None:
        """
        Stand at 0, with nothing to do.

        Raises:
            MissingExtra: greenlet is not installed; the extra ``simulation`` has it.
        """
        self._greenlets = import_extra("greenlet", "simulation")
        self._hub: Greenlet = self._greenlets.getcurrent()
        self._now = 0.0
        self._numbers = count()
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._alive: set[Greenlet] = set()
        self._over = False

    def now(self) -> float:
        """Seconds since the start."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let the others run for *seconds*."""
        self.call_at(self._now + seconds, self.waker())
        self.wait()

    def wait(self) -> object:
        """Let the others run until somebody calls what `waker` returned; what he gives."""
        if self._over or self._greenlets.getcurrent() is self._hub:
            raise RuntimeError("only what the simulation has started may wait")
        return self._hub.switch()

    def waker(self) -> Callable[..., object]:
        """What goes on with the caller, once he waits; to be called by the loop alone."""
        current: Greenlet = self._greenlets.getcurrent()
        return current.switch

    def call_at(self, time: float, act: Callable[[], object]) -> None:
        """Call *act* at *time*."""
        heappush(self._due, (time, next(self._numbers), act))

    def start(self, work: Callable[[], object]) -> Callable[[], object]:
        """Begin *work* at this moment, as a thread would; what ends it where it waits."""

        def run() -> None:
            try:
                work()
            finally:
                self._alive.discard(started)

        if self._over:
            raise RuntimeError("the simulation is over")
        started: Greenlet = self._greenlets.greenlet(run, self._hub)
        self._alive.add(started)
        self.call_at(self._now, started.switch)
        return started.throw

    def run(self, until: float) -> None:
        """Run what is due until then."""
        due = self._due
        while due and due[0][0] <= until:
            self._now, _, act = heappop(due)
            act()
        self._now = until

    def close(self) -> None:
        """End all that waits."""
        self._over = True
        self._due.clear()
        for each in list(self._alive):
            each.throw()


class Mailbox(Generic[Value]):
    """A queue for one reader, who waits in the time of *loop*."""

    def __init__(self, loop: EventLoop):
        self._loop = loop
        self._values: deque[Value] = deque()
        self._waker: Callable[[], object] | None = None

    def put(self, value: Value) -> None:
        """Append *value*."""
        self._values.append(value)
        if self._waker is not None:
            self._loop.call_at(self._loop.now(), self._waker)
            self._waker = None

    def get(self) -> Value:
        """The next one; waits for it."""
        while not self._values:
            self._waker = self._loop.waker()
            self._loop.wait()
        return self._values.popleft()


class Event:
    """A `threading.Event` in the time of *loop*."""

    def __init__(self, loop: EventLoop):
        self._loop = loop
        self._set = False
        self._wakers: list[Callable[[], object]] = []

    def set(self) -> None:
        """Let all go on who wait."""
        self._set = True
        for waker in self._wakers:
            self._loop.call_at(self._loop.now(), waker)
        self._wakers.clear()

    def wait(self) -> None:
        """Wait until it is set."""
        while not self._set:
            self._wakers.append(self._loop.waker())
            self._loop.wait()


class SimulatedThreads(Threads):
    """The threads of one process, in the time of *loop*."""

    def __init__(self, loop: EventLoop):
        self._loop = loop
        self._ends: list[Callable[[], object]] = []
        self.results = partial(Mailbox[OpenResult], loop)
        self.event = partial(Event, loop)

    def start(self, name: str, work: Callable[[], None]) -> RuntimeError | None:  # noqa: ARG002
        """Begin *work*."""
        try:
            self._ends.append(self._loop.start(work))
        except RuntimeError as error:
            return error
        return None

    def end_within(self, seconds: float) -> None:
        """End what still runs after *seconds*, as the end of its process does."""
        for end in self._ends:
            self._loop.call_at(self._loop.now() + seconds, end)
