"""What a simulation has found: figures, a table, a plot."""

from __future__ import annotations

import statistics
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from impala_ha.core.extras import import_extra
from impala_ha.core.model import Coordinator

from .servers import Condition

if TYPE_CHECKING:
    from .fleet import Fleet


class FailedTry(NamedTuple):
    """
    An attempt to open a connection to a coordinator that was not up.

    Attributes:
        at: When, in seconds from the start.
        machine: Of the client, from 0.
        coordinator: The coordinator.
    """

    at: float
    machine: int
    coordinator: Coordinator


class Result:
    """
    What happened in a simulation.

    Attributes:
        fleet: What was simulated.
        coordinators: In order.
        started: Jobs that were started.
        done: Jobs that succeeded.
        failed: Jobs that failed.
        arrivals: By coordinator: attempts to open a connection in each second.
        connections: By coordinator: open connections at the end of each second.
        failed_tries: The attempts at coordinators that were not up.
    """

    def __init__(self, fleet: Fleet, coordinators: Sequence[Coordinator]):
        self.fleet = fleet
        self.coordinators = tuple(coordinators)
        self.started = self.done = self.failed = 0
        seconds = int(fleet.seconds) + 1
        self.arrivals = {each: array("L", [0]) * seconds for each in coordinators}
        self.connections = {each: array("L") for each in coordinators}
        self.failed_tries: list[FailedTry] = []
        self._waits = array("d")
        self._times = array("d")
        self._slowdowns = array("d")

    def arrived(self, where: Coordinator, machine: int, now: float, condition: Condition) -> None:
        """Note an attempt to open a connection."""
        self.arrivals[where][int(now)] += 1
        if condition is not Condition.UP:
            self.failed_tries.append(FailedTry(now, machine, where))

    def end(self, began: float, now: float, statement: float, waited: float | None) -> None:
        """Note the end of a job; *waited* is None if it failed."""
        if waited is None:
            self.failed += 1
            return
        self.done += 1
        if began >= self.fleet.warm_up:
            self._waits.append(now - began - statement)
            self._times.append(now - began)
            self._slowdowns.append((now - began) / statement)

    def sample(self, connections: Iterable[tuple[Coordinator, int]]) -> None:
        """Note the open connections at the end of a second."""
        for where, count in connections:
            self.connections[where].append(count)

    @property
    def running(self) -> int:
        """How many jobs were not over at the end."""
        return self.started - self.done - self.failed

    def wait(self, percent: float) -> float:
        """Below how many seconds *percent* of the jobs took longer than their statement runs."""
        return _percentile(self._waits, percent)

    def time(self, percent: float) -> float:
        """Below how many seconds *percent* of the jobs took, in all."""
        return _percentile(self._times, percent)

    def slowdown(self, percent: float) -> float:
        """Below how many times the run time of their statement *percent* of the jobs took."""
        return _percentile(self._slowdowns, percent)

    @property
    def mean_wait(self) -> float:
        """Mean seconds that jobs took longer than their statement runs."""
        return statistics.fmean(self._waits) if self._waits else 0.0

    def imbalance(self, begin: float | None = None, end: float | None = None) -> float:
        """
        Arrivals at the busiest coordinator / mean of all.

        Args:
            begin: From which second; by default the end of the warm-up.
            end: Up to which second; by default the end.
        """
        return _imbalance(self._arrived(begin, end))

    def _arrived(self, begin: float | None, end: float | None) -> list[int]:
        first = int(self.fleet.warm_up if begin is None else begin)
        last = None if end is None else int(end)
        return [sum(self.arrivals[each][first:last]) for each in self.coordinators]

    def load_imbalance(self) -> float:
        """Open connections of the fullest coordinator / mean of all, on average over time."""
        first = int(self.fleet.warm_up)
        moments = zip(*(self.connections[each][first:] for each in self.coordinators), strict=True)
        found = [_imbalance(counts) for counts in moments if any(counts)]
        return statistics.fmean(found) if found else 0.0

    def table(self) -> str:
        """Its figures, and a line for each coordinator."""
        lines = [compare({"all": self}), "", f"{'coordinator':16}{'arrivals':>10}{'share':>8}"]
        arrived = self._arrived(None, None)
        lines += [
            f"{each.host:16}{count:>10}{count / max(1, sum(arrived)):>8.1%}"
            for each, count in zip(self.coordinators, arrived, strict=True)
        ]
        return "\n".join(lines)

    def plot(self, path: str, begin: float = 0.0) -> None:
        """
        Draw arrivals and open connections of each coordinator over time.

        Args:
            path: The file to write; its ending says in which form (``.svg``, ``.png``).
            begin: From which second.

        Raises:
            MissingExtra: matplotlib is not installed; the extra ``plots`` has it.
        """
        plot({"": self}, path, begin)


