"""What a caller got wrong, in one line: before anything was opened, or at a command."""

from __future__ import annotations


class BadInput(ValueError):
    """An option, a file or a script that cannot be used.  The text is for the user's eyes."""


class CommandFailed(Exception):
    """A command of the shell that could not be done.  The text is for the user's eyes."""
