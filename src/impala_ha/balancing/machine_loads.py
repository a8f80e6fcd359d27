"""The loads of coordinators on a machine: how many connections went to each in the last seconds."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence

from impala_ha.core.model import Coordinator

from .shared_records import Turn, key_of

_AVOIDED = 1e9  # a load
_LITTLE = 1e-9  # of load, which only decides between equals


class MachineLoads:
    """
    The loads of *coordinators*, which have those *keys*; *known* are those of some.

    One that is not known is next, and then has the least load of the others.

    Attributes:
        begin: The place of the first turn that was added.
        end: The place behind the last one.
        avoided: Those that are not chosen while there are others.
    """

    def __init__(
        self,
        coordinators: Sequence[Coordinator],
        keys: Sequence[bytes],
        known: dict[bytes, float],
        rng: random.Random,
    ):
        self._coordinators = coordinators
        self._keys = keys
        self._known = {key: known[key] for key in keys if key in known}
        self._rng = rng
        self.begin = self.end = 0
        self.avoided: Collection[Coordinator] = ()

    def add(self, turns: Iterable[Turn], now: float) -> None:
        """Add what the *turns* add at *now*."""
        for turn in turns:
            if turn.key in self._keys:
                self._known[turn.key] = self._known.get(turn.key, 0.0) + turn.load_at(now)

    def turn_of(self, where: Coordinator, now: float) -> Turn:
        """The turn of who chooses *where* *now*."""
        key = key_of(where)
        missed = 0.0 if key in self._known else self._of([where])[0]
        return Turn(key, now, missed + 1 / where.weight)

    def missed_by(self, where: Coordinator, others: Sequence[Coordinator]) -> float:
        """What *where* has less than the *others*."""
        least = min(self._of(others), default=0.0)
        return max(0.0, least - self._known.get(key_of(where), 0.0))

    def _of(self, coordinators: Sequence[Coordinator]) -> list[float]:
        everyone = len(coordinators) == len(self._coordinators)  # which is so most of the time
        keys = self._keys if everyone else [key_of(each) for each in coordinators]
        least = min(self._known.values(), default=0.0)
        return [
            self._known[key] if key in self._known else max(0.0, least - 1 / each.weight)
            for each, key in zip(coordinators, keys, strict=True)
        ]

    def __call__(self, coordinators: Sequence[Coordinator]) -> Sequence[float]:
        """The loads of those, no two of which are equal."""
        loads = self._of(coordinators)
        if self.avoided:
            loads = [
                load + _AVOIDED * (each in self.avoided)
                for each, load in zip(coordinators, loads, strict=True)
            ]
        return [load + _LITTLE * self._rng.random() for load in loads]
