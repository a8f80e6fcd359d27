"""
Who is next?

A policy is anything with ``choose(candidates)``.  To add one, write the class and give it a name
in `POLICIES`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from impala_ha.core.model import Coordinator

from .circuit_breaker import State

__all__ = [
    "POLICIES",
    "Candidate",
    "LeastConnections",
    "Ordered",
    "Policy",
    "RandomChoice",
    "RoundRobin",
    "TwoChoices",
]


def __dir__() -> list[str]:
    return __all__


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    The state of a coordinator at one moment.

    Attributes:
        coordinator: The coordinator.
        state: Its state.
        connections: How many connections to it this process has open.
        ejected_for: Seconds until its ejection ends, 0 if it is not ejected.
        ejected_with: Options for whose connections alone it is ejected, because the options may be
            wrong.  Only `Cluster.snapshot` fills it.
    """

    coordinator: Coordinator
    state: State = State.HEALTHY
    connections: int = 0
    ejected_for: float = 0.0
    ejected_with: tuple[str, ...] = ()


class Policy(Protocol):
    """Chooses among those that may be chosen; who may be is not its affair."""

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Pick one of *candidates*; there is at least one."""


class Ordered:
    """The first of the list that is well; the others are spares."""

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Pick the first."""
        return candidates[0]


class RandomChoice:
    """Any, in proportion to weight."""

    def __init__(self, rng: random.Random):
        self._rng = rng

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Pick by lot."""
        return self._rng.choices(candidates, [c.coordinator.weight for c in candidates])[0]


class RoundRobin:
    """
    The one that waited longest, in proportion to weight, from a random start.

    Not an index into the list: an index drifts towards the neighbour of a coordinator that is
    left out.  Each has a point on a line at which its next turn is due; a turn moves it on by
    1/weight.  One that was away is treated as if it had been served when the others were: its next
    turn is drawn anew, from where the line is now.
    """

    def __init__(self, rng: random.Random):
        self._rng = rng
        self._line = 0.0
        self._due: dict[Coordinator, float] = {}

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Pick the one whose turn is most overdue."""
        chosen = min(candidates, key=self._turn)
        self._line = self._turn(chosen)
        self._due[chosen.coordinator] = self._line + 1 / chosen.coordinator.weight
        return chosen

    def _turn(self, candidate: Candidate) -> float:
        coordinator = candidate.coordinator
        due = self._due.get(coordinator, -1.0)
        if due < self._line:
            due = self._line + self._rng.random() / coordinator.weight
            self._due[coordinator] = due
        return due


class _SlowStart:
    """
    Holds back those that have come back, where the one with the fewest connections is taken.

    A coordinator that restarted has none, and would be given all new ones at once.  So it is
    offered its share of the turns by weight, and a tenth more, until somebody else is preferred
    to it.
    """

    _PACE = 1.1

    def __init__(self) -> None:
        self._known: set[Coordinator] = set()
        self._credit: dict[Coordinator, float] = {}

    def offered(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Those of *candidates* that may be taken in this turn."""
        present = {candidate.coordinator for candidate in candidates}
        self._credit.update(dict.fromkeys(self._known - present, 0.0))
        self._known |= present
        if not self._credit:
            return candidates
        pace = self._PACE / sum(coordinator.weight for coordinator in present)
        for coordinator in present & self._credit.keys():
            credit = self._credit[coordinator] + pace * coordinator.weight
            self._credit[coordinator] = min(2.0, credit)
        ready = [c for c in candidates if self._credit.get(c.coordinator, 1.0) >= 1.0]
        return ready or candidates

    def chose(self, chosen: Candidate, among: Sequence[Candidate]) -> Candidate:
        """Note that *chosen* was preferred to the others, and return it."""
        for candidate in among if self._credit else ():
            if candidate is not chosen:
                self._credit.pop(candidate.coordinator, None)
            elif candidate.coordinator in self._credit:
                self._credit[candidate.coordinator] -= 1.0
        return chosen


class LeastConnections:
    """
    The one with the fewest connections of this process for its weight; ties fall at random.

    One that comes back is given its share of the new ones until it has caught up, and not all.
    """

    def __init__(self, rng: random.Random):
        self._rng = rng
        self._start = _SlowStart()

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Pick the least loaded."""
        offered = self._start.offered(candidates)
        chosen = min(
            offered, key=lambda c: (c.connections / c.coordinator.weight, self._rng.random())
        )
        return self._start.chose(chosen, offered)


class TwoChoices:
    """
    The less loaded of two picked at random.

    One that comes back is given its share of the new ones until it has caught up, and not more.
    """

    def __init__(self, rng: random.Random):
        self._rng = rng
        self._start = _SlowStart()

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Pick the better of two."""
        offered = self._start.offered(candidates)
        two = self._rng.sample(offered, min(2, len(offered)))
        return self._start.chose(min(two, key=lambda c: c.connections / c.coordinator.weight), two)


POLICIES: dict[str, Callable[[random.Random], Policy]] = {
    "least_connections": LeastConnections,
    "ordered": lambda _: Ordered(),
    "random": RandomChoice,
    "round_robin": RoundRobin,
    "two_choices": TwoChoices,
}
