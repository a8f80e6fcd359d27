"""What a policy chooses among: the coordinators with their state at one moment."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from impala_ha.core.model import Coordinator

from .circuit_breaker import State


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
        load: Its recent connections of all processes of this machine, by its weight; None where
            they are not shared.
    """

    coordinator: Coordinator
    state: State = State.HEALTHY
    connections: int = 0
    ejected_for: float = 0.0
    ejected_with: tuple[str, ...] = ()
    load: float | None = None

    def __str__(self) -> str:
        with_ = "".join(f" (ejected with {options_key})" for options_key in self.ejected_with)
        return f"{self.coordinator} {self.state.value}{with_}"


class AllHealthy(Sequence[Candidate]):
    """
    The members of a cluster while all of them are healthy: always the same object.

    So a policy may keep an order of them: only their connections can change.
    """

    def __init__(self, coordinators: Iterable[Coordinator]):
        self._candidates = [Candidate(coordinator) for coordinator in coordinators]
        self._places = {each.coordinator: at for at, each in enumerate(self._candidates)}

    def update(self, coordinator: Coordinator, connections: int) -> None:
        """Note how many *connections* a coordinator has."""
        place = self._places[coordinator]
        known = self._candidates[place].coordinator  # an equal one may have another weight
        self._candidates[place] = Candidate(known, connections=connections)

    def __getitem__(self, at: Any) -> Any:
        return self._candidates[at]

    def __len__(self) -> int:
        return len(self._candidates)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self._candidates)

    def __contains__(self, candidate: object) -> bool:
        if not isinstance(candidate, Candidate) or candidate.coordinator not in self._places:
            return False
        return self._candidates[self._places[candidate.coordinator]] is candidate


class WithLoads(Sequence[Candidate]):
    """
    *candidates* with the *loads* of their coordinators, in the same order.

    Each is made when it is asked for: most policies look at few of them.
    """

    def __init__(self, candidates: Sequence[Candidate], loads: Sequence[float]):
        self._candidates = candidates
        self._loads = loads
        self._made: dict[int, Candidate] = {}

    def least(self, rng: random.Random) -> Candidate:
        """The one with the least load, of equals a random one."""
        least = min(self._loads)
        places = [place for place, load in enumerate(self._loads) if load == least]
        return self._with_load(places[0] if len(places) == 1 else rng.choice(places))

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[each] for each in range(len(self))[at]]
        return self._with_load(range(len(self))[at])

    def _with_load(self, place: int) -> Candidate:
        if place not in self._made:
            known, load = self._candidates[place], self._loads[place]
            self._made[place] = Candidate(
                known.coordinator, known.state, known.connections, known.ejected_for, load=load
            )
        return self._made[place]

    def __len__(self) -> int:
        return len(self._loads)

    def __contains__(self, candidate: object) -> bool:
        return candidate in self._made.values()
