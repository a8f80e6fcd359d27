"""
Who is there, and how they are.  Knows no clock, no lock and no network.

What speaks of a coordinator counts for everybody.  What may be due to the options of a connection
(a certificate that its CA did not sign, TLS at a plain port, a login that ends without a word)
counts for the connections with the same options alone.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol
from weakref import WeakSet

from impala_ha.core.model import Attempt, Coordinator
from impala_ha.errors import ProgrammingError

from .circuit_breaker import CircuitBreaker, Health, State, worse
from .outage import Outage
from .policies import Candidate, Policy

_WELL = frozenset({State.HEALTHY, State.HALF_OPEN})


_MOST_FORMS = 100  # options that are known to fail somewhere; the oldest are forgotten
_MOST_OPENED = 1000  # options with which a coordinator was opened


class HealthTable:
    """
    What is known of coordinators, by all connections or by those with the same options.

    Attributes:
        health: By coordinator; those that are not in it are well.
        failures: The last failure of each that failed last time.
        outage: The tries while nobody is healthy.
    """

    def __init__(self, health: dict[Coordinator, Health]):
        self.health = health
        self.failures: dict[Coordinator, Attempt] = {}
        self.outage = Outage()


class OpenLink(Protocol):
    """An open connection; counted until it is detached or nobody has it."""

    coordinator: Coordinator


class Members:
    """
    The coordinators of a cluster with their health and their load.

    A *form* stands for the options that opening a connection depends on (`Options.form`); an empty
    one for all connections.
    """

    def __init__(
        self,
        coordinators: Iterable[Coordinator],
        breaker: CircuitBreaker,
        rng: random.Random,
    ):
        self._breaker = breaker
        self._rng = rng
        self._all = HealthTable({c: Health() for c in coordinators})
        self._own: dict[str, HealthTable] = {}
        self._opened_with: set[tuple[str, Coordinator]] = set()
        self._coordinators = tuple(self._all.health)
        # A connection that is dropped without close() is counted no more once it is collected.
        self._links: dict[Coordinator, WeakSet[OpenLink]] = {
            c: WeakSet() for c in self._coordinators
        }
        self._attached: set[Coordinator] = set()
        if not self._coordinators:
            raise ValueError("a cluster needs at least one coordinator")

    def table(self, form: str = "") -> HealthTable:
        """What goes for connections of that *form*: where nothing does, what goes for all."""
        return self._own.get(form, self._all)

    def tables(self, form: str) -> list[HealthTable]:
        """What is known by all, and by connections of that *form*."""
        own = self._own.get(form)
        return [self._all] if own is None else [self._all, own]

    def _health(self, coordinator: Coordinator, form: str) -> Health:
        """How *coordinator* is for connections of that *form*."""
        known, own = self._all.health[coordinator], self._own.get(form)
        if own is None or coordinator not in own.health:
            return known
        return worse(known, own.health[coordinator])

    def candidates(self, now: float, form: str = "") -> list[Candidate]:
        """Everyone, as they stand at *now* for connections of that *form*."""
        own = self._own.get(form)
        healths = self._all.health if own is None else self._merged(form)
        return [
            Candidate(
                coordinator,
                self._breaker.state(health, now),
                len(self._links[coordinator]),
                max(0.0, (health.ejected_until or now) - now),
            )
            for coordinator, health in healths.items()
        ]

    def _merged(self, form: str) -> dict[Coordinator, Health]:
        return {each: self._health(each, form) for each in self._coordinators}

    def snapshot(self, now: float) -> list[Candidate]:
        """Everyone, as they stand at *now* for all, and whose options they are ejected with."""
        return [
            replace(
                each,
                ejected_with=tuple(
                    form
                    for form, table in self._own.items()
                    if table.health.get(each.coordinator, Health()).ejected_until is not None
                ),
            )
            for each in self.candidates(now)
        ]

    def pick(
        self,
        policy: Policy,
        now: float,
        tried: Sequence[Coordinator] = (),
        zone: str = "",
        form: str = "",
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
            form: Of the connection that it is for.
        """
        everyone = self.candidates(now, form)
        times = Counter(tried)
        fewest = min(times[c.coordinator] for c in everyone)
        fresh = [c for c in everyone if times[c.coordinator] == fewest]
        well = [c for c in fresh if c.state in _WELL]
        near = [c for c in well if zone and c.coordinator.zone == zone]
        offered = (
            near
            or well
            or [min(fresh, key=lambda c: (self.is_leased(c.coordinator, now, form), c.ejected_for))]
        )
        chosen = policy.choose(offered)
        if chosen not in offered:
            raise ProgrammingError(
                f"the policy {policy!r} must choose one of the candidates it is given "
                f"({', '.join(str(c.coordinator) for c in offered)}), not {chosen!r}"
            )
        if chosen.state is not State.HEALTHY:
            self.lease(chosen.coordinator, now, form)
        return chosen.coordinator

    def lease(self, coordinator: Coordinator, now: float, form: str = "") -> None:
        """Note that somebody tries *coordinator*, which is not healthy."""
        for table in self.tables(form):
            health = table.health.get(coordinator)
            if health is not None and health.ejected_until is not None:
                table.health[coordinator] = self._breaker.lease(health, now)

    def free(self, now: float, form: str = "") -> list[Coordinator]:
        """Whom nobody tries at the moment, from the one whose ejection ends first."""
        found = sorted(self.candidates(now, form), key=lambda c: c.ejected_for)
        return [c.coordinator for c in found if not self.is_leased(c.coordinator, now, form)]

    def is_leased(self, coordinator: Coordinator, now: float, form: str = "") -> bool:
        """Does a call probe *coordinator* at the moment, because it is not healthy?"""
        return (self._health(coordinator, form).leased_until or now) > now

    def is_healthy(self, now: float, form: str = "") -> bool:
        """Is anybody?"""
        return any(
            self._breaker.state(self._health(each, form), now) is State.HEALTHY
            for each in self._coordinators
        )

    def rounds(self, tried: Sequence[Coordinator]) -> int:
        """How often everyone was tried, going by the one that was tried least."""
        times = Counter(tried)
        return min(times[coordinator] for coordinator in self._coordinators)

    def failed(
        self, coordinator: Coordinator, now: float, form: str = "", *, draining: bool = False
    ) -> float | None:
        """
        Note a failure that speaks against *coordinator*, to connections of that *form*.

        Returns:
            For how many seconds it is ejected, if that is new.
        """
        if coordinator not in self._all.health:
            return None
        table = self._all
        if form:
            self._own[form] = table = self._own.pop(form, HealthTable({}))
            if len(self._own) > _MOST_FORMS:
                del self._own[next(iter(self._own))]
        before = table.health.get(coordinator, Health())
        after = self._breaker.failed(before, now, self._rng, draining=draining)
        table.health[coordinator] = after
        if before.ejected_until is not None or after.ejected_until is None:
            return None
        return after.ejected_until - now

    def ejected_for(self, coordinator: Coordinator, now: float, form: str = "") -> float | None:
        """For how many seconds more *coordinator* is left alone; None while it is well."""
        if coordinator not in self._all.health:
            return None
        until = self._health(coordinator, form).ejected_until
        return None if until is None else max(0.0, until - now)

    def succeeded(self, coordinator: Coordinator, form: str = "") -> None:
        """Note an answer."""
        for table in self.tables(form):
            table.failures.pop(coordinator, None)
            table.outage.over()
        if coordinator in self._all.health:
            self._all.health[coordinator] = self._breaker.succeeded()
        if (own := self._own.get(form)) is not None:
            own.health.pop(coordinator, None)
            if not own.health:
                del self._own[form]

    def inconclusive(self, coordinator: Coordinator, form: str = "") -> None:
        """Note a failure that says nothing about *coordinator*: the next caller may try it."""
        for table in self.tables(form):
            if health := table.health.get(coordinator):
                table.health[coordinator] = self._breaker.inconclusive(health)

    def mark_reachable(self, coordinator: Coordinator, form: str = "") -> None:
        """Note that *coordinator* is there; what it said of statements before is not forgotten."""
        for table in self.tables(form):
            if health := table.health.get(coordinator):
                table.health[coordinator] = self._breaker.reached(health)

    def mark_opened(self, coordinator: Coordinator, form: str) -> None:
        """Note that *coordinator* can be opened with such options."""
        if len(self._opened_with) >= _MOST_OPENED:
            self._opened_with.clear()
        self._opened_with.add((form, coordinator))

    def was_opened_with(self, coordinator: Coordinator, form: str) -> bool:
        """Was *coordinator* opened with such options once?"""
        return (form, coordinator) in self._opened_with

    def attach(self, link: OpenLink) -> None:
        """Count *link* until it is detached or nobody has it."""
        if link.coordinator in self._links:
            self._links[link.coordinator].add(link)
            self._attached.add(link.coordinator)

    def was_opened(self, coordinator: Coordinator) -> bool:
        """Was there ever a link to *coordinator*?"""
        return coordinator in self._attached

    def detach(self, link: OpenLink) -> None:
        """Count *link* no more; one that is not counted changes nothing."""
        if link.coordinator in self._links:
            self._links[link.coordinator].discard(link)

    def forked(self) -> None:
        """In a child: the links, the trials and the waiting calls are its parent's."""
        self._links = {c: WeakSet() for c in self._coordinators}
        for table in (self._all, *self._own.values()):
            table.outage = Outage()
            table.health = {c: self._breaker.inconclusive(h) for c, h in table.health.items()}
