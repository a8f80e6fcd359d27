"""
Opening connections with impyla's parts: coordinator in, `Link` out.

"Open" means that OpenSession was answered: without SASL a bare TCP connect proves nothing.
"""

from __future__ import annotations

import os
import pwd
import queue
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Protocol

from impala._thrift_gen.TCLIService.ttypes import TCancelOperationReq
from impala.hiveserver2 import err_if_rpc_not_ok

from impala_ha import errors
from impala_ha.auth.credentials import Secrets
from impala_ha.core import logs
from impala_ha.core.cached_property import cached_property
from impala_ha.core.clock import Clock
from impala_ha.core.coroutine import Coroutine, run
from impala_ha.core.fault_rules import classify
from impala_ha.core.faults import CallFailed, CredentialKind, Fault, Phase
from impala_ha.core.forks import importing
from impala_ha.core.interruption import from_signal_handler, is_interrupt, queue_get, start_thread
from impala_ha.core.login_throttle import LoginBlocked
from impala_ha.core.model import Coordinator
from impala_ha.core.remote import OperationHandle, RemoteSession
from impala_ha.core.secret import scrub
from impala_ha.core.trace import Step, trace
from impala_ha.options.kerberos_names import Identity
from impala_ha.options.options import Options

from . import fence
from .client import Client, Transport
from .hints import OpenFailure, hint
from .link import Link, Place
from .open_binary import BinaryConnector
from .other_protocol import other_protocol
from .protocol import BinaryProtocol
from .service import Service, silent

if TYPE_CHECKING:
    from impala_ha.net.connecting import Address

    from .open_http import HttpConnector


_NOBODY_THERE = frozenset({Fault.UNREACHABLE, Fault.UNRESOLVED})
_HUNG_UP = re.compile(r"EOF|read 0 bytes|reset|Broken pipe|handshake|read timeout")
_ASKING = 2.0  # seconds for finding out what a port speaks, and half of them
_SILENT = re.compile(r"timed out|timeout")  # where it says nothing at all


class Driver(Protocol):
    """What we ask of impyla."""

    @property
    def credential(self) -> CredentialKind:
        """What opening shows to the coordinator to log in with."""

    def trusted(self, user: str) -> bool:
        """Was the password of *user* accepted before, if there is one?"""

    def opening(
        self, coordinator: Coordinator, user: str, configuration: Mapping[str, str], limit: float
    ) -> Coroutine[Link]:
        """
        Connect and open a session within *limit* seconds.

        Raises:
            CallFailed: With how far it came.
        """

    def connect(self, coordinator: Coordinator, user: str, limit: float) -> Service:
        """Connect and authenticate, without a session, for what takes *limit* seconds in all."""

    def end_session(self, link: Link, user: str, session: RemoteSession, limit: float) -> bool:
        """
        Close *user*'s *session* on a new connection to where *link* led, within *limit* seconds.

        Returns:
            Whether what ran in it is certainly over.
        """

    def cancel(self, place: Place, handle: OperationHandle, limit: float) -> None:
        """
        Cancel the operation with *handle* on a new connection to *place*, within *limit* seconds.

        Raises:
            Error: It could not be done.
        """

    def redact(self, error: BaseException) -> None:
        """Take out of *error*, which was judged, what the connection logs in with."""

    def hint(self, coordinator: Coordinator, phase: Phase, text: str) -> str:
        """What to look at after a failure with *text*; empty if that says it all."""

    def other_protocol(
        self, coordinator: Coordinator, phase: Phase, text: str, limit: float
    ) -> str:
        """
        What it speaks instead, where opening failed in *phase* with *text*.

        Args:
            coordinator: Which.
            phase: How far opening it had come.
            text: What was said.
            limit: Seconds for finding out.

        Returns:
            What to change; empty if nobody can tell.
        """


