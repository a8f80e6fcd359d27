"""Clients: jobs that go through the library's own loop, with a driver whose servers are made up."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import cast

from impala.error import HiveServer2Error
from thrift.transport.TTransport import TTransportException

from impala_ha import errors
from impala_ha.balancing.cluster import Cluster
from impala_ha.balancing.load_board import Due
from impala_ha.balancing.readings import Load
from impala_ha.core.clock import Clock
from impala_ha.core.coroutine import Coroutine
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.core.model import Coordinator
from impala_ha.failover.attempts import Call
from impala_ha.failover.failover import Failover
from impala_ha.hs2 import client
from impala_ha.hs2.link import CLOSE_TIMEOUT, Link
from impala_ha.options.options import Options
from impala_ha.testing.fakes import FakeDriver

from .events import EventLoop, SimulatedThreads
from .fleet import Fleet, made_by_name
from .place import MemoryPlace
from .result import Result
from .servers import Condition, Server, silent

_ROUND_TRIPS = 0.002  # seconds to open a connection
_PAGES = 0.001  # seconds to read the web pages of one coordinator
_WEB_PORT = 25000


class SimulatedLink(Link):
    """An open connection to *server*, without a client of Thrift below it."""

    phase: Phase = Phase.UNSENT
    broken: bool = False

    def __init__(self, server: Server):
        self.coordinator = server.coordinator
        self.server = server
        self.impala = True
        self.client = cast("client.Client", SimpleNamespace(calls=1))
        self.web_address = f"http://0.0.0.0:{_WEB_PORT}"
        self._life = server.life
        self._closed = False
        server.connections += 1

    def check(self) -> None:
        """Raise if its coordinator has gone since."""
        if self._life != self.server.life:
            raise self.lost(Phase.UNSENT, ConnectionResetError("Connection reset by peer"))

    def lost(self, phase: Phase, why: Exception) -> CallFailed:
        """The error of a call that has come so far when the connection broke."""
        self.broken, self.phase = True, phase
        self.close()
        return CallFailed(phase, why)

    def close(self, limit: float = 0.0) -> None:  # noqa: ARG002
        """Close it, at once."""
        if not self._closed and self._life == self.server.life:
            self.server.connections -= 1
        self._closed = True


class SimulatedDriver(FakeDriver):
    """Opens links from one machine to the servers of *world*."""

    def __init__(self, world: World, machine: int):
        super().__init__()
        self._world = world
        self._machine = machine

    def opening(
        self,
        coordinator: Coordinator,
        user: str,  # noqa: ARG002
        configuration: Mapping[str, str],  # noqa: ARG002
        limit: float,
    ) -> Coroutine[Link]:
        """Open a link, unless the condition of the coordinator is against it."""
        world, server = self._world, self._world.servers[coordinator]
        loop = world.loop
        start = loop.now()
        world.result.arrived(coordinator, self._machine, start, server.condition)

        def answered(patience: float | None) -> bool:
            end = loop.now() + (limit if patience is None else patience)
            loop.sleep(max(0.0, start + _ROUND_TRIPS - loop.now()))
            if server.condition is Condition.HUNG:
                loop.sleep(max(0.0, min(end, start + limit) - loop.now()))
            late = patience is None or loop.now() >= start + limit
            return late or server.condition is not Condition.HUNG

        yield answered
        if server.condition is Condition.HUNG:
            raise CallFailed(Phase.OPEN, silent())
        if server.condition is Condition.DEAD:
            text = f"Could not connect to any of ['{coordinator}']"
            refused = TTransportException(TTransportException.NOT_OPEN, text)
            raise CallFailed(Phase.CONNECT, refused)
        if server.condition is Condition.DRAINING:
            text = "Server is being shut down: shutdown grace period left: 1m59s"
            raise CallFailed(Phase.OPEN, HiveServer2Error(text))
        return SimulatedLink(server)


class World:
    """What all clients share."""

    def __init__(self, fleet: Fleet, seed: int):
        self.fleet = fleet
        self.loop = EventLoop()
        self.rng = random.Random(seed)  # noqa: S311 - chance, not secrecy
        coordinators = [Coordinator(f"coordinator{n + 1}") for n in range(fleet.coordinators)]
        self.servers = {each: Server(each, self.loop, fleet) for each in coordinators}
        self.result = Result(fleet, coordinators)
        self.options = Options(
            hedge_after=fleet.hedge_after, connect_timeout=fleet.connect_timeout, max_lifetime=None
        )

    def cluster(self, machine: Machine | None) -> Cluster:
        """A new process's."""
        policy, rng = self.fleet.policy, self.rng
        place = machine.place if machine is not None else None
        return Cluster(
            self.servers,
            policy=(made_by_name(policy) if isinstance(policy, str) else policy)(rng),
            breaker=self.fleet.breaker,
            clock=self.loop,
            rng=rng,
            share_state=False if place is None else place,
        )

    def read_load(self, options: Options, clock: Clock, due: Due, limit: float) -> Load | None:  # noqa: ARG002
        """What the web pages of a coordinator say, in place of `failover.load.read_load`."""
        server = self.servers[due.coordinator]
        hangs = server.condition is Condition.HUNG
        clock.sleep(limit if hangs else _PAGES)
        return None if hangs or server.condition is Condition.DEAD else server.load()


class Machine:
    """A machine, with its place."""

    def __init__(self, world: World, number: int):
        self.place = MemoryPlace(world.loop) if world.fleet.share_state else None
        self.driver = SimulatedDriver(world, number)


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
        self._driver = machine.driver
        self._cluster = cluster
        self._name = name
        self._demand = demand
        self._connection: Failover | None = None
        world.loop.start(self._run)

    def _run(self) -> None:
        world, fleet, demand = self._world, self._world.fleet, self._demand
        while True:
            world.loop.sleep(demand.expovariate(1.0) * fleet.pause)
            began, seconds = world.loop.now(), demand.lognormvariate(fleet.mu, fleet.sigma)
            world.result.started += 1
            try:
                waited = self._job(seconds)
            except errors.Error:
                waited = None
            if not fleet.keep or waited is None:
                self._close()
            world.result.end(began, world.loop.now(), seconds, waited)

    def _job(self, seconds: float) -> float:
        """Run a statement of *seconds*; the seconds that it waited for a slot."""
        if self._connection is None:
            self._connection = self._connected()
            self._connection.run(Call("connect", proof=True), lambda _: None)
        work = partial(self._execute, seconds)
        return self._connection.run(Call("execute", proof=True), work)

    def _connected(self) -> Failover:
        world = self._world
        made = Failover(
            self._cluster(), self._driver, world.fleet.retry, world.options, (self._name, {})
        )
        made.opener.threads = SimulatedThreads(world.loop)
        made.opener.read_load = world.read_load
        return made

    def _execute(self, seconds: float, link: Link) -> float:
        used, loop = cast("SimulatedLink", link), self._world.loop
        used.check()
        used.client.calls += 1
        used.server.run(loop.waker(), seconds)
        got = loop.wait()
        if isinstance(got, Exception):
            raise used.lost(Phase.RUNNING, got)
        return cast("float", got)

    def _close(self) -> None:
        assert self._connection is not None
        self._connection.links.close()
        if self._world.fleet.process == "job":
            cast("SimulatedThreads", self._connection.opener.threads).end_within(CLOSE_TIMEOUT)
        self._connection = None
