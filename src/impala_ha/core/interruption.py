"""
Who raised it: the connection, or the caller who had enough?

Ctrl-C, an alarm whose handler raises, a time limit of Airflow or gevent: all of them strike in the
middle of a call, and some raise what a socket raises (``TimeoutError``).  Such a call must end at
once and never be tried again.
"""

from __future__ import annotations

import contextlib
import functools
import queue
import signal
import threading
from collections.abc import Iterator
from http.client import HTTPException
from struct import error as StructError  # noqa: N812 - it is a class
from types import CodeType, FrameType, TracebackType
from typing import TypeVar

from impala.error import Error
from thrift.Thrift import TException

Got = TypeVar("Got")

# What a failing connection may raise, Thrift's and impyla's slips included.
_FAILURES = (
    TException,
    OSError,
    EOFError,
    HTTPException,
    Error,
    StructError,
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
    """Was *error* raised by somebody else than the connection?"""
    origin = getattr(error, "inner", None) or error
    kinds = {kind.__name__ for kind in type(origin).__mro__}
    if not isinstance(origin, _FAILURES) and "GSSError" not in kinds:
        return True
    return from_signal_handler(origin)


def from_signal_handler(error: BaseException) -> bool:
    """Did *error* come out of a signal handler written in Python?"""
    if getattr(error, _STRUCK, False):
        return True
    codes = {_code(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    before: FrameType | None = None
    step = error.__traceback__
    while step is not None:
        frame = step.tb_frame
        ours = frame.f_globals.get("__name__", "").startswith(_NO_HANDLERS)
        given = before is not None and not ours and _was_given(frame, before)
        if given or frame.f_code in codes:
            _strike(error)
            return True
        before, step = frame, step.tb_next
    return False


def from_socket(error: BaseException, handle: object) -> bool:
    """
    Is *error*, which came out of a call of the socket *handle*, the socket's own?

    If not, a signal handler has raised it, whatever it was and wherever it is now: nobody else's
    code runs in there.  (A socket that gevent or the like has put in the place of Python's has code
    of its own; there the handler must show itself.)
    """
    if type(handle).__module__ in _SOCKETS:
        step = error.__traceback__
        while step is not None:
            if not step.tb_frame.f_globals.get("__name__", "").startswith(_SOCKET_CODE):
                _strike(error)
                break
            step = step.tb_next
    return not is_interrupt(error)


def queue_get(answers: queue.SimpleQueue[Got], seconds: float | None = None) -> Got:
    """
    What another thread puts into *answers*.

    Raises:
        queue.Empty: It took longer than *seconds*.
        BaseException: What a signal handler raised: nothing else can come out of the wait.
    """
    with _only(queue.Empty):
        return answers.get(timeout=seconds)
    raise AssertionError  # pragma: no cover - for the type checker


def start_thread(thread: threading.Thread) -> None:
    """
    Start *thread*.

    Raises:
        RuntimeError: The system has no room for one more.
        BaseException: What a signal handler raised.
    """
    with _only(RuntimeError):
        thread.start()


@contextlib.contextmanager
def _only(expected: type[Exception]) -> Iterator[None]:
    """In here nothing but *expected* is raised, unless by a signal handler."""
    try:
        yield
    except expected:
        raise
    except BaseException as error:
        _strike(error)
        raise


class suppress(contextlib.suppress):  # noqa: N801 - it is that one
    """`contextlib.suppress`, but for what came out of a signal handler."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Raise it, or not."""
        suppressed = super().__exit__(kind, error, traceback)
        return bool(suppressed) and not (error is not None and from_signal_handler(error))


_STRUCK = "_impala_ha_interrupt"
_SOCKETS = ("socket", "ssl")
_PACKAGES = ("core", "sql", "balancing", "options", "net", "auth", "hs2", "failover", "dbapi")
_OURS = tuple(f"impala_ha.{name}." for name in _PACKAGES)
_NO_HANDLERS = (*_OURS, "impala_ha.dbapi", "impala.", "thrift", *_SOCKETS)
_SOCKET_CODE = (*_OURS, *_SOCKETS)


def _strike(error: BaseException) -> None:
    """Note on *error* itself what is known of it: the variables of its frames may be cleared."""
    with contextlib.suppress(AttributeError, TypeError):  # its class has no room for that
        setattr(error, _STRUCK, True)


def _was_given(frame: FrameType, before: FrameType) -> bool:
    """Was the frame *before* an argument of *frame*? A handler is given what it interrupts."""
    for value in frame.f_locals.values():
        if value is before or (isinstance(value, tuple) and any(v is before for v in value)):
            return True
    return False


def _code(handler: object) -> CodeType | None:
    while isinstance(handler, functools.partial):
        handler = handler.func
    if not hasattr(handler, "__code__") and not hasattr(handler, "__func__"):
        handler = vars(type(handler)).get("__call__")  # of an object that can be called
    function = getattr(handler, "__func__", handler)  # of a method
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None
