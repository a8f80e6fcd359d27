"""How far a statement is, on standard error while it runs; nothing of it stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from impala_ha.cli.connect.look import Look
from impala_ha.cli.connect.reports import summary_rows, summary_table
from impala_ha.errors import Error, FailoverError

_FIRST = 0.5  # seconds; most statements are over by then, and nobody wants to see them flicker
_PAUSE = 0.1  # between two questions whether it has ended
_EVERY = 1.0  # as impala-shell


class Progress:
    """
    The picture of one statement.

    Args:
        live: What redraws it.
        look: The options of the shell.
        lost: Called when its coordinator was lost.
    """

    def __init__(self, live: Live, look: Look, lost: Callable[[], object]) -> None:
        self._live = live
        self._look = look
        self._lost = lost
        self._next = time.monotonic() + _FIRST

    @classmethod
    @contextmanager
    def shown(cls, look: Look, lost: Callable[[], object]) -> Iterator[Progress]:
        """The picture for the time of a statement."""
        console = Console(stderr=True)
        live = Live(console=console, auto_refresh=False, transient=True)
        try:
            yield cls(live, look, lost)
        finally:
            live.stop()

    def update(self, cursor: Any) -> None:
        """Wait a moment, and show what *cursor* knows once a second."""
        time.sleep(_PAUSE)
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY
        try:
            drawn = self._drawn(cursor, cursor.get_summary())
        except Error as error:  # the statement's next call says what became of it
            if isinstance(error, FailoverError):
                self._lost()
            return
        self._live.start()  # not before: what is said meanwhile goes through it
        self._live.update(drawn, refresh=True)

    def _drawn(self, cursor: Any, found: Any) -> Group:
        if found is None:
            return Group()
        if getattr(found, "is_queued", False):
            return Group(Text(f"queued: {found.queued_reason}"))
        parts: list[Any] = []
        if self._look.get("live_progress") and (progress := found.progress):
            bars = Table.grid(padding=(0, 1))
            for name, done, of in (
                ("Scan", progress.num_completed_scan_ranges, progress.total_scan_ranges),
                (
                    "Query",
                    progress.num_completed_fragment_instances,
                    progress.total_fragment_instances,
                ),
            ):
                if of:
                    bar = ProgressBar(total=of, completed=done or 0, width=40)
                    bars.add_row(name, bar, f"{100 * (done or 0) // of}%")
            parts.append(bars)
        if self._look.get("live_summary") and (rows := summary_rows(cursor, found)):
            parts.append(Text(summary_table(rows), no_wrap=True))
        return Group(*parts)
