"""From a coordinator and options to a transport: TCP, TLS and SASL; HTTP is in `hs2.open_http`."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from impala._thrift_api import get_transport
from thrift.transport.TTransport import TBufferedTransport, TTransportBase, TTransportException

from impala_ha.auth.credentials import Secrets
from impala_ha.core import logs
from impala_ha.core.clock import Clock
from impala_ha.core.coroutine import Coroutine
from impala_ha.core.fault_rules import (
    TICKET_REJECTED,
    classify,
    error_text,
    is_end_of_file,
    refused_before_login,
)
from impala_ha.core.faults import CallFailed, CredentialKind, Fault, Phase
from impala_ha.core.forks import importing
from impala_ha.core.interruption import is_interrupt
from impala_ha.core.kerberos_errors import PrincipalMismatch
from impala_ha.core.model import Coordinator
from impala_ha.core.secret import scrub
from impala_ha.core.trace import Step, trace
from impala_ha.net import tls
from impala_ha.net.connecting import Address
from impala_ha.net.sockets import Socket
from impala_ha.options.options import Options

from .service import silent

if TYPE_CHECKING:
    from impala_ha.auth.gss_sasl import Sasl
    from impala_ha.core.login_throttle import LoginAttempt
    from impala_ha.options.kerberos_names import Identity

_PIECE = 2**16  # bytes that thrift asks for at once
_LONGEST_TOKEN = 2**20  # bytes; a Kerberos ticket with all of its groups has 64 KiB
_LONGEST_FRAME = 2**29  # bytes; one reply with 10,000 rows of 50 KiB
_HEAD = struct.Struct(">BI")  # of SASL's messages in Thrift: status and length
_START, _OK, _COMPLETE = 1, 2, 5  # statuses
_NO_MECHANISM = b"X-NOBODY"
_NO = (b"\3", b"\4")  # BAD and ERROR


class BinaryConnector:
    """Opens transports of the binary protocol for the connections of one driver."""

    def __init__(self, options: Options, secrets: Secrets, clock: Clock, identity: Identity):
        self._options = options
        self._secrets = secrets
        self._clock = clock
        self._identity = identity

    def opening(
        self, coordinator: Coordinator, user: str, limit: float, pinned: Address | None = None
    ) -> Coroutine[tuple[TTransportBase, Socket]]:
        """
        A connected and authenticated transport, and its socket.

        Args:
            coordinator: Where.
            user: Who.
            limit: Seconds.
            pinned: The only address that may be asked, see `Socket`.

        Raises:
            CallFailed: With how far it came.
        """
        options, secrets, end = self._options, self._secrets, self._clock.now() + limit
        if not (options.use_ssl or secrets.accepted(options.user or user, str(coordinator))):
            pinned = yield from self.probing(coordinator, limit, pinned)
        try:
            return (yield from self._open_once(coordinator, user, self._left(end), pinned))
        except _TicketRefused as error:
            refused = error
        logs.debug("%s refused a ticket: once more, with a new one if it was not new", coordinator)
        try:
            return (yield from self._open_once(coordinator, user, self._left(end), pinned))
        except CallFailed as error:
            if error.phase is Phase.TICKET:
                raise refused from refused.__cause__
            if not _hung_up(error):
                raise
            if (yield from self._knows_sasl(coordinator, self._left(end), pinned)):
                why = f"{TICKET_REJECTED} ({error})"
                told = TTransportException(TTransportException.END_OF_FILE, why, error.__cause__)
                raise CallFailed(Phase.LOGIN, told) from told
            raise

    def probing(
        self, coordinator: Coordinator, limit: float, pinned: Address | None = None
    ) -> Coroutine[Address | None]:
        """
        Have the coordinator answer an anonymous request within *limit* seconds.

        Returns:
            The address that answered, see `Socket`.

        Raises:
            CallFailed: Nobody is there, or nothing was answered.
        """
        socket, _ = yield from self._ask_for_sasl(coordinator, limit, pinned)
        return socket.peer

    def _left(self, end: float) -> float:
        return max(0.001, end - self._clock.now())

    def _knows_sasl(
        self, coordinator: Coordinator, limit: float, pinned: Address | None
    ) -> Coroutine[bool]:
        """Does it refuse who shows nothing by SASL's own message, within *limit* seconds?"""
        try:
            _, said = yield from self._ask_for_sasl(coordinator, limit, pinned)
        except CallFailed:
            return False
        return said in _NO

    def _ask_for_sasl(
        self, coordinator: Coordinator, limit: float, pinned: Address | None
    ) -> Coroutine[tuple[Socket, bytes]]:
        """
        A closed socket, and the first byte of the answer to who shows nothing; none: it hung up.

        SASL is asked for a mechanism that no server of ours has: each answers that, or hangs up.
        """
        phase, said = Phase.CONNECT, b""
        socket = self._socket(coordinator, pinned)
        try:
            socket.set_deadline(limit)
            yield from socket.opening()
            phase = Phase.LOGIN
            socket.write(_HEAD.pack(_START, len(_NO_MECHANISM)) + _NO_MECHANISM)
            yield from socket.arriving()
            said = socket.read(1)
        except BaseException as error:
            if is_interrupt(error):
                raise
            if phase is Phase.CONNECT or silent(error):
                raise CallFailed(phase, error) from error
        finally:
            socket.close()
        return socket, said

    def _open_once(
        self, coordinator: Coordinator, user: str, limit: float, pinned: Address | None
    ) -> Coroutine[tuple[TTransportBase, Socket]]:
        """One try of `opening`."""
        options, clock, phase = self._options, self._clock, Phase.CONNECT
        socket = sasl = attempt = None
        try:
            if options.auth_mechanism == "GSSAPI":
                phase, start = Phase.TICKET, clock.now()
                with importing():
                    from impala_ha.auth import kerberos  # noqa: PLC0415 - not each connection needs it

                sasl = kerberos.login(options, coordinator, clock, limit, self._identity)
                phase, limit = Phase.CONNECT, limit - (clock.now() - start)
            socket = self._socket(coordinator, pinned)
            socket.set_deadline(limit)
            yield from socket.opening()
            phase = Phase.LOGIN
            if options.auth_mechanism == "NOSASL":
                return TBufferedTransport(socket, rbuf_size=_PIECE), socket
            if sasl is not None:
                transport = kerberos.sasl_transport(sasl, socket)
            else:
                login, attempt = self._begin_login(coordinator, user, socket)
                transport = get_transport(socket, "", "", options.auth_mechanism, *login)
            yield from _open_sasl(transport, socket, sasl, attempt)
        except BaseException as error:
            if attempt is not None and socket is not None:
                phase = _report_login(attempt, error, socket)
            if socket is not None:
                socket.close()
            scrub(error)  # SASL's messages are variables of its frames
            if is_interrupt(error):
                raise
            raise _failure(phase, error, sasl) from error
        return transport, socket

    def _begin_login(
        self, coordinator: Coordinator, user: str, socket: Socket
    ) -> tuple[tuple[str, str | None], LoginAttempt | None]:
        """User and password, and the attempt that is to be told the result."""
        name, left = self._options.user or user, socket.left
        password, attempt = self._secrets.show(name, str(coordinator), left)
        socket.set_deadline(left)  # the wait for another login's result does not count
        self._secrets.hide(name, password)
        return (name, password), attempt

    def _socket(self, coordinator: Coordinator, pinned: Address | None) -> Socket:
        options, context = self._options, None
        if options.use_ssl:
            context = tls.context(options)
        socket = Socket(coordinator.host, coordinator.port, self._clock, context, coordinator.name)
        socket.pinned = pinned
        socket.setTimeout(None if options.timeout is None else options.timeout * 1000)
        return socket


