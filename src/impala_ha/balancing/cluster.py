"""
The cluster: the coordinators and their health, shared by all connections.

The one module whose lock all calls meet.  Decide under the lock, act outside it: nothing here
opens a socket.
"""

from __future__ import annotations

import math
import os
import random
import threading
import weakref
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple
from functools import partial

from impala_ha.core import logs
from impala_ha.core.clock import Clock, SystemClock
from impala_ha.core.events import Events, Listeners
from impala_ha.core.model import Attempt, Coordinator

from . import decisions
from .circuit_breaker import CircuitBreaker
from .hedge_budget import HedgeBudget
from .host_source import HostSource, Schedule, resolved
from .load_board import LoadBoard, informed
from .members import Members
from .open_links import BoundedSet, OpenLink
from .outage import Pause, Wait
from .policies import Candidate, LeastLoaded, Policy, policy_named, with_key
from .shared_file import SharedFile, SharedPlace
from .shared_folder import forget_open
from .sharing import Sharing, change, choose, matters

__all__ = ["Cluster"]

Hosts = Sequence[Coordinator] | HostSource


def __dir__() -> list[str]:
    return __all__


class Cluster:
    """
    Several coordinators that serve the same tables.

    The connections of a process with equal hosts and circuit breaker share the health of the
    coordinators; those with the same policy share the cluster.  Safe for use by many threads; a
    forked child gets its own state.
    """

    def __init__(
        self,
        coordinators: Iterable[Coordinator],
        *,
        policy: str | Policy = "round_robin",
        breaker: CircuitBreaker = CircuitBreaker(),  # noqa: B008 - a frozen value
        clock: Clock | None = None,
        rng: random.Random | None = None,
        source: HostSource | None = None,
        share_state: bool | SharedPlace = False,
    ):
        """
        Args:
            coordinators: At least one, each once.
            policy: One of `POLICIES`, ``ordered:N``, or an object with ``choose()``.
            breaker: When a coordinator is ejected, and for how long.
            clock: The clock; that of the machine by default.
            rng: The source of random numbers; a new generator by default.
            source: Where the coordinators come from, to be asked again; None: they stay the same.
            share_state: Whether it shares turns and health with other processes of this user on
                this machine, as `connect()` does by default; a simulation gives a place instead.

        Raises:
            ValueError: No coordinator, a coordinator given twice, or an unknown policy.
        """
        coordinators = tuple(coordinators)
        self.clock: Clock = clock or SystemClock()
        self.rng = rng or random.Random()  # noqa: S311 - chance, not secrecy
        if len(set(coordinators)) < len(coordinators):
            twice = [str(each) for each, times in Counter(coordinators).items() if times > 1]
            raise ValueError(f"coordinators must name each once, not {', '.join(twice)} twice")
        if isinstance(policy, str):
            policy = policy_named(policy, self.rng)
        self._policy = policy
        schedule = Schedule(source, self.clock.now(), self.rng) if source else None
        self._state = _SharedState(coordinators, breaker, self.rng, schedule)
        if share_state is True:
            share_state = isinstance(self.clock, SystemClock) and SharedFile()
        if not isinstance(share_state, bool):
            self._state.sharing = Sharing(self._state.members, breaker, share_state)
            if isinstance(share_state, SharedFile):  # for one thread at a time
                share_state = share_state.another()
            self._state.board = LoadBoard(share_state)

    @property
    def coordinators(self) -> tuple[Coordinator, ...]:
        """Those of now; they change only where they come from a source."""
        return self._state.members.coordinators

    @property
    def board(self) -> LoadBoard | None:
        """The loads that the coordinators tell; None if the policy does not go by them."""
        return self._state.board if isinstance(self._policy, LeastLoaded) else None

    def refresh(self, left: float = math.inf) -> bool:
        """Ask the source, if that is due, within *left* seconds; False: there is none to ask."""
        return self._state.refresh(self.clock.now(), left)

    def shortlist(
        self, tried: Sequence[Coordinator], zone: str, options_key: str
    ) -> Sequence[Coordinator]:
        """Some that `pick_or_wait` may choose, to be asked for their loads; none if it is blind."""
        if self.board is None:
            return ()
        with self._state.lock:
            about = self._state.members, self.clock.now(), tried
            return decisions.shortlist(*about, zone=zone, options_key=options_key, rng=self.rng)

    def pick(
        self,
        tried: Sequence[Coordinator] = (),
        zone: str = "",
        options_key: str = "",
        sticky_key: str = "",
    ) -> Coordinator:
        """Choose a coordinator for a call with those options that has already *tried* some."""
        now, members = self.clock.now(), self._state.members
        policy = with_key(informed(self._policy, self._state, now), sticky_key)
        pick = partial(members.pick, policy, now, tried, zone, options_key)
        return choose(self._state, now, options_key, lambda loads: pick(loads=loads))

    def pick_or_wait(
        self,
        call: int,
        tried: Sequence[Coordinator],
        pause: Pause,
        *,
        zone: str = "",
        excluded: Collection[Coordinator] = (),
        asked: Collection[Coordinator] = (),
        options_key: str = "",
        sticky_key: str = "",
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
            asked: Coordinators that were asked for their loads: a `shortlist`.
            options_key: Of the call's connection.
            sticky_key: What the policy `Sticky` goes by.
        """
        now, members = self.clock.now(), self._state.members
        policy = with_key(informed(self._policy, self._state, now, asked), sticky_key)
        opening = decisions.Opening(call, tried, pause, zone, excluded, options_key)
        pick = partial(decisions.pick_or_wait, members, policy, now, opening)
        return choose(self._state, now, options_key, pick)

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
        with self._state.lock:
            return decisions.last_failures(self._state.members, options_key)

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
            return decisions.may_hedge(state.members, state.hedges, first, now, options_key)

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
        state, now = self._state, self.clock.now()
        record = attempt.portable()  # a log may keep it, and a traceback would keep sockets open
        act = partial(decisions.note, state.members, record, now, leased=leased)
        ejected, back = change(state, now, attempt.options_key, act, matters(state, record))
        logs.debug("%s: %s", record.operation, record, extra={"attempt": record})
        if ejected is not None:
            state.listeners.ejected(record, ejected, attempt.table_key, now)
        elif back:
            state.listeners.back(attempt.coordinator, now, record.tag)

    def release(self, coordinator: Coordinator, options_key: str = "") -> None:
        """End the lease of *coordinator*: the caller that picked it got no answer."""
        state, now = self._state, self.clock.now()
        leased = state.members.is_leased(coordinator, now, options_key)
        end = partial(state.members.inconclusive, coordinator, options_key)
        change(state, now, options_key, end, leased)

    @property
    def databases(self) -> set[str]:
        """Those that a session could use, so that they need not be checked again."""
        return self._state.databases

    def was_opened(self, coordinator: Coordinator, options_key: str | None = None) -> bool:
        """Has a connection to *coordinator* been opened here, with those options if given?"""
        links = self._state.members.links
        if options_key is None:
            return links.was_opened(coordinator)
        return links.was_opened_with(coordinator, options_key)

    def attach(self, link: OpenLink, options_key: str = "") -> None:
        """Count *link*, which has just been opened, until it is detached or collected."""
        with self._state.lock:
            members = self._state.members
            members.links.attach(link)
            members.links.mark_opened(link.coordinator, options_key)
            well = members.is_well(link.coordinator, options_key)
        if not well:
            self.mark_reachable(link.coordinator, options_key)

    def mark_reachable(self, coordinator: Coordinator, options_key: str = "") -> None:
        """Note that *coordinator* answers, whatever it answers to a statement."""
        state, now = self._state, self.clock.now()
        act = partial(decisions.note_reached, state.members, coordinator, now, options_key)
        if change(
            state, now, options_key, act, not state.members.is_well(coordinator, options_key)
        ):
            state.listeners.back(coordinator, now)

    def detach(self, link: OpenLink) -> None:
        """Stop counting *link*."""
        with self._state.lock:
            self._state.members.links.detach(link)

    def add_listener(self, events: Events) -> None:
        """Tell *events*, as long as it is there, who is ejected and who is back."""
        with self._state.lock:
            self._state.listeners.add(events)

    def snapshot(self) -> list[Candidate]:
        """The present state of all coordinators, in the order in which they were given."""
        with self._state.lock:
            return self._state.members.snapshot(self.clock.now())

    def __repr__(self) -> str:
        return f"<Cluster {', '.join(map(str, self.snapshot()))}>"

    @classmethod
    def shared(
        cls,
        hosts: Hosts,
        policy: str | Policy,
        breaker: CircuitBreaker,
        limit: float = math.inf,
        *,
        share_state: bool = False,
    ) -> Cluster:
        """
        The cluster of this process with these coordinators, policy and circuit breaker.

        Clusters that differ only in their policy share the health of the coordinators.  A source
        in place of *hosts* is asked, within *limit* seconds, where there is no such cluster yet.

        Raises:
            NoCoordinatorLeft: The source names nobody.
        """
        state = _find_state(cls, hosts, breaker, limit, share_state)
        return state.cluster(cls, policy, breaker)


class _SharedState:
    """The state of the clusters that have the same coordinators and circuit breaker."""

    def __init__(
        self,
        coordinators: Sequence[Coordinator],
        breaker: CircuitBreaker,
        rng: random.Random,
        schedule: Schedule | None,
    ):
        self.schedule = schedule
        self.sharing: Sharing | None = None
        self.members = Members(coordinators, breaker, rng)
        self.board = LoadBoard()
        self.hedges = HedgeBudget()
        self.listeners = Listeners()
        self.rng = rng
        self.databases: BoundedSet[str] = BoundedSet(_MOST_DATABASES)
        self.lock = threading.RLock()  # a policy may ask for a snapshot
        self._named: dict[str, Cluster] = {}
        # A policy object need not be hashable; its cluster keeps it alive, so its id is unique.
        self._others: weakref.WeakValueDictionary[int, Cluster] = weakref.WeakValueDictionary()
        _EVERY.add(self)

    def cluster(
        self, kind: type[Cluster], policy: str | Policy, breaker: CircuitBreaker
    ) -> Cluster:
        """The cluster with that *policy*; one with a policy object is kept while it is used."""
        named, others = self._named, self._others
        with _SHARED_LOCK:
            found = named.get(policy) if isinstance(policy, str) else others.get(id(policy))
            if found is None:
                coordinators = self.members.coordinators
                found = kind(coordinators, policy=policy, breaker=breaker, rng=self.rng)
                found._state = self  # noqa: SLF001 - in place of its own, which is empty
                if isinstance(policy, str):
                    named[policy] = found
                else:
                    others[id(policy)] = found
            return found

    def refresh(self, now: float, left: float) -> bool:
        """See `Cluster.refresh`."""
        if self.schedule is not None:
            self.schedule.refresh(self.members, self.lock, now, left)
        return self.schedule is not None

    def forked(self) -> None:
        """In a child: another thread of the parent may have held the lock."""
        self.lock = threading.RLock()
        self.listeners = Listeners()
        self.rng.seed()  # or all children would draw the same numbers
        self.members.forked()
        self.board.forked()


def _find_state(
    kind: type[Cluster], hosts: Hosts, breaker: CircuitBreaker, limit: float, share_state: bool
) -> _SharedState:
    source = None if isinstance(hosts, Sequence) else hosts
    named = tuple(map(astuple, hosts)) if isinstance(hosts, Sequence) else hosts.key
    key = (named, breaker, share_state)
    with _SHARED_LOCK:
        state = _SHARED.get(key) or _IN_USE.get(key)
    if state is None:
        found = hosts if isinstance(hosts, Sequence) else resolved(hosts, limit)
        made = kind(found, breaker=breaker, source=source, share_state=share_state)
        state = made._state  # noqa: SLF001
    with _SHARED_LOCK:
        state = _IN_USE.setdefault(key, state)  # another thread may have been faster
        _SHARED.pop(key, None)
        _SHARED[key] = state
        if len(_SHARED) > _RECENT:
            del _SHARED[next(iter(_SHARED))]
        return state


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
