"""
Was an exception raised by the connection, or by a signal handler?

Ctrl-C, an alarm whose handler raises, a time limit of Airflow or gevent: all of them come in the
middle of a call, and some raise what a socket raises (``TimeoutError``).  Such a call must end at
once and never be retried.
"""

from __future__ import annotations

import contextlib
import functools
import queue
import select
import signal
import struct
import threading
from collections.abc import Iterator
from http.client import HTTPException
from types import CodeType, FrameType, TracebackType
from typing import TypeVar

from impala.error import Error
from thrift.Thrift import TException

Got = TypeVar("Got")

# What a failing connection may raise, including by bugs of Thrift and impyla.
_FAILURES = (
    TException,
    OSError,
    EOFError,
    HTTPException,
    Error,
    struct.error,
    OverflowError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    TypeError,
    MemoryError,
    ImportError,
)


def is_interrupt(error: BaseException) -> bool:
    """Was *error* not raised by the connection?"""
    origin = getattr(error, "inner", None) or error
    kinds = {kind.__name__ for kind in type(origin).__mro__}
    if not isinstance(origin, _FAILURES) and "GSSError" not in kinds:
        return True
    return from_signal_handler(origin)


def from_signal_handler(error: BaseException) -> bool:
    """Was *error* raised by a signal handler written in Python?"""
    if getattr(error, _FLAG, False):
        return True
    codes = {_code(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    before: FrameType | None = None
    step = error.__traceback__
    while step is not None:
        frame = step.tb_frame
        ours = frame.f_globals.get("__name__", "").startswith(_NO_HANDLERS)
        given = before is not None and not ours and _was_given(frame, before)
        if given or frame.f_code in codes:
            _mark(error)
            return True
        before, step = frame, step.tb_next
    return False


def from_socket(error: BaseException, handle: object) -> bool:
    """
    Was *error*, which came out of a call of the socket *handle*, raised by the socket?

    If not, a signal handler has raised it: no other Python code runs in such a call.  (A socket of
    gevent or the like has Python code of its own; there the handler must be in the traceback.)
    """
    if type(handle).__module__ in _SOCKETS:
        step = error.__traceback__
        while step is not None:
            if not step.tb_frame.f_globals.get("__name__", "").startswith(_SOCKET_CODE):
                _mark(error)
                break
            step = step.tb_next
    return not is_interrupt(error)


def queue_get(answers: queue.SimpleQueue[Got], seconds: float | None = None) -> Got:
    """
    Wait for an item of *answers*, for at most *seconds* (None: without limit).

    Raises:
        queue.Empty: It took longer.
        BaseException: What a signal handler raised; nothing else can.
    """
    with _only(queue.Empty):
        return answers.get(timeout=seconds)
    raise AssertionError  # pragma: no cover - for the type checker


def poll(poller: select.poll, milliseconds: float | None) -> bool:
    """
    Wait until *poller* has something to tell.

    Returns:
        Whether it came in time.

    Raises:
        BaseException: What a signal handler raised; nothing else can.
    """
    try:
        return bool(poller.poll(milliseconds))
    except BaseException as error:
        _mark(error)
        raise


def start_thread(thread: threading.Thread) -> None:
    """
    Start *thread*.

    Raises:
        RuntimeError: The system cannot start one more.
        BaseException: What a signal handler raised.
    """
    with _only(RuntimeError):
        thread.start()


@contextlib.contextmanager
def _only(expected: type[Exception]) -> Iterator[None]:
    """The block raises only *expected*; all else was raised by a signal handler."""
    try:
        yield
    except expected:
        raise
    except BaseException as error:
        _mark(error)
        raise


class suppress(contextlib.suppress):  # noqa: N801 - named as that one
    """As `contextlib.suppress`, but what a signal handler raised is not suppressed."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """True to suppress it."""
        suppressed = super().__exit__(kind, error, traceback)
        return bool(suppressed) and not (error is not None and from_signal_handler(error))


_FLAG = "_impala_ha_interrupt"
_SOCKETS = ("socket", "ssl")
_PACKAGES = (
    "core",
    "sql",
    "balancing",
    "options",
    "net",
    "auth",
    "discovery",
    "hs2",
    "arrow",
    "failover",
    "dbapi",
)
_OURS = tuple(f"impala_ha.{name}." for name in _PACKAGES)
_NO_HANDLERS = (*_OURS, "impala_ha.dbapi", "impala.", "thrift", *_SOCKETS)
_SOCKET_CODE = (*_OURS, *_SOCKETS)


def _mark(error: BaseException) -> None:
    """Flag *error* itself: the local variables of its frames may be cleared later."""
    with contextlib.suppress(AttributeError, TypeError):  # its class has no ``__dict__``
        setattr(error, _FLAG, True)


def _was_given(frame: FrameType, before: FrameType) -> bool:
    """Is the frame *before* an argument of *frame*?  A handler gets the interrupted frame."""
    for value in frame.f_locals.values():
        if value is before or (isinstance(value, tuple) and any(v is before for v in value)):
            return True
    return False


def _code(handler: object) -> CodeType | None:
    while isinstance(handler, functools.partial):
        handler = handler.func
    if not hasattr(handler, "__code__") and not hasattr(handler, "__func__"):
        handler = vars(type(handler)).get("__call__")  # of a callable object
    function = getattr(handler, "__func__", handler)  # of a method
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None
