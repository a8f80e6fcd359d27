"""A coordinator that runs statements in slots, and what may happen to it."""

from __future__ import annotations

import enum
from collections import deque
from functools import partial

from impala_ha.core.faults import Fault
from impala_ha.core.model import Coordinator

from .events import EventLoop, Process


class Condition(enum.Enum):
    """What a coordinator is like."""

    UP = "up"
    DEAD = "dead"
    HUNG = "hung"
    DRAINING = "draining"


class Statement:
    """A statement of *seconds* of work that *process* has sent at *sent*."""

    def __init__(self, process: Process, seconds: float, sent: float):
        self.process = process
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

    def __init__(self, coordinator: Coordinator, loop: EventLoop, slots: int, silence: float):
        """Have so many *slots*; a client notices after so many seconds of *silence*."""
        self.coordinator = coordinator
        self.condition = Condition.UP
        self.speed = 1.0
        self.life = 0
        self.connections = 0
        self._loop = loop
        self._slots = slots
        self._silence = silence
        self._running: dict[Statement, None] = {}
        self._queue: deque[Statement] = deque()
        self._held: list[Statement] = []  # would have ended while it hung

    def run(self, process: Process, seconds: float) -> None:
        """
        Run a statement, when a slot is free.

        The process is woken at its end with the seconds that it waited, or with a `Fault`.
        """
        statement = Statement(process, seconds, self._loop.now())
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
        statement.process.wake(statement.waited)

    def _lose_later(self, statements: list[Statement]) -> None:
        """Have the clients find that nobody answers, if it still hangs then."""

        def found() -> None:
            if self.condition is Condition.HUNG:
                self._lose(statements)

        self._loop.call_at(self._loop.now() + self._silence, found)

    def _lose(self, statements: list[Statement]) -> None:
        for statement in statements:
            if statement in self._queue:
                self._queue.remove(statement)
            elif statement in self._running:
                del self._running[statement]
            else:
                continue
            statement.process.wake(Fault.LOST)

    def change(self, condition: Condition, speed: float = 1.0) -> None:
        """Become that, at that *speed*."""
        if condition is Condition.UP and self.condition is Condition.DRAINING:
            self.life += 1  # it is its successor
        self.condition, self.speed = condition, speed
        everyone = [*self._running, *self._queue]
        if condition is Condition.DEAD:
            self.life += 1
            self._lose(everyone)
        elif condition is Condition.HUNG:
            self._lose_later(everyone)
        else:
            held, self._held = self._held, []
            for statement in held:
                self._end(statement)
            self._fill()
