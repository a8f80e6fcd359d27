"""
How others choose, as policies: a process that has none of what its peers know begins as they do.

They choose among the coordinators that our circuit breaker offers; none of them has a better one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import count

from impala_ha.balancing.policies import Candidate, Policy
from impala_ha.core.model import Coordinator


class FirstHost:
    """The first host of the list, as libpq and psycopg do by default."""

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose the first."""
        return candidates[0]


class RoundRobinFromZero:
    """An index that starts at 0 in each process, as in the AWS and the cluster clients of Redis."""

    def __init__(self) -> None:
        self._next = 0

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose by the index."""
        self._next += 1
        return candidates[(self._next - 1) % len(candidates)]


class ElasticSelector:
    """elastic-transport's `RoundRobinSelector`: an index into a list shuffled once a process."""

    def __init__(self, rng: random.Random):
        self._rng = rng
        self._order: dict[Coordinator, float] = {}
        self._next = 0

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose by the index."""
        for each in candidates:
            if each.coordinator not in self._order:
                self._order[each.coordinator] = self._rng.random()
        self._next += 1
        ordered = sorted(candidates, key=lambda each: self._order[each.coordinator])
        return ordered[(self._next - 1) % len(ordered)]


class HAProxyLeastconn:
    """HAProxy's leastconn: the fewest connections for its weight; of several who waited longest."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._last: dict[Coordinator, int] = {}

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose the one with the fewest connections."""
        chosen = min(
            candidates,
            key=lambda c: (c.connections / c.coordinator.weight, self._last.get(c.coordinator, 0)),
        )
        self._last[chosen.coordinator] = next(self._numbers)
        return chosen


class LeastRequest:
    """Envoy's least request for equal weights: the less busy one of two draws."""

    def __init__(self, rng: random.Random):
        self._rng = rng

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose the less busy one of two, which may be the same."""
        return min(self._rng.choices(candidates, k=2), key=lambda each: each.connections)


#: By name; each is made once a process.
PEERS: dict[str, Callable[[random.Random], Policy]] = {
    "elastic": ElasticSelector,
    "first_host": lambda _: FirstHost(),
    "haproxy_leastconn": lambda _: HAProxyLeastconn(),
    "least_request": LeastRequest,
    "round_robin_from_0": lambda _: RoundRobinFromZero(),
}
