"""
What happened to coordinators and statements, for a callable of the program: ``on_event=``.

Each event is told once to each callable, by the thread that met it and outside of all locks.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass

from . import logs, observers
from .faults import Fault
from .interruption import from_signal_handler
from .model import Attempt, Coordinator

__all__ = [
    "Back",
    "Ejected",
    "Event",
    "FailedOver",
    "Hedged",
    "OutcomeLost",
    "Reattached",
]


def __dir__() -> list[str]:
    return __all__


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    Something that happened: each is one of the other classes.

    Attributes:
        coordinator: To which coordinator.
        seconds: How long it takes, or has taken: see each class.
        tag: The tag of the write that met it, as `statement_tag` has it sent; None for a read, or
            where nothing was sent yet.
    """

    coordinator: Coordinator
    seconds: float
    tag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ejected(Event):
    """
    A coordinator is left alone for so many *seconds*, since it failed or shuts down.

    Told once, and not again for each trial that fails.

    Attributes:
        reason: What its failure means and how far the call had come.
        draining: Whether it said that it shuts down.
        options: For connections with those options alone; empty: for all.
    """

    reason: str
    draining: bool = False
    options: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Back(Event):
    """A coordinator answers again, *seconds* after it was ejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedOver(Event):
    """
    A call went on at *coordinator*, *seconds* after its first failure at another one.

    Attributes:
        operation: The call: ``"connect"``, ``"execute"``, ``"fetchall"``, ...
        lost: The coordinator that failed last.
    """

    operation: str
    lost: Coordinator


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedged(Event):
    """
    *coordinator* was slow to open a connection: after *seconds* another one was asked as well.

    Attributes:
        other: The other one.
        answered: Which of them was taken; None if none.
    """

    other: Coordinator
    answered: Coordinator | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reattached(Event):
    """
    A connection broke and was made anew to the same coordinator, which took *seconds*.

    Its sessions and statements go on.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeLost(Event):
    """
    `OutcomeUnknown` was raised for a write, *seconds* after the call began.

    Told once for each statement.

    Attributes:
        operation: The call.
        query_id: As Impala's pages print it; None if its answer was lost.
    """

    operation: str
    query_id: str | None


Listener = Callable[[Event], object]


class Events:
    """
    The events of one connection, for its callable, which cannot disturb it.

    Attributes:
        listener: The callable; None for none.
        tag: That of the write of the call that is under way; None for none.
    """

    def __init__(self, listener: Listener | None):
        self.listener = listener
        self.tag: str | None = None

    def tell(self, event: Event) -> None:
        """Give the observers and the callable an *event* of this connection alone."""
        observers.happened(event)
        self.hear(event)

    def hear(self, event: Event) -> None:
        """Give the callable *event*; what it raises is logged."""
        if self.listener is None:
            return
        try:
            self.listener(event)
        except Exception as error:
            if from_signal_handler(error):
                raise
            name = type(event).__name__
            logs.warning("on_event raised %s at %s: %s", type(error).__name__, name, error)


class Listeners:
    """The log and the connections of a cluster, which hear who is ejected and who is back."""

    def __init__(self) -> None:
        self._all: tuple[weakref.ref[Events], ...] = ()
        self._since: dict[Coordinator, float] = {}

    def add(self, events: Events) -> None:
        """Tell *events* as long as they are there.  To be called under the cluster's lock."""
        alive = (each for each in self._all if each() is not None)
        self._all = (*alive, weakref.ref(events))

    def ejected(self, attempt: Attempt, seconds: float, options: str, now: float) -> None:
        """A coordinator was ejected after *attempt*."""
        event = Ejected(
            coordinator=attempt.coordinator,
            seconds=seconds,
            tag=attempt.tag,
            reason=attempt.reason,
            draining=attempt.fault is Fault.DRAINING,
            options=options,
        )
        self._ejected(event, f"it {attempt.reason}: {logs.brief(attempt.text)}", now)

    def found_elsewhere(
        self, where: Coordinator, seconds: float, options: str, reason: str, now: float
    ) -> None:
        """A coordinator is ejected for so many seconds, as another process has found."""
        event = Ejected(
            coordinator=where,
            seconds=seconds,
            reason=f"another process of this machine found that it {reason}",
            draining=reason == Fault.DRAINING.label,
            options=options,
        )
        self._ejected(event, event.reason, now)

    def _ejected(self, event: Ejected, why: str, now: float) -> None:
        where, options = event.coordinator, event.options
        state = "draining" if event.draining else "ejected"
        about = {"coordinator": where, "state": state, "options": options}
        whose = f" for connections with {options}" if options else ""
        logs.warning(
            "%s is ejected for %.1f s%s: %s", where, event.seconds, whose, why, extra=about
        )
        self._since.setdefault(where, now)
        self._tell(event)

    def back(self, coordinator: Coordinator, now: float, tag: str | None = None) -> None:
        """A coordinator that was ejected answers."""
        logs.info("%s is back", coordinator, extra={"coordinator": coordinator, "state": "healthy"})
        out = now - self._since.pop(coordinator, now)
        self._tell(Back(coordinator=coordinator, seconds=out, tag=tag))

    def _tell(self, event: Event) -> None:
        observers.happened(event)
        told: list[Listener | None] = []
        for each in self._all:
            events = each()
            if events is not None and events.listener not in told:
                told.append(events.listener)
                events.hear(event)


for _public in (Event, Ejected, Back, FailedOver, Hedged, Reattached, OutcomeLost):
    _public.__module__ = "impala_ha.events"  # where to import them from, as messages show it