class _TicketRefused(CallFailed):
    """The ticket was refused, in whatever way, and the login is worth another try."""


def _hung_up(error: CallFailed) -> bool:
    """Did the server close the connection in the login?  Impala refuses a bad ticket so."""
    if error.phase is not Phase.LOGIN or silent(error.__cause__):
        return False
    return (
        classify(error.__cause__ or error, error.phase, credential=CredentialKind.TICKET)
        is Fault.UNREACHABLE
    )


def _report_login(attempt: LoginAttempt, error: BaseException, socket: Socket) -> Phase:
    """Say how a login with a password ended, and how far opening came: not to it, if it is gone."""
    hung_up = is_end_of_file(error)
    attempt.ended = True
    if is_interrupt(error) or refused_before_login(error):
        attempt.over()
    elif (
        not hung_up
        and classify(error, Phase.LOGIN, credential=CredentialKind.SECRET) is Fault.DENIED
    ):
        attempt.refused(error_text(error))
    elif isinstance(error, TTransportException) and socket.is_gone():
        attempt.over()
        return Phase.CONNECT
    else:
        attempt.failed(error_text(error), hung_up=hung_up)
    return Phase.LOGIN


def _failure(phase: Phase, error: BaseException, sasl: Sasl | None) -> CallFailed:
    failed = CallFailed(phase, error)
    if sasl is None or phase is not Phase.LOGIN or isinstance(error, PrincipalMismatch):
        return failed
    hung_up = _hung_up(failed)
    gave_reason = bool(getattr(error, "name", ""))  # a `GSSError` of the server's own
    if (
        hung_up
        or gave_reason
        or classify(error, phase, credential=CredentialKind.TICKET) is Fault.REFUSED
    ):
        renewed = sasl.renew()
        if renewed or hung_up:  # it may have been a mishap
            return _TicketRefused(phase, error)
    return failed


