"""
The history of the prompt: a file that is its owner's alone, and does not grow for ever.

It has the form of impala-shell's ``~/.impalahistory``, so that both can have one file: a statement
a line, with ``_IMP_DELIM_`` for the line breaks in it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from prompt_toolkit.history import History

_MINE = 0o600
_BREAK = "_IMP_DELIM_"


class BoundedHistory(History):  # type: ignore[misc]  # it is optional
    """
    What was typed, in a file of rights 0600, which is cut when it is opened.

    Where the file cannot be written, what was typed is kept in memory alone.

    Args:
        path: The file.  What is none (``/dev/null``) keeps nothing.
        most: Statements that are kept; 0: there is no file.
        warn: Is told why there is no history.
    """

    def __init__(self, path: Path, most: int, warn: Callable[[str], None]) -> None:
        super().__init__()
        self._path = path
        self._most = most
        self._usable = False
        if most:
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._usable = _prepare(path)
                if self._usable:
                    self._cut()
            except OSError as error:
                warn(f"there is no history: {path}: {error.strerror or error}")

    def _lines(self) -> list[str]:
        with self._path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            return [line.rstrip("\n") for line in file if line.strip()]

    def _cut(self) -> None:
        """Leave the last ones."""
        lines = self._lines()
        if len(lines) <= self._most:
            return
        cut = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        _append(cut, lines[-self._most :], os.O_TRUNC)
        cut.replace(self._path)

    def load_history_strings(self) -> Iterable[str]:
        """The newest first."""
        lines = self._lines() if self._usable else []
        return [line.replace(_BREAK, "\n") for line in reversed(lines)]

    def store_string(self, string: str) -> None:
        """Keep one."""
        if self._usable:
            with suppress(OSError):
                _append(self._path, [string.replace("\n", _BREAK)], os.O_APPEND)


def _prepare(path: Path) -> bool:
    """Make the file, and nobody else's to read; False for what is no file."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            return False
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _MINE))
    with suppress(PermissionError):  # a file of somebody else's
        path.chmod(_MINE)
    return True


def _append(path: Path, lines: Iterable[str], how: int) -> None:
    text = "".join(f"{line}\n" for line in lines).encode(errors="replace")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | how, _MINE), "wb") as file:  # noqa: PTH123
        file.write(text)
