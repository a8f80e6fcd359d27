"""
The cluster: who is there and how they are, shared by all connections; the one room with a lock.

Decide under the lock, act outside it: `pick` and `report` only look and note, nothing here opens a
socket.
"""

from __future__ import annotations

import os
import random
import threading
import weakref
from collections.abc import Collection, Iterable, Sequence

from impala_ha.core import logs
from impala_ha.core.clock import Clock, SystemClock
from impala_ha.core.faults import Fault
from impala_ha.core.model import Attempt, Coordinator

from .circuit_breaker import CircuitBreaker
from .hedge_budget import HedgeBudget
from .members import Members, OpenLink
from .outage import Pause, Wait
from .policies import POLICIES, Candidate, Policy

__all__ = ["Cluster"]


def __dir__() -> list[str]:
    return __all__


class Cluster:
    """
    Several coordinators that serve the same tables.

    Connections made with equal hosts and rules in one process share what is known of each, so what
    one learns, all know; those with the same policy share the cluster (`Cluster.shared`).  May be
    used by many threads; a forked child has its own from there.
    """

    def __init__(
        self,
        coordinators: Iterable[Coordinator],
        *,
        policy: str | Policy = "round_robin",
        breaker: CircuitBreaker = CircuitBreaker(),  # noqa: B008 - a frozen value
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ):
        """
        Args:
            coordinators: At least one, each once.
            policy: A name in `impala_ha.policies.POLICIES`, or an object with ``choose()``.
            breaker: When a coordinator is left alone and for how long.
            clock: Where time comes from; the machine's by default.
            rng: Where chance comes from; a fresh generator by default.

        Raises:
            ValueError: No coordinator, one named twice, or an unknown policy.
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
        self._state = _SharedState(self.coordinators, breaker, self.rng)

    def pick(
        self, tried: Sequence[Coordinator] = (), zone: str = "", form: str = ""
    ) -> Coordinator:
        """Whose turn it is, for a call of that *form* that has *tried* those already."""
        with self._state.lock:
            return self._state.members.pick(self._policy, self.clock.now(), tried, zone, form)

    def pick_or_wait(
        self,
        call: int,
        tried: Sequence[Coordinator],
        pause: Pause,
        *,
        zone: str = "",
        excluded: Collection[Coordinator] = (),
        form: str = "",
    ) -> Coordinator | Wait:
        """
        Whose turn it is, for a *call* that opens a link; while nobody is healthy, the calls of
        the process share the backoff of each coordinator, and one of them tries it at a time.

        Args:
            call: Stands for it, until `call_ended`.
            tried: Where it has been already.
            pause: Seconds before the next try of a coordinator, after so many of them.
            zone: Whose coordinators come first.
            excluded: Who would say the same again.
            form: Of the call's connection.
        """
        state, now = self._state, self.clock.now()
        with state.lock:
            members = state.members
            if not members.is_healthy(now, form):
                free = [each for each in members.free(now, form) if each not in excluded]
                turn = members.table(form).outage.pick_or_wait(call, now, tried, free, pause)
                if isinstance(turn, Coordinator):
                    members.lease(turn, now, form)
                return turn
            return members.pick(self._policy, now, tried, zone, form)

    def call_ended(self, call: int, form: str = "") -> None:
        """Wait no more for what *call* finds out."""
        with self._state.lock:
            for table in self._state.members.tables(form):
                table.outage.call_ended(call)

    def is_healthy(self, form: str = "") -> bool:
        """Is any coordinator, for connections of that *form*?"""
        with self._state.lock:
            return self._state.members.is_healthy(self.clock.now(), form)

    def failures(self, form: str = "") -> list[Attempt]:
        """The last failure of each coordinator that failed last time, whoever tried it."""
        found: dict[Coordinator, Attempt] = {}
        with self._state.lock:
            for table in self._state.members.tables(form):
                found |= table.failures
        return list(found.values())

    def count_open(self) -> None:
        """Note that an open begins that may be hedged."""
        with self._state.lock:
            self._state.hedges.deposit(self.clock.now())

    def may_hedge(self, first: Coordinator, form: str = "") -> bool:
        """
        May another coordinator be asked as well, because *first* takes its time to open?

        Always where *first* is being probed, and where another call has found out meanwhile that
        it is lost: one that is only slow answers somebody.
        """
        state, now = self._state, self.clock.now()
        with state.lock:
            members = state.members
            ejected = members.ejected_for(first, now, form) is not None
            lost = ejected and members.is_healthy(now, form)
            return lost or members.is_leased(first, now, form) or state.hedges.try_withdraw()

    def rounds(self, tried: Sequence[Coordinator]) -> int:
        """How often a call that has *tried* those has been to everyone."""
        with self._state.lock:
            return self._state.members.rounds(tried)

    def report(self, attempt: Attempt, *, leased: bool = True) -> None:
        """
        Learn from *attempt*, and log it.

        Args:
            attempt: How it ended.
            leased: Whether its coordinator was picked for it: a failure that says nothing about
                the coordinator then ends the trial, so that the next caller may try it.
        """
        coordinator, fault, form = attempt.coordinator, attempt.fault, attempt.form
        told = attempt.portable()  # a record may be kept: a traceback in it would keep sockets open
        own = form if attempt.may_be_options else ""
        with self._state.lock:
            members, now = self._state.members, self.clock.now()
            ejected, back = None, False
            if fault is None:
                back = members.ejected_for(coordinator, now, form) is not None
                members.succeeded(coordinator, form)
            elif leased:
                members.inconclusive(coordinator, form)
            if fault and (fault.counts_against_host or own):
                draining = fault is Fault.DRAINING
                ejected = members.failed(coordinator, now, own, draining=draining)
                members.table(own).failures[coordinator] = told
        logs.debug("%s: %s", told.operation, told, extra={"attempt": told})
        if ejected is not None:
            state = "draining" if fault is Fault.DRAINING else "ejected"
            about = {"coordinator": coordinator, "state": state, "options": own}
            whose = f" for connections with {own}" if own else ""
            why = f"{told.reason}: {logs.brief(told.text)}"
            text = "%s is ejected for %.1f s%s: it %s"
            logs.warning(text, coordinator, ejected, whose, why, extra=about)
        elif back:
            _tell_back(coordinator)

    def release(self, coordinator: Coordinator, form: str = "") -> None:
        """Let another caller try *coordinator*: who picked it last went away without an answer."""
        with self._state.lock:
            self._state.members.inconclusive(coordinator, form)

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
        """Has *coordinator* been connected to once in this process?"""
        return self._state.members.was_opened(coordinator)

    def was_opened_with(self, coordinator: Coordinator, form: str) -> bool:
        """Was *coordinator* opened by a connection of that *form* once?"""
        return self._state.members.was_opened_with(coordinator, form)

    def attach(self, link: OpenLink, form: str = "") -> None:
        """Count *link*, which has just been opened, as long as somebody has it."""
        with self._state.lock:
            self._state.members.attach(link)
            self._state.members.mark_opened(link.coordinator, form)
        self.mark_reachable(link.coordinator, form)

    def mark_reachable(self, coordinator: Coordinator, form: str = "") -> None:
        """Note that *coordinator* is there, whatever it may say of a statement."""
        state = self._state
        with state.lock:
            # The backoff goes on until a call is done: all may open sessions and refuse statements.
            before = state.members.ejected_for(coordinator, self.clock.now(), form)
            state.members.mark_reachable(coordinator, form)
        if before is not None:
            _tell_back(coordinator)

    def detach(self, link: OpenLink) -> None:
        """Count *link* no more."""
        with self._state.lock:
            self._state.members.detach(link)

    def snapshot(self) -> list[Candidate]:
        """How everyone stands now, in the order of the list."""
        with self._state.lock:
            return self._state.members.snapshot(self.clock.now())

    def __repr__(self) -> str:
        return f"<Cluster {', '.join(map(_shown, self.snapshot()))}>"

    @classmethod
    def shared(
        cls, coordinators: Sequence[Coordinator], policy: str | Policy, breaker: CircuitBreaker
    ) -> Cluster:
        """
        The cluster of this process with these coordinators and rules, made at first sight.

        Clusters that differ in their policy alone share what is known of the coordinators.
        """
        told = tuple((c.host, c.port, c.weight, c.zone, c.krb_host) for c in coordinators)
        key = (told, breaker)
        with _SHARED_LOCK:
            known = _SHARED.pop(key, None) or _IN_USE.get(key)
            if known is None:
                known = cls(coordinators, breaker=breaker)._state  # noqa: SLF001
            _SHARED[key] = _IN_USE[key] = known
            if len(_SHARED) > _RECENT:
                del _SHARED[next(iter(_SHARED))]
            return known.cluster(cls, policy, breaker)


def _shown(candidate: Candidate) -> str:
    with_ = "".join(f" (ejected with {form})" for form in candidate.ejected_with)
    return f"{candidate.coordinator} {candidate.state.value}{with_}"


def _tell_back(coordinator: Coordinator) -> None:
    about = {"coordinator": coordinator, "state": "healthy"}
    logs.info("%s is back", coordinator, extra=about)


class _SharedState:
    """What clusters know that have the same coordinators and rules."""

    def __init__(
        self, coordinators: Sequence[Coordinator], breaker: CircuitBreaker, rng: random.Random
    ):
        self.coordinators = coordinators
        self.members = Members(coordinators, breaker, rng)
        self.hedges = HedgeBudget()
        self.rng = rng
        self.databases: set[str] = set()
        self.lock = threading.RLock()  # a policy may ask for a snapshot
        self._named: dict[str, Cluster] = {}
        # An object of the caller need not be hashable; its cluster keeps it, so its id is its own.
        self._others: weakref.WeakValueDictionary[int, Cluster] = weakref.WeakValueDictionary()
        _EVERY.add(self)

    def cluster(
        self, kind: type[Cluster], policy: str | Policy, breaker: CircuitBreaker
    ) -> Cluster:
        """The cluster with that *policy*; one with an object of the caller's is not kept."""
        found = self._named.get(policy) if isinstance(policy, str) else self._others.get(id(policy))
        if found is None:
            found = kind(self.coordinators, policy=policy, breaker=breaker, rng=self.rng)
            found._state = self  # noqa: SLF001 - what it made for itself knows nothing yet
            if isinstance(policy, str):
                self._named[policy] = found
            else:
                self._others[id(policy)] = found
        return found

    def forked(self) -> None:
        """In a child: another thread may have held the lock, and is not there."""
        self.lock = threading.RLock()
        self.rng.seed()  # or all children would draw the same lots
        self.members.forked()


_RECENT = 100  # lists of hosts whose health is kept while no connection is open
_MOST_DATABASES = 10_000
_EVERY: weakref.WeakSet[_SharedState] = weakref.WeakSet()
_SHARED: dict[object, _SharedState] = {}
_IN_USE: weakref.WeakValueDictionary[object, _SharedState] = weakref.WeakValueDictionary()
_SHARED_LOCK = threading.Lock()


def _forked() -> None:
    """A child may have been forked while another thread held a lock: start with fresh ones."""
    global _SHARED_LOCK  # noqa: PLW0603
    _SHARED_LOCK = threading.Lock()
    for known in list(_EVERY):
        known.forked()


os.register_at_fork(after_in_child=_forked)
