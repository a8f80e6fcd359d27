"""
Who watches the calls of all connections of this process.

`impala_ha.opentelemetry` and `impala_ha.prometheus` do.  What an observer raises is logged, and
changes nothing of the call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from . import logs
from .forks import GATE
from .interruption import from_signal_handler

if TYPE_CHECKING:
    from .events import Event
    from .model import Attempt

Got = TypeVar("Got")


class ObservedCall(Protocol):
    """
    What is known of a call.

    Attributes:
        operation: ``"connect"``, ``"execute"``, ``"fetchall"``, ...
        proof: Whether it asks for new work, and does not only read a result.
        request_id: With which its statement is sent over HTTP; an observer may set it.
    """

    operation: str
    proof: bool
    request_id: str

    @property
    def text(self) -> str:
        """The SQL of its statement, with the values in it; empty: it has none."""

    @property
    def database(self) -> str | None:
        """That of the session."""

    @property
    def query_id(self) -> str | None:
        """Of the statement, as Impala prints it; None while it is not known."""

    @property
    def tag(self) -> str | None:
        """The tag of the write that was sent; None for none."""


class Observer(Protocol):
    """What watches calls; its methods are called in the thread of the call, outside of locks."""

    def started(self, call: ObservedCall) -> object:
        """A call begins; what is returned is given to `ended`."""

    def ended(
        self,
        started: object,
        call: ObservedCall,
        attempts: Sequence[Attempt],
        error: BaseException | None,
    ) -> None:
        """It has ended, after those attempts, with *error* or without."""

    def happened(self, event: Event) -> None:
        """Something happened to a coordinator or a statement of any connection."""


_observers: tuple[Observer, ...] = ()
_here = threading.local()


def add(observer: Observer) -> None:
    """Let *observer* watch from the next call on."""
    global _observers  # noqa: PLW0603
    _observers = (*_observers, observer)


def remove(observer: Observer) -> None:
    """Let it watch no longer."""
    global _observers  # noqa: PLW0603
    _observers = tuple(each for each in _observers if each is not observer)


@contextmanager
def unobserved() -> Iterator[None]:
    """A block in which nobody is told what this thread does: it simulates."""
    before, _here.simulates = getattr(_here, "simulates", False), True
    try:
        yield
    finally:
        _here.simulates = before


def _watching() -> tuple[Observer, ...]:
    return () if getattr(_here, "simulates", False) else _observers


def started(call: ObservedCall) -> list[tuple[Observer, object]]:
    """Tell all that *call* begins; to be given to `ended`."""
    return [(each, _safely(partial(each.started, call))) for each in _watching()]


def ended(
    watching: Sequence[tuple[Observer, object]],
    call: ObservedCall,
    attempts: Sequence[Attempt],
    error: BaseException | None,
) -> None:
    """Tell those who watched the beginning of *call* that it has ended."""
    for each, seen in reversed(watching):
        _safely(partial(each.ended, seen, call, attempts, error))


def happened(event: Event) -> None:
    """Tell all of *event*."""
    for each in _watching():
        _safely(partial(each.happened, event))


def _safely(act: Callable[[], Got]) -> Got | None:
    try:
        with GATE.passing():  # a metric may have a lock
            return act()
    except Exception as error:
        if from_signal_handler(error):
            raise
        logs.warning("an observer of calls raised %s: %s", type(error).__name__, error)
        return None
