"""
Secrets, from a command or from the keyboard, never from an option.

An option is seen by everybody who lists the processes of the machine.  For the same reason an
error here repeats neither the command, which may hold a secret itself, nor anything it printed;
what the command wrote to standard error has gone there already.
"""

from __future__ import annotations

import getpass
import os

from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.core.secret import Secret, printed

_UNATTENDED = 60.0  # seconds for a command that nobody can see and answer


class Printed:
    """
    What a command prints, as a function of the library.

    It has run once, before anything was opened; a second call, after a refusal, runs it again: a
    token may end while a script runs.

    Attributes:
        last: What it printed last.
    """

    def __init__(self, command: str, option: str) -> None:
        """
        Args:
            command: What prints it.
            option: The option that names the command, for errors.

        Raises:
            BadInput: The command fails or prints nothing.
        """
        self._command = command
        self._option = option
        self._first: Secret | None = self._run()

    def __call__(self) -> str:
        """What was read, or what the command says."""
        first, self._first = self._first, None
        return self._run() if first is None else first

    def _run(self) -> Secret:
        limit = None if has_terminal() else _UNATTENDED
        found, wrong = printed(self._command, limit=limit, terminal=True)
        if wrong:
            raise BadInput(f"{self._option}: {wrong}")
        self.last = found
        return found


def secret(what: str, command: str | None, option: str) -> str | Printed:
    """
    Get a secret, or what gets it.

    Args:
        what: Its name for the prompt.
        command: What prints it, None to ask on the terminal.
        option: The option that names the command, for errors.

    Raises:
        BadInput: The command fails or prints nothing, or there is no terminal to ask on.
    """
    if command is not None:
        if not command.strip():
            raise BadInput(f"{option}: there is no command")
        return Printed(command, option)
    if not has_terminal():
        raise BadInput(f"there is no terminal to ask for the {what} on; use {option}")
    try:
        answer = getpass.getpass(f"{what}: ")
    except EOFError:
        answer = ""
    if not answer:
        raise BadInput(f"no {what} was given")
    return Secret(answer)


def has_terminal() -> bool:
    """Is there somebody to ask?  Where the standard streams go does not matter."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def user_name(given: str | None) -> str:
    """
    Who logs in.

    Raises:
        BadInput: When nobody was named and the system has no name for this user (a container).
    """
    if given:
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise BadInput("-l: this user has no name in the system; give one with -u") from None
