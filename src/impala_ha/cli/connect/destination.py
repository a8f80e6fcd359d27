"""
Standard output, or the file of ``-o``.

The file is opened when the first result is there and not before: a run that cannot connect, or
whose first statement is wrong, leaves yesterday's file as it was.  Text is written in place,
because ``-o`` may name a pipe, a device or a link.  Parquet is written beside its place and
renamed: nobody could read a part of it.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from impala_ha.cli.connect.bad_input import BadInput

if TYPE_CHECKING:
    from typing import BinaryIO, Literal, TextIO

    from impala_ha.cli.connect.script import ScriptStatement


class Destination:
    """
    Where results go, as text.

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
        self._begun = False
        if path is not None:
            _check(path, script)
        elif sys.stdout is None:
            raise BadInput("standard output is closed; give -o FILE")

    def open(self) -> TextIO:
        """
        The stream; of a file the first call empties it, and one after `close` goes on at its end.

        Raises:
            OSError: When the file cannot be opened after all.
        """
        if self._path is None:
            return sys.stdout
        if self._file is None:
            how: Literal["w", "a"] = "a" if self._begun else "w"
            # Text and bytes as they are: see `_output`.
            self._file = self._path.open(
                how, encoding="utf-8", errors="surrogateescape", newline=""
            )
            self._begun = True
        return self._file

    def takes(self, _: ScriptStatement) -> bool:
        """Does the result of a statement go there?"""
        return True

    def finish(self) -> None:
        """A result is whole."""
        self.open().flush()

    def break_off(self, rows: int) -> str:
        """A result ended early, after *rows* rows; what is there of it."""
        self.open().flush()
        return f"it ends after {rows} row(s)"

    def close(self) -> None:
        """Close the file if it was opened.  May be called twice, also after an error."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


class WholeFile:
    """
    A file of one result, which is there whole or not at all: until then it has another name.

    Args:
        path: The file.
        script: The file that the statements come from.

    Raises:
        BadInput: As of `Destination`; or it is a pipe or a device.
    """

    def __init__(self, path: Path, script: Path | None) -> None:
        _check(path, script)
        self._path = Path(os.path.realpath(path))
        self._file: BinaryIO | None = None
        if self._path.exists() and not self._path.is_file():
            raise BadInput(f"-o {path} is no regular file, and Parquet needs one")
        _check_parent(path, self._path.parent)

    def open(self) -> BinaryIO:
        """
        The file under its other name, ``.x.parquet.0123abcd.part``.

        Raises:
            OSError: When it cannot be made after all.
        """
        if self._file is None:
            name = f".{self._path.name}.{token_hex(4)}.part"
            self._file = self._path.with_name(name).open("xb")
        return self._file

    def takes(self, statement: ScriptStatement) -> bool:
        """Does the result of a statement go there?"""
        return statement.is_query

    def finish(self) -> None:
        """The result is whole: it takes its name, and the rights of the file that had it."""
        file = self.open()
        file.close()
        with suppress(FileNotFoundError):
            shutil.copymode(self._path, file.name)
        Path(file.name).replace(self._path)

    def break_off(self, rows: int) -> str:
        """The result ended early, after *rows* rows; what is there of it."""
        return f"it broke off after {rows} row(s), and {self._path.name} was not written"

    def close(self) -> None:
        """Remove what is not whole.  May be called twice."""
        if self._file is not None:
            Path(self._file.name).unlink(missing_ok=True)
            self._file.close()


def _check(path: Path, script: Path | None) -> None:
    """Ask for everything that can be known without opening the file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        _check_parent(path, path.absolute().parent)
        return
    except (OSError, ValueError) as error:
        raise BadInput(f"-o {path}: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_ISDIR(mode):
        raise BadInput(f"-o {path} is a directory")
    if not os.access(path, os.W_OK):
        raise BadInput(f"-o {path}: no permission to write")
    if script is not None and script.exists() and path.samefile(script):
        raise BadInput(f"-o {path} is the script itself")


def _check_parent(path: Path, parent: Path) -> None:
    """May a file be made in *parent*?"""
    if not parent.is_dir():
        raise BadInput(f"-o {path}: there is no directory {parent}")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise BadInput(f"-o {path}: no permission to write in {parent}")
