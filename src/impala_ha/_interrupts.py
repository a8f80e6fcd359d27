"""
Who raised it: the connection, or the caller who had enough?

Ctrl-C, an alarm whose handler raises, a time limit of Airflow or gevent: all of them strike in the
middle of a call, and some raise what a socket raises (``TimeoutError``).  Such a call must end at
once and never be tried again.
"""

from __future__ import annotations

import signal
from http.client import HTTPException
from struct import error as StructError  # noqa: N812 - it is a class
from types import CodeType

from impala.error import Error
from thrift.Thrift import TException

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


def interrupted(error: BaseException) -> bool:
    """Was *error* raised by somebody else than the connection?"""
    origin = getattr(error, "inner", None) or error
    if not isinstance(origin, _FAILURES) and type(origin).__name__ != "GSSError":
        return True
    return from_handler(origin)


def from_handler(error: BaseException) -> bool:
    """Does the way of *error* lead through a signal handler written in Python?"""
    codes = {_code(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    step = error.__traceback__
    while codes and step is not None:
        if step.tb_frame.f_code in codes:
            return True
        step = step.tb_next
    return False


def _code(handler: object) -> CodeType | None:
    function = getattr(handler, "func", handler)  # of a functools.partial
    function = getattr(function, "__func__", function)  # of a method
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None
