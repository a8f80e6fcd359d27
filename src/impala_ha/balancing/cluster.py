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

from .circuit_breaker import Breaker
from .hedge_budget import Budget
from .members import Attached, Roster
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

    def pick(
        self, tried: Sequence[Coordinator] = (), zone: str = "", form: str = ""
    ) -> Coordinator:
        """Whose turn it is, for a call of that *form* that has *tried* those already."""
        with self._known.lock:
            return self._known.roster.pick(self._policy, self.clock.now(), tried, zone, form)

    def turn(
        self,
        call: int,
        tried: Sequence[Coordinator],
        pause: Pause,
        *,
        zone: str = "",
        lasting: Collection[Coordinator] = (),
        form: str = "",
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
            form: Of the call's connection.
        """
        known, now = self._known, self.clock.now()
        with known.lock:
            roster = known.roster
            if not roster.is_healthy(now, form):
                free = [each for each in roster.free(now, form) if each not in lasting]
                turn = roster.book(form).outage.turn(call, now, tried, free, pause)
                if isinstance(turn, Coordinator):
                    roster.lease(turn, now, form)
                return turn
            return roster.pick(self._policy, now, tried, zone, form)

    def ended(self, call: int, form: str = "") -> None:
        """Wait no more for what *call* finds out."""
        with self._known.lock:
            for book in self._known.roster.books(form):
                book.outage.ended(call)

    def is_healthy(self, form: str = "") -> bool:
        """Is any coordinator, for connections of that *form*?"""
        with self._known.lock:
            return self._known.roster.is_healthy(self.clock.now(), form)

    def failures(self, form: str = "") -> list[Attempt]:
        """The last failure of each coordinator that failed last time, whoever tried it."""
        found: dict[Coordinator, Attempt] = {}
        with self._known.lock:
            for book in self._known.roster.books(form):
                found |= book.failures
        return list(found.values())

    def opening(self) -> None:
        """Note that an open begins that may be hedged."""
        with self._known.lock:
            self._known.hedges.opened(self.clock.now())

    def may_hedge(self, first: Coordinator, form: str = "") -> bool:
        """
        May another coordinator be asked as well, because *first* takes its time to open?

        Always where *first* is on trial, as one call does at a time, and where another call has
        found out meanwhile that it is lost: one that is only slow answers somebody.
        """
        known, now = self._known, self.clock.now()
        with known.lock:
            roster = known.roster
            ejected = roster.ejected_for(first, now, form) is not None
            lost = ejected and roster.is_healthy(now, form)
            return lost or roster.on_trial(first, now, form) or known.hedges.take()

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
        coordinator, fault, form = attempt.coordinator, attempt.fault, attempt.form
        told = attempt.portable()  # a record may be kept: a traceback in it would keep sockets open
        own = form if attempt.own else ""
        with self._known.lock:
            roster, now = self._known.roster, self.clock.now()
            ejected, back = None, False
            if fault is None:
                back = roster.ejected_for(coordinator, now, form) is not None
                roster.succeeded(coordinator, form)
            elif leased:
                roster.undecided(coordinator, form)
            if fault and (fault.blames or own):
                draining = fault is Fault.DRAINING
                ejected = roster.failed(coordinator, now, own, draining=draining)
                roster.book(own).failures[coordinator] = told
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
        with self._known.lock:
            self._known.roster.undecided(coordinator, form)

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

    def is_proven(self, coordinator: Coordinator, form: str) -> bool:
        """Was *coordinator* opened by a connection of that *form* once?"""
        return self._known.roster.is_proven(coordinator, form)

    def attached(self, link: Attached, form: str = "") -> None:
        """Count *link*, which has just been opened, as long as somebody has it."""
        with self._known.lock:
            self._known.roster.attach(link)
            self._known.roster.prove(link.coordinator, form)
        self.answered(link.coordinator, form)

    def answered(self, coordinator: Coordinator, form: str = "") -> None:
        """Note that *coordinator* is there, whatever it may say of a statement."""
        known = self._known
        with known.lock:
            # The backoff goes on until a call is done: all may open sessions and refuse statements.
            before = known.roster.ejected_for(coordinator, self.clock.now(), form)
            known.roster.answered(coordinator, form)
        if before is not None:
            _tell_back(coordinator)

    def detached(self, link: Attached) -> None:
        """Count *link* no more."""
        with self._known.lock:
            self._known.roster.detach(link)

    def snapshot(self) -> list[Candidate]:
        """How everyone stands now, in the order of the list."""
        with self._known.lock:
            return self._known.roster.snapshot(self.clock.now())

    def __repr__(self) -> str:
        return f"<Cluster {', '.join(map(_shown, self.snapshot()))}>"

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


def _shown(candidate: Candidate) -> str:
    with_ = "".join(f" (ejected with {form})" for form in candidate.ejected_with)
    return f"{candidate.coordinator} {candidate.state.value}{with_}"


def _tell_back(coordinator: Coordinator) -> None:
    about = {"coordinator": coordinator, "state": "healthy"}
    logs.info("%s is back", coordinator, extra=about)


class _Known:
    """What clusters know that have the same coordinators and rules."""

    def __init__(self, coordinators: Sequence[Coordinator], breaker: Breaker, rng: random.Random):
        self.coordinators = coordinators
        self.roster = Roster(coordinators, breaker, rng)
        self.hedges = Budget()
        self.rng = rng
        self.trusted: set[object] = set()
        self.lock = threading.RLock()  # a policy may ask for a snapshot
        self._named: dict[str, Cluster] = {}
        # An object of the caller need not be hashable; its cluster keeps it, so its id is its own.
        self._others: weakref.WeakValueDictionary[int, Cluster] = weakref.WeakValueDictionary()
        _EVERY.add(self)

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
