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
from collections.abc import Iterable, Sequence

from . import _logs
from ._clock import Clock, SystemClock
from ._faults import Fault
from ._health import Breaker
from ._model import Attempt, Coordinator
from ._roster import Roster
from .policies import POLICIES, Candidate, Policy

__all__ = ["Cluster"]


class Cluster:
    """
    Several coordinators that serve the same tables.

    Connections made with equal hosts and rules in one process share one (`Cluster.shared`), so
    what one learns, all know.  May be used by many threads; a forked child has its own from there.
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
        self._roster = Roster(self.coordinators, policy, breaker, self.rng)
        self._trusted: set[object] = set()
        self._opened: set[Coordinator] = set()
        self._lock = threading.RLock()  # a policy may ask for a snapshot
        _EVERY.add(self)

    def pick(self, tried: Sequence[Coordinator] = (), zone: str = "") -> Coordinator:
        """Whose turn it is, for a call that has *tried* those already."""
        with self._lock:
            return self._roster.pick(self.clock.now(), tried, zone)

    def rounds(self, tried: Sequence[Coordinator]) -> int:
        """How often a call that has *tried* those has been to everyone."""
        with self._lock:
            return self._roster.rounds(tried)

    def report(self, attempt: Attempt, *, leased: bool = True) -> None:
        """
        Learn from *attempt*, and log it.

        Args:
            attempt: How it ended.
            leased: Whether its coordinator was picked for it: a failure that says nothing about
                the coordinator then ends the trial, so that the next caller may try it.
        """
        coordinator, fault = attempt.coordinator, attempt.fault
        with self._lock:
            now = self.clock.now()
            before = self._roster.ejected_for(coordinator, now)
            if fault is None:
                self._roster.succeeded(coordinator)
            elif fault.blames:
                draining = fault is Fault.DRAINING
                self._roster.failed(coordinator, now, draining=draining)
            elif leased:
                self._roster.undecided(coordinator)
            after = self._roster.ejected_for(coordinator, now)
        told = attempt.portable()  # a record may be kept: a traceback in it would keep sockets open
        _logs.debug("%s: %s", told.operation, told, extra={"attempt": told})
        if before is None and after is not None:
            about = {"coordinator": coordinator, "state": "ejected"}
            why = f"{told.reason}: {_logs.one_line(told.text)}"
            _logs.warning("%s is ejected for %.1f s: it %s", coordinator, after, why, extra=about)
        elif before is not None and after is None:
            about = {"coordinator": coordinator, "state": "healthy"}
            _logs.info("%s is back", coordinator, extra=about)

    def release(self, coordinator: Coordinator) -> None:
        """Let another caller try *coordinator*: who picked it last went away without an answer."""
        with self._lock:
            self._roster.undecided(coordinator)

    def trusts(self, credentials: object) -> bool:
        """Have *credentials* been accepted once in this process, or are there none?"""
        return credentials is None or credentials in self._trusted

    def trust(self, credentials: object) -> None:
        """Note that *credentials* were accepted."""
        self._trusted.add(credentials)

    def opened(self, coordinator: Coordinator) -> None:
        """Note that *coordinator* was connected to."""
        self._opened.add(coordinator)

    def was_open(self, coordinator: Coordinator) -> bool:
        """Has *coordinator* been connected to once in this process?"""
        return coordinator in self._opened

    def linked(self, coordinator: Coordinator, change: int) -> None:
        """Count connections to *coordinator* up or down."""
        with self._lock:
            self._roster.linked(coordinator, change)

    def snapshot(self) -> list[Candidate]:
        """How everyone stands now, in the order of the list."""
        with self._lock:
            return self._roster.candidates(self.clock.now())

    def __repr__(self) -> str:
        told = ", ".join(f"{c.coordinator} {c.state.value}" for c in self.snapshot())
        return f"<Cluster {told}>"

    @classmethod
    def shared(
        cls, coordinators: Sequence[Coordinator], policy: str | Policy, breaker: Breaker
    ) -> Cluster:
        """The cluster of this process with these coordinators and rules, made at first sight."""
        told = tuple((c.host, c.port, c.weight, c.zone, c.krb_host) for c in coordinators)
        # An object of the caller need not be hashable; the cluster keeps it, so its id is its own.
        key = (told, policy if isinstance(policy, str) else id(policy), breaker)
        with _SHARED_LOCK:
            if key not in _SHARED:
                _SHARED[key] = cls(coordinators, policy=policy, breaker=breaker)
            return _SHARED[key]


_EVERY: weakref.WeakSet[Cluster] = weakref.WeakSet()
_SHARED: dict[object, Cluster] = {}
_SHARED_LOCK = threading.Lock()


def _forked() -> None:
    """A child may have been forked while another thread held a lock: start with fresh ones."""
    global _SHARED_LOCK  # noqa: PLW0603
    _SHARED_LOCK = threading.Lock()
    for cluster in list(_EVERY):
        cluster._lock = threading.RLock()  # noqa: SLF001
        cluster.rng.seed()  # or all children would draw the same lots


os.register_at_fork(after_in_child=_forked)
