"""What is decided under the lock of a cluster: who is next, and what an attempt shows."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import NamedTuple

from impala_ha.core.faults import Fault
from impala_ha.core.model import Attempt, Coordinator

from .circuit_breaker import State
from .hedge_budget import HedgeBudget
from .members import Loads, Members, offered
from .outage import Pause, Wait
from .policies import Policy

_ASKED = 3  # with two, one job in a hundred meets two full ones (benchmarks/fleet.py --simulated)


class Opening(NamedTuple):
    """
    What a call that opens a connection asks for; see `Cluster.pick_or_wait`.

    Attributes:
        call: A number that identifies the call.
        tried: The coordinators that it has tried.
        pause: From the number of tries of a coordinator to the seconds before the next one.
        zone: The zone whose coordinators come first.
        excluded: Coordinators that would fail in the same way again.
        options_key: Of the call's connection.
    """

    call: int
    tried: Sequence[Coordinator]
    pause: Pause
    zone: str
    excluded: Collection[Coordinator]
    options_key: str


def pick_or_wait(
    members: Members, policy: Policy, now: float, opening: Opening, loads: Loads | None
) -> Coordinator | Wait:
    """Choose a coordinator, or say how long to wait; *loads* are those of the machine, if known."""
    call, tried, pause, zone, excluded, options_key = opening
    failed = any(table.failures for table in members.tables(options_key))
    # What other processes have found is no reason not to try at all.
    if not failed or members.is_healthy(now, options_key):
        return members.pick(policy, now, tried, zone, options_key, loads=loads)
    free = [each for each in members.free(now, options_key) if each not in excluded]
    turn = members.table(options_key).outage.pick_or_wait(call, now, tried, free, pause)
    if isinstance(turn, Coordinator):
        members.lease(turn, now, options_key)
    return turn


def shortlist(
    members: Members,
    now: float,
    tried: Sequence[Coordinator],
    *,
    zone: str,
    options_key: str,
    rng: random.Random,
) -> list[Coordinator]:
    """Some random healthy ones of those that a policy is offered."""
    known = offered(members, now, tried, zone, options_key)
    healthy = [each.coordinator for each in known if each.state is State.HEALTHY]
    return rng.sample(healthy, min(_ASKED, len(healthy)))


def may_hedge(
    members: Members, hedges: HedgeBudget, first: Coordinator, now: float, options_key: str
) -> bool:
    """May another coordinator be tried as well, because *first* is slow to open?"""
    ejected = members.ejected_for(first, now, options_key) is not None
    lost = ejected and members.is_healthy(now, options_key)
    return lost or members.is_leased(first, now, options_key) or hedges.try_withdraw()


def last_failures(members: Members, options_key: str) -> list[Attempt]:
    """The last attempt on each coordinator where it failed."""
    found: dict[Coordinator, Attempt] = {}
    for table in members.tables(options_key):
        found |= table.failures
    return list(found.values())


def note(
    members: Members, attempt: Attempt, now: float, *, leased: bool
) -> tuple[float | None, bool]:
    """
    Note in *members* how *attempt*, which is without its exception, has ended.

    Args:
        members: Of the cluster.
        attempt: The attempt.
        now: Seconds of the clock.
        leased: Whether its coordinator was picked for it.

    Returns:
        The seconds of the ejection that begins, and whether one ends.
    """
    coordinator, fault, key = attempt.coordinator, attempt.fault, attempt.options_key
    back = False
    if fault is None and not members.is_well(coordinator, key):
        back = members.ejected_for(coordinator, now, key) is not None
        members.succeeded(coordinator, key)
    elif fault and leased:
        members.inconclusive(coordinator, key)
    if not attempt.counts:
        return None, back
    draining = fault is Fault.DRAINING
    ejected = members.failed(coordinator, now, attempt.table_key, draining=draining)
    if coordinator in members.coordinators:
        members.table(attempt.table_key).failures[coordinator] = attempt
    return ejected, back


def note_reached(members: Members, coordinator: Coordinator, now: float, options_key: str) -> bool:
    """
    Note that *coordinator* answers, whatever it answers; was it ejected?

    The backoff goes on until a call succeeds: all may answer and refuse statements.
    """
    before = members.ejected_for(coordinator, now, options_key)
    members.mark_reachable(coordinator, options_key)
    return before is not None
