"""
Work that may be left where it waits, and gone on with by another thread.

A coroutine is a generator that yields what it waits for, and does so only where nothing is lost if
nobody comes back for a while: between two messages, not in the middle of one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Generic, TypeAlias, TypeVar

Got = TypeVar("Got")

#: Waits for at most so many seconds (None: without limit); False if there is more to wait for.
Wait: TypeAlias = Callable[[float | None], bool]
Coroutine: TypeAlias = Generator[Wait, None, Got]


class Overdue(Exception):
    """A task has waited for as long as it was given."""


class Task(Generic[Got]):
    """A coroutine, which one thread after the other may run."""

    __slots__ = ("_coroutine", "_wait")

    def __init__(self, coroutine: Coroutine[Got]):
        """Do nothing yet."""
        self._coroutine = coroutine
        self._wait: Wait | None = None

    def run(self, patience: float | None = None) -> Got:
        """
        Go on until it has ended, and return what it returns.

        Args:
            patience: Seconds to wait at most, over all that is waited for; None: without limit.

        Raises:
            Overdue: They are over. `run` may be called again, by any thread.
            BaseException: What the coroutine raised, which has ended then; or a signal handler,
                while it waited: it has not ended.
        """
        while True:
            if self._wait is not None:
                start = time.monotonic()
                if not self._wait(patience):
                    raise Overdue
                if patience is not None:
                    patience = max(0.0, patience - (time.monotonic() - start))
            self._wait = None
            try:
                self._wait = next(self._coroutine)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # the type of a StopIteration's

    @property
    def waiting(self) -> bool:
        """Was it left where it waits?"""
        return self._wait is not None

    def close(self) -> None:
        """End it where it waits; it closes what it has opened."""
        self._coroutine.close()


def run(coroutine: Coroutine[Got]) -> Got:
    """Run *coroutine* to its end, here."""
    try:
        return Task(coroutine).run()
    finally:
        coroutine.close()  # where a signal handler raised while it waited
