"""Who is there, and how they are.  Knows no clock, no lock and no network."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from weakref import WeakSet

from ._health import Breaker, Health, State
from ._link import Link
from ._model import Coordinator
from .errors import ProgrammingError
from .policies import Candidate, Policy

_WELL = frozenset({State.HEALTHY, State.ON_TRIAL})


class Roster:
    """The coordinators of a cluster with their health and their load."""

    def __init__(
        self,
        coordinators: Iterable[Coordinator],
        breaker: Breaker,
        rng: random.Random,
    ):
        self._breaker = breaker
        self._rng = rng
        self._health: dict[Coordinator, Health] = {c: Health() for c in coordinators}
        # A connection that is dropped without close() is counted no more once it is collected.
        self._links: dict[Coordinator, WeakSet[Link]] = {c: WeakSet() for c in self._health}
        self._attached: set[Coordinator] = set()
        if not self._health:
            raise ValueError("a cluster needs at least one coordinator")

    def candidates(self, now: float) -> list[Candidate]:
        """Everyone, as they stand at *now*."""
        return [
            Candidate(
                coordinator,
                self._breaker.state(health, now),
                len(self._links[coordinator]),
                max(0.0, (health.ejected_until or now) - now),
            )
            for coordinator, health in self._health.items()
        ]

    def pick(
        self, policy: Policy, now: float, tried: Sequence[Coordinator] = (), zone: str = ""
    ) -> Coordinator:
        """
        Choose a coordinator: rather a well one, rather one that this call has tried least.

        Nobody being well is no reason to try nobody; then the one whose ejection ends first, and
        whom nobody else tries.

        Args:
            policy: Chooses among those that may be chosen.
            now: Seconds of the clock.
            tried: Where this call has been already, once for each try.
            zone: Whose coordinators come first, as long as one of them is well; empty: nobody's.
        """
        everyone = self.candidates(now)
        times = Counter(tried)
        fewest = min(times[c.coordinator] for c in everyone)
        fresh = [c for c in everyone if times[c.coordinator] == fewest]
        well = [c for c in fresh if c.state in _WELL]
        near = [c for c in well if zone and c.coordinator.zone == zone]
        offered = (
            near
            or well
            or [min(fresh, key=lambda c: (self.on_trial(c.coordinator, now), c.ejected_for))]
        )
        chosen = policy.choose(offered)
        if chosen not in offered:
            raise ProgrammingError(
                f"the policy {policy!r} must choose one of the candidates it is given "
                f"({', '.join(str(c.coordinator) for c in offered)}), not {chosen!r}"
            )
        if chosen.state is not State.HEALTHY:
            self.lease(chosen.coordinator, now)
        return chosen.coordinator

    def lease(self, coordinator: Coordinator, now: float) -> None:
        """Note that somebody tries *coordinator*, which is not healthy."""
        self._health[coordinator] = self._breaker.tried(self._health[coordinator], now)

    def free(self, now: float) -> list[Coordinator]:
        """Whom nobody tries at the moment, from the one whose ejection ends first."""
        found = sorted(self.candidates(now), key=lambda c: c.ejected_for)
        return [c.coordinator for c in found if not self.on_trial(c.coordinator, now)]

    def on_trial(self, coordinator: Coordinator, now: float) -> bool:
        """Does a call try *coordinator* at the moment, although it is not healthy?"""
        return (self._health[coordinator].trial_until or now) > now

    def is_healthy(self, now: float) -> bool:
        """Is anybody?"""
        return any(
            self._breaker.state(health, now) is State.HEALTHY for health in self._health.values()
        )

    def rounds(self, tried: Sequence[Coordinator]) -> int:
        """How often everyone was tried, going by the one that was tried least."""
        times = Counter(tried)
        return min(times[coordinator] for coordinator in self._health)

    def failed(self, coordinator: Coordinator, now: float, *, draining: bool = False) -> None:
        """Note a failure that speaks against *coordinator*."""
        if health := self._health.get(coordinator):
            self._health[coordinator] = self._breaker.failed(
                health, now, self._rng, draining=draining
            )

    def ejected_for(self, coordinator: Coordinator, now: float) -> float | None:
        """For how many seconds more *coordinator* is left alone; None while it is well."""
        health = self._health.get(coordinator)
        until = health.ejected_until if health else None
        return None if until is None else max(0.0, until - now)

    def succeeded(self, coordinator: Coordinator) -> None:
        """Note an answer."""
        if coordinator in self._health:
            self._health[coordinator] = self._breaker.succeeded()

    def undecided(self, coordinator: Coordinator) -> None:
        """Note a failure that says nothing about *coordinator*: the next caller may try it."""
        if health := self._health.get(coordinator):
            self._health[coordinator] = self._breaker.untried(health)

    def answered(self, coordinator: Coordinator) -> None:
        """Note that *coordinator* is there; what it said of statements before is not forgotten."""
        if health := self._health.get(coordinator):
            self._health[coordinator] = self._breaker.answered(health)

    def attach(self, link: Link) -> None:
        """Count *link* until it is detached or nobody has it."""
        if link.coordinator in self._links:
            self._links[link.coordinator].add(link)
            self._attached.add(link.coordinator)

    def was_attached(self, coordinator: Coordinator) -> bool:
        """Was there ever a link to *coordinator*?"""
        return coordinator in self._attached

    def detach(self, link: Link) -> None:
        """Count *link* no more; one that is not counted changes nothing."""
        if link.coordinator in self._links:
            self._links[link.coordinator].discard(link)

    def forked(self) -> None:
        """In a child: the links and the trials are its parent's."""
        self._links = {c: WeakSet() for c in self._health}
        self._health = {c: self._breaker.untried(health) for c, health in self._health.items()}
