"""
Two opens at once, when the first one takes its time.

No answer to OpenSession within a short time starts one try at the next coordinator as well; the
first answer wins.  The loser is closed by the thread that opened it, and its answer, good or bad,
is told to whoever asked, so that nothing is leaked: neither session, socket nor thread.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from thrift.transport.TTransport import TTransportException

from ._faults import Phase
from ._link import Link
from ._model import Coordinator
from ._patience import is_at_home
from ._wire import CallFailed


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How opening one link ended.

    Attributes:
        coordinator: Where it was to lead.
        got: The link, or what was raised.
    """

    coordinator: Coordinator
    got: Link | Exception


class Hedge:
    """One hedged open; used once."""

    def __init__(
        self,
        open_link: Callable[[Coordinator], Link],
        late: Callable[[Outcome], None],
    ):
        """
        Args:
            open_link: Opens a link to a coordinator; called in a thread.
            late: Is told of the loser's outcome, in its thread, once it has been closed.
        """
        self._open_link = open_link
        self._late = late
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._over = False

    def run(
        self, first: Coordinator, after: float, second: Callable[[], Coordinator]
    ) -> list[Outcome]:
        """
        Open a link to *first*, or to *second* as well if that takes more than *after* seconds.

        The time that it takes to get a ticket does not count: every coordinator wants it.

        Returns:
            What ended, in order: failures, then the link if there is one.
        """
        try:
            thread = self._start(first)
            while True:
                with suppress(queue.Empty):
                    return [self._outcomes.get(timeout=after)]
                if not is_at_home(thread):
                    break
            other = second()
            if other == first:
                return [self._outcomes.get()]
            self._start(other)
            return self._race(first, after)
        finally:
            self._end()

    def _race(self, first: Coordinator, after: float) -> list[Outcome]:
        ended = [self._outcomes.get()]
        if isinstance(ended[0].got, Exception):
            return [*ended, self._outcomes.get()]
        winner = ended[0].coordinator
        if winner == first:
            return ended
        slow = TTransportException(
            TTransportException.TIMED_OUT,
            f"no answer within {after:g} s, and {winner} answered meanwhile",
        )
        return [Outcome(first, CallFailed(Phase.OPEN, slow)), *ended]

    def _start(self, coordinator: Coordinator) -> threading.Thread:
        thread = threading.Thread(
            target=self._open, args=(coordinator,), name=f"open {coordinator}", daemon=True
        )
        thread.start()
        return thread

    def _open(self, coordinator: Coordinator) -> None:
        try:
            outcome = Outcome(coordinator, self._open_link(coordinator))
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            outcome = Outcome(coordinator, error)
        with self._lock:
            if not self._over:
                self._outcomes.put(outcome)
                return
        self._lost(outcome)

    def _end(self) -> None:
        """From here on nobody waits; what came in between is lost like what comes later."""
        with self._lock:
            self._over = True
        while not self._outcomes.empty():
            self._lost(self._outcomes.get())

    def _lost(self, outcome: Outcome) -> None:
        if isinstance(outcome.got, Link):
            outcome.got.close()
        self._late(outcome)
