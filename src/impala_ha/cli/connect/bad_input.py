"""What a caller got wrong; the program says it in one line, opens nothing and exits with 2."""

from __future__ import annotations


class BadInput(ValueError):
    """An option, a file or a script that cannot be used.  The text is for the user's eyes."""
