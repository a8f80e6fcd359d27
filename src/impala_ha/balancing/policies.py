"""
Load-balancing policies: which coordinator is next.

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
    """Chooses among the candidates; it does not decide who is a candidate."""

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose one of *candidates*; there is at least one."""


class Ordered:
    """The first one of the list; the others are spares."""

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose the first."""
        return candidates[0]


class RandomChoice:
    """A random one, in proportion to weight."""

    def __init__(self, rng: random.Random):
        self._rng = rng

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose at random."""
        return self._rng.choices(candidates, [c.coordinator.weight for c in candidates])[0]


class RoundRobin:
    """
    Each in turn, in proportion to weight, from a random start.

    Not an index into the list: an index drifts towards the neighbour of a coordinator that is
    missing.  As in the earliest-deadline-first scheduler of Envoy, each has a deadline; a turn
    moves it on by 1/weight.  One that comes back gets a random deadline from the present on, and
    not the turns that it has missed.
    """

    def __init__(self, rng: random.Random):
        self._rng = rng
        self._now = 0.0
        self._deadlines: dict[Coordinator, float] = {}

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose the one with the earliest deadline."""
        chosen = min(candidates, key=self._deadline_of)
        self._now = self._deadline_of(chosen)
        self._deadlines[chosen.coordinator] = self._now + 1 / chosen.coordinator.weight
        return chosen

    def _deadline_of(self, candidate: Candidate) -> float:
        coordinator = candidate.coordinator
        deadline = self._deadlines.get(coordinator, -1.0)
        if deadline < self._now:
            deadline = self._now + self._rng.random() / coordinator.weight
            self._deadlines[coordinator] = deadline
        return deadline


class _SlowStart:
    """
    Slow start of coordinators that come back, for policies that choose by connections.

    A coordinator that restarted has no connections, and would get all new ones at once.  So it is
    a candidate for its share of the turns by weight, and a tenth more, until another one is
    preferred to it.
    """

    _PACE = 1.1

    def __init__(self) -> None:
        self._known: set[Coordinator] = set()
        self._credit: dict[Coordinator, float] = {}

    def offered(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Those of *candidates* that may be chosen in this turn."""
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
        """Note that *chosen* was preferred to the others; return it."""
        for candidate in among if self._credit else ():
            if candidate is not chosen:
                self._credit.pop(candidate.coordinator, None)
            elif candidate.coordinator in self._credit:
                self._credit[candidate.coordinator] -= 1.0
        return chosen


class LeastConnections:
    """
    The one with the fewest connections of this process for its weight; ties are random.

    One that comes back gets its share of the new ones until it has caught up, and not all.
    """

    def __init__(self, rng: random.Random):
        self._rng = rng
        self._start = _SlowStart()

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose the one with the fewest connections."""
        offered = self._start.offered(candidates)
        chosen = min(
            offered, key=lambda c: (c.connections / c.coordinator.weight, self._rng.random())
        )
        return self._start.chose(chosen, offered)


class TwoChoices:
    """
    The one with fewer connections of two random ones.

    One that comes back gets its share of the new ones until it has caught up, and not more.
    """

    def __init__(self, rng: random.Random):
        self._rng = rng
        self._start = _SlowStart()

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose the better of two."""
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
