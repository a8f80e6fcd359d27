"""Clients: they open connections as the library does, with its health, retries and hedges."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial

from impala_ha.balancing.cluster import Cluster
from impala_ha.balancing.outage import Wait
from impala_ha.core.faults import Fault, Phase
from impala_ha.core.model import Attempt, Coordinator

from .events import EventLoop, Process, Steps
from .fleet import Fleet, made_by_name
from .peers import ByReading
from .place import MemoryPlace
from .result import Result
from .servers import Condition, Server

_ROUND_TRIPS = 0.002  # seconds to open a connection
_LOOK = 1.0  # seconds after which a call that waits looks again
_REFUSED = {
    Condition.DEAD: (Fault.UNREACHABLE, Phase.CONNECT),
    Condition.DRAINING: (Fault.DRAINING, Phase.OPEN),
}


class Link:
    """An open connection."""

    def __init__(self, server: Server):
        self.coordinator = server.coordinator
        self.server = server
        self.life = server.life

    @property
    def lost(self) -> bool:
        """Has its coordinator died since?"""
        return self.life != self.server.life


class World:
    """What all clients share."""

    def __init__(self, fleet: Fleet, seed: int):
        self.fleet = fleet
        self.loop = EventLoop()
        self.rng = random.Random(seed)  # noqa: S311 - chance, not secrecy
        coordinators = [Coordinator(f"coordinator{n + 1}") for n in range(fleet.coordinators)]
        self.servers = {
            each: Server(each, self.loop, fleet.slots, fleet.silence) for each in coordinators
        }
        self.result = Result(fleet, coordinators)
        self.calls = 0

    def cluster(self, machine: Machine | None) -> Cluster:
        """A new process's."""
        policy, rng = self.fleet.policy, self.rng
        made = (made_by_name(policy) if isinstance(policy, str) else policy)(rng)
        if machine is not None and self.fleet.reading is not None:
            made = ByReading(made, machine.reading)
        place = machine.place if machine is not None else None
        return Cluster(
            self.servers,
            policy=made,
            breaker=self.fleet.breaker,
            clock=self.loop,
            rng=rng,
            share_state=False if place is None else place,
        )


class Machine:
    """A machine with its place, and its reading of the load."""

    def __init__(self, world: World, number: int):
        self.number = number
        self.place = MemoryPlace(world.loop) if world.fleet.share_state else None
        self._world = world
        self._reading: dict[Coordinator, int] = {}
        self._next = 0.0

    def reading(self) -> Mapping[Coordinator, int]:
        """The connections of each coordinator, at the last reading."""
        every = self._world.fleet.reading
        assert every is not None
        now = self._world.loop.now()
        if now >= self._next:
            self._reading = {c: s.connections for c, s in self._world.servers.items()}
            self._next = now + every
        return self._reading


class Job:
    """One job: its statement, and the tries that it has made."""

    def __init__(self, number: int, cluster: Cluster, began: float, statement: float):
        self.number = number
        self.cluster = cluster
        self.began = began
        self.statement = statement
        self.tried: list[Coordinator] = []
        self.lost = 0
        self.ended = False


