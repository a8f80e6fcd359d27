"""
When to leave a coordinator alone, and when to try it again.

    HEALTHY --failures reach the threshold--> EJECTED  (DRAINING, if it said that it shuts down)
    EJECTED --its time is over--> ON_TRIAL   (one caller at a time)
    ON_TRIAL --success--> HEALTHY
    ON_TRIAL --failure--> EJECTED, for 1 s, and for twice as long after each next trial that failed

`Health` is what is known; `Breaker` holds the rules.  Neither looks at a clock: *now* is always
handed in, and so is chance.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass, replace

_TRIAL_AFTER = 1.0  # seconds from a trial that failed to the next one; doubles


class State(enum.Enum):
    """How a coordinator stands."""

    HEALTHY = "healthy"
    ON_TRIAL = "on trial"
    EJECTED = "ejected"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Health:
    """
    What is known of one coordinator.

    Attributes:
        failures: In a row.
        ejected_until: Left alone until then, in seconds of the clock; None while it is well.
        trial_until: Somebody tries it; until then nobody else does.
        draining: Whether it said that it shuts down.
    """

    failures: int = 0
    ejected_until: float | None = None
    trial_until: float | None = None
    draining: bool = False


def worse(one: Health, other: Health) -> Health:
    """What is known of a coordinator against which both speak: it is well only if both say so."""
    if one.ejected_until is None or other.ejected_until is None:
        return one if other.ejected_until is None else other
    trials = [each.trial_until for each in (one, other) if each.trial_until is not None]
    return Health(
        max(one.failures, other.failures),
        max(one.ejected_until, other.ejected_until),
        max(trials, default=None),
        one.draining or other.draining,
    )


@dataclass(frozen=True, slots=True)
class Breaker:
    """
    The rules.

    Attributes:
        threshold: Consecutive failures before the first ejection.
        ejection: Seconds of the first ejection, until its first trial.  After a trial that failed
            the next one comes a second later (or after *ejection*, if that is less), then after 2,
            4, 8, ... seconds.
        max_ejection: The most seconds an ejection lasts.
        jitter: An ejection lasts up to this share longer, at random and within *max_ejection*, so
            that the clients of a coordinator that comes back do not all try it in the same moment.
        trial: Seconds a trial may take before another caller may try.
    """

    threshold: int = 1
    ejection: float = 5.0
    max_ejection: float = 300.0
    jitter: float = 0.2
    trial: float = 30.0

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

    def state(self, health: Health, now: float) -> State:
        """How a coordinator with that *health* stands."""
        if health.ejected_until is None:
            return State.HEALTHY
        on_trial = health.trial_until is not None and now < health.trial_until
        if now < health.ejected_until or on_trial:
            return State.DRAINING if health.draining else State.EJECTED
        return State.ON_TRIAL

    def failed(
        self, health: Health, now: float, rng: random.Random, *, draining: bool = False
    ) -> Health:
        """What is known after a failure."""
        if health.ejected_until is not None and now < health.ejected_until:
            return self.untried(health)  # the failure is older than the ejection
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
        """What is known after a success."""
        return Health()

    def answered(self, health: Health) -> Health:
        """What is known once it opened a session: it is there; its failures are not forgotten."""
        return Health(health.failures)

    def tried(self, health: Health, now: float) -> Health:
        """What is known once somebody tries it: a lease, should the trier never come back."""
        return replace(health, trial_until=now + self.trial)

    def untried(self, health: Health) -> Health:
        """What is known once a trier went away without an answer for or against."""
        return replace(health, trial_until=None)
