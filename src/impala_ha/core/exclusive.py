"""
PEP 249's threadsafety 1: a second thread gets an error at once, and not mixed-up answers.

Only `close` and `cancel_operation` may be called by another thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from impala_ha import errors

from . import forks


def fork_error(owner: int) -> errors.InterfaceError:
    """The error for a forked process that uses a connection of process *owner*."""
    return errors.InterfaceError(
        f"this connection belongs to process {owner}; "
        f"a forked process ({forks.process_id}) must connect for itself"
    )


class Exclusive:
    """
    A block for one thread at a time; a second one gets an error and does not wait.

    Attributes:
        afterwards: Called once, by the next thread that leaves the block; None for nothing.
    """

    def __init__(self) -> None:
        self.afterwards: Callable[[], None] | None = None
        self._lock = threading.RLock()
        self._process = forks.process_id

    @property
    def held(self) -> bool:
        """Is this thread in the block?"""
        return bool(self._lock._is_owned())  # type: ignore[attr-defined]  # noqa: SLF001 - as threading.Condition

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            if self._process != forks.process_id:
                raise fork_error(self._process)
            raise errors.InterfaceError(
                "another thread is using this connection; open one per thread (threadsafety is 1)"
            )

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if self.afterwards is not None:
            self.run_if_free(lambda: None)

    def run_if_free(self, work: Callable[[], None]) -> bool:
        """Call *work* unless another thread is in the block; return whether it was called."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            afterwards, self.afterwards = self.afterwards, None
            if afterwards is not None:
                afterwards()
            work()
        finally:
            self._lock.release()
        return True