def _open_sasl(
    transport: TTransportBase, socket: Socket, sasl: Sasl | None, attempt: LoginAttempt | None
) -> Coroutine[None]:
    """Authenticate, have the server prove who it is, and take no frame that is too long."""
    yield from _log_in(transport, socket)
    if sasl is not None:
        sasl.verify()
    if attempt is not None:
        attempt.accepted()
    read = transport._trans_read_all  # noqa: SLF001 - thrift_sasl has no other way

    def read_all(size: int) -> bytes:
        _check_size(size, _LONGEST_FRAME)
        return read(size)  # type: ignore[no-any-return]  # thrift_sasl is not typed

    transport._trans_read_all = read_all  # noqa: SLF001
    trace(Step.LOGGED_IN)


def _log_in(transport: TTransportBase, socket: Socket) -> Coroutine[None]:
    """As ``transport.open()`` of thrift_sasl, which cannot be left while it waits for an answer."""
    sasl = transport.sasl = transport.sasl_client_factory()
    begun, mechanism, token = sasl.start(transport.mechanism)
    if not begun:
        text = f"Could not start SASL: {sasl.getError()}"
        raise TTransportException(TTransportException.NOT_OPEN, text)
    name = mechanism.encode()
    head = _HEAD.pack(_START, len(name)) + name
    while True:
        socket.write(head + _HEAD.pack(_OK, len(token)) + token)
        head = b""
        yield from socket.arriving()
        status, size = _HEAD.unpack(socket.readAll(_HEAD.size))
        _check_size(size, _LONGEST_TOKEN)
        token = socket.readAll(size)
        if status == _COMPLETE:
            return
        if status != _OK:
            text = f"Bad status: {status} ({token!r})"
            raise TTransportException(TTransportException.NOT_OPEN, text)
        well, token = sasl.step(token)
        if not well:
            text = f"Bad SASL result: {sasl.getError()}"
            raise TTransportException(TTransportException.NOT_OPEN, text)


def _check_size(size: int, limit: int) -> None:
    """Another protocol's bytes read as a length would have us wait for gigabytes."""
    if size > limit:
        text = f"a frame of {size} bytes is longer than the limit of {limit}"
        raise TTransportException(TTransportException.SIZE_LIMIT, text)
