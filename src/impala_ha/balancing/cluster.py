"""
The cluster: the coordinators and their health, shared by all connections.

The one module whose lock all calls meet.  Decide under the lock, act outside it: nothing here
opens a socket.
"""

from __future__ import annotations

import os
import random
import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

from impala_ha.core import logs
from impala_ha.core.clock import Clock, SystemClock
from impala_ha.core.model import Attempt, Coordinator

from .circuit_breaker import CircuitBreaker
from .health_log import log_ejected, log_news, log_recovery
from .hedge_budget import HedgeBudget
from .members import Loads, Members
from .open_links import OpenLink
from .outage import Pause, Wait
from .policies import POLICIES, Candidate, Policy
from .shared_file import SharedFile, SharedPlace
from .shared_folder import forget_open
from .sharing import Chosen, Sharing

__all__ = ["Cluster"]

Got = TypeVar("Got")


def __dir__() -> list[str]:
    return __all__


class Cluster:
    """
    Several coordinators that serve the same tables.

    The connections of a process with equal hosts and circuit breaker share the health of the
    coordinators; those with the same policy share the cluster (`Cluster.shared`).  Safe for use by
    many threads; a forked child gets its own state.  With *share_state* the processes of a machine
    share what they find.
    """

    def __init__(
        self,
        coordinators: Iterable[Coordinator],
        *,
        policy: str | Policy = "round_robin",
        breaker: CircuitBreaker = CircuitBreaker(),  # noqa: B008 - a frozen value
        clock: Clock | None = None,
        rng: random.Random | None = None,
        share_state: bool | SharedPlace = False,
    ):
        """
        Args:
            coordinators: At least one, each once.
            policy: A name in `impala_ha.policies.POLICIES`, or an object with ``choose()``.
            breaker: When a coordinator is ejected, and for how long.
            clock: The clock; that of the machine by default.
            rng: The source of random numbers; a new generator by default.
            share_state: Whether it shares turns and health with other processes of this user on
                this machine, as `connect()` does by default; True has no effect on another clock
                than the machine's.  A place of another kind is for simulations and tests.

        Raises:
            ValueError: No coordinator, a coordinator given twice, or an unknown policy.
        """
        self.coordinators = tuple(coordinators)
        self.clock: Clock = clock or SystemClock()
        self.rng = rng or random.Random()  # noqa: S311 - chance, not secrecy
        if len(set(self.coordinators)) < len(self.coordinators):
            raise ValueError("a coordinator is named twice")
        if isinstance(policy, str):
            if policy not in POLICIES:
                raise ValueError(f"policy must be one of {', '.join(POLICIES)}, not {policy!r}")
            policy = POLICIES[policy](self.rng)
        self._policy = policy
        place = None if isinstance(share_state, bool) else share_state
        if share_state is True and isinstance(self.clock, SystemClock):
            place = SharedFile()
        self._state = _SharedState(self.coordinators, breaker, self.rng, place)

    def pick(
        self, tried: Sequence[Coordinator] = (), zone: str = "", options_key: str = ""
    ) -> Coordinator:
        """Choose a coordinator for a call with those options that has already *tried* some."""
        now, members = self.clock.now(), self._state.members
        return self._state.choose(
            now,
            options_key,
            lambda loads: members.pick(self._policy, now, tried, zone, options_key, loads=loads),
        )

    def pick_or_wait(
        self,
        call: int,
        tried: Sequence[Coordinator],
        pause: Pause,
        *,
        zone: str = "",
        excluded: Collection[Coordinator] = (),
        options_key: str = "",
    ) -> Coordinator | Wait:
        """
        Choose a coordinator for a call that opens a connection, or say how long to wait.

        While no coordinator is healthy, the calls of the process share the backoff of each one, and
        one call at a time tries it.

        Args:
            call: A number that identifies the call, until `call_ended`.
            tried: The coordinators that it has tried.
            pause: From the number of tries of a coordinator to the seconds before the next one.
            zone: The zone whose coordinators come first.
            excluded: Coordinators that would fail in the same way again.
            options_key: Of the call's connection.
        """
        now, members = self.clock.now(), self._state.members

        def choose(loads: Loads | None) -> Coordinator | Wait:
            failed = any(table.failures for table in members.tables(options_key))
            # What other processes have found is no reason not to try at all.
            if not failed or members.is_healthy(now, options_key):
                return members.pick(self._policy, now, tried, zone, options_key, loads=loads)
            free = [each for each in members.free(now, options_key) if each not in excluded]
            turn = members.table(options_key).outage.pick_or_wait(call, now, tried, free, pause)
            if isinstance(turn, Coordinator):
                members.lease(turn, now, options_key)
            return turn

        return self._state.choose(now, options_key, choose)

    def call_ended(self, call: int, options_key: str = "") -> None:
        """Forget *call*; it shares the backoff no longer."""
        with self._state.lock:
            for table in self._state.members.tables(options_key):
                table.outage.call_ended(call)

    def is_healthy(self, options_key: str = "") -> bool:
        """Is any coordinator healthy, for connections with those options?"""
        with self._state.lock:
            return self._state.members.is_healthy(self.clock.now(), options_key)

    def failures(self, options_key: str = "") -> list[Attempt]:
        """The last attempt on each coordinator where it failed, of all connections."""
        found: dict[Coordinator, Attempt] = {}
        with self._state.lock:
            for table in self._state.members.tables(options_key):
                found |= table.failures
        return list(found.values())

    def count_open(self) -> None:
        """Note that a connection is being opened that may be hedged."""
        with self._state.lock:
            self._state.hedges.deposit(self.clock.now())

    def may_hedge(self, first: Coordinator, options_key: str = "") -> bool:
        """
        May another coordinator be tried as well, because *first* is slow to open?

        Always where *first* is on trial, and where another call has meanwhile found it lost.
        Otherwise as long as the budget for hedges lasts.
        """
        state, now = self._state, self.clock.now()
        with state.lock:
            members = state.members
            ejected = members.ejected_for(first, now, options_key) is not None
            lost = ejected and members.is_healthy(now, options_key)
            return lost or members.is_leased(first, now, options_key) or state.hedges.try_withdraw()

    def rounds(self, tried: Sequence[Coordinator]) -> int:
        """How often a call that has *tried* those has tried every coordinator."""
        with self._state.lock:
            return self._state.members.rounds(tried)

    def report(self, attempt: Attempt, *, leased: bool = True) -> None:
        """
        Update the health of a coordinator after *attempt*, and log it.

        Args:
            attempt: The attempt and its result.
            leased: Whether its coordinator was picked for it: an inconclusive failure then ends the
                lease, so that the next caller may try the coordinator.
        """
        coordinator, options_key = attempt.coordinator, attempt.options_key
        record = attempt.portable()  # a log may keep it, and a traceback would keep sockets open
        members, now = self._state.members, self.clock.now()
        matters = attempt.counts or not members.is_well(coordinator, options_key)
        if attempt.fault is None and attempt.operation == "connect":
            matters |= self._state.measured(coordinator, attempt.elapsed)
        ejected, back = self._state.change(
            now, options_key, lambda: members.note(record, now, leased=leased), matters=matters
        )
        logs.debug("%s: %s", record.operation, record, extra={"attempt": record})
        if ejected is not None:
            log_ejected(record, ejected)
        elif back:
            log_recovery(coordinator)

    def release(self, coordinator: Coordinator, options_key: str = "") -> None:
        """End the lease of *coordinator*: the caller that picked it got no answer."""
        now, members = self.clock.now(), self._state.members
        self._state.change(
            now,
            options_key,
            lambda: members.inconclusive(coordinator, options_key),
            matters=members.is_leased(coordinator, now, options_key),
        )

    def has_database(self, name: str) -> bool:
        """Has `add_database` been called with *name*?"""
        return name in self._state.databases

    def add_database(self, name: str) -> None:
        """Note that a session could use database *name*, so that it need not be checked again."""
        databases = self._state.databases
        if len(databases) >= _MOST_DATABASES:
            databases.clear()  # each is only checked once more
        databases.add(name)

    def was_opened(self, coordinator: Coordinator) -> bool:
        """Has any connection to *coordinator* been opened in this process?"""
        return self._state.members.links.was_opened(coordinator)

    def was_opened_with(self, coordinator: Coordinator, options_key: str) -> bool:
        """Has a connection to *coordinator* been opened with those options?"""
        return self._state.members.links.was_opened_with(coordinator, options_key)

    def attach(self, link: OpenLink, options_key: str = "") -> None:
        """Count *link*, which has just been opened, until it is detached or collected."""
        with self._state.lock:
            self._state.members.links.attach(link, options_key)
        self.mark_reachable(link.coordinator, options_key)

    def mark_reachable(self, coordinator: Coordinator, options_key: str = "") -> None:
        """Note that *coordinator* answers, whatever it answers to a statement."""
        now, members = self.clock.now(), self._state.members

        def reached() -> bool:
            # The backoff goes on until a call succeeds: all may answer and refuse statements.
            before = members.ejected_for(coordinator, now, options_key)
            members.mark_reachable(coordinator, options_key)
            return before is not None

        matters = not members.is_well(coordinator, options_key)
        if self._state.change(now, options_key, reached, matters=matters):
            log_recovery(coordinator)

    def detach(self, link: OpenLink) -> None:
        """Stop counting *link*."""
        with self._state.lock:
            self._state.members.links.detach(link)

    def snapshot(self) -> list[Candidate]:
        """The present state of all coordinators, in the order in which they were given."""
        with self._state.lock:
            return self._state.members.snapshot(self.clock.now())

    def __repr__(self) -> str:
        return f"<Cluster {', '.join(map(_shown, self.snapshot()))}>"

    @classmethod
    def shared(
        cls,
        coordinators: Sequence[Coordinator],
        policy: str | Policy,
        breaker: CircuitBreaker,
        *,
        share_state: bool = False,
    ) -> Cluster:
        """
        The cluster of this process with these coordinators, policy and circuit breaker.

        Clusters that differ only in their policy share the health of the coordinators.
        """
        about = tuple((c.host, c.port, c.weight, c.zone, c.krb_host) for c in coordinators)
        key = (about, breaker, share_state)
        with _SHARED_LOCK:
            state = _SHARED.pop(key, None) or _IN_USE.get(key)
            if state is None:
                made = cls(coordinators, breaker=breaker, share_state=share_state)
                state = made._state
            _SHARED[key] = _IN_USE[key] = state
            if len(_SHARED) > _RECENT:
                del _SHARED[next(iter(_SHARED))]
            return state.cluster(cls, policy, breaker)