class ImpylaDriver:
    """Opens connections with impyla's parts."""

    def __init__(self, options: Options, clock: Clock, peers: Iterable[Coordinator] = ()):
        """
        Args:
            options: How.
            clock: For deadlines.
            peers: All coordinators of the cluster: what one refused, none is shown.
        """
        self._options = options
        self._clock = clock
        self._secrets = Secrets(options, [str(each) for each in peers])
        self._identity = Identity()
        self._binary = BinaryConnector(options, self._secrets, clock, self._identity)
        self.sends_password = options.auth_mechanism in ("PLAIN", "LDAP")
        self.credential = CredentialKind.by(options.auth_mechanism)

    def trusted(self, user: str) -> bool:
        """Was the password of *user* accepted before, if there is one?"""
        return not self.sends_password or self._secrets.accepted(self._options.user or user, "")

    def open(
        self, coordinator: Coordinator, user: str, configuration: Mapping[str, str], limit: float
    ) -> Link:
        """Connect and open a session within *limit* seconds."""
        return run(self.opening(coordinator, user, configuration, limit))

    def opening(
        self, coordinator: Coordinator, user: str, configuration: Mapping[str, str], limit: float
    ) -> Coroutine[Link]:
        """`open`, which can be left while it waits; not so over HTTP."""
        service = yield from self._service(coordinator, user, limit)
        client = service.client
        try:
            session = yield from service.opening_session(user, configuration)
        except BaseException as error:
            client.transport.close()
            if isinstance(error, CallFailed) or is_interrupt(error):
                raise
            raise CallFailed(Phase.OPEN, error) from error
        trace(Step.SESSION, session)
        self._opened(client.transport, coordinator, user)
        service.reconnect = lambda limit: self._reconnect(client, coordinator, user, limit)
        if self._options.use_http_transport:
            service.pause = self._http.pause
        first = (user, configuration, session)
        return Link(coordinator, service, first, self._options.connect_timeout)

    def _opened(self, transport: Transport, coordinator: Coordinator, user: str) -> None:
        """From the deadline of opening to the caller's time-out, and probes while it is silent."""
        transport.clear_deadline()
        if self._options.probe_after:
            transport.probe_after = self._options.probe_after
            transport.stall_timeout = 2 * self._options.probe_after
            transport.probe = _Probe(lambda: self.probe(coordinator, user))

    def _reconnect(self, client: Client, coordinator: Coordinator, user: str, limit: float) -> bool:
        """Give *client* a new connection to the same coordinator."""
        why = client.broken
        limit = min(limit, self._options.connect_timeout)
        try:
            protocol, transport = run(self._transport(coordinator, user, limit))
        except errors.Error as error:
            if from_signal_handler(error):
                raise
            return False
        self._opened(transport, coordinator, user)
        client.attach(protocol, transport)
        told = self._secrets.redaction.text(str(why))
        logs.warning("the connection to %s broke (%s) and was made anew", coordinator, told)
        return True

    def probe(self, coordinator: Coordinator, user: str) -> str:
        """
        What is wrong with a coordinator that says nothing, empty if it is alive.

        Opens a session on a connection of its own, asks one question and closes it, all within
        the connect timeout.  Any answer is one, also that it shuts down or that the ticket is
        over.  A password that was refused is not shown for that: then any sign of life is one.
        """
        try:
            service = self._anonymous_service(coordinator, user) or self.connect(
                coordinator, user, self._options.connect_timeout
            )
            try:
                session = service.open_session(user, {})
                session.ping()
                session.close()
            finally:
                service.client.transport.close()
        except CallFailed as error:
            cause = error.__cause__ or error
            gone = classify(cause, error.phase, credential=self.credential) in _NOBODY_THERE
            if error.phase is Phase.LOGIN:  # it took the connection, and ended it
                gone = gone and silent(cause)
            return str(error) if gone or error.phase.sent else ""
        except LoginBlocked:
            return ""
        except errors.Error as error:
            if from_signal_handler(error):
                raise
        return ""

    def _anonymous_service(self, coordinator: Coordinator, user: str) -> Service | None:
        """Where the secret must not be shown: a service that nobody has logged in to."""
        limit = self._options.connect_timeout
        try:
            self._secrets.ready(self._options.user or user, str(coordinator), certain=True)
        except LoginBlocked:
            if not self._options.use_http_transport:
                run(self._binary.probing(coordinator, limit))
                raise
            buffered, transport = self._http.open(coordinator, user, limit, anonymous=True)
            return Service(Client(BinaryProtocol(buffered), transport))
        return None

    def end_session(self, link: Link, user: str, session: RemoteSession, limit: float) -> bool:
        """Close *user*'s *session*, see `Driver`."""
        # A name may lead to several coordinators: the same address is asked.
        peer, http = link.client.transport.peer, self._options.use_http_transport

        def is_it(service: Service) -> bool:
            if http or not link.impala:
                return not http
            opened = service.open_session(user)
            opened.close()
            return (opened.config or {}).get("http_addr") == link.web_address

        return fence.close_and_confirm(
            lambda left: run(self._service(link.coordinator, user, left, peer)),
            session,
            self._clock,
            limit,
            is_it=is_it,
            gateway=http and not self._http.is_direct(link.coordinator),
        )

    def cancel(self, place: Place, handle: OperationHandle, limit: float) -> None:
        """Cancel the operation with *handle* on a new connection, see `Driver`."""
        client = run(self._service(place.coordinator, place.user, limit, place.peer)).client
        try:
            request = TCancelOperationReq(operationHandle=handle)
            err_if_rpc_not_ok(client.CancelOperation(request))
        finally:
            client.transport.close()

    def redact(self, error: BaseException) -> None:
        """Take out of *error*, which was judged, what the connection logs in with."""
        redaction = self._secrets.redaction
        if self._options.use_http_transport:
            for cookie in self._http.cookies():
                redaction.add_passing(cookie)
        if redaction.error(error):
            scrub(error)  # what the server said is in the frames as well

    def hint(self, coordinator: Coordinator, phase: Phase, text: str) -> str:
        """What to look at after a failure with *text*; empty if that says it all."""
        return hint(OpenFailure(coordinator, self._options, phase, text))

    def other_protocol(
        self, coordinator: Coordinator, phase: Phase, text: str, limit: float
    ) -> str:
        """What to change, where it speaks something else than it was asked for, see `Driver`."""
        options = self._options
        begun = phase in (Phase.LOGIN, Phase.OPEN) or (phase is Phase.CONNECT and options.use_ssl)
        if not begun or not _HUNG_UP.search(text):
            return ""
        if options.use_http_transport and not self._http.is_direct(coordinator):
            return ""  # the proxy would answer
        most = _ASKING / 2 if _SILENT.search(text) else _ASKING
        limit = min(limit, most, options.connect_timeout)
        return other_protocol(coordinator, options, self._clock, limit)

    def connect(self, coordinator: Coordinator, user: str, limit: float) -> Service:
        """Connect and authenticate, without a session, for what takes *limit* seconds in all."""
        return run(self._service(coordinator, user, limit))

    def _service(
        self, coordinator: Coordinator, user: str, limit: float, pinned: Address | None = None
    ) -> Coroutine[Service]:
        client = Client(*(yield from self._transport(coordinator, user, limit, pinned)))
        client.redact = self._secrets.redaction.text
        client.pipelined = not self._options.use_http_transport
        return Service(client)

    def _transport(
        self, coordinator: Coordinator, user: str, limit: float, pinned: Address | None = None
    ) -> Coroutine[tuple[BinaryProtocol, Transport]]:
        """Connect and authenticate; a refused password is tried again only if there is another."""
        try:
            self._secrets.ready(self._options.user or user, str(coordinator))
        except LoginBlocked as error:
            raise CallFailed(Phase.CONNECT, error) from error
        used = self._secrets.password()
        end = self._clock.now() + limit
        try:
            return (yield from self._connect(coordinator, user, limit, pinned))
        except CallFailed as error:
            cause = error.__cause__ or error
            if used is None or error.phase is not Phase.LOGIN or isinstance(cause, LoginBlocked):
                raise
            fault = classify(cause, error.phase, credential=self.credential)
            if fault is not Fault.DENIED or not self._secrets.renew(used):
                raise
        logs.warning("the password was refused by %s, and there is another: once more", coordinator)
        left = max(0.001, end - self._clock.now())
        return (yield from self._connect(coordinator, user, left, pinned))

    @cached_property
    def _http(self) -> HttpConnector:
        with importing():
            from .open_http import HttpConnector  # noqa: PLC0415 - most connections are binary

        return HttpConnector(self._options, self._secrets, self._clock, self._identity)

    def _connect(
        self, coordinator: Coordinator, user: str, limit: float, pinned: Address | None
    ) -> Coroutine[tuple[BinaryProtocol, Transport]]:
        transport: Transport
        if self._options.use_http_transport:
            buffered, transport = self._http.open(coordinator, user, limit, pinned)
        else:
            buffered, transport = yield from self._binary.opening(coordinator, user, limit, pinned)
        return BinaryProtocol(buffered), transport


class _Probe:
    """A probe that another thread can cut short."""

    def __init__(self, probe: Callable[[], str]):
        self._probe = probe
        self._answers: queue.SimpleQueue[str | BaseException] = queue.SimpleQueue()
        self._over = False

    def __call__(self) -> str:
        """What the probe says; nothing once it was cut."""
        answers = self._answers = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._probe())
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                answers.put(error)

        if self._over:
            return ""
        try:
            start_thread(threading.Thread(target=ask, name="probe", daemon=True))
        except RuntimeError:  # no thread can be had
            return self._probe()
        answer = queue_get(answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def cancel(self) -> None:
        """Let nobody wait any more."""
        self._over = True
        self._answers.put("")


def system_user() -> str:
    """
    The user's name in the system.

    A container with a user id that nobody knows has none; impyla fails there.
    """
    named = filter(None, map(os.environ.get, ("LOGNAME", "USER", "LNAME", "USERNAME")))
    return next(named, "") or _account(os.getuid())  # in the order of `getpass`


@cache
def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid{uid}"
