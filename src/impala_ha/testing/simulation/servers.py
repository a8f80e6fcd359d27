"""A coordinator that runs statements in slots, and what may happen to it."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from thrift.transport.TTransport import TTransportException

from impala_ha.balancing.readings import THREADS, Load
from impala_ha.core.model import Coordinator

from .events import EventLoop

if TYPE_CHECKING:
    from .fleet import Fleet


_THREADS = 4  # service threads a slot, at least


class Condition(enum.Enum):
    """What a coordinator is like."""

    UP = "up"
    DEAD = "dead"
    HUNG = "hung"
    DRAINING = "draining"


class Statement:
    """A statement of *seconds* of work that was sent at *sent*; *wake* goes on with its client."""

    def __init__(self, wake: Callable[..., object], seconds: float, sent: float):
        self.wake = wake
        self.seconds = seconds
        self.sent = sent
        self.waited = 0.0


class Server:
    """
    A coordinator.

    Attributes:
        coordinator: Its name.
        condition: What it is like.
        speed: Seconds of work that it does a second, for statements that start from now on.
        life: How often it has died; a connection ends with the life in which it was opened.
        connections: How many are open.
    """

    def __init__(self, coordinator: Coordinator, loop: EventLoop, fleet: Fleet):
        self.coordinator = coordinator
        self.condition = Condition.UP
        self.speed = 1.0
        self.life = 0
        self.connections = 0
        self._loop = loop
        self._slots = fleet.slots
        self._silence = fleet.silence
        self._page_age = fleet.page_age
        self._page = 0.0, Load(0)
        self._running: dict[Statement, None] = {}
        self._queue: deque[Statement] = deque()
        self._held: list[Statement] = []  # would have ended while it hung

    def load(self) -> Load:
        """What its web pages say; they show the same for some time."""
        made, shown = self._page
        now, quiescing = self._loop.now(), self.condition is Condition.DRAINING
        if now >= made + self._page_age:
            threads = max(THREADS, _THREADS * self._slots)
            queries = len(self._running) + len(self._queue)
            shown = Load(self.connections, threads, queries=queries, quiescing=quiescing)
            self._page = now, shown
        return shown

    def run(self, wake: Callable[..., object], seconds: float) -> None:
        """
        Run a statement, when a slot is free.

        At its end *wake* is called with the seconds that it waited, or with what a client gets
        whose coordinator is lost.
        """
        statement = Statement(wake, seconds, self._loop.now())
        self._queue.append(statement)
        self._fill()
        if self.condition is Condition.HUNG:
            self._lose_later([statement])

    def _fill(self) -> None:
        if self.condition is Condition.HUNG:
            return
        now = self._loop.now()
        while self._queue and len(self._running) < self._slots:
            statement = self._queue.popleft()
            statement.waited = now - statement.sent
            self._running[statement] = None
            self._loop.call_at(now + statement.seconds / self.speed, partial(self._end, statement))

    def _end(self, statement: Statement) -> None:
        if statement not in self._running:
            return  # lost before
        if self.condition is Condition.HUNG:
            self._held.append(statement)
            return
        del self._running[statement]
        self._fill()
        statement.wake(statement.waited)

    def _lose_later(self, statements: list[Statement]) -> None:
        """Have the clients find that nobody answers, if it still hangs then."""

        def found() -> None:
            if self.condition is Condition.HUNG:
                self._lose(statements, silent)

        self._loop.call_at(self._loop.now() + self._silence, found)

    def _lose(self, statements: list[Statement], why: Callable[[], Exception]) -> None:
        for statement in statements:
            if statement in self._queue:
                self._queue.remove(statement)
            elif statement in self._running:
                del self._running[statement]
            else:
                continue
            statement.wake(why())

    def _begin_life(self) -> None:
        self.life += 1
        self.connections = 0

    def change(self, condition: Condition, speed: float = 1.0) -> None:
        """Become that, at that *speed*."""
        if condition is Condition.UP and self.condition is Condition.DRAINING:
            self._begin_life()  # it is its successor
        self.condition, self.speed = condition, speed
        everyone = [*self._running, *self._queue]
        if condition is Condition.DEAD:
            self._begin_life()
            self._lose(everyone, _hung_up)
        elif condition is Condition.HUNG:
            self._lose_later(everyone)
        else:
            held, self._held = self._held, []
            for statement in held:
                self._end(statement)
            self._fill()


def _hung_up() -> Exception:
    return cast(
        "Exception", TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes")
    )


def silent() -> Exception:
    """What a client gets that waits in vain."""
    return cast("Exception", TTransportException(TTransportException.TIMED_OUT, "read timeout"))
