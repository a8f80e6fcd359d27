"""
Opening connections with impyla's parts: coordinator in, `Link` out.

"Open" means that OpenSession was answered: without SASL a bare TCP connect proves nothing.
"""

from __future__ import annotations

import getpass
import os
import weakref
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from impala._thrift_api import get_http_transport, get_ssl_context, get_transport
from impala._thrift_gen.TCLIService.ttypes import TCloseSessionReq
from impala.hiveserver2 import HS2Service
from thrift.transport.TTransport import TBufferedTransport

from . import errors
from ._clock import Clock
from ._faults import Fault, Phase, judge
from ._model import Coordinator
from ._options import Options
from ._sockets import HttpWire, Socket
from ._wire import CallFailed, Client
from ._wire import Protocol as Wired

FAREWELL = 2.0  # seconds for closing what is open at a coordinator when a connection ends


class Link:
    """
    One open connection to a coordinator.

    Attributes:
        coordinator: Where it leads.
        service: impyla's HS2Service on it.
        impala: Whether the server is Impala (Hive and Spark speak the same protocol).
    """

    def __init__(
        self,
        coordinator: Coordinator,
        service: Any,
        wire: Any,
        first: tuple[str, Mapping[str, str], Any],
    ):
        user, configuration, session = first
        self.coordinator = coordinator
        self.service = service
        self.client = service.client
        self.impala = "http_addr" in (session.config or {})  # Impala tells it since 2.7
        self._wire = wire
        self._spare: tuple[str, dict[str, str], Any] | None = (user, dict(configuration), session)
        self._open: dict[bytes, Any] = {}
        self._dropped: deque[Any] = deque()
        self._keep(session)
        # Says goodbye when the last cursor lets go, and at the end of the program.
        self._farewell = weakref.finalize(self, _farewell, self.client, wire, self._open)

    @property
    def broken(self) -> bool:
        """Has it failed, or been closed?"""
        return self.client.broken is not None

    @property
    def phase(self) -> Phase:
        """How far the last call on it had come."""
        return self.client.phase  # type: ignore[no-any-return]

    def session(self, user: str, configuration: Mapping[str, str]) -> Any:
        """An HS2 session: the one that opening made, for the first who asks for one like it."""
        self._sweep()
        spare, self._spare = self._spare, None
        if spare is not None and spare[:2] == (user, dict(configuration)):
            return spare[2]
        self._spare = spare
        return self._keep(self.service.open_session(user, dict(configuration)))

    def check(self) -> None:
        """
        Raise if the coordinator has gone, before anything is sent.

        Raises:
            CallFailed: With `Phase.UNSENT`.
        """
        self._sweep()
        if why := self._wire.stale():
            error = ConnectionResetError(why)
            self.client.sever(error)
            raise CallFailed(Phase.UNSENT, error)

    def end(self, session: Any) -> None:
        """Close *session* on the server."""
        if self._open.pop(session.handle.sessionId.guid, None) is not None and not self.broken:
            with self.within(FAREWELL):
                session.close()

    def drop(self, session: Any) -> None:
        """Close *session* at the next opportunity; does no I/O, so garbage collection may call."""
        self._dropped.append(session)

    def close(self) -> None:
        """End all sessions within `FAREWELL` seconds and close the connection."""
        self._farewell()

    def within(self, seconds: float) -> _Within:
        """A block whose calls may take *seconds* together."""
        return _Within(self._wire, seconds)

    def _keep(self, session: Any) -> Any:
        self._open[session.handle.sessionId.guid] = session
        return session

    def _sweep(self) -> None:
        while self._dropped and not self.broken:
            with suppress(Exception):  # a link that broke here is noticed by the next call
                self.end(self._dropped.popleft())


class _Within:
    """`Link.within`: a class, for it stands on the path of every statement."""

    def __init__(self, wire: Any, seconds: float):
        self._wire = wire
        self._seconds = seconds

    def __enter__(self) -> None:
        self._wire.limit(self._seconds)

    def __exit__(self, *_: object) -> None:
        self._wire.disarm()


def _farewell(client: Any, wire: Any, sessions: dict[bytes, Any]) -> None:
    """Not a method of Link: it runs when the Link is gone."""
    if not (client.broken or client.busy or client.forked):
        wire.limit(FAREWELL)
        with suppress(Exception):
            for session in list(sessions.values()):
                session.close()
    sessions.clear()
    client.sever(ConnectionAbortedError("the connection was closed"))


