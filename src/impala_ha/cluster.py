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

from . import _logs
from ._clock import Clock, SystemClock
from ._faults import Fault
from ._health import Breaker
from ._hedge import Budget
from ._link import Link
from ._model import Attempt, Coordinator
from ._outage import Outage, Pause, Wait
from ._roster import Roster
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
        breaker: Breaker = Breaker(),  # noqa: B008 - a frozen value
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
        self._known = _Known(self.coordinators, breaker, self.rng)

    def pick(self, tried: Sequence[Coordinator] = (), zone: str = "") -> Coordinator:
        """Whose turn it is, for a call that has *tried* those already."""
        with self._known.lock:
            return self._known.roster.pick(self._policy, self.clock.now(), tried, zone)

    def turn(
        self,
        call: int,
        tried: Sequence[Coordinator],
        pause: Pause,
        *,
        zone: str = "",
        lasting: Collection[Coordinator] = (),
    ) -> Coordinator | Wait:
        """
        Whose turn it is, for a *call* that opens a link; while nobody is healthy, the calls of
        the process share the backoff of each coordinator, and one of them tries it at a time.

        Args:
            call: Stands for it, until it has `ended`.
            tried: Where it has been already.
            pause: Seconds before the next try of a coordinator, after so many of them.
            zone: Whose coordinators come first.
            lasting: Who would say the same again.
        """
        known, now = self._known, self.clock.now()
        with known.lock:
            if not known.roster.is_healthy(now):
                free = [each for each in known.roster.free(now) if each not in lasting]
                turn = known.outage.turn(call, now, tried, free, pause)
                if isinstance(turn, Coordinator):
                    known.roster.lease(turn, now)
                return turn
            return known.roster.pick(self._policy, now, tried, zone)

    def ended(self, call: int) -> None:
        """Wait no more for what *call* finds out."""
        with self._known.lock:
            self._known.outage.ended(call)

    def is_healthy(self) -> bool:
        """Is any coordinator?"""
        with self._known.lock:
            return self._known.roster.is_healthy(self.clock.now())

    def failures(self) -> list[Attempt]:
        """The last failure of each coordinator that failed last time, whoever tried it."""
        with self._known.lock:
            return list(self._known.failures.values())

    def opening(self) -> None:
        """Note that an open begins that may be hedged."""
        with self._known.lock:
            self._known.hedges.opened(self.clock.now())

    def may_hedge(self, first: Coordinator) -> bool:
        """
        May another coordinator be asked as well, because *first* takes its time to open?

        Always where *first* is on trial, as one call does at a time, and where another call has
        found out meanwhile that it is lost: one that is only slow answers somebody.
        """
        known, now = self._known, self.clock.now()
        with known.lock:
            lost = known.roster.ejected_for(first, now) is not None and known.roster.is_healthy(now)
            return lost or known.roster.on_trial(first, now) or known.hedges.take()

    def rounds(self, tried: Sequence[Coordinator]) -> int:
        """How often a call that has *tried* those has been to everyone."""
        with self._known.lock:
            return self._known.roster.rounds(tried)

    def report(self, attempt: Attempt, *, leased: bool = True) -> None:
        """
        Learn from *attempt*, and log it.

        Args:
            attempt: How it ended.
            leased: Whether its coordinator was picked for it: a failure that says nothing about
                the coordinator then ends the trial, so that the next caller may try it.
        """
        coordinator, fault = attempt.coordinator, attempt.fault
        with self._known.lock:
            now = self.clock.now()
            before = self._known.roster.ejected_for(coordinator, now)
            if fault is None:
                self._known.succeeded(coordinator)
            elif fault.blames:
                draining = fault is Fault.DRAINING
                self._known.roster.failed(coordinator, now, draining=draining)
                self._known.failures[coordinator] = attempt.portable()
            elif leased:
                self._known.roster.undecided(coordinator)
            after = self._known.roster.ejected_for(coordinator, now)
        told = attempt.portable()  # a record may be kept: a traceback in it would keep sockets open
        _logs.debug("%s: %s", told.operation, told, extra={"attempt": told})
        if before is None and after is not None:
            state = "draining" if fault is Fault.DRAINING else "ejected"
            about = {"coordinator": coordinator, "state": state}
            why = f"{told.reason}: {_logs.brief(told.text)}"
            _logs.warning("%s is ejected for %.1f s: it %s", coordinator, after, why, extra=about)
        elif before is not None and after is None:
            _tell_back(coordinator)

    def release(self, coordinator: Coordinator) -> None:
        """Let another caller try *coordinator*: who picked it last went away without an answer."""
        with self._known.lock:
            self._known.roster.undecided(coordinator)

    def trusts(self, credentials: object) -> bool:
        """Have *credentials* been accepted once in this process, or are there none?"""
        return credentials is None or credentials in self._known.trusted

    def trust(self, credentials: object) -> None:
        """Note that *credentials* were accepted."""
        trusted = self._known.trusted
        if len(trusted) >= _TRUSTED:
            trusted.clear()  # passwords that change; each is only tried alone once more
        trusted.add(credentials)

    def was_open(self, coordinator: Coordinator) -> bool:
        """Has *coordinator* been connected to once in this process?"""
        return self._known.roster.was_attached(coordinator)

    def attached(self, link: Link) -> None:
        """Count *link*, which has just been opened, as long as somebody has it."""
        with self._known.lock:
            self._known.roster.attach(link)
        self.answered(link.coordinator)

    def answered(self, coordinator: Coordinator) -> None:
        """Note that *coordinator* is there, whatever it may say of a statement."""
        known = self._known
        with known.lock:
            # The backoff goes on until a call is done: all may open sessions and refuse statements.
            before = known.roster.ejected_for(coordinator, self.clock.now())
            known.roster.answered(coordinator)
        if before is not None:
            _tell_back(coordinator)

    def detached(self, link: Link) -> None:
        """Count *link* no more."""
        with self._known.lock:
            self._known.roster.detach(link)

    def snapshot(self) -> list[Candidate]:
        """How everyone stands now, in the order of the list."""
        with self._known.lock:
            return self._known.roster.candidates(self.clock.now())

    def __repr__(self) -> str:
        told = ", ".join(f"{c.coordinator} {c.state.value}" for c in self.snapshot())
        return f"<Cluster {told}>"

    @classmethod
    def shared(
        cls, coordinators: Sequence[Coordinator], policy: str | Policy, breaker: Breaker
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
                known = cls(coordinators, breaker=breaker)._known  # noqa: SLF001
            _SHARED[key] = _IN_USE[key] = known
            if len(_SHARED) > _RECENT:
                del _SHARED[next(iter(_SHARED))]
            return known.cluster(cls, policy, breaker)


def _tell_back(coordinator: Coordinator) -> None:
    about = {"coordinator": coordinator, "state": "healthy"}
    _logs.info("%s is back", coordinator, extra=about)


class _Known:
    """What clusters know that have the same coordinators and rules."""

    def __init__(self, coordinators: Sequence[Coordinator], breaker: Breaker, rng: random.Random):
        self.coordinators = coordinators
        self.roster = Roster(coordinators, breaker, rng)
        self.outage = Outage()
        self.failures: dict[Coordinator, Attempt] = {}
        self.hedges = Budget()
        self.rng = rng
        self.trusted: set[object] = set()
        self.lock = threading.RLock()  # a policy may ask for a snapshot
        self._named: dict[str, Cluster] = {}
        # An object of the caller need not be hashable; its cluster keeps it, so its id is its own.
        self._others: weakref.WeakValueDictionary[int, Cluster] = weakref.WeakValueDictionary()
        _EVERY.add(self)

    def succeeded(self, coordinator: Coordinator) -> None:
        """Note an answer."""
        self.roster.succeeded(coordinator)
        self.outage.over()
        self.failures.pop(coordinator, None)

    def cluster(self, kind: type[Cluster], policy: str | Policy, breaker: Breaker) -> Cluster:
        """The cluster with that *policy*; one with an object of the caller's is not kept."""
        found = self._named.get(policy) if isinstance(policy, str) else self._others.get(id(policy))
        if found is None:
            found = kind(self.coordinators, policy=policy, breaker=breaker, rng=self.rng)
            found._known = self  # noqa: SLF001 - what it made for itself knows nothing yet
            if isinstance(policy, str):
                self._named[policy] = found
            else:
                self._others[id(policy)] = found
        return found

    def forked(self) -> None:
        """In a child: another thread may have held the lock, and is not there."""
        self.lock = threading.RLock()
        self.outage = Outage()
        self.rng.seed()  # or all children would draw the same lots
        self.roster.forked()


_RECENT = 100  # lists of hosts whose health is kept while no connection is open
_TRUSTED = 10_000  # credentials
_EVERY: weakref.WeakSet[_Known] = weakref.WeakSet()
_SHARED: dict[object, _Known] = {}
_IN_USE: weakref.WeakValueDictionary[object, _Known] = weakref.WeakValueDictionary()
_SHARED_LOCK = threading.Lock()


def _forked() -> None:
    """A child may have been forked while another thread held a lock: start with fresh ones."""
    global _SHARED_LOCK  # noqa: PLW0603
    _SHARED_LOCK = threading.Lock()
    for known in list(_EVERY):
        known.forked()


os.register_at_fork(after_in_child=_forked)
