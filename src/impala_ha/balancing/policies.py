"""
Load-balancing policies: which coordinator is next.

A policy is anything with ``choose(candidates)``.  To add one, write the class and give it a name
in `POLICIES`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heapify, heapreplace
from typing import Protocol

from impala_ha.core.model import Coordinator

from .candidates import AllHealthy, Candidate, WithLoads
from .readings import LoadReport

__all__ = [
    "POLICIES",
    "Candidate",
    "LeastConnections",
    "LeastLoaded",
    "LoadReport",
    "Ordered",
    "Policy",
    "RandomChoice",
    "RoundRobin",
    "Sticky",
    "TwoChoices",
    "make_policy",
]


def __dir__() -> list[str]:
    return __all__


class Policy(Protocol):
    """Chooses among the candidates; it does not decide who is a candidate."""

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose one of *candidates*; there is at least one."""


class RandomChoice:
    """A random one, in proportion to weight."""

    def __init__(self, rng: random.Random):
        self._rng = rng

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose at random."""
        return self._rng.choices(candidates, [c.coordinator.weight for c in candidates])[0]


def _load(candidate: Candidate) -> float:
    return candidate.load or 0.0


class RoundRobin:
    """
    Each in turn, in proportion to weight, from a random start.

    Not an index into the list: an index drifts towards the neighbour of a coordinator that is
    missing.  As in the earliest-deadline-first scheduler of Envoy, each has a deadline; a turn
    moves it on by 1/weight.  One that comes back gets a random deadline from the present on, and
    not the turns that it has missed.

    Where the processes of a machine share their loads, the one with the least load is next.
    """

    def __init__(self, rng: random.Random):
        self._rng = rng
        self._now = 0.0
        self._deadlines: dict[Coordinator, float] = {}
        self._everyone: Sequence[Candidate] = ()
        self._heap: list[tuple[float, int]] = []  # deadlines and places of everyone, if all is well

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose the one with the least load, or with the earliest deadline."""
        if isinstance(candidates, WithLoads):
            return candidates.least(self._rng)
        if candidates[0].load is not None:
            return min(candidates, key=lambda each: (_load(each), self._rng.random()))
        if candidates is not self._everyone:
            self._heap = [(self._deadline_of(each), at) for at, each in enumerate(candidates)]
            heapify(self._heap)
            self._everyone = candidates if isinstance(candidates, AllHealthy) else ()
        self._now, at = self._heap[0]
        chosen = candidates[at]
        deadline = self._now + 1 / chosen.coordinator.weight
        self._deadlines[chosen.coordinator] = deadline
        heapreplace(self._heap, (deadline, at))
        return chosen

    def _deadline_of(self, candidate: Candidate) -> float:
        coordinator = candidate.coordinator
        deadline = self._deadlines.get(coordinator, -1.0)
        if deadline < self._now:
            deadline = self._now + self._rng.random() / coordinator.weight
            self._deadlines[coordinator] = deadline
        return deadline


class Ordered:
    """
    The first one of the list, or with ``ordered:N`` the first N in turn; the others are spares.

    A spare takes the place of one that is ejected, until that one is back: N are active as long as
    N are healthy.
    """

    def __init__(self, rng: random.Random | None = None, active: int = 1):
        """
        Args:
            rng: Where the turns of several start; a new generator by default.
            active: How many are active at a time; at least 1.

        Raises:
            ValueError: *active* is below 1.
        """
        if active < 1:
            raise ValueError(f"active must be at least 1, not {active}")
        self._active = active
        self._turns = RoundRobin(rng or random.Random())  # noqa: S311 - chance, not secrecy

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose the first, or the next of the first ones."""
        if self._active == 1:
            return candidates[0]
        return self._turns.choose(candidates[: self._active])


@dataclass(frozen=True, slots=True)
class Sticky:
    """
    The same one for a user, or for `sticky_key`, in proportion to weight.

    From any process and machine, by rendezvous hashing: each coordinator has a number for each
    key, and the lowest one wins.  So when one is ejected its keys alone move, evenly to all others,
    and move back when it is back.

    Attributes:
        key: What it goes by; empty: by what each connection goes.
    """

    key: str = ""

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose the one with the lowest number for the key."""
        return min(candidates, key=lambda candidate: _score(self.key, candidate.coordinator))


def with_key(policy: Policy, key: str) -> Policy:
    """*policy* for a connection that goes by *key*, if it is `Sticky` and has no key of its own."""
    return Sticky(key) if isinstance(policy, Sticky) and not policy.key else policy


