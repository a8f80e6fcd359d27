"""A server on a port of its own that can be started, stopped, killed and hung, again and again."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from .child_guard import GuardedProcess, last_words
from .ports import listening

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_STOP_WITHIN = 15.0
_LOOK = 0.02


class Daemon:
    """A server program; it runs between `start` and `stop` or `kill`.

    Args:
        command: The program and its arguments.
        environment: All of its environment.
        directory: Where its files lie.
        address: Where it listens with TCP.
        up_within: Seconds that it has to begin to listen.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        address: tuple[str, int],
        up_within: float,
    ) -> None:
        self._command = command
        self._environment = environment
        self._directory = directory
        self._address = address
        self._up_within = up_within
        self._log = directory / "server.log"
        self._process: GuardedProcess | None = None

    def __repr__(self) -> str:
        return f"<Daemon {self._command[0]} pid={self.pid}>"

    @property
    def pid(self) -> int | None:
        """The process; None when it does not run."""
        return self._process.pid if self._process and self._process.running else None

    def start(self) -> None:
        """Start it and wait until its own process listens; nothing happens when it runs.

        Raises:
            OSError: It ended, or did not listen in time; the text shows the end of its log.
        """
        if self.pid is not None:
            return
        process = GuardedProcess(self._command, self._environment, self._directory, self._log)
        end = time.monotonic() + self._up_within
        while self._address not in listening(process.pid):
            if not process.running or time.monotonic() > end:
                process.kill()
                raise OSError(f"{self._command[0]} did not start: {self.last_words()}")
            time.sleep(_LOOK)
        self._process = process

    def stop(self) -> None:
        """Ask it to end (SIGTERM), and kill it if it does not within 15 seconds."""
        if self._process is not None:
            self._process.signal(signal.SIGTERM)
            end = time.monotonic() + _STOP_WITHIN
            while self._process.running and time.monotonic() < end:
                time.sleep(_LOOK)
        self.kill()

    def kill(self) -> None:
        """Kill it (SIGKILL) and wait until it is gone; nothing happens when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def signal(self, number: int) -> None:
        """Send signal *number*; nothing happens when it does not run."""
        if self._process is not None:
            self._process.signal(number)

    def last_words(self, lines: int = 25) -> str:
        """Return the last *lines* lines (0: all) of what it printed, of all runs together."""
        return last_words(self._log, lines)
