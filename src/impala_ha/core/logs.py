"""
The logger ``impala_ha``, whose handlers cannot change what a call does.

A handler or filter of the program that raises must not turn a statement that succeeded into an
error, nor replace `OutcomeUnknown`: the record is lost, and the error is printed once to standard
error, as the module `logging` does with errors that it catches itself.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from typing import Any

from .interruption import from_signal_handler

_WRAPPING = re.compile(r"Could not connect to any of \[.*?\](?:: )?|\[Errno -?\d+\] ")
_MOST = 200  # characters of another one's text in a line of the log
_logger = logging.getLogger("impala_ha")
_logger.addHandler(logging.NullHandler())
_shown = False


def debug(text: str, *args: object, **more: Any) -> None:
    """Log at DEBUG."""
    log(logging.DEBUG, text, *args, **more)


def info(text: str, *args: object, **more: Any) -> None:
    """Log at INFO."""
    log(logging.INFO, text, *args, **more)


def warning(text: str, *args: object, **more: Any) -> None:
    """Log at WARNING."""
    log(logging.WARNING, text, *args, **more)


def brief(text: str) -> str:
    """The first line of *text*, without what Thrift and the system wrap around it."""
    line = _WRAPPING.sub("", text).strip().partition("\n")[0].rstrip()
    return line if len(line) <= _MOST else f"{line[:_MOST]}..."


def log(level: int, text: str, *args: object, **more: Any) -> None:
    """Log at *level*; see `logging.Logger.log`."""
    try:
        _logger.log(level, text, *args, **more)
    except Exception as error:
        if from_signal_handler(error):
            raise  # of a signal handler, while the record was written
        _show()


def _show() -> None:
    global _shown  # noqa: PLW0603
    if _shown or sys.stderr is None:
        return
    _shown = True
    try:
        sys.stderr.write("impala_ha: a handler of its log failed; what it raises is shown once:\n")
        traceback.print_exc(file=sys.stderr)
    except OSError:
        pass
