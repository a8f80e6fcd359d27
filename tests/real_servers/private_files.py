"""A private directory for the files of one server, and its removal."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class PrivateFiles:
    """Who keeps files in a directory that only its owner can read.

    The directory goes away with `close`, at the end of the ``with`` block, or with the object.

    Args:
        directory: One that was made already; None for a new one.
    """

    def __init__(self, directory: str | None = None) -> None:
        self.directory = Path(directory or tempfile.mkdtemp(prefix="impala-ha-tests-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the files; a server ends first."""
        self._remove()
