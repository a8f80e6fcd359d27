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


Tracer = Callable[[Step, Any], None]

_TRACER: ContextVar[Tracer | None] = ContextVar("_TRACER", default=None)


def trace(step: Step, what: Any = None) -> None:
    """Tell who watches that *step* is behind us."""
    tracer = _TRACER.get()
    if tracer is not None:
        tracer(step, what)


@contextmanager
def tracing(tracer: Tracer) -> Iterator[None]:
    """In here, let *tracer* hear of the steps of this thread."""
    before = _TRACER.set(tracer)
    try:
        yield
    finally:
        _TRACER.reset(before)
