"""What is simulated: a fleet, its load, and what happens to it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from impala_ha.balancing.circuit_breaker import CircuitBreaker
from impala_ha.balancing.policies import POLICIES, Policy, make_policy
from impala_ha.failover.retry import Retry

from .peers import PEERS
from .servers import Condition

PROCESSES = ("job", "client", "machine", "proxy")
Processes = Literal["job", "client", "machine", "proxy"]


def made_by_name(name: str) -> Callable[[random.Random], Policy]:
    """
    What makes the policy *name*.

    Raises:
        ValueError: There is none of that name.
    """
    if name in PEERS:
        return PEERS[name]
    if name in POLICIES or name.startswith("ordered:"):
        return partial(make_policy, name)
    known = ", ".join(sorted([*POLICIES, *PEERS]))
    raise ValueError(f"policy must be one of {known}, or ordered:N, not {name!r}")


@dataclass(frozen=True, slots=True)
class Fleet:
    """
    Clients on machines, the coordinators that they use, and their load.

    Each client runs a job, pauses, and runs the next one.  A job opens a connection, runs one
    statement and closes the connection.

    Attributes:
        clients: How many there are, spread evenly over the machines.
        machines: How many there are.
        coordinators: How many there are.
        slots: Statements that a coordinator runs at once; the others wait in the order in which
            they came.
        utilization: Share of all slots that is busy while all coordinators are up.  The pauses
            between jobs are made so long that it is.
        statement: Seconds that a statement runs on average.
        sigma: How widely they are spread: the run times are lognormal with this standard deviation
            of the logarithm.
        policy: A policy of `connect()`, one of `PEERS`, or a function that makes a policy from a
            source of random numbers.  Each client is a user of its own for ``sticky``.
        process: Who has a cluster, and so knowledge, of its own: each ``"job"``, each ``"client"``
            (a process that lives on), each ``"machine"`` (a service with its clients as threads);
            or all go through one ``"proxy"``, which sees everything.
        share_state: Whether the processes of a machine share turns and health.
        keep: Whether a client keeps its connection from job to job.
        page_age: Seconds for which the web pages of a coordinator show the same, which the policy
            ``least_loaded`` reads.
        seconds: How long it is simulated.
        warm_up: Seconds from the start whose jobs do not count in the figures.
        silence: Seconds until a client finds that a coordinator with its statement hangs.
        breaker: When a coordinator is ejected, and for how long.
        retry: How long and how often a job is tried.
        hedge_after: Seconds without an answer after which a second coordinator is asked.
        connect_timeout: Seconds until an open without an answer has failed.

    Raises:
        ValueError: An invalid attribute.
    """

    clients: int = 1000
    machines: int = 50
    coordinators: int = 20
    slots: int = 16
    utilization: float = 0.8
    statement: float = 10.0
    sigma: float = 1.0
    policy: str | Callable[[random.Random], Policy] = "round_robin"
    process: Processes = "job"
    share_state: bool = True
    keep: bool = False
    page_age: float = 0.0
    seconds: float = 600.0
    warm_up: float = 60.0
    silence: float = 15.0
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    retry: Retry = field(default_factory=Retry)
    hedge_after: float = 0.25
    connect_timeout: float = 10.0

    def __post_init__(self) -> None:
        self._check_numbers()
        if self.process not in PROCESSES:
            known = ", ".join(PROCESSES)
            raise ValueError(f"process must be one of {known}, not {self.process!r}")
        if isinstance(self.policy, str):
            made_by_name(self.policy)
        if self.keep and self.process == "job":
            raise ValueError("keep is for processes that live on, and not for process='job'")
        if self.pause < 0:
            raise ValueError(
                f"{self.clients} clients cannot keep {self.utilization:.0%} of "
                f"{self.coordinators * self.slots} slots busy"
            )

    def _check_numbers(self) -> None:
        for name in ("clients", "machines", "coordinators", "slots"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("utilization", "statement", "seconds", "silence", "connect_timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("sigma", "warm_up", "hedge_after", "page_age"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")

    @property
    def pause(self) -> float:
        """Mean seconds from a client's job to its next one."""
        busy = self.utilization * self.coordinators * self.slots
        return self.clients * self.statement / busy - self.statement

    @property
    def mu(self) -> float:
        """Mean logarithm of the run times."""
        return math.log(self.statement) - self.sigma**2 / 2


@dataclass(frozen=True, slots=True)
class Change:
    """
    What happens to a coordinator.

    Attributes:
        at: When, in seconds from the start.
        coordinator: Its number, from 0.
        condition: What becomes of it: ``Condition.DEAD`` refuses connections and loses its
            statements, ``HUNG`` answers nothing and goes on where it was, ``DRAINING`` refuses
            connections and finishes its statements, ``UP`` is back.
        speed: How fast it is from then on, 1 by default; for statements that start later.

    Raises:
        ValueError: An invalid attribute.
    """

    at: float
    coordinator: int
    condition: Condition = Condition.UP
    speed: float = 1.0

    def __post_init__(self) -> None:
        if self.at < 0 or self.coordinator < 0:
            raise ValueError("at and coordinator must be at least 0")
        if not self.speed > 0:
            raise ValueError(f"speed must be above 0, not {self.speed}")
