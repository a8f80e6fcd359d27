"""The programs: `impala-connect` and `impala-ha`."""

from __future__ import annotations

import sys

BY_CTRL_C = 130  # the exit status that a shell shows


def ended_with(status: int) -> int:
    """
    The exit status of a program that has ended with *status*.

    Raises:
        KeyboardInterrupt: Ctrl-C ended it.  Python lets the signal end the process then: a loop of
            a shell goes on with its next turn where a program merely exits with 130.
    """
    if status == BY_CTRL_C:
        sys.excepthook = lambda *_: None  # all has been said
        raise KeyboardInterrupt
    return status
