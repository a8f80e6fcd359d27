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

from ._health import State
from ._model import Coordinator

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


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    A coordinator as it stands at this moment.

    Attributes:
        coordinator: Which.
        state: How it is.
        links: Connections that this process has open to it.
        ejected_for: Seconds that it will still be left alone, 0 if it is not.
    """

    coordinator: Coordinator
    state: State = State.HEALTHY
    links: int = 0
    ejected_for: float = 0.0


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
    1/weight.  One that was away starts from where the line is now, and is not made up for.
    """

    def __init__(self, rng: random.Random):
        self._rng = rng
        self._line = 0.0
        self._due: dict[Coordinator, float] = {}

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Pick the one whose turn is most overdue."""
        chosen = min(candidates, key=self._turn)
        self._line = max(self._line, self._turn(chosen))
        self._due[chosen.coordinator] = self._line + 1 / chosen.coordinator.weight
        return chosen

    def _turn(self, candidate: Candidate) -> float:
        coordinator = candidate.coordinator
        if coordinator not in self._due:
            self._due[coordinator] = self._line + self._rng.random() / coordinator.weight
        return self._due[coordinator]


class LeastConnections:
    """The one with the fewest connections of this process for its weight; ties fall at random."""

    def __init__(self, rng: random.Random):
        self._rng = rng

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Pick the least loaded."""
        return min(candidates, key=lambda c: (c.links / c.coordinator.weight, self._rng.random()))


class TwoChoices:
    """The less loaded of two picked at random."""

    def __init__(self, rng: random.Random):
        self._rng = rng

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Pick the better of two."""
        two = self._rng.sample(candidates, min(2, len(candidates)))
        return min(two, key=lambda c: c.links / c.coordinator.weight)


POLICIES: dict[str, Callable[[random.Random], Policy]] = {
    "least_connections": LeastConnections,
    "ordered": lambda _: Ordered(),
    "random": RandomChoice,
    "round_robin": RoundRobin,
    "two_choices": TwoChoices,
}
