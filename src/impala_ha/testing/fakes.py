"""
A clock and coordinators in memory: nothing here sleeps or opens a socket.

impyla's own classes run on top, so that what a test sees is what impyla does; only the Thrift
client below them is replaced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from thrift.transport.TTransport import TTransportException

from impala_ha.balancing.cluster import Cluster
from impala_ha.core.coroutine import Coroutine
from impala_ha.core.faults import CallFailed, CredentialKind, Phase
from impala_ha.core.model import Coordinator
from impala_ha.failover.failover import Failover
from impala_ha.failover.retry import Retry
from impala_ha.hs2.client import Client
from impala_ha.hs2.connector import Driver
from impala_ha.hs2.link import Link, Place
from impala_ha.hs2.service import Service
from impala_ha.options.options import Options

from .fake_coordinator import FakeCoordinator, Unsent, state

__all__ = [
    "FakeClient",
    "FakeClock",
    "FakeCoordinator",
    "FakeDriver",
    "FakeTransport",
    "Unsent",
    "failover",
    "state",
]


class FakeClock:
    """
    A clock that stands still until told.

    Attributes:
        time: What it shows, in seconds.
        slept: What it was asked to sleep, in order.
    """

    def __init__(self, time: float = 1000.0):
        self.time = time
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let *seconds* go by at once."""
        self.slept.append(seconds)
        self.time += seconds


