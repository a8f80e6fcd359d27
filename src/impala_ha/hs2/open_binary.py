"""From a coordinator and options to a transport: TCP, TLS and SASL; HTTP is in `hs2.open_http`."""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING

from impala._thrift_api import get_transport
from thrift.transport.TTransport import TBufferedTransport, TTransportBase, TTransportException

from impala_ha.auth.credentials import Secrets
from impala_ha.core import logs
from impala_ha.core.clock import Clock
from impala_ha.core.fault_rules import (
    TICKET_REJECTED,
    classify,
    error_text,
    is_end_of_file,
    refused_before_login,
)
from impala_ha.core.faults import CallFailed, CredentialKind, Fault, Phase
from impala_ha.core.interruption import is_interrupt
from impala_ha.core.kerberos_errors import PrincipalMismatch
from impala_ha.core.model import Coordinator
from impala_ha.core.secret import scrub
from impala_ha.core.trace import Step, trace
from impala_ha.net import tls
from impala_ha.net.sockets import Address, Socket
from impala_ha.options.options import Options

from .service import silent

if TYPE_CHECKING:
    from impala_ha.auth.gss_sasl import Sasl
    from impala_ha.core.login_throttle import LoginAttempt
    from impala_ha.options.kerberos_names import Identity

_LONGEST_TOKEN = 2**20  # bytes; a Kerberos ticket with all of its groups has 64 KiB
_LONGEST_FRAME = 2**29  # bytes; one reply with 10,000 rows of 50 KiB


def binary(
    options: Options,
    secrets: Secrets,
    coordinator: Coordinator,
    user: str,
    *,
    clock: Clock,
    limit: float,
    pinned: Address | None = None,
    identity: Identity | None = None,
) -> tuple[TTransportBase, Socket]:
    """
    A connected and authenticated transport, and its socket.

    Args:
        options: How.
        secrets: User's.
        coordinator: Where.
        user: Who.
        clock: For the deadline.
        limit: Seconds.
        pinned: The only address that may be asked, see `Socket`.
        identity: Who the connection was opened as, by Kerberos.

    Raises:
        CallFailed: With how far it came.
    """
    end = clock.now() + limit
    who = (user, identity)
    if not (options.use_ssl or secrets.accepted(options.user or user, str(coordinator))):
        pinned = probe_anonymously(options, coordinator, clock, limit, pinned)
        limit = max(0.001, end - clock.now())
    opened = partial(_opened, options, secrets, coordinator, who, clock=clock, pinned=pinned)
    try:
        return opened(limit=limit)
    except _TicketRefused as error:
        refused = error
    logs.debug("%s refused a ticket: once more, with a new one if it was not new", coordinator)
    try:
        return opened(limit=max(0.001, end - clock.now()))
    except CallFailed as error:
        if error.phase is Phase.TICKET:
            raise refused from refused.__cause__
        if _hung_up(error) and _knows_sasl(options, coordinator, clock, end - clock.now(), pinned):
            why = f"{TICKET_REJECTED} ({error})"
            told = TTransportException(TTransportException.END_OF_FILE, why, error.__cause__)
            raise CallFailed(Phase.LOGIN, told) from told
        raise


def probe_anonymously(
    options: Options,
    coordinator: Coordinator,
    clock: Clock,
    limit: float,
    pinned: Address | None = None,
) -> Address | None:
    """
    Have somebody answer within *limit* seconds, without saying who comes.

    Returns:
        The address that answered, see `Socket`.

    Raises:
        CallFailed: Nobody is there, or nothing was answered.
    """
    wire, _ = _asked(options, coordinator, clock, limit, pinned)
    return wire.peer


def _knows_sasl(
    options: Options, coordinator: Coordinator, clock: Clock, limit: float, pinned: Address | None
) -> bool:
    """Does it refuse somebody who shows nothing in the words of SASL, within *limit* seconds?"""
    try:
        _, said = _asked(options, coordinator, clock, max(0.001, limit), pinned)
    except CallFailed:
        return False
    return said in _NO


def _asked(
    options: Options, coordinator: Coordinator, clock: Clock, limit: float, pinned: Address | None
) -> tuple[Socket, bytes]:
    """
    A closed socket, and the first byte that was said to who shows nothing; none: it hung up.

    SASL is asked for a mechanism that no server of ours has: each answers that, or hangs up.
    """
    phase, said = Phase.CONNECT, b""
    wire = _socket(options, coordinator, clock, pinned)
    try:
        wire.set_deadline(limit)
        wire.open()
        phase = Phase.LOGIN
        wire.write(struct.pack(">BI", 1, len(_NO_MECHANISM)) + _NO_MECHANISM)
        said = wire.read(1)
    except BaseException as error:
        if is_interrupt(error):
            raise
        if phase is Phase.CONNECT or silent(error):
            raise CallFailed(phase, error) from error
    finally:
        wire.close()
    return wire, said


