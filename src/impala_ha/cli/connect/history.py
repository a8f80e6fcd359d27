"""The history of the prompt: a file that is its owner's alone, and does not grow for ever."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from prompt_toolkit.history import FileHistory

_MINE = 0o600


class BoundedHistory(FileHistory):  # type: ignore[misc]  # it is optional
    """
    prompt_toolkit's history in a file, of rights 0600, which is cut when it is opened.

    Where the file cannot be written, what was typed is kept in memory alone.

    Args:
        path: The file.
        most: Statements that are kept; 0: there is no file.
        warn: Is told why there is no history.
    """

    def __init__(self, path: Path, most: int, warn: Callable[[str], None]) -> None:
        super().__init__(str(path))
        self._most = most
        self._usable = False
        if most:
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _MINE))
                self._usable = True
                with suppress(PermissionError):  # a file of somebody else's
                    path.chmod(_MINE)
                self._cut(path)
            except OSError as error:
                warn(f"there is no history: {path}: {error.strerror or error}")

    def _cut(self, path: Path) -> None:
        """Leave the last ones; a block of lines is a statement."""
        kept = list(super().load_history_strings())[: self._most]
        if len(kept) < self._most:
            return
        cut = path.with_name(f".{path.name}.{os.getpid()}")
        with open(os.open(cut, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MINE), "wb"):  # noqa: PTH123
            pass
        smaller = FileHistory(str(cut))
        for text in reversed(kept):
            smaller.store_string(text)
        cut.replace(path)

    def load_history_strings(self) -> Iterable[str]:
        """The newest first."""
        return super().load_history_strings() if self._usable else ()

    def store_string(self, string: str) -> None:
        """Keep one."""
        if self._usable:
            with suppress(OSError):
                super().store_string(string)
