"""Results by pages: through ``$PAGER``, or less, where they are longer or wider than the screen."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO, cast

from impala_ha.cli.connect.destination import Destination

if TYPE_CHECKING:
    from collections.abc import Iterable

_LESS = {"LESS": "-SR"}  # long lines are not folded


class Screen(Destination):
    """Standard output, a result at a time, by pages."""

    def __init__(self) -> None:
        super().__init__(None)
        self._page: _Page | None = None

    def open(self) -> TextIO:
        """The stream of the present result."""
        if self._page is None:
            self._page = _Page()
        return cast("TextIO", self._page)  # of which forms use `write` and `writelines`

    def finish(self) -> None:
        """Show what is there, and wait until it was read."""
        page, self._page = self._page, None
        if page is not None:
            page.show()

    def break_off(self, rows: int) -> str:
        """A result ended early, after *rows* rows; what is there of it."""
        self.finish()
        return f"it ends after {rows} row(s)"

    def close(self) -> None:
        """Show what is there, and no more."""
        self.finish()


class _Page:
    """Collects the lines of a result until the screen is full, and starts the pager then."""

    def __init__(self) -> None:
        self._screen = shutil.get_terminal_size()
        self._lines: list[str] = []
        self._rows = 0
        self._pager: subprocess.Popen[str] | None = None

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def write(self, text: str) -> None:
        if self._pager is None:
            self._lines.append(text)
            self._rows += text.count("\n")
            wide = any(len(line) > self._screen.columns for line in text.splitlines())
            if self._rows >= self._screen.lines or wide:
                self._start()
        else:
            self._send(text)

    def _start(self) -> None:
        command = shlex.split(os.environ.get("PAGER", "less"))
        if not command or shutil.which(command[0]) is None:
            sys.stdout.writelines(self._lines)
            self._lines, self._rows = [], 0
            return
        self._pager = subprocess.Popen(  # noqa: S603 - that is the option
            command,
            stdin=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env={**_LESS, **os.environ},
        )
        for line in self._lines:
            self._send(line)

    def _send(self, text: str) -> None:
        assert self._pager is not None
        assert self._pager.stdin is not None
        try:
            self._pager.stdin.write(text)
        except BrokenPipeError:
            self.show()
            raise

    def show(self) -> None:
        if self._pager is None:
            sys.stdout.writelines(self._lines)
            sys.stdout.flush()
            return
        # Ctrl-C is for the pager as long as that is on the screen.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with suppress(BrokenPipeError):
                self._pager.communicate()
        finally:
            signal.signal(signal.SIGINT, before)
