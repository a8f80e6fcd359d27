"""
A gate that keeps calls into code with locks of its own and forks of the process apart.

libkrb5 guards its caches and its random numbers with locks, the name service its configuration,
an exporter of metrics its counters, and Python each module that is being imported.  A child that is
forked while another thread holds one of them waits for it for ever.  So a fork waits until such
calls have ended, and new calls wait for the fork.  A call of more than a second waits for the
network and holds no lock, so the fork does not wait for it; an import may read a slow disk.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

_LONG, _LONG_IMPORT = 1.0, 10.0  # seconds
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
        self._until: dict[int, float] = {}  # a fork waits for the call of a thread
        self._forking: int | None = None

    @contextmanager
    def passing(self, longest: float = _LONG) -> Iterator[None]:
        """
        Around one call; one within another passes, for a fork waits for the outer one.

        Args:
            longest: Seconds that a fork waits for it, from its begin.
        """
        changed, until, call = self._changed, self._until, threading.get_ident()
        if call in until:
            yield
            return
        with changed:
            changed.wait_for(lambda: self._forking in (None, call))
            until[call] = time.monotonic() + longest
        try:
            yield
        finally:
            with changed:
                del until[call]
                changed.notify_all()

    def close(self) -> None:
        """Let no call begin, and wait for those of other threads, as long as each of them says."""
        self._changed.acquire()
        self._changed.wait_for(lambda: self._forking is None)
        self._forking = me = threading.get_ident()
        # A signal handler may fork in the middle of a call of this thread.
        while others := [end for call, end in self._until.items() if call != me]:
            if (left := max(others) - time.monotonic()) <= 0:
                break
            self._changed.wait(left)

    def reopen(self) -> None:
        """Go on in the process that has forked."""
        self._forking = None
        self._changed.notify_all()
        self._changed.release()


GATE = Gate()


def importing() -> AbstractContextManager[None]:
    """Around an import in a function, which another thread may be in when the process forks."""
    return GATE.passing(_LONG_IMPORT)


def _in_child() -> None:
    global process_id  # noqa: PLW0603
    process_id = os.getpid()


os.register_at_fork(before=GATE.close, after_in_parent=GATE.reopen, after_in_child=GATE.reset)
os.register_at_fork(after_in_child=_in_child)
