"""
A gate that keeps calls into a C library with locks and forks of the process apart.

libkrb5 guards its caches and its random numbers with locks.  A child that is forked while
another thread holds one of them waits for it for ever.  So a fork waits until such calls have
ended, and new calls wait for the fork.  A call of more than a second waits for the network and
holds no lock, so the fork does not wait for it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_LONG = 1.0  # seconds
#: This process, by its id: each call looks whether it is a child, and `os.getpid` asks the system.
process_id = os.getpid()


class Gate:
    """Calls pass through it; it is closed while the process forks."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again: in a child no call is under way."""
        # A signal handler may fork in the middle of `passing`, in the same thread.
        self._changed = threading.Condition(threading.RLock())
        self._since: dict[int, float] = {}  # by thread
        self._forking: int | None = None

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Around one call; one within another passes, for a fork waits for the outer one."""
        changed, since, call = self._changed, self._since, threading.get_ident()
        if call in since:
            yield
            return
        with changed:
            changed.wait_for(lambda: self._forking in (None, call))
            since[call] = time.monotonic()
        try:
            yield
        finally:
            with changed:
                del since[call]
                changed.notify_all()

    def close(self) -> None:
        """Let no call begin, and wait for the calls that began less than a second ago."""
        self._changed.acquire()
        self._changed.wait_for(lambda: self._forking is None)
        self._forking = threading.get_ident()
        while (left := max(self._since.values(), default=0.0) + _LONG - time.monotonic()) > 0:
            self._changed.wait(left)

    def reopen(self) -> None:
        """Go on in the process that has forked."""
        self._forking = None
        self._changed.notify_all()
        self._changed.release()


GATE = Gate()
os.register_at_fork(before=GATE.close, after_in_parent=GATE.reopen, after_in_child=GATE.reset)


def _in_child() -> None:
    global process_id  # noqa: PLW0603
    process_id = os.getpid()


os.register_at_fork(after_in_child=_in_child)
