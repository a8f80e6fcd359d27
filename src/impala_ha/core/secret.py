"""
A secret: a text that stays out of sight.

Errors travel: into logs, and into reports that show the variables of every frame.  So a secret is
a text whose repr tells nothing, and what made something of one (SASL's messages, HTTP's headers)
has its frames emptied when it fails (`scrub`).
"""

from __future__ import annotations

import shlex
import subprocess
import traceback
from collections.abc import Iterator
from typing import Any

from .interruption import from_signal_handler


class Secret(str):
    """A text that is not to be shown; all but its repr is that of any text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


class _Unreadable:
    """Something that was given for a secret, and is none."""

    def __init__(self, value: object) -> None:
        self.kind = type(value).__name__

    def __repr__(self) -> str:
        return "***"


def masked(value: Any) -> Any:
    """*value* in a form that is not shown; a function, and None, as they are."""
    if value is None or callable(value):
        return value
    return Secret(value) if isinstance(value, str) else _Unreadable(value)


def printed(
    command: str, *, limit: float | None = None, terminal: bool = False
) -> tuple[Secret, str]:
    """
    What a command prints, without the line break at its end.

    It is run without a shell, as impala-shell does: the command is words, and what is in them is
    not run.  What it writes to standard error goes there.

    Args:
        command: The words.
        limit: Seconds that it may take; None: no limit.
        terminal: Whether it may read standard input.

    Returns:
        What it printed, and what is wrong with that; empty if nothing is.  Neither the command nor
        anything of its output is in the latter, for both may hold secrets.
    """
    found = Secret()
    try:
        words = shlex.split(command) or [""]
        done = subprocess.run(  # noqa: S603 - that is the option
            words,
            stdin=None if terminal else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=limit,
            check=False,
        )
        found = Secret(done.stdout.decode().rstrip("\r\n"))
        wrong = "" if found else "the command printed nothing"
        if done.returncode:
            wrong = f"the command ended with status {done.returncode}"
    except subprocess.TimeoutExpired:
        wrong = f"the command did not end within {limit:g} s"
    except UnicodeDecodeError:
        wrong = "what the command prints is not UTF-8"
    except OSError as error:
        if from_signal_handler(error):
            raise
        wrong = error.strerror or "it cannot be run"
    except ValueError as error:
        wrong = f"{error} in the command"  # of shlex, or a null byte
    return found, wrong


def scrub(error: BaseException) -> None:
    """
    Empty the frames that *error* and what led to it went through, as far as they have ended.

    The text and the lines of a traceback stay; the variables, which reports of errors show, are
    gone.  For failures in code that handles secrets and is not ours.
    """
    for one in linked(error, "__cause__", "__context__", "inner"):
        from_signal_handler(one)  # which is known of it from here on
        traceback.clear_frames(one.__traceback__)


def linked(error: BaseException, *names: str) -> Iterator[BaseException]:
    """*error* and all errors that the attributes *names* lead to, each once."""
    seen: set[int] = set()
    ahead: list[object] = [error]
    while ahead:
        one = ahead.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            ahead += [getattr(one, name, None) for name in names]
