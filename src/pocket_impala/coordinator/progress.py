"""Where one query stands, and what went wrong.

    INITIALIZED --> RUNNING --> FINISHED
                       |           |
                       +--> ERROR <+     (a failure, a cancel; there is no other way out)

FINISHED means that rows can be fetched, as in Impala.  Of everything that can go wrong the first
error is kept.
"""

from __future__ import annotations

import enum
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class QueryState(enum.Enum):
    """Where a query stands."""

    INITIALIZED = enum.auto()
    RUNNING = enum.auto()
    FINISHED = enum.auto()
    ERROR = enum.auto()


_OVER = {QueryState.FINISHED, QueryState.ERROR}


class Progress:
    """The state of one query, which several threads change and wait for.

    Args:
        tell: Puts an error into the words that a client reads.
    """

    def __init__(self, tell: Callable[[str], str]) -> None:
        self._tell = tell
        self._state = QueryState.INITIALIZED
        self._error = ""
        self._changed = threading.Condition()

    @property
    def state(self) -> QueryState:
        """Where the query stands."""
        return self._state

    @property
    def error(self) -> str:
        """What went wrong, as Impala says it; "" while nothing did."""
        return self._error

    def begin(self) -> None:
        """Say that the work begins."""
        with self._changed:
            if self._state is QueryState.INITIALIZED:
                self._state = QueryState.RUNNING

    def finish(self, note: Callable[[], None]) -> bool:
        """Say that rows are there, unless the query has failed; return whether it is so.

        Args:
            note: Writes it down; called before anybody can know.
        """
        with self._changed:
            if self._state is not QueryState.RUNNING:
                return False
            note()
            self._state = QueryState.FINISHED
            self._changed.notify_all()
            return True

    def fail(self, text: str, *, exact: bool = False) -> None:
        """Say that the query has failed, unless somebody has said so before.

        Args:
            text: What went wrong.
            exact: Whether clients read just that, without the query id in front.
        """
        with self._changed:
            if self._state is not QueryState.ERROR:
                self._error = text if exact else self._tell(text)
                self._state = QueryState.ERROR
            self._changed.notify_all()

    def cancel(self, text: str, *, finished: bool) -> None:
        """Say that the query was cancelled.

        Args:
            text: How Impala says it.
            finished: Whether that can still happen to one that has FINISHED.
        """
        with self._changed:
            if finished or self._state is not QueryState.FINISHED:
                self.fail(text)

    def wait(self, seconds: float | None) -> bool:
        """Wait until the query is FINISHED or ERROR; return False after *seconds* in vain."""
        with self._changed:
            return self._changed.wait_for(lambda: self._state in _OVER, seconds)
