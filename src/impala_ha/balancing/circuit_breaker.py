"""
A circuit breaker for each coordinator: when it is ejected, and when it is tried again.

    HEALTHY --failures reach the threshold--> EJECTED  (DRAINING, if it said that it shuts down)
    EJECTED --its time is over--> HALF_OPEN   (a trial: one call at a time)
    HALF_OPEN --success--> HEALTHY
    HALF_OPEN --failure--> EJECTED, for 1 s, and for twice as long after each next trial that failed

`Health` is the state; `CircuitBreaker` has the rules.  Neither looks at a clock: *now* and
chance are arguments.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass, replace

_TRIAL_AFTER = 1.0  # seconds from a failed trial to the next one; doubles


class State(enum.Enum):
    """The states of a coordinator."""

    HEALTHY = "healthy"
    HALF_OPEN = "half-open"
    EJECTED = "ejected"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Health:
    """
    The health of one coordinator.

    Attributes:
        failures: Consecutive failures.
        ejected_until: When its ejection ends, in seconds of the clock; None if it is not ejected.
        leased_until: Until then a trial is under way, and no other call tries it.
        draining: Whether it said that it shuts down.
    """

    failures: int = 0
    ejected_until: float | None = None
    leased_until: float | None = None
    draining: bool = False


WELL = Health()


def combined(one: Health, other: Health) -> Health:
    """The health of a coordinator by both: healthy only if it is healthy by both."""
    if one.ejected_until is None or other.ejected_until is None:
        return one if other.ejected_until is None else other
    leases = [each.leased_until for each in (one, other) if each.leased_until is not None]
    return Health(
        max(one.failures, other.failures),
        max(one.ejected_until, other.ejected_until),
        max(leases, default=None),
        one.draining or other.draining,
    )


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """
    When a coordinator is ejected, and for how long.

    Attributes:
        threshold: Consecutive failures before the first ejection.
        ejection: Seconds of the first ejection, until its first trial.  After a trial that failed
            the next one comes a second later (or after *ejection*, if that is less), then after 2,
            4, 8, ... seconds.
        max_ejection: The most seconds an ejection lasts.
        jitter: An ejection lasts up to this fraction longer, at random and within *max_ejection*,
            so that the clients do not all try a coordinator at the same moment.
        lease_time: Seconds that a trial may take before another call may try.
    """

    threshold: int = 1
    ejection: float = 5.0
    max_ejection: float = 300.0
    jitter: float = 0.2
    lease_time: float = 30.0

    def __post_init__(self) -> None:
        if self.threshold < 1:
            raise ValueError(f"threshold must be at least 1, not {self.threshold}")
        if not 0 < self.ejection <= self.max_ejection:
            raise ValueError(
                f"ejection ({self.ejection}) must be above 0 and at most max_ejection "
                f"({self.max_ejection})"
            )
        if self.jitter < 0:
            raise ValueError(f"jitter must be at least 0, not {self.jitter}")
        if not self.lease_time > 0:
            raise ValueError(f"lease_time must be above 0 seconds, not {self.lease_time}")

    def state(self, health: Health, now: float) -> State:
        """The state of a coordinator with that *health* at *now*."""
        if health.ejected_until is None:
            return State.HEALTHY
        leased = health.leased_until is not None and now < health.leased_until
        if now < health.ejected_until or leased:
            return State.DRAINING if health.draining else State.EJECTED
        return State.HALF_OPEN

    def failed(
        self, health: Health, now: float, rng: random.Random, *, draining: bool = False
    ) -> Health:
        """The health after a failure."""
        if health.ejected_until is not None and now < health.ejected_until:
            return self.inconclusive(health)  # the failure is older than the ejection
        failures = health.failures + 1
        on_trial = health.ejected_until is not None or health.failures >= self.threshold
        if failures < self.threshold and not draining and not on_trial:
            return Health(failures)
        span = self.ejection
        if on_trial:
            doublings = min(max(0, health.failures - self.threshold), 32)
            span = min(_TRIAL_AFTER, span) * 2**doublings
        span = min(span, self.max_ejection / (1 + self.jitter))
        until = now + span * (1 + rng.uniform(0, self.jitter))
        return Health(failures, until, draining=draining)

    def succeeded(self) -> Health:
        """The health after a success."""
        return WELL

    def reached(self, health: Health) -> Health:
        """The health once it answers: not ejected, with the same count of failures."""
        return Health(health.failures)

    def lease(self, health: Health, now: float) -> Health:
        """The health during a trial; a lease, because the call may never report."""
        return replace(health, leased_until=now + self.lease_time)

    def inconclusive(self, health: Health) -> Health:
        """The health after a trial that showed nothing."""
        return replace(health, leased_until=None)
