"""
The coordinators of a cluster and their health, without clock, lock and network.

A failure of the coordinator counts for all connections.  One that may be due to the options of a
connection (a certificate that its CA did not sign, TLS at a plain port, a login that ends without
an answer) counts for connections with the same options only.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from itertools import repeat
from operator import is_

from impala_ha.core.model import Attempt, Coordinator
from impala_ha.errors import ProgrammingError

from .candidates import AllHealthy, Candidate, WithLoads
from .circuit_breaker import WELL, CircuitBreaker, Health, State, combined
from .open_links import OpenLinks
from .outage import Outage
from .policies import Policy

_ELIGIBLE = frozenset({State.HEALTHY, State.HALF_OPEN})


#: From some candidates to the recent connections of the machine to each.
Loads = Callable[[Sequence[Candidate]], Sequence[float]]

_MOST_KEYS = 100  # options with ejections of their own; the oldest are dropped


class HealthTable:
    """
    The health of coordinators, for all connections or for those with the same options.

    Attributes:
        health: By coordinator; those that are not in it are healthy.
        ejected: Those that are not healthy.
        failures: The last attempt on each, where it failed.
        outage: The tries while no coordinator is healthy.
    """

    def __init__(self, health: dict[Coordinator, Health]):
        self.health = health
        self.ejected: set[Coordinator] = set()
        self.failures: dict[Coordinator, Attempt] = {}
        self.outage = Outage()

    def is_well(self, coordinator: Coordinator) -> bool:
        """Has *coordinator* not failed since its last success?"""
        return self.health.get(coordinator) is WELL and coordinator not in self.failures

    def update(self, coordinator: Coordinator, health: Health) -> None:
        """Note the *health* of a coordinator."""
        self.health[coordinator] = health
        if health.ejected_until is None:
            self.ejected.discard(coordinator)
        else:
            self.ejected.add(coordinator)

    def restrict(self, coordinators: Collection[Coordinator]) -> None:
        """Forget all but these *coordinators*."""
        self.health = {each: one for each, one in self.health.items() if each in coordinators}
        self.failures = {each: one for each, one in self.failures.items() if each in coordinators}
        self.ejected.intersection_update(coordinators)


class Members:
    """
    The coordinators of a cluster with their health and their number of connections.

    An *options_key* identifies the options that opening a connection depends on (`Options.key`); an
    empty one stands for all connections.

    Attributes:
        coordinators: In order.
        links: The open connections.
        ranked: Whether some come before others, by priority.
    """

    def __init__(
        self,
        coordinators: Iterable[Coordinator],
        breaker: CircuitBreaker,
        rng: random.Random,
    ):
        self._breaker = breaker
        self._rng = rng
        self._all = HealthTable(dict.fromkeys(coordinators, WELL))
        self._own: dict[str, HealthTable] = {}
        self.coordinators = tuple(self._all.health)
        self.links = OpenLinks()
        if not self.coordinators:
            raise ValueError("a cluster needs at least one coordinator")
        self._begin()

    def _begin(self) -> None:
        self._everyone = AllHealthy(self.coordinators)
        self.ranked = len({each.priority for each in self.coordinators}) > 1

    def replace(self, coordinators: Iterable[Coordinator]) -> None:
        """
        Have these *coordinators*, at least one, from now on.

        Who stays keeps health and connections, who comes is healthy, and of who leaves only the
        connections are still counted, in case it comes back.
        """
        self.coordinators = tuple(coordinators)
        health, present = self._all.health, frozenset(self.coordinators)
        self._all.restrict(present)
        self._all.health = {each: health.get(each, WELL) for each in self.coordinators}
        for options_key, table in list(self._own.items()):
            table.restrict(present)
            if not table.health:
                del self._own[options_key]
        self.links.restrict(present)
        self._begin()

    def table(self, options_key: str = "") -> HealthTable:
        """The table for those options, that of all connections where there is none."""
        return self._own.get(options_key, self._all)

    def tables(self, options_key: str) -> list[HealthTable]:
        """The table of all connections, and that for those options where there is one."""
        own = self._own.get(options_key)
        return [self._all] if own is None else [self._all, own]

    def _health(self, coordinator: Coordinator, options_key: str) -> Health:
        """The health of *coordinator* for connections with those options."""
        # One that a call has picked may have left meanwhile.
        known, own = self._all.health.get(coordinator, WELL), self._own.get(options_key)
        if own is None or coordinator not in own.health:
            return known
        return combined(known, own.health[coordinator])

    def candidates(self, now: float, options_key: str = "") -> Sequence[Candidate]:
        """All coordinators at *now*, for connections with those options."""
        own = self._own.get(options_key)
        if own is None and not self._all.ejected:
            while self.links.changed:
                coordinator = self.links.changed.pop()
                if coordinator in self._all.health:
                    self._everyone.update(coordinator, self.links.count(coordinator))
            return self._everyone
        healths = {each: self._health(each, options_key) for each in self.coordinators}
        return [
            Candidate(
                coordinator,
                self._breaker.state(health, now),
                self.links.count(coordinator),
                max(0.0, (health.ejected_until or now) - now),
            )
            for coordinator, health in healths.items()
        ]

    def snapshot(self, now: float) -> list[Candidate]:
        """All coordinators at *now*, with the options that they are ejected for, if not for all."""
        return [
            replace(
                each,
                ejected_with=tuple(
                    options_key
                    for options_key, table in self._own.items()
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
        options_key: str = "",
        *,
        loads: Loads | None = None,
    ) -> Coordinator:
        """
        Choose a coordinator among those that this call has tried least, a healthy one if possible.

        Without a healthy one: the one whose ejection ends first and that no other call tries.

        Args:
            policy: Chooses among the candidates.
            now: Seconds of the clock.
            tried: The coordinators that this call has tried, once for each try.
            zone: The zone whose coordinators come first while one of them is healthy; empty: none.
            options_key: Of the connection.
            loads: What all processes of the machine do; by default that is not known.
        """
        chosen = _choice(policy, offered(self, now, tried, zone, options_key), loads)
        if chosen.state is not State.HEALTHY:
            self.lease(chosen.coordinator, now, options_key)
        return chosen.coordinator

    def lease(self, coordinator: Coordinator, now: float, options_key: str = "") -> None:
        """Note that a call tries *coordinator*, which is not healthy."""
        for table in self.tables(options_key):
            health = table.health.get(coordinator)
            if health is not None and health.ejected_until is not None:
                table.update(coordinator, self._breaker.lease(health, now))

    def free(self, now: float, options_key: str = "") -> list[Coordinator]:
        """The coordinators that are not on trial, ordered by the end of their ejection."""
        found = sorted(self.candidates(now, options_key), key=lambda c: c.ejected_for)
        return [c.coordinator for c in found if not self.is_leased(c.coordinator, now, options_key)]

    def is_leased(self, coordinator: Coordinator, now: float, options_key: str = "") -> bool:
        """Is a trial of *coordinator* under way?"""
        return (self._health(coordinator, options_key).leased_until or now) > now

    def is_healthy(self, now: float, options_key: str = "") -> bool:
        """Is any coordinator healthy?"""
        return any(
            self._breaker.state(self._health(each, options_key), now) is State.HEALTHY
            for each in self.coordinators
        )

    def rounds(self, tried: Sequence[Coordinator]) -> int:
        """How often the least tried coordinator was tried."""
        times = Counter(tried)
        return min(times[coordinator] for coordinator in self.coordinators)

    def failed(
        self, coordinator: Coordinator, now: float, options_key: str = "", *, draining: bool = False
    ) -> float | None:
        """
        Note a failure of *coordinator*, for connections with those options.

        Returns:
            The seconds of its ejection, if it was not ejected before.
        """
        if coordinator not in self._all.health:
            return None
        table = self._table_to_change(options_key)
        before = table.health.get(coordinator, Health())
        after = self._breaker.failed(before, now, self._rng, draining=draining)
        table.update(coordinator, after)
        if before.ejected_until is not None or after.ejected_until is None:
            return None
        return after.ejected_until - now

    def _table_to_change(self, options_key: str) -> HealthTable:
        """The table for those options, a new one where there is none."""
        if not options_key:
            return self._all
        self._own[options_key] = table = self._own.pop(options_key, HealthTable({}))
        if len(self._own) > _MOST_KEYS:
            del self._own[next(iter(self._own))]
        return table

    def health(self, coordinator: Coordinator, options_key: str = "") -> Health:
        """The health of *coordinator* in the table for those options alone."""
        table = self._own.get(options_key) if options_key else self._all
        return WELL if table is None else table.health.get(coordinator, WELL)

    def set_health(self, coordinator: Coordinator, health: Health, options_key: str = "") -> None:
        """Note in that table what another process has found."""
        if options_key and health == WELL:
            self._own_is_well(coordinator, options_key)
        else:
            self._table_to_change(options_key).update(coordinator, health)

    def _own_is_well(self, coordinator: Coordinator, options_key: str) -> None:
        if (own := self._own.get(options_key)) is not None:
            own.health.pop(coordinator, None)
            if not own.health:
                del self._own[options_key]

    def ejected_for(
        self, coordinator: Coordinator, now: float, options_key: str = ""
    ) -> float | None:
        """The seconds until the ejection of *coordinator* ends; None if it is not ejected."""
        if coordinator not in self._all.health:
            return None
        until = self._health(coordinator, options_key).ejected_until
        return None if until is None else max(0.0, until - now)

    def is_well(self, coordinator: Coordinator, options_key: str) -> bool:
        """Has *coordinator* not failed since its last success, so that another changes nothing?"""
        return options_key not in self._own and self._all.is_well(coordinator)

    def all_well(self, options_key: str) -> bool:
        """Is nothing held against any of them?"""
        healths = self._all.health.values()
        return options_key not in self._own and all(map(is_, healths, repeat(WELL)))

    def succeeded(self, coordinator: Coordinator, options_key: str = "") -> None:
        """Note a success."""
        for table in self.tables(options_key):
            table.failures.pop(coordinator, None)
            table.outage.over()
        if coordinator in self._all.health:
            self._all.update(coordinator, self._breaker.succeeded())
        self._own_is_well(coordinator, options_key)

    def inconclusive(self, coordinator: Coordinator, options_key: str = "") -> None:
        """Note a failure that says nothing about *coordinator*: the next call may try it."""
        for table in self.tables(options_key):
            if health := table.health.get(coordinator):
                table.update(coordinator, self._breaker.inconclusive(health))

    def mark_reachable(self, coordinator: Coordinator, options_key: str = "") -> None:
        """Note that *coordinator* answers; its count of failures stays."""
        for table in self.tables(options_key):
            if health := table.health.get(coordinator):
                table.update(coordinator, self._breaker.reached(health))

    def forked(self) -> None:
        """In a child: connections, leases and waiting calls belong to its parent."""
        self.links.forked()
        for table in (self._all, *self._own.values()):
            table.outage = Outage()
            table.health = {c: self._breaker.inconclusive(h) for c, h in table.health.items()}


def offered(
    members: Members,
    now: float,
    tried: Sequence[Coordinator] = (),
    zone: str = "",
    options_key: str = "",
) -> Sequence[Candidate]:
    """Those that a policy may choose from; see `Members.pick`."""
    candidates = members.candidates(now, options_key)
    if not (tried or zone or members.ranked) and isinstance(candidates, AllHealthy):
        return candidates
    times = Counter(tried)
    fewest = min(times[c.coordinator] for c in candidates)
    fresh = [c for c in candidates if times[c.coordinator] == fewest]
    eligible = [c for c in fresh if c.state in _ELIGIBLE]
    if members.ranked:
        first = min((c.coordinator.priority for c in eligible), default=0)
        eligible = [c for c in eligible if c.coordinator.priority == first]
    near = [c for c in eligible if zone and c.coordinator.zone == zone]
    leased = {c: members.is_leased(c.coordinator, now, options_key) for c in fresh}
    return near or eligible or [min(fresh, key=lambda c: (leased[c], c.ejected_for))]


def _choice(policy: Policy, offered: Sequence[Candidate], loads: Loads | None) -> Candidate:
    """What *policy* chooses of those that are *offered*."""
    if loads is not None:
        offered = WithLoads(offered, loads(offered))
    chosen = policy.choose(offered)
    if chosen not in offered:
        raise ProgrammingError(
            f"the policy {policy!r} must choose one of the candidates it is given "
            f"({', '.join(str(c.coordinator) for c in offered)}), not {chosen!r}"
        )
    return chosen
