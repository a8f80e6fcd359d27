"""
Standard output, or the file of ``-o``.

The file is opened when the first result is there and not before: a run that cannot connect, or
whose first statement is wrong, leaves yesterday's file as it was.  It is opened in place, not
written beside and renamed, because ``-o`` may name a pipe, a device or a link.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from impala_ha.cli.connect.bad_input import BadInput

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO


class Destination:
    """
    Where results go.

    Args:
        path: The file, None for standard output.
        script: The file that the statements come from, which is not to be overwritten.

    Raises:
        BadInput: A directory, a place that does not exist or cannot be written, or the script; or a
            standard output that is closed.
    """

    def __init__(self, path: Path | None, script: Path | None = None) -> None:
        self._path = path
        self._file: TextIO | None = None
        if path is not None:
            _check(path, script)
        elif sys.stdout is None:
            raise BadInput("standard output is closed; give -o FILE")

    def open(self) -> TextIO:
        """
        The stream; of a file the first call empties it.

        Raises:
            OSError: When the file cannot be opened after all.
        """
        if self._path is None:
            return sys.stdout
        if self._file is None:
            # Text and bytes as they are: see `_output`.
            self._file = self._path.open(
                "w", encoding="utf-8", errors="surrogateescape", newline=""
            )
        return self._file

    def close(self) -> None:
        """Close the file if it was opened.  May be called twice."""
        if self._file is not None:
            self._file.close()


def _check(path: Path, script: Path | None) -> None:
    """Ask for everything that can be known without opening the file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        parent = path.absolute().parent
        if not parent.is_dir():
            raise BadInput(f"-o {path}: there is no directory {parent}") from None
        if not os.access(parent, os.W_OK | os.X_OK):
            raise BadInput(f"-o {path}: no permission to write in {parent}") from None
        return
    except (OSError, ValueError) as error:
        raise BadInput(f"-o {path}: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_ISDIR(mode):
        raise BadInput(f"-o {path} is a directory")
    if not os.access(path, os.W_OK):
        raise BadInput(f"-o {path}: no permission to write")
    if script is not None and script.exists() and path.samefile(script):
        raise BadInput(f"-o {path} is the script itself")