class Client:
    """Runs one job after the other."""

    def __init__(
        self,
        world: World,
        machine: Machine,
        cluster: Callable[[], Cluster],
        name: str,
        demand: random.Random,
    ):
        """Draw pauses and run times from *demand*, so that all policies get the same jobs."""
        self._world = world
        self._fleet = world.fleet
        self._loop = world.loop
        self._machine = machine
        self._cluster = cluster
        self._name = name
        self._demand = demand
        self._link: Link | None = None
        self._process = Process(world.loop, self._steps())

    def _steps(self) -> Steps[None]:
        fleet, demand, result = self._fleet, self._demand, self._world.result
        while True:
            yield demand.expovariate(1.0) * fleet.pause
            self._world.calls += 1
            now, seconds = self._loop.now(), demand.lognormvariate(fleet.mu, fleet.sigma)
            job = Job(self._world.calls, self._cluster(), now, seconds)
            result.started += 1
            waited = yield from self._run(job)
            job.ended = True
            job.cluster.call_ended(job.number)
            if self._link is not None and not fleet.keep:
                self._close(job, self._link)
            result.end(job.began, self._loop.now(), seconds, waited)

    def _run(self, job: Job) -> Steps[float | None]:
        """Run the job; the seconds that it waited for a slot, None if it failed."""
        while job.lost < self._fleet.retry.runs:
            link = self._link
            if link is not None and link.lost:
                self._failed(job, link.coordinator, (Fault.LOST, Phase.UNSENT), "execute")
                job.tried.append(link.coordinator)
                self._close(job, link)
                link = None
            if link is None:
                link = self._link = yield from self._open(job)
            if link is None:
                return None
            start = self._loop.now()
            link.server.run(self._process, job.statement)
            got = yield None
            if isinstance(got, float):
                self._succeeded(job, link.coordinator, "execute", start)
                return got
            job.lost += 1
            self._failed(job, link.coordinator, (Fault.LOST, Phase.RUNNING), "execute", start)
            self._close(job, link)
        return None

    def _open(self, job: Job) -> Steps[Link | None]:
        """Open a connection, within the deadline."""
        cluster, retry = job.cluster, self._fleet.retry
        pause = partial(retry.wait, rng=cluster.rng)
        deadline = self._loop.now() + retry.deadline
        while self._loop.now() < deadline:
            if cluster.is_healthy() and (wait := pause(cluster.rounds(job.tried))):
                yield wait
            turn = cluster.pick_or_wait(job.number, job.tried, pause, sticky_key=self._name)
            if isinstance(turn, Wait):
                yield min(turn.seconds, _LOOK)
                continue
            cluster.count_open()
            link = yield from self._try(job, turn)
            if link is not None:
                return link
        return None

    def _try(self, job: Job, where: Coordinator, *, hedged: bool = False) -> Steps[Link | None]:
        start, server = self._loop.now(), self._world.servers[where]
        job.tried.append(where)
        self._world.result.arrived(where, self._machine.number, start, server.condition)
        yield _ROUND_TRIPS
        if server.condition is Condition.HUNG:
            yield self._fleet.hedge_after
            if not hedged and job.cluster.may_hedge(where):
                second = job.cluster.pick(job.tried, sticky_key=self._name)
                self._loop.call_at(
                    start + self._fleet.connect_timeout, partial(self._silent, job, where, start)
                )
                return (yield from self._try(job, second, hedged=True))
            yield max(0.0, start + self._fleet.connect_timeout - self._loop.now())
        if server.condition is not Condition.UP:
            if server.condition is Condition.HUNG:
                self._silent(job, where, start)
            else:
                self._failed(job, where, _REFUSED[server.condition], "connect", start)
            return None
        link = Link(server)
        server.connections += 1
        job.cluster.attach(link)
        self._succeeded(job, where, "connect", start)
        return link

    def _close(self, job: Job, link: Link) -> None:
        job.cluster.detach(link)
        link.server.connections -= 1
        self._link = None

    def _silent(self, job: Job, where: Coordinator, start: float) -> None:
        """Note that an open had no answer in time, unless its process is gone."""
        if not (job.ended and self._fleet.process == "job"):
            self._failed(job, where, (Fault.LOST, Phase.OPEN), "connect", start)

    def _failed(
        self,
        job: Job,
        where: Coordinator,
        why: tuple[Fault, Phase],
        operation: str,
        start: float | None = None,
    ) -> None:
        elapsed = 0.0 if start is None else self._loop.now() - start
        attempt = Attempt(operation, len(job.tried), where, elapsed, *why, text="simulated")
        job.cluster.report(attempt, leased=operation == "connect")

    def _succeeded(self, job: Job, where: Coordinator, operation: str, start: float) -> None:
        elapsed = self._loop.now() - start
        job.cluster.report(Attempt(operation, len(job.tried), where, elapsed))