class FakeDriver:
    """
    Opens links to coordinators in memory.

    Attributes:
        hosts: The coordinators by host, made at first sight.
        opened: Where a link was opened or tried, in order.
        limits: How many seconds each was given.
        ended: Where a session was closed through a connection of its own.
        shown: What it logs in with.
        accepted: Whether what logs in has worked once, so that two may be asked at once.
        revives: Whether a broken link can be connected anew, as with a real coordinator.
        others: By host, what it speaks instead of what it was asked for.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, FakeCoordinator] = {}
        self.opened: list[str] = []
        self.limits: list[float] = []
        self.ended: list[str] = []
        self.credential = CredentialKind.NONE
        self.accepted = True
        self.revives = False
        self.others: dict[str, str] = {}

    def __getitem__(self, host: str) -> FakeCoordinator:
        return self.hosts.setdefault(host, FakeCoordinator(host))

    def trusted(self, user: str) -> bool:  # noqa: ARG002
        """Say so, as told."""
        return self.accepted

    def open(
        self, coordinator: Coordinator, user: str, configuration: Mapping[str, str], limit: float
    ) -> Link:
        """Open a link, unless the script or the state of the coordinator is against it."""
        self.opened.append(coordinator.host)
        self.limits.append(limit)
        server = self[coordinator.host]
        connect = server.script["connect"]
        step = connect.popleft() if connect else None
        if isinstance(step, CallFailed):
            raise step
        if server.down:
            refused = TTransportException(TTransportException.NOT_OPEN, "Could not connect to any")
            raise CallFailed(Phase.CONNECT, refused)
        wire = FakeTransport(server)
        client = FakeClient(server, wire)
        service = Service(client)
        if self.revives:
            service.reconnect = lambda _: _reconnect(client, server)
        try:
            session = service.open_session(user, dict(configuration))
        except CallFailed:
            raise
        except Exception as error:
            raise CallFailed(Phase.OPEN, error) from error
        return Link(coordinator, service, (user, configuration, session))

    def opening(
        self, coordinator: Coordinator, user: str, configuration: Mapping[str, str], limit: float
    ) -> Coroutine[Link]:
        """As `open`; it waits for nothing."""
        yield from ()
        return self.open(coordinator, user, configuration, limit)

    def connect(self, coordinator: Coordinator, user: str, limit: float) -> Service:  # noqa: ARG002
        """A service without a session."""
        server = self[coordinator.host]
        if server.down:
            refused = TTransportException(TTransportException.NOT_OPEN, "Could not connect to any")
            raise CallFailed(Phase.CONNECT, refused)
        return Service(FakeClient(server, FakeTransport(server)))

    def end_session(self, link: Link, user: str, session: Any, limit: float) -> bool:  # noqa: ARG002
        """Close the session through a connection of its own, unless it hangs; note where."""
        server = self[link.coordinator.host]
        self.ended.append(server.name)
        if server.down or server.hung:
            return server.down
        server.answer("CloseSession", SimpleNamespace(sessionHandle=session.handle))
        return True

    def cancel(self, place: Place, handle: Any, limit: float) -> None:  # noqa: ARG002
        """Cancel an operation through a connection of its own."""
        request = SimpleNamespace(operationHandle=handle)
        self[place.coordinator.host].answer("CancelOperation", request)

    def redact(self, error: BaseException) -> None:
        """Nothing: it has no secrets."""

    def hint(self, coordinator: Coordinator, phase: Phase, text: str) -> str:  # noqa: ARG002
        """Nothing: what happens here is made up."""
        return ""

    def other_protocol(
        self,
        coordinator: Coordinator,
        phase: Phase,  # noqa: ARG002
        text: str,  # noqa: ARG002
        limit: float,  # noqa: ARG002
    ) -> str:
        """What `others` has of it."""
        return self.others.get(coordinator.host, "")


def failover(
    cluster: Cluster, driver: Driver, retry: Retry | None = None, **options: Any
) -> Failover:
    """The loop of a connection without options but *options*: no hedging, and it lives for ever."""
    known = Options(
        **{"hedge_after": None, "max_lifetime": None, "statement_tag": "none", **options}
    )
    vars(known)["key"] = ""  # nothing depends on how it was opened
    return Failover(cluster, driver, retry or Retry(), known, ("etl", {}))


def _reconnect(client: FakeClient, server: FakeCoordinator) -> bool:
    server.log.append(("revive", None))
    if not server.down:
        client.attach(client._iprot, client.transport)  # noqa: SLF001 - thrift names it so
    return not server.down


class FakeTransport:
    """A wire that notes what it is told."""

    def __init__(self, server: FakeCoordinator):
        self._server = server
        self.written = False
        self.closed = False
        self.peer = None
        self.limits: list[float] = []

    def name_requests(self, request_id: str) -> None:
        """Do nothing: it is not HTTP."""

    def readable(self) -> bool:
        """Whether an answer has come: each does at once."""
        return True

    def arriving(self) -> Coroutine[None]:
        """Wait for nothing: each answer comes at once."""
        yield from ()

    def await_answer(self) -> None:
        """Do nothing: each answer comes at once."""

    def set_deadline(self, seconds: float) -> None:
        """Note it."""
        self.limits.append(seconds)

    def clear_deadline(self) -> None:
        """Do nothing: time stands still."""

    def dropped(self) -> str:
        """Whether the coordinator went away while nobody called."""
        return "TSocket read 0 bytes" if self._server.down else ""

    def hang_up(self) -> None:
        """Do nothing: nobody waits here."""

    def close(self) -> None:
        """Note it."""
        self.closed = True

    abort = close


class FakeClient(Client):
    """The library's client with the coordinator's answers in place of a socket."""

    def __init__(self, server: FakeCoordinator, wire: FakeTransport):
        transport = SimpleNamespace(isOpen=lambda: True, close=wire.close)
        super().__init__(SimpleNamespace(trans=transport), wire)  # type: ignore[arg-type]
        self._server = server
        self._written = wire
        self._answers: deque[Any] = deque()

    def _send(self, name: str, request: Any) -> int:
        """Have the coordinator do it at once, as a real one does; the answer waits."""
        steps = self._server.script[name]
        self._written.written = not (steps and isinstance(steps[0], Unsent))
        try:
            self._answers.append(self._server.answer(name, request))
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is read
            self._answers.append(error)
            if not self._written.written:
                raise self._answers.pop() from None
        return 0

    def _deliver(self, calls: bytes) -> None:
        """Nothing is left to be sent."""

    def _buffered(self) -> bool:
        """No: answers wait where they are."""
        return False

    def read_reply(self, name: str, number: int, request: Any) -> Any:  # noqa: ARG002
        """The next answer."""
        answer = self._answers.popleft()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def invalidate(self, error: BaseException) -> None:
        """Nothing that is on its way comes any more."""
        self._answers.clear()
        super().invalidate(error)
