"""
Two opens at once, when the first one is slow.

The first is opened in the caller's thread.  Once it was waited for for a short time, a thread goes
on with it, another one tries the next coordinator, and the first answer wins.  The loser is closed
by the thread that opened it, and its result, good or bad, is reported, so that nothing is leaked:
neither session, socket nor thread.  The end of the program waits for it, but not for long.
"""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from thrift.transport.TTransport import TTransportException

from impala_ha import errors
from impala_ha.core.coroutine import Coroutine, Overdue, Task
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.model import Coordinator
from impala_ha.hs2.link import Link, at_exit


@dataclass(frozen=True, slots=True)
class OpenResult:
    """
    How opening one link ended.

    Attributes:
        coordinator: The one that was tried.
        got: The link, or what was raised.
    """

    coordinator: Coordinator
    got: Link | Exception


class Results(Protocol):
    """A queue of results."""

    def put(self, value: OpenResult) -> None:
        """Append *value*."""

    def get(self) -> OpenResult:
        """The next one; waits for it."""


class Event(Protocol):
    """As far as we need it, `threading.Event`."""

    def set(self) -> object:
        """Let all go on who wait."""

    def wait(self) -> object:
        """Wait until it is set."""


class Threads:
    """
    What opens go on in: threads.

    Attributes:
        results: Makes a queue.
        event: Makes an event.
    """

    results: Callable[[], Results] = queue.SimpleQueue
    event: Callable[[], Event] = threading.Event

    def start(self, name: str, work: Callable[[], None]) -> RuntimeError | None:
        """Do *work* in a thread of that *name*; why not, if it cannot be done."""
        thread = threading.Thread(target=work, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # a container's limit, or the program is about to end
            return error
        _OPENING.add(thread)
        return None


THREADS = Threads()


class Hedge:
    """One hedged open; used once."""

    def __init__(
        self,
        open_link: Callable[[Coordinator], Coroutine[Link]],
        late: Callable[[OpenResult], None],
        threads: Threads = THREADS,
    ):
        """
        Args:
            open_link: Opens a link to a coordinator.
            late: Gets the loser's result, in its thread, after it was closed.
            threads: Where opens go on; a simulation has others.
        """
        self._open_link = open_link
        self._late = late
        self._threads = threads
        self._results = threads.results()
        self._asked: set[Coordinator] = set()
        self._taken: set[Coordinator] = set()  # those whose results were returned
        self._over = threads.event()

    def run(
        self, first: Coordinator, after: float, second: Callable[[], Coordinator | None]
    ) -> list[OpenResult]:
        """
        Open a link to *first*, or to *second* as well if it is waited for *after* seconds.

        The time that it takes to get a ticket does not count: every coordinator wants it.

        Args:
            first: The coordinator that is asked first.
            after: Seconds, after which *second* is called, and again while it returns None.
            second: Returns the other coordinator: None for none yet, *first* for none at all.

        Returns:
            What ended, in order: failures, then the link if there is one.
        """
        opening = Task(self._open_link(first))
        patience: float | None = after
        try:
            while True:
                try:
                    return [opened(first, partial(opening.run, patience))]
                except Overdue:
                    other = second()
                if other is None:
                    continue
                if other != first:
                    error = self._start(first, opening) or self._start(other)
                    if error is None:
                        return self._race(first, after, second)
                    self._late(OpenResult(other, error))
                    if self._asked:
                        return [self._take()]
                patience = None
        except BaseException:  # Ctrl-C, for example
            self._taken.clear()  # they are returned to nobody
            if opening.waiting and not self._asked and self._start(first, opening):
                opening.close()
            raise
        finally:
            self._over.set()

    def _take(self) -> OpenResult:
        result = self._results.get()
        self._taken.add(result.coordinator)
        return result

    def _race(
        self, first: Coordinator, after: float, second: Callable[[], Coordinator | None]
    ) -> list[OpenResult]:
        ended = [self._take()]
        while _had_no_ticket(ended[-1]) and ended[-1].coordinator != first:
            other = second()  # for which there may be one
            if other is None or other in self._asked or self._start(other):
                break
            ended.append(self._take())
        if isinstance(ended[-1].got, Exception):
            return [*ended, self._take()]
        winner = ended[-1].coordinator
        if winner == first:
            return ended
        slow = TTransportException(
            TTransportException.TIMED_OUT,
            f"no answer within {after:g} s, and {winner} answered meanwhile",
        )
        slow.overtaken = True  # by one that was asked with the same options
        return [*ended[:-1], OpenResult(first, CallFailed(Phase.OPEN, slow)), ended[-1]]

    def _start(
        self, coordinator: Coordinator, opening: Task[Link] | None = None
    ) -> RuntimeError | None:
        """Open a link in a thread, or go on with *opening* there; why not, if it cannot be done."""
        opening = opening or Task(self._open_link(coordinator))
        error = self._threads.start(
            f"open {coordinator}", partial(self._open, coordinator, opening)
        )
        if error is None:
            self._asked.add(coordinator)
        return error

    def _open(self, coordinator: Coordinator, opening: Task[Link]) -> None:
        """Open a link, and close it if it lost: only this thread waits for that."""
        result = _result(coordinator, opening)
        self._results.put(result)
        self._over.wait()
        if coordinator in self._taken:
            return
        # An error in the old one would keep itself alive, and all this.
        self._results = self._threads.results()
        if isinstance(result.got, Link):
            result.got.close()
        self._late(result)


def _result(coordinator: Coordinator, opening: Task[Link]) -> OpenResult:
    """How opening a link ends; a frame of its own, which no traceback finds an error in."""
    try:
        return OpenResult(coordinator, opening.run())
    except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
        return OpenResult(coordinator, error)


def opened(coordinator: Coordinator, open_link: Callable[[], Link]) -> OpenResult:
    """
    How *open_link* ends, in the caller's thread.

    Raises:
        BaseException: What is no coordinator's, or a signal handler's.
    """
    try:
        return OpenResult(coordinator, open_link())
    except (CallFailed, errors.Error) as error:
        if from_signal_handler(error):
            raise
        return OpenResult(coordinator, error)


def _had_no_ticket(result: OpenResult) -> bool:
    """Did it fail before the coordinator was touched?"""
    return isinstance(result.got, CallFailed) and result.got.phase is Phase.TICKET


_OPENING: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


def _see_off(end: float) -> None:
    """
    Let losers be closed before the program ends, until *end*.

    Since Impala 3.3 a session outlives its connection by a quarter of an hour.
    """
    for thread in list(_OPENING):
        thread.join(max(0.0, end - time.monotonic()))


at_exit.append(_see_off)
