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

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .coroutine import Coroutine, Got, run
from .interruption import queue_get, start_thread

_LOOK = 0.05  # seconds between two looks whether a thread still waits for a ticket, at least


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
    return run(in_thread(work, seconds, name, late))


def in_thread(
    work: Callable[[], Got], seconds: float | None, name: str, late: str
) -> Coroutine[Got]:
    """As `run_with_timeout`; while a ticket is waited for, a wait does not end before that."""
    ended: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
    found: list[tuple[bool, Any]] = []
    end = None if seconds is None else time.monotonic() + seconds

    def begin() -> None:
        try:
            ended.put((True, work()))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            ended.put((False, error))

    def wait(patience: float | None) -> bool:
        while True:
            left = None if end is None else max(0.0, end - time.monotonic())
            most = min((each for each in (left, patience) if each is not None), default=None)
            with suppress(queue.Empty):
                found.append(queue_get(ended, most))
            if found or most == left:
                return True
            if not is_waiting_for_kdc(thread):
                return False
            patience = max(_LOOK, patience or 0.0)

    thread = threading.Thread(target=begin, name=name, daemon=True)
    try:
        start_thread(thread)
    except RuntimeError:  # no thread can be started: rather without a limit than not at all
        return work()
    yield wait
    if not found:
        raise TimeoutError(late)
    well, got = found.pop()
    if not well:
        raise got
    return got  # type: ignore[no-any-return]  # it comes out of a queue


_WAITING: set[int] = set()
os.register_at_fork(after_in_child=_WAITING.clear)  # a thread of the child may get the same number


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
