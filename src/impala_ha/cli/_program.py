"""
The program from its arguments to its exit status.

It ends as programs of a shell end: 130 after Ctrl-C, 143 after SIGTERM, 129 when the terminal is
gone, 141 when nobody reads the output any more (``| head``); in each of these cases the running
statement is cancelled first, so that no query goes on for nobody.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from impala_ha import connect
from impala_ha.cli._options import command
from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.connect.notes import Notes, Verbosity
from impala_ha.cli.connect.output import prepare_stdout
from impala_ha.cli.connect.request import Request, request
from impala_ha.cli.connect.run import MISUSE, run
from impala_ha.core.extras import MissingExtra
from impala_ha.errors import InterfaceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_BY_SIGNAL = 128


class _Ended(KeyboardInterrupt):
    """A signal that asks to end: it goes the way of Ctrl-C, which cancels the statement."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def program(arguments: Sequence[str]) -> int:
    """
    Run `impala-connect`.

    Args:
        arguments: Of the command line, without the program's name.

    Returns:
        The exit status.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has SIGHUP ignored: leave it so
            signal.signal(number, _end)
    notes = Notes(Verbosity.NORMAL)
    notes.listen()
    try:
        asked = _read(arguments)
        if not isinstance(asked, Request):
            return asked
        prepare_stdout()
        notes.verbosity = asked.verbosity
        status = _act(asked, notes)
        _drop_what_is_left()
        return status  # noqa: TRY300 - an else would come after all kinds of ends
    except click.UsageError as error:
        notes.error(f"{error.format_message().splitlines()[0]} (see impala-connect --help)")
        return MISUSE
    except (BadInput, InterfaceError, MissingExtra) as error:
        notes.error(str(error))
        return MISUSE
    except (KeyboardInterrupt, click.Abort) as ended:
        # What click is interrupted in is an Abort of its own.
        cause = ended if isinstance(ended, KeyboardInterrupt) else ended.__cause__
        return _BY_SIGNAL + (cause.number if isinstance(cause, _Ended) else signal.SIGINT)
    except BrokenPipeError:
        _forget_stdout()
        return _BY_SIGNAL + signal.SIGPIPE


def _read(arguments: Sequence[str]) -> Request | int:
    """The request, or the exit status of ``--help`` and ``--version``."""
    answer: Any = command(request).main(
        list(arguments), prog_name="impala-connect", standalone_mode=False
    )
    return answer if isinstance(answer, Request) else int(answer or 0)


def _act(asked: Request, notes: Notes) -> int:
    if asked.history is None:
        return run(asked, connect, notes)
    from impala_ha.cli.connect.prompt import Prompt  # noqa: PLC0415 - a script does without

    return Prompt(asked, connect, notes).run()


def _end(number: int, _frame: FrameType | None) -> None:
    raise _Ended(number)


def _drop_what_is_left() -> None:
    """What could not be written was reported; Python would try again, and exit with 120."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError:
        _forget_stdout()


def _forget_stdout() -> None:
    """Python flushes standard output when it ends and would complain once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
