"""
Waiting for a library that knows no limit.

The system's resolver and the Kerberos library block for as long as they like (half a minute for
a KDC that hangs), and neither can be told to stop.  So they work in a thread, which is left
behind where it takes too long: it holds nothing that anybody waits for.  Where no thread can be
started they work in the caller's.

Who waits for a ticket has not come as far as a coordinator, and it is no use to ask a second one
meanwhile: such a thread is `waiting_for_kdc`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from .interruption import queue_get, start_thread

Got = TypeVar("Got")


def run_with_timeout(work: Callable[[], Got], seconds: float | None, name: str, late: str) -> Got:
    """
    What *work* returns, or raises, if it does so in time.

    Args:
        work: What may block.
        seconds: How long it may; None: for ever.
        name: What it does, as the name of its thread.
        late: What to say when it took longer.

    Raises:
        TimeoutError: With the words of *late*.
    """
    ended: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            ended.put((True, work()))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            ended.put((False, error))

    try:
        start_thread(threading.Thread(target=run, name=name, daemon=True))
    except RuntimeError:  # no thread can be started: rather without a limit than not at all
        return work()
    try:
        well, got = queue_get(ended, seconds)
    except queue.Empty:
        raise TimeoutError(late) from None
    if not well:
        raise got
    return got  # type: ignore[no-any-return]  # it comes out of a queue


_WAITING: set[int] = set()


@contextmanager
def waiting_for_kdc() -> Iterator[None]:
    """In here, this thread waits for somebody whom every coordinator would have it wait for."""
    me = threading.get_ident()
    _WAITING.add(me)
    try:
        yield
    finally:
        _WAITING.discard(me)


def is_waiting_for_kdc(thread: threading.Thread) -> bool:
    """Does *thread* wait `waiting_for_kdc`?"""
    return thread.ident in _WAITING