def _score(key: str, coordinator: Coordinator) -> float:
    """
    The number of *coordinator* for *key*: exponentially distributed, with its weight as the rate.

    The lowest of several such numbers is each one's in proportion to its rate.
    """
    text = f"{key}\0{coordinator}".encode("utf-8", "surrogatepass")
    digest = int.from_bytes(blake2b(text, digest_size=7).digest(), "big")
    return -math.log((digest + 1) / 2**56) / coordinator.weight


class _SlowStart:
    """
    Slow start of coordinators that come back, for policies that choose by connections.

    One that restarted, or is new, has no connections, and would get all new ones at once.  So it is
    a candidate for its share of the turns by weight, and a tenth more, until another one is
    preferred to it.
    """

    _PACE = 1.1

    def __init__(self) -> None:
        self._everyone: Sequence[Candidate] = ()
        self._known: set[Coordinator] = set()
        self._credit: dict[Coordinator, float] = {}

    def offered(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Those of *candidates* that may be chosen in this turn."""
        if candidates is self._everyone and not self._credit:
            return candidates
        self._everyone = candidates if isinstance(candidates, AllHealthy) else ()
        present = {candidate.coordinator for candidate in candidates}
        come = present - self._known if self._known else set()
        self._credit.update(dict.fromkeys(self._known - present | come, 0.0))
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
    The one with the fewest connections of this process for its weight.

    Of several the one with the least load of the machine, or a random one.

    One that comes back gets its share of the new ones until it has caught up, and not all.
    """

    def __init__(self, rng: random.Random):
        self._rng = rng
        self._start = _SlowStart()

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose the one with the fewest connections."""
        offered = self._start.offered(candidates)
        chosen = min(
            offered,
            key=lambda c: (c.connections / c.coordinator.weight, _load(c), self._rng.random()),
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


class LeastLoaded:
    """
    The one with the least load for its weight, as its web pages tell it, of a few random ones.

    Those few are asked just before, unless that was done within the last second; what the machine
    itself has sent since is added.  Where a load is older, or the processes of the machine do not
    share theirs, it is the better one of two: who goes by an old load to the least one goes there
    with everybody else.  One whose load is not known passes for the mean of the others; without
    any it is `RoundRobin`.

    One that comes back gets its share of the new ones until it has caught up, and not more.

    Attributes:
        reports: What is known; the cluster fills it before each choice.
        asked: The few that were asked just before; empty: nobody was.
    """

    _FRESH = 1.25  # seconds: what was not due just before, and the time to read the others

    def __init__(self, rng: random.Random):
        self.reports: Mapping[Coordinator, LoadReport] = {}
        self.asked: Collection[Coordinator] = ()
        self._rng = rng
        self._start = _SlowStart()
        self._turns = RoundRobin(rng)

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Choose the one with the least load, or the better of two."""
        reports = self.reports
        known = [reports[c.coordinator] for c in candidates if c.coordinator in reports]
        if not known:
            return self._turns.choose(candidates)
        mean = LoadReport(sum(each.load for each in known) / len(known), 0.0, known[0].threads)
        offered = self._start.offered(candidates)
        offered = [each for each in offered if each.coordinator in self.asked] or offered
        found = [reports.get(each.coordinator) for each in offered]
        fresh = all(each is not None and each.age <= self._FRESH for each in found)
        if not fresh or candidates[0].load is None:
            offered = self._rng.sample(offered, min(2, len(offered)))

        def busy(candidate: Candidate) -> tuple[float, float]:
            report = reports.get(candidate.coordinator, mean)
            sent = _load(candidate) / report.threads
            return report.load / candidate.coordinator.weight + sent, self._rng.random()

        return self._start.chose(min(offered, key=busy), offered)


POLICIES: dict[str, Callable[[random.Random], Policy]] = {
    "least_connections": LeastConnections,
    "least_loaded": LeastLoaded,
    "ordered": Ordered,
    "random": RandomChoice,
    "round_robin": RoundRobin,
    "sticky": lambda _: Sticky(),
    "two_choices": TwoChoices,
}


def make_policy(name: str, rng: random.Random) -> Policy:
    """
    A policy by its name.

    Args:
        name: One of `POLICIES`, or ``ordered:N`` with N active coordinators.
        rng: The source of random numbers.

    Raises:
        ValueError: There is none of that name; the text goes on after "policy".
    """
    kind, _, active = name.partition(":")
    if kind == "ordered" and active.isascii() and active.isdigit() and int(active):
        return Ordered(rng, int(active))
    if name not in POLICIES:
        known = ", ".join(POLICIES)
        raise ValueError(f"must be one of {known}, or ordered:N with N active coordinators")
    return POLICIES[name](rng)


def policy_named(name: str, rng: random.Random) -> Policy:
    """`make_policy`, whose error says of what it is."""
    try:
        return make_policy(name, rng)
    except ValueError as error:
        raise ValueError(f"policy {error}, not {name!r}") from None