_NO_MECHANISM = b"X-NOBODY"
_NO = (b"\3", b"\4")  # BAD and ERROR


class _TicketRefused(CallFailed):
    """The ticket was refused, in whatever way, and the login is worth another try."""


def _hung_up(error: CallFailed) -> bool:
    """Did the server end the login without a word?  Impala refuses a bad ticket so."""
    if error.phase is not Phase.LOGIN or silent(error.__cause__):
        return False
    return (
        classify(error.__cause__ or error, error.phase, credential=CredentialKind.TICKET)
        is Fault.UNREACHABLE
    )


def _opened(
    options: Options,
    secrets: Secrets,
    coordinator: Coordinator,
    who: tuple[str, Identity | None],
    *,
    clock: Clock,
    limit: float,
    pinned: Address | None,
) -> tuple[TTransportBase, Socket]:
    """One try of `binary`."""
    phase = Phase.CONNECT
    wire = sasl = attempt = None
    try:
        if options.auth_mechanism == "GSSAPI":
            phase, start = Phase.TICKET, clock.now()
            from impala_ha.auth import kerberos  # noqa: PLC0415 - not each connection needs it

            sasl = kerberos.login(options, coordinator, clock, limit, who[1])
            phase, limit = Phase.CONNECT, limit - (clock.now() - start)
        wire = _socket(options, coordinator, clock, pinned)
        wire.set_deadline(limit)
        wire.open()
        phase = Phase.LOGIN
        if sasl is not None:
            transport = kerberos.transport(sasl, wire)
        else:
            login, attempt = _login(options, secrets, coordinator, who[0], wire)
            transport = get_transport(wire, "", "", options.auth_mechanism, *login)
        if not isinstance(transport, TBufferedTransport):
            _open_sasl(transport, sasl, attempt)
    except BaseException as error:
        if attempt is not None and wire is not None:
            phase = _judge(attempt, error, wire)
        if wire is not None:
            wire.close()
        scrub(error)  # SASL's messages are variables of its frames
        if is_interrupt(error):
            raise
        raise _failure(phase, error, sasl) from error
    return transport, wire


def _login(
    options: Options, secrets: Secrets, coordinator: Coordinator, user: str, wire: Socket
) -> tuple[tuple[str, str | None], LoginAttempt | None]:
    """User and password, and what is to be told how they were received."""
    name = options.user or user
    left = wire.left
    password, attempt = secrets.show(name, str(coordinator), left)
    wire.set_deadline(left)  # the wait for another login's verdict does not count
    secrets.hide(name, password)
    return (name, password), attempt


def _judge(attempt: LoginAttempt, error: BaseException, wire: Socket) -> Phase:
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
    elif isinstance(error, TTransportException) and wire.is_gone():
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
    told_why = bool(getattr(error, "name", ""))  # a `GSSError` of the server's own
    if (
        hung_up
        or told_why
        or classify(error, phase, credential=CredentialKind.TICKET) is Fault.REFUSED
    ):
        renewed = sasl.renew()
        if renewed or hung_up:  # it may have been a mishap
            return _TicketRefused(phase, error)
    return failed


def _socket(
    options: Options, coordinator: Coordinator, clock: Clock, pinned: Address | None = None
) -> Socket:
    context = None
    if options.use_ssl:
        context = tls.context(options)
    wire = Socket(coordinator.host, coordinator.port, clock, context)
    wire.pinned = pinned
    wire.setTimeout(None if options.timeout is None else options.timeout * 1000)
    return wire


def _open_sasl(transport: TTransportBase, sasl: Sasl | None, attempt: LoginAttempt | None) -> None:
    """
    Authenticate, have the server prove who it is, and take no frame that is too long to be meant.

    Another protocol's bytes read as a length would have us wait for gigabytes.
    """
    read = transport._trans_read_all  # noqa: SLF001 - thrift_sasl has no other way
    limit = _LONGEST_TOKEN

    def read_all(size: int) -> bytes:
        if size > limit:
            text = f"a frame of {size} bytes is longer than the limit of {limit}"
            raise TTransportException(TTransportException.SIZE_LIMIT, text)
        return read(size)  # type: ignore[no-any-return]  # thrift_sasl is not typed

    transport._trans_read_all = read_all  # noqa: SLF001
    transport.open()
    if sasl is not None:
        sasl.verify()
    if attempt is not None:
        attempt.accepted()
    limit = _LONGEST_FRAME
    trace(Step.LOGGED_IN)
