"""
How far opening a connection has come, for who wants to watch it.

`impala-ha doctor` tells which layer is wrong by watching what `connect()` does, and not by doing
the like of it.  So the rooms that open connections say here what is behind them; mostly nobody
listens, and who does hears of the steps of its own thread only.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class Step(enum.Enum):
    """What has been done, and what comes with it."""

    TICKET = "a first Kerberos token was made"
    RESOLVED = "the addresses are known, as getaddrinfo tells them"
    TRYING = "this address is going to be tried"
    CONNECTED = "it took the connection"
    SECURED = "TLS is established on this socket"
    LOGGED_IN = "SASL is through"
    SESSION = "OpenSession was answered"


Watcher = Callable[[Step, Any], None]

_WATCHER: ContextVar[Watcher | None] = ContextVar("_WATCHER", default=None)


def passed(step: Step, what: Any = None) -> None:
    """Tell who watches that *step* is behind us."""
    watcher = _WATCHER.get()
    if watcher is not None:
        watcher(step, what)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """In here, let *watcher* hear of the steps of this thread."""
    before = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(before)
