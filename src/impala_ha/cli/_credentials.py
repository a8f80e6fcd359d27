"""
Secrets, from a command or from the keyboard, never from an option.

An option is seen by everybody who lists the processes of the machine.  For the same reason an
error here repeats neither the command, which may hold a secret itself, nor anything it printed;
what the command wrote to standard error has gone there already.
"""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess

from ._bad_input import BadInput


def secret(what: str, command: str | None, option: str) -> str:
    """
    Get a secret.

    Args:
        what: Its name for the prompt.
        command: What prints it, None to ask on the terminal.
        option: The option that names the command, for errors.

    Raises:
        BadInput: The command fails or prints nothing, or there is no terminal to ask on.
    """
    if command is not None:
        return _printed_by(command, option)
    if not has_terminal():
        raise BadInput(f"there is no terminal to ask for the {what} on; use {option}")
    try:
        answer = getpass.getpass(f"{what}: ")
    except EOFError:
        answer = ""
    if not answer:
        raise BadInput(f"no {what} was given")
    return answer


def has_terminal() -> bool:
    """Is there somebody to ask?  Where the standard streams go does not matter."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _printed_by(command: str, option: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise BadInput(f"{option}: {error} in the command") from None
    if not words:
        raise BadInput(f"{option}: there is no command")
    try:
        # No shell, as in impala-shell: the command is words, what is in them is not run.
        done = subprocess.run(words, stdout=subprocess.PIPE, check=False)  # noqa: S603 - that is the option
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it cannot be run"
        raise BadInput(f"{option}: {reason}") from None
    if done.returncode:
        raise BadInput(f"{option}: the command ended with status {done.returncode}")
    try:
        printed = done.stdout.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadInput(f"{option}: what the command prints is not UTF-8") from None
    if not printed:
        raise BadInput(f"{option}: the command printed nothing")
    return printed


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
