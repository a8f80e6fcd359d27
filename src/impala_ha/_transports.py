"""From a coordinator and options to a transport: TCP, TLS and SASL; HTTP is in `_over_http`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impala._thrift_api import get_transport
from thrift.transport.TTransport import TBufferedTransport, TTransportException

from ._clock import Clock
from ._faults import Phase
from ._interrupts import interrupted
from ._model import Coordinator
from ._options import Options
from ._secrets import Secrets, scrub
from ._sockets import Socket
from ._steps import Step, passed
from ._wire import CallFailed

if TYPE_CHECKING:
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

    Raises:
        CallFailed: With how far it came.
    """
    phase = Phase.CONNECT
    wire = sasl = None
    try:
        if options.auth_mechanism == "GSSAPI":
            phase, start = Phase.TICKET, clock.now()
            from . import _kerberos  # noqa: PLC0415 - not each connection needs it

            sasl = _kerberos.login(options, coordinator, clock, limit)
            phase, limit = Phase.CONNECT, limit - (clock.now() - start)
        wire = _socket(options, coordinator, clock)
        wire.pinned = pinned
        wire.limit(limit)
        wire.open()
        phase = Phase.LOGIN
        if sasl is not None:
            transport = _kerberos.transport(sasl, wire)
        else:
            mechanism, name = options.auth_mechanism, options.user or user
            transport = get_transport(wire, "", "", mechanism, name, secrets.password())
        if not isinstance(transport, TBufferedTransport):
            _open_sasl(transport, sasl)
            passed(Step.LOGGED_IN)
    except BaseException as error:
        if wire is not None:
            wire.close()
        scrub(error)  # SASL's messages are variables of its frames
        if interrupted(error):
            raise
        raise CallFailed(phase, error) from error
    return transport, wire


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
