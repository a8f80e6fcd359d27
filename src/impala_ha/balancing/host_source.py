"""
Where the coordinators of a cluster come from, and when that is looked at again.

A source is asked in the time of a caller who opens a connection or sends a statement; one caller at
a time asks, and the others go on with the list there is.  Some know no limit (a file server that
hangs, a function), so each look has a thread, which is left behind where it takes too long.
"""

from __future__ import annotations

import os
import random
import weakref
from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from contextvars import copy_context
from dataclasses import astuple
from typing import Protocol

from impala_ha.core import logs
from impala_ha.core.forks import GATE
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.model import Coordinator
from impala_ha.core.timeouts import run_with_timeout
from impala_ha.errors import NoCoordinatorLeft

from .members import Members

_JITTER = 0.2  # of an interval, so that the clients do not all ask at the same moment
_HURRY = 2.0  # seconds between two looks while no coordinator is healthy: they may have moved
_LIMIT = 2.0  # seconds that a caller waits for a source, once there is a list
_OWN = 0.9  # of the time that it is waited for, so that one with a limit can say what is wrong


class HostSource(Protocol):
    """
    Where coordinators come from.

    Attributes:
        interval: Seconds after which the list is looked at again, up to a fifth more.
        key: The same for sources that always name the same coordinators.
        remedy: What to look at where it names nobody.
    """

    interval: float
    remedy: str

    @property
    def key(self) -> Hashable:
        """See above."""

    def resolve(self, limit: float) -> Sequence[Coordinator]:
        """
        The coordinators of now, each once, found within *limit* seconds where that is in its hands.

        Raises:
            Exception: They could not be found; any kind counts, and its text says why.
        """

    def __str__(self) -> str:
        """As it was given, for messages."""


def resolved(source: HostSource, limit: float) -> tuple[Coordinator, ...]:
    """
    The first answer of *source*, within *limit* seconds.

    Raises:
        NoCoordinatorLeft: There is none, and nothing to go on with.
    """
    try:
        found = _within(source, limit)
    except Exception as error:
        if from_signal_handler(error):
            raise
        raise _nobody(source, str(error) or type(error).__name__) from error
    if not found:
        raise _nobody(source, "its answer is empty")
    return found


_ASKED: weakref.WeakKeyDictionary[HostSource, int] = weakref.WeakKeyDictionary()


def _within(source: HostSource, limit: float) -> tuple[Coordinator, ...]:
    """What *source* says, unless it is late, or still at the last question in this process."""
    if _ASKED.get(source) == os.getpid():
        raise TimeoutError("it has not answered the last question yet")
    _ASKED[source] = os.getpid()

    def ask() -> tuple[Coordinator, ...]:
        try:
            with GATE.passing():  # it may be a library with locks
                return tuple(source.resolve(_OWN * limit))
        finally:
            _ASKED.pop(source, None)

    context = copy_context()  # of the caller, for a function of the caller's
    late = f"it did not answer within {limit:g} s"
    return run_with_timeout(lambda: context.run(ask), limit, f"ask {source}", late)


def _nobody(source: HostSource, reason: str) -> NoCoordinatorLeft:
    return NoCoordinatorLeft(f"{source} names no coordinator: {reason} ({source.remedy})")


class Schedule:
    """When a source is asked again, and what it says then."""

    def __init__(self, source: HostSource, now: float, rng: random.Random):
        self.source = source
        self._rng = rng
        self._failing = False
        self._asked(now)

    def _asked(self, now: float) -> None:
        jitter = 1 + self._rng.uniform(0, _JITTER)
        self._due = now + self.source.interval * jitter
        self._urgent = now + min(_HURRY, self.source.interval) * jitter

    def refresh(
        self, members: Members, lock: AbstractContextManager[object], now: float, left: float
    ) -> None:
        """
        Ask it and give *members* what it says, if that is due and no other caller does.

        A source that fails, or names nobody, changes nothing.  It may take two seconds.

        Args:
            members: Of the cluster.
            lock: Held where they are looked at or changed, and not while the source is asked.
            now: Seconds of the clock.
            left: Seconds that the caller has left.
        """
        if now < self._urgent or left <= 0:
            return
        with lock:
            if now < (self._due if members.is_healthy(now) else self._urgent):
                return
            self._asked(now)
        if found := self._ask(members.coordinators, min(left, _LIMIT)):
            with lock:
                members.replace(found)

    def _ask(self, before: tuple[Coordinator, ...], limit: float) -> tuple[Coordinator, ...]:
        """
        What the source says, where that is not what it was *before*; else empty.

        A failure changes nothing, and is logged once.
        """
        try:
            found = resolved(self.source, limit)
        except NoCoordinatorLeft as error:
            log = logs.debug if self._failing else logs.warning
            log("%s; those of before stay", logs.brief(str(error)), extra={"state": "hosts"})
            self._failing = True
            return ()
        self._failing = False
        if list(map(astuple, found)) == list(map(astuple, before)):
            return ()
        come = [f"+{each}" for each in found if each not in before]
        gone = [f"-{each}" for each in before if each not in found]
        what = " ".join(come + gone) or "order or weights"
        logs.info("%s changed: %s", self.source, what, extra={"state": "hosts"})
        return found