def compare(results: Mapping[str, Result]) -> str:
    """A table of the figures of several simulations, a line for each, by name."""
    width = max(map(len, results), default=0) + 2
    head = (
        f"{'':{width}}{'jobs':>8}{'failed':>8}{'arrivals':>10}{'load':>7}"
        f"{'wait':>8}{'p99':>8}{'slow':>7}{'p99':>7}{'tries':>7}"
    )
    lines = [head]
    for name, each in results.items():
        slowdown = statistics.fmean(each._slowdowns) if each._slowdowns else 0.0  # noqa: SLF001
        lines.append(
            f"{name:{width}}{each.started:>8}{each.failed:>8}{each.imbalance():>10.2f}"
            f"{each.load_imbalance():>7.2f}{each.mean_wait:>8.2f}{each.wait(99):>8.2f}"
            f"{slowdown:>7.2f}{each.slowdown(99):>7.2f}{len(each.failed_tries):>7}"
        )
    return "\n".join(lines)


def plot(results: Mapping[str, Result], path: str, begin: float = 0.0) -> None:
    """
    Draw arrivals and open connections of each coordinator over time, a column for each result.

    Args:
        results: By title.
        path: The file to write; its ending says in which form (``.svg``, ``.png``).
        begin: From which second.

    Raises:
        MissingExtra: matplotlib is not installed; the extra ``plots`` has it.
    """
    figure = import_extra("matplotlib.figure", "plots").Figure((4 * len(results) + 1, 5))
    axes = figure.subplots(2, len(results), sharex=True, sharey="row", squeeze=False)
    for column, (title, result) in enumerate(results.items()):
        first = int(begin)
        step = max(1, (int(result.fleet.seconds) - first) // 100)
        above, below = axes[0][column], axes[1][column]
        above.set_title(title)
        for each in result.coordinators:
            arrivals, connections = result.arrivals[each], result.connections[each]
            starts = range(first, len(connections) - step + 1, step)
            rates = [sum(arrivals[at : at + step]) / step for at in starts]
            means = [statistics.fmean(connections[at : at + step]) for at in starts]
            above.plot(starts, rates, linewidth=0.7)
            below.plot(starts, means, linewidth=0.7)
        below.set_xlabel("seconds")
    axes[0][0].set_ylabel("arrivals a second")
    axes[1][0].set_ylabel("open connections")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)


def _imbalance(counts: Sequence[int]) -> float:
    total = sum(counts)
    return max(counts) * len(counts) / total if total else 0.0


def _percentile(values: Sequence[float], percent: float) -> float:
    """The least one that *percent* of the values do not exceed; 0 where there is none."""
    if not 0 < percent <= 100:  # noqa: PLR2004
        raise ValueError(f"percent must be above 0 and at most 100, not {percent}")
    ordered = sorted(values)
    place = int(len(ordered) * percent / 100 + 0.999999) - 1
    return ordered[max(0, place)] if ordered else 0.0
