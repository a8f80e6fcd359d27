"""Rows of `impala-ha status`, as text within a width and as data."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from impala_ha.balancing.circuit_breaker import State
from impala_ha.cli.status.asking import Answer
from impala_ha.cli.status.machine import Known
from impala_ha.core.model import Coordinator

_HEAD = "state      since  tries  here  "
_REST = "connect  load  version, why"
_LEAST = 28  # columns for a reason; a name that leaves less is cut
_VERSION = re.compile(r"version (\S+)")  # of "impalad version 4.5.0-RELEASE RELEASE (build ...)"
_DOTS = ".."  # for what has no room
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_FAILING = "failing"  # healthy as far as is known here, and it does not answer


@dataclass(frozen=True, slots=True)
class Row:
    """
    One coordinator.

    Attributes:
        coordinator: Which.
        known: What the machine knows of it; None if nothing.
        answer: How it answers now.
        connections: How many TCP connections this machine has to it; None if that is not known.
    """

    coordinator: Coordinator
    known: Known | None
    answer: Answer
    connections: int | None

    @property
    def state(self) -> str:
        """In one word."""
        state = self.known.state if self.known is not None else State.HEALTHY
        if self.answer.draining:
            return State.DRAINING.value
        if state is State.HEALTHY and self.answer.why:
            return _FAILING
        return state.value

    @property
    def is_well(self) -> bool:
        """Is it healthy, and does it answer?"""
        return self.state == State.HEALTHY.value and not self.answer.why

    @property
    def why(self) -> str:
        """What is wrong; empty if nothing is."""
        known, answer = self.known or Known(), self.answer
        if known.state is State.HEALTHY:
            return f"{answer.why} {answer.error}" if answer.why else ""
        again = f"again in {duration(known.next_try)}" if known.next_try else "to be tried"
        if answer.why:
            return f"{answer.why}, {again}: {answer.error}"
        return f"answers now, {again}: {known.why}"

    def as_data(self) -> dict[str, Any]:
        """For JSON; times in seconds."""
        known, load = self.known or Known(), self.answer.load
        return {
            "host": self.coordinator.host,
            "port": self.coordinator.port,
            "state": self.state,
            "since": _rounded(known.since),
            "next_try": _rounded(known.next_try),
            "tries": known.tries,
            "why": known.why or self.answer.why,
            "answers": not self.answer.why,
            "error": self.answer.error,
            "version": self.answer.version,
            "connect_time": _rounded(self.answer.seconds),
            "usual_connect_time": _rounded(known.connect_time),
            "load": round(load.figure, 3) if load else None,
            "connections_of_all": load.connections if load else None,
            "service_threads": load.threads if load else None,
            "queries": load.queries if load else None,
            "load_error": self.answer.load_error,
            "recent": round(known.load, 3),
            "connections": self.connections,
        }

    def line(self, name: str, width: int) -> str:
        """In *width* columns, after its *name*."""
        known, answer = self.known or Known(), self.answer
        since = "-" if known.since is None else duration(known.since)
        here = "-" if self.connections is None else self.connections
        head = f"{name}  {self.state:<9}  {since:>5}  {known.tries or '-':>5}  {here:>4}  "
        seconds = answer.seconds if answer.seconds is not None else known.connect_time
        took = "-" if seconds is None else f"{1000 * seconds:.0f} ms"
        version = match[1] if (match := _VERSION.search(answer.version)) else answer.version
        load = f"{answer.load.figure:.0%}" if answer.load else f"{known.load:.1f}"
        rest = self.why or f"{took:>7}  {load:>4}  {version or '-'}"
        return head + _cut(rest, width - len(head))

    def is_cut(self, name: str, width: int) -> bool:
        """Has its line no room for all that is wrong?"""
        return bool(self.why) and self.line(name, width).endswith(_DOTS)


def table(
    rows: Sequence[Row],
    width: int,
    *,
    shared: bool,
    hidden: tuple[Sequence[str], Sequence[str]] = ((), ()),
) -> Iterator[str]:
    """
    The lines: a head, one for each of *rows*, a summary, and what else there is.

    Args:
        rows: What to show.
        width: Columns.
        shared: Whether there is a state that processes share.
        hidden: As `machine.states_not_shown` has it.
    """
    title, full = _names(rows)
    room = max(len(title), width - len(_HEAD) - 2 - _LEAST)
    names, domain = full, ""
    if max(map(len, full)) > room:
        names, domain = _without_domain(full)
    room = max(len(title), min(max(map(len, names)), room))
    names = [f"{_cut(name, room):<{room}}" for name in names]
    yield _cut(f"{title:<{room}}  {_HEAD}{_REST}", width).rstrip()
    for name, row in zip(names, rows, strict=True):
        yield row.line(name, width).rstrip()
    states = Counter(row.state for row in rows)
    counted = ", ".join(f"{number} {state}" for state, number in states.items())
    yield f"{len(rows)} in all: {counted}"
    if domain:
        yield from _wrapped(f"The names end with {domain}", width)
    for name, whole, row in zip(names, full, rows, strict=True):
        if row.is_cut(name, width):
            yield from _wrapped(f"{whole}: {row.why}", width)
    if not shared:
        yield "No state is shared on this machine: only how each answers now is known."
    users, own = hidden
    if users:
        yield f"Not shown: what programs of other users know. Run it as {', '.join(users)}."
    if own:
        yield "Not shown: what programs of yours know that run without, or with another,"
        yield f"XDG_RUNTIME_DIR: {', '.join(own)}"


def _names(rows: Sequence[Row]) -> tuple[str, list[str]]:
    """The head of the first column, and the names in it: without a port that all have."""
    ports = {row.coordinator.port for row in rows}
    names = [str(row.coordinator) for row in rows]
    if len(ports) > 1:
        return "coordinator", names
    return f"port {ports.pop()}", [name.rpartition(":")[0] for name in names]


def _without_domain(names: Sequence[str]) -> tuple[list[str], str]:
    """The *names* without the domain that all of them end with, and that domain."""
    _, dot, domain = min(names, key=len).partition(".")
    while dot and not all(name.endswith(f".{domain}") for name in names):
        _, dot, domain = domain.partition(".")
    end = dot + domain
    return [name.removesuffix(end) for name in names], end


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)


def duration(seconds: float) -> str:
    """In at most five columns: ``12s``, ``3m``, ``2h``, ``4d``."""
    for unit, letter in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= unit:
            return f"{int(seconds // unit)}{letter}"
    return f"{int(seconds)}s"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - len(_DOTS))]}{_DOTS}"