def _shown(candidate: Candidate) -> str:
    with_ = "".join(f" (ejected with {options_key})" for options_key in candidate.ejected_with)
    return f"{candidate.coordinator} {candidate.state.value}{with_}"


class _SharedState:
    """The state of the clusters that have the same coordinators and circuit breaker."""

    def __init__(
        self,
        coordinators: Sequence[Coordinator],
        breaker: CircuitBreaker,
        rng: random.Random,
        place: SharedPlace | None,
    ):
        self.coordinators = coordinators
        self.members = Members(coordinators, breaker, rng)
        self.sharing = None
        if place is not None:
            self.sharing = Sharing(coordinators, self.members, breaker, rng, place)
        self.hedges = HedgeBudget()
        self.rng = rng
        self.databases: set[str] = set()
        self.lock = threading.RLock()  # a policy may ask for a snapshot
        self._named: dict[str, Cluster] = {}
        # A policy object need not be hashable; its cluster keeps it alive, so its id is unique.
        self._others: weakref.WeakValueDictionary[int, Cluster] = weakref.WeakValueDictionary()
        _EVERY.add(self)

    def cluster(
        self, kind: type[Cluster], policy: str | Policy, breaker: CircuitBreaker
    ) -> Cluster:
        """The cluster with that *policy*; one with a policy object is kept while it is used."""
        found = self._named.get(policy) if isinstance(policy, str) else self._others.get(id(policy))
        if found is None:
            found = kind(self.coordinators, policy=policy, breaker=breaker, rng=self.rng)
            found._state = self  # noqa: SLF001 - in place of its own, which is empty
            if isinstance(policy, str):
                self._named[policy] = found
            else:
                self._others[id(policy)] = found
        return found

    def choose(
        self, now: float, options_key: str, choose: Callable[[Loads | None], Chosen]
    ) -> Chosen:
        """Do it under the lock, in step with other processes."""
        with self.lock:
            if self.sharing is None:
                return choose(None)
            chosen, news = self.sharing.choose(now, options_key, choose), self.sharing.news()
        log_news(news)
        return chosen

    def change(
        self, now: float, options_key: str, act: Callable[[], Got], *, matters: bool = True
    ) -> Got:
        """Do it under the lock, and let other processes know if it *matters*."""
        with self.lock:
            if self.sharing is None or not matters:
                return act()
            got, news = self.sharing.change(now, options_key, act), self.sharing.news()
        log_news(news)
        return got

    def measured(self, coordinator: Coordinator, seconds: float) -> bool:
        """Note how long opening took; should other processes know?"""
        return self.sharing is not None and self.sharing.measured(coordinator, seconds)

    def forked(self) -> None:
        """In a child: another thread of the parent may have held the lock."""
        self.lock = threading.RLock()
        self.rng.seed()  # or all children would draw the same numbers
        self.members.forked()


_RECENT = 100  # clusters whose health is kept while no connection is open
_MOST_DATABASES = 10_000
_EVERY: weakref.WeakSet[_SharedState] = weakref.WeakSet()
_SHARED: dict[object, _SharedState] = {}
_IN_USE: weakref.WeakValueDictionary[object, _SharedState] = weakref.WeakValueDictionary()
_SHARED_LOCK = threading.Lock()


def _forked() -> None:
    """In a child: another thread of the parent may have held a lock."""
    global _SHARED_LOCK  # noqa: PLW0603
    _SHARED_LOCK = threading.Lock()
    forget_open()
    for state in list(_EVERY):
        state.forked()


os.register_at_fork(after_in_child=_forked)
