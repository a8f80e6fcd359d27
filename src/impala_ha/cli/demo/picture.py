"""
The demo's screen: who serves what, who is out and for how long, and what has just happened.

`Picture` is drawn anew ten times a second from the ledger and the cluster's snapshot; it keeps
nothing but the moment at which each coordinator's state changed.
"""

from __future__ import annotations

from collections import Counter

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from impala_ha import Cluster, State
from impala_ha.balancing.policies import Candidate
from impala_ha.cli.demo.ledger import Entry, Ledger, Process, Result

_BARS = " ▁▂▃▄▅▆▇█"
_BUCKET = 0.5  # seconds of one bar
_BUCKETS = 16
_FULL = 12  # statements in one bucket that make a full bar
_MESSAGES = (3, 12)  # lines, at least and at most
_ABOVE = 22  # lines of the screen that are not messages
_WIDTH = 100
_COLOURS = {
    State.HEALTHY: "green",
    State.HALF_OPEN: "yellow",
    State.EJECTED: "red",
    State.DRAINING: "magenta",
}
_PROCESS_COLOURS = {Process.RUNNING: "dim", Process.KILLED: "bold red", Process.HUNG: "bold yellow"}


class Picture:
    """
    What is to be seen now.

    Args:
        cluster: Whom the threads share; its snapshot has what they know of each coordinator.
        ledger: What happened.
        threads: How many there are.
        seconds: How long it lasts.
    """

    def __init__(self, cluster: Cluster, ledger: Ledger, threads: int, seconds: float) -> None:
        self._cluster = cluster
        self._ledger = ledger
        self._threads = threads
        self._seconds = seconds
        self._since: dict[str, tuple[State, float]] = {}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        entries = self._ledger.entries
        room = console.height - _ABOVE if console.is_terminal else _MESSAGES[1]
        yield Panel(
            Group(
                self._headline(entries),
                self._coordinators(entries, narrow=options.max_width < _WIDTH),
                self._workers(entries),
                self._messages(max(_MESSAGES[0], min(_MESSAGES[1], room))),
            ),
            title="[bold]impala-ha demo[/bold]",
            border_style="blue",
            width=min(_WIDTH, options.max_width),
        )

    def lines(self) -> list[str]:
        """The coordinators, each in a plain line."""
        served = Counter(entry.where for entry in self._ledger.entries)
        return [
            f"{candidate.coordinator} has served {served[str(candidate.coordinator)]} statements, "
            f"{self._state(candidate)[0]}"
            for candidate in self._cluster.snapshot()
        ]

    def look(self) -> None:
        """Notice whose state has changed since the last look, and write it down."""
        now = self._ledger.now()
        for candidate in self._cluster.snapshot():
            where, state = str(candidate.coordinator), candidate.state
            before = self._since.get(where, (State.HEALTHY, 0.0))[0]
            if where not in self._since or before is not state:
                self._since[where] = (state, now)
            if before is State.HEALTHY and state is State.EJECTED:
                self._ledger.log(f"{where} is ejected")
            elif before is not State.HEALTHY and state is State.HEALTHY:
                self._ledger.log(f"{where} was tried and is healthy again")

    def _headline(self, entries: list[Entry]) -> RenderableType:
        now = min(self._ledger.now(), self._seconds)
        failed = sum(entry.result is Result.FAILED for entry in entries)
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column()
        grid.add_column(ratio=1)
        grid.add_column(justify="right")
        grid.add_row(
            f"{now:4.1f} of {self._seconds:g} s",
            ProgressBar(total=self._seconds, completed=now, complete_style="blue"),
            Text.assemble(
                (f"{len(entries)} statements, ", "bold"),
                (f"{failed} failed", "bold red" if failed else "bold green"),
            ),
        )
        return grid

    def _coordinators(self, entries: list[Entry], *, narrow: bool) -> RenderableType:
        buckets = _BUCKETS // 4 if narrow else _BUCKETS
        table = Table(box=SIMPLE_HEAD, expand=True, padding=(0, 1), header_style="dim")
        table.add_column("coordinator", min_width=15, no_wrap=True)
        table.add_column("process", min_width=7)
        table.add_column("what the library knows", min_width=18, ratio=1, no_wrap=True)
        table.add_column("served", justify="right", min_width=6)
        table.add_column(f"{_BUCKET * buckets:g} s", min_width=buckets, no_wrap=True)
        served = Counter(entry.where for entry in entries)
        processes = self._ledger.processes
        for candidate in self._cluster.snapshot():
            where = str(candidate.coordinator)
            process = processes.get(where, Process.RUNNING)
            state, colour = self._state(candidate)
            table.add_row(
                Text(where, style="bold"),
                Text(process.value, style=_PROCESS_COLOURS[process]),
                Text(state, style=colour),
                str(served[where]),
                Text(_bars(self._rates(entries, where, buckets)), style="cyan"),
            )
        return table

    def _state(self, candidate: Candidate) -> tuple[str, str]:
        """In words, with its colour: the state, since when, and how long it will last."""
        now, state = self._ledger.now(), candidate.state
        since = self._since.get(str(candidate.coordinator), (state, now))[1]
        text = f"{state.name} for {now - since:.1f} s"
        if state is State.EJECTED:
            text += f", tried in {candidate.ejected_for:.1f} s"
        return text, _COLOURS[state]

    def _rates(self, entries: list[Entry], where: str, buckets: int) -> list[int]:
        """Statements that *where* served in each of the last buckets."""
        latest = int(self._ledger.now() / _BUCKET)
        counts = Counter(int(entry.ended / _BUCKET) for entry in entries if entry.where == where)
        return [counts[bucket] for bucket in range(latest - buckets, latest)]

    def _workers(self, entries: list[Entry]) -> RenderableType:
        table = Table(box=SIMPLE_HEAD, expand=True, padding=(0, 1), header_style="dim")
        table.add_column("thread", width=6)
        table.add_column("statement", no_wrap=True, ratio=1)
        table.add_column("at", width=15, no_wrap=True)
        table.add_column("waits", justify="right", width=7)
        running = self._ledger.running
        last = {entry.thread: entry for entry in entries}
        for thread in range(1, self._threads + 1):
            if now := running.get(thread):
                waits = self._ledger.now() - now.since
                style = "bold yellow" if waits > 1 else ""
                table.add_row(f"{thread}", now.sql, now.where, Text(f"{waits:.2f} s", style=style))
            elif before := last.get(thread):
                table.add_row(f"{thread}", Text(before.sql, style="dim"), before.where, "")
            else:
                table.add_row(f"{thread}", "", "", "")
        return table

    def _messages(self, most: int) -> RenderableType:
        latest = self._ledger.messages[-most:]
        lines = [
            Text(f"{message.time:5.1f} s  {message.text}", style="bold red" if message.bad else "")
            for message in latest
        ]
        for line in lines:
            line.no_wrap = True
            line.overflow = "ellipsis"
        return Group(*lines, *[Text("")] * (most - len(lines)))


def _bars(counts: list[int]) -> str:
    most = max(_FULL, *counts)
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in counts)