class Driver(Protocol):
    """What we ask of impyla."""

    @property
    def sends_password(self) -> bool:
        """Whether opening hands a password to the coordinator."""

    def open(
        self, coordinator: Coordinator, user: str, configuration: Mapping[str, str], limit: float
    ) -> Link:
        """
        Connect and open a session within *limit* seconds.

        Raises:
            CallFailed: With how far it came.
        """

    def end_elsewhere(self, coordinator: Coordinator, user: str, session: Any) -> None:
        """Close *user*'s *session*, and what runs in it, through a new connection."""


class ImpylaDriver:
    """Opens connections with impyla's parts."""

    def __init__(self, options: Options, clock: Clock):
        self._options = options
        self._clock = clock
        self.sends_password = options.auth_mechanism in ("PLAIN", "LDAP")

    def open(
        self, coordinator: Coordinator, user: str, configuration: Mapping[str, str], limit: float
    ) -> Link:
        """Connect and open a session within *limit* seconds."""
        service, wire = self._connect(coordinator, user, limit)
        try:
            session = service.open_session(user, dict(configuration))
        except BaseException as error:
            wire.close()
            if isinstance(error, CallFailed) or not isinstance(error, Exception):
                raise
            raise CallFailed(Phase.OPEN, error) from error
        wire.disarm()
        if self._options.probe_after and isinstance(wire, Socket):
            wire.silence = self._options.probe_after
            wire.watch = lambda: self.probe(coordinator, user)
        return Link(coordinator, service, wire, (user, configuration, session))

    def probe(self, coordinator: Coordinator, user: str) -> str:
        """
        What is wrong with a coordinator that says nothing, empty if it is alive.

        Opens a session on a connection of its own, asks one question and closes it, all within
        the connect timeout.  Any answer is one, also that it shuts down or that the ticket is
        over.
        """
        try:
            service, wire = self._connect(coordinator, user, self._options.connect_timeout)
            try:
                session = service.open_session(user, {})
                session.ping()
                session.close()
            finally:
                wire.close()
        except CallFailed as error:
            gone = judge(error.__cause__ or error, error.phase) is Fault.UNREACHABLE
            return str(error) if gone or error.phase.sent else ""
        except errors.Error:
            return ""
        return ""

    def end_elsewhere(self, coordinator: Coordinator, user: str, session: Any) -> None:
        """Close *user*'s *session*, and what runs in it, through a new connection."""
        service, wire = self._connect(coordinator, user, FAREWELL / 2)
        try:
            service.client.CloseSession(TCloseSessionReq(sessionHandle=session.handle))
        finally:
            wire.close()

    def _connect(self, coordinator: Coordinator, user: str, limit: float) -> tuple[Any, Any]:
        if self._options.use_http_transport:
            transport, wire = self._http(coordinator, user)
            wire.limit(limit)
        else:
            transport, wire = self._binary(coordinator, user, limit)
        client = Client(Wired(transport), wire)
        return HS2Service(client, retries=1), wire

    def _binary(self, coordinator: Coordinator, user: str, limit: float) -> tuple[Any, Any]:
        options = self._options
        phase = Phase.CONNECT
        wire = None
        try:
            context = None
            if options.use_ssl:
                context = get_ssl_context(options.ca_cert, options.verify_cert)
            wire = Socket(coordinator.host, coordinator.port, self._clock, context)
            wire.setTimeout(None if options.timeout is None else options.timeout * 1000)
            wire.limit(limit)
            wire.open()
            phase = Phase.LOGIN
            transport = get_transport(
                wire,
                options.krb_host or coordinator.host,
                options.kerberos_service_name,
                options.auth_mechanism,
                options.user or user,
                options.password,
            )
            if not isinstance(transport, TBufferedTransport):
                transport.open()
        except BaseException as error:
            if wire is not None:
                wire.close()
            if not isinstance(error, Exception):
                raise
            raise CallFailed(phase, error) from error
        return transport, wire

    def _http(self, coordinator: Coordinator, user: str) -> tuple[Any, Any]:
        options = self._options
        transport = get_http_transport(
            coordinator.host,
            coordinator.port,
            http_path=options.http_path,
            use_ssl=options.use_ssl,
            ca_cert=options.ca_cert,
            auth_mechanism=options.auth_mechanism,
            user=options.user or user,
            password=options.password,
            kerberos_host=options.krb_host or coordinator.host,
            kerberos_service_name=options.kerberos_service_name,
            http_cookie_names=options.http_cookie_names,
            jwt=options.jwt,
            user_agent=options.user_agent,
            get_user_custom_headers_func=options.get_user_custom_headers_func,
            verify_cert=options.verify_cert,
        )
        inner = transport._TBufferedTransport__trans  # noqa: SLF001 - thrift has no other way
        return transport, HttpWire(inner, options.timeout)


def system_user() -> str:
    """
    The user's name in the system.

    A container with a user id that nobody knows has none; impyla fails there.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid{os.getuid()}"
