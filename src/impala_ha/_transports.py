"""From a coordinator and options to a transport: TCP, TLS and SASL; HTTP is in `_over_http`."""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Any

from impala._thrift_api import get_transport
from thrift.transport.TTransport import TBufferedTransport, TTransportException

from . import _logs
from ._clock import Clock
from ._fault_rules import TURNED_AWAY, classify
from ._faults import Fault, Phase, Shown
from ._interrupts import interrupted
from ._kerberos_errors import AnotherUser
from ._model import Coordinator
from ._options import Options
from ._secrets import Secrets, scrub
from ._sockets import Socket
from ._steps import Step, passed
from ._wire import CallFailed

if TYPE_CHECKING:
    from ._kerberos_names import Identity
    from ._kerberos_sasl import Sasl

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
    pinned: Any = None,
    identity: Identity | None = None,
) -> tuple[Any, Any]:
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
    opened = partial(_opened, options, secrets, coordinator, who, clock=clock, pinned=pinned)
    try:
        return opened(limit=limit)
    except _TicketRefused as error:
        refused = error
    _logs.debug("%s refused a ticket: once more, with a new one if it was not new", coordinator)
    try:
        return opened(limit=max(0.001, end - clock.now()))
    except CallFailed as error:
        if error.phase is Phase.TICKET:
            raise refused from refused.__cause__
        if _hung_up(error) and _knows_sasl(options, coordinator, clock, end - clock.now()):
            why = f"{TURNED_AWAY} ({error})"
            told = TTransportException(TTransportException.END_OF_FILE, why, error.__cause__)
            raise CallFailed(Phase.LOGIN, told) from told
        raise


def _knows_sasl(options: Options, coordinator: Coordinator, clock: Clock, limit: float) -> bool:
    """
    Does it answer somebody who shows nothing, within *limit* seconds?

    It is asked for a mechanism that no server has; each of Impala, Hive and Spark says so.
    """
    wire = _socket(options, coordinator, clock)
    try:
        wire.limit(max(0.001, limit))
        wire.open()
        wire.write(struct.pack(">BI", 1, len(_NO_MECHANISM)) + _NO_MECHANISM)
        return wire.read(1) in _NO
    except (TTransportException, OSError) as error:
        if interrupted(error):
            raise
        return False
    finally:
        wire.close()


_NO_MECHANISM = b"X-NOBODY"
_NO = (b"\3", b"\4")  # BAD and ERROR


class _TicketRefused(CallFailed):
    """The ticket was refused, in whatever way, and the login is worth another try."""


def _hung_up(error: CallFailed) -> bool:
    """Did the server end the login without a word?  Impala refuses a bad ticket so."""
    if error.phase is not Phase.LOGIN or _is_late(error.__cause__):
        return False
    return classify(error.__cause__ or error, error.phase, shown=Shown.TICKET) is Fault.UNREACHABLE


def _is_late(error: BaseException | None) -> bool:
    return bool(getattr(error, "type", None) == TTransportException.TIMED_OUT)


def _opened(
    options: Options,
    secrets: Secrets,
    coordinator: Coordinator,
    who: tuple[str, Identity | None],
    *,
    clock: Clock,
    limit: float,
    pinned: Any,
) -> tuple[Any, Any]:
    """One try of `binary`."""
    phase = Phase.CONNECT
    wire = sasl = None
    try:
        if options.auth_mechanism == "GSSAPI":
            phase, start = Phase.TICKET, clock.now()
            from . import _kerberos  # noqa: PLC0415 - not each connection needs it

            sasl = _kerberos.login(options, coordinator, clock, limit, who[1])
            phase, limit = Phase.CONNECT, limit - (clock.now() - start)
        wire = _socket(options, coordinator, clock)
        wire.pinned = pinned
        wire.limit(limit)
        wire.open()
        phase = Phase.LOGIN
        if sasl is not None:
            transport = _kerberos.transport(sasl, wire)
        else:
            login = secrets.of(options.user or who[0])
            transport = get_transport(wire, "", "", options.auth_mechanism, *login)
        if not isinstance(transport, TBufferedTransport):
            _open_sasl(transport, sasl)
            passed(Step.LOGGED_IN)
    except BaseException as error:
        if wire is not None:
            wire.close()
        scrub(error)  # SASL's messages are variables of its frames
        if interrupted(error):
            raise
        raise _failure(phase, error, sasl) from error
    return transport, wire


def _failure(phase: Phase, error: BaseException, sasl: Sasl | None) -> CallFailed:
    failed = CallFailed(phase, error)
    if sasl is None or phase is not Phase.LOGIN or isinstance(error, AnotherUser):
        return failed
    hung_up = _hung_up(failed)
    told_why = bool(getattr(error, "name", ""))  # a `GSSError` of the server's own
    if hung_up or told_why or classify(error, phase, shown=Shown.TICKET) is Fault.REFUSED:
        renewed = sasl.renew()
        if renewed or hung_up:  # it may have been a mishap
            return _TicketRefused(phase, error)
    return failed


def _socket(options: Options, coordinator: Coordinator, clock: Clock) -> Socket:
    context = None
    if options.use_ssl:
        from . import _tls  # noqa: PLC0415 - not each connection is encrypted

        context = _tls.context(options)
    wire = Socket(coordinator.host, coordinator.port, clock, context)
    wire.setTimeout(None if options.timeout is None else options.timeout * 1000)
    return wire


def _open_sasl(transport: Any, sasl: Sasl | None) -> None:
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
    limit = _LONGEST_FRAME
