"""
A simulator of a fleet: which policy evens out the load of your jobs, and what a death does.

A virtual clock drives the library's own loop of tries: its choice of coordinators, circuit breaker,
retries, hedges, readings of loads and what the processes of a machine share.  Only coordinators,
network and time are made up.  The same seed gives the same result::

    from impala_ha.testing.simulation import Change, Condition, Fleet, compare, simulate

    fleet = Fleet(clients=1000, machines=50, coordinators=20, seconds=300)
    result = simulate(fleet, [Change(100, 0, Condition.DEAD)], seed=1)
    print(result.table())
    result.plot("load.svg")  # takes the extra `plots`

It takes the extra `simulation` (greenlet): each client is a greenlet, and waits in virtual time.

Left out: Kerberos, passwords, `max_lifetime` of connections that are kept, and the time that the
library itself takes.
"""

from __future__ import annotations

import gc
import logging
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial

from impala_ha.balancing.cluster import Cluster
from impala_ha.core.observers import unobserved

from .clients import Client, Machine, World
from .fleet import Change, Fleet
from .peers import PEERS
from .result import FailedTry, Result, compare, plot
from .servers import Condition

__all__ = [
    "PEERS",
    "Change",
    "Condition",
    "FailedTry",
    "Fleet",
    "Result",
    "compare",
    "plot",
    "simulate",
]


def simulate(fleet: Fleet, changes: Iterable[Change] = (), *, seed: int = 0) -> Result:
    """
    Simulate *fleet*.

    Args:
        fleet: Clients, coordinators and load.
        changes: What happens to coordinators.
        seed: Of all random numbers.  Pauses and run times of each client are the same with each
            policy.

    Raises:
        MissingExtra: greenlet is not installed; the extra ``simulation`` has it.
        ValueError: A change of a coordinator that there is not.
    """
    world = World(fleet, seed)
    servers = list(world.servers.values())
    for change in changes:
        if change.coordinator >= len(servers):
            raise ValueError(f"there is no coordinator {change.coordinator} of {len(servers)}")
        act = partial(servers[change.coordinator].change, change.condition, change.speed)
        world.loop.call_at(change.at, act)
    machines = [Machine(world, number) for number in range(fleet.machines)]
    clusters = _clusters(world, machines)
    for number in range(fleet.clients):
        machine = machines[number % fleet.machines]
        demand = random.Random(f"{seed} {number}")  # noqa: S311 - chance, not secrecy
        Client(world, machine, clusters(machine), f"client{number}", demand)
    with _silent(), unobserved(), _without_collector(), closing(world.loop):
        for second in range(1, int(fleet.seconds) + 1):
            world.loop.run(second)
            world.result.sample((each.coordinator, each.connections) for each in servers)
        world.loop.run(fleet.seconds)
    return world.result


@contextmanager
def _without_collector() -> Iterator[None]:
    """
    Leave memory to reference counts, which free all that a job has used.

    The collector would look at thousands of clients again and again: a third of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _clusters(
    world: World, machines: Iterable[Machine]
) -> Callable[[Machine], Callable[[], Cluster]]:
    """For a client on a machine: what gives the cluster of its next job."""
    process = world.fleet.process
    if process == "job":
        return lambda machine: partial(world.cluster, machine)
    if process == "client":
        return lambda machine: partial(_same, world.cluster(machine))
    if process == "machine":
        kept = {each: world.cluster(each) for each in machines}
        return lambda machine: partial(_same, kept[machine])
    proxy = world.cluster(None)
    return lambda _: partial(_same, proxy)


def _same(cluster: Cluster) -> Cluster:
    return cluster


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what happens to made-up coordinators out of the log, for this thread."""
    logger, here = logging.getLogger("impala_ha"), threading.get_ident()

    def elsewhere(_: logging.LogRecord) -> bool:
        return threading.get_ident() != here

    logger.addFilter(elsewhere)
    try:
        yield
    finally:
        logger.removeFilter(elsewhere)
