"""From a coordinator and options to a transport: TCP, TLS and SASL, or impyla's HTTP client."""

from __future__ import annotations

from typing import Any

from impala._thrift_api import get_http_transport, get_transport
from thrift.transport.TTransport import TBufferedTransport, TTransportException

from ._clock import Clock
from ._faults import Phase
from ._interrupts import interrupted
from ._model import Coordinator
from ._options import Options
from ._secrets import Secrets, scrub
from ._sockets import HttpWire, Socket
from ._wire import CallFailed

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
) -> tuple[Any, Any]:
    """
    A connected and authenticated transport, and its socket.

    Raises:
        CallFailed: With how far it came.
    """
    phase = Phase.CONNECT
    wire = None
    try:
        context = None
        if options.use_ssl:
            from . import _tls  # noqa: PLC0415 - not each connection is encrypted

            context = _tls.context(options)
        wire = Socket(coordinator.host, coordinator.port, clock, context)
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
            secrets.password(),
        )
        if not isinstance(transport, TBufferedTransport):
            _open_sasl(transport)
    except BaseException as error:
        if wire is not None:
            wire.close()
        scrub(error)  # SASL's messages are variables of its frames
        if interrupted(error):
            raise
        raise CallFailed(phase, error) from error
    return transport, wire


def _open_sasl(transport: Any) -> None:
    """
    Authenticate, and take no frame that is too long to be meant.

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
    limit = _LONGEST_FRAME


def http(
    options: Options, secrets: Secrets, coordinator: Coordinator, user: str
) -> tuple[Any, Any]:
    """Impyla's HTTP transport, which connects at its first request, and its wire."""
    transport = get_http_transport(
        coordinator.host,
        coordinator.port,
        http_path=options.http_path,
        use_ssl=options.use_ssl,
        ca_cert=options.ca_cert,
        auth_mechanism=options.auth_mechanism,
        user=options.user or user,
        password=secrets.password(),
        kerberos_host=options.krb_host or coordinator.host,
        kerberos_service_name=options.kerberos_service_name,
        http_cookie_names=options.http_cookie_names,
        jwt=secrets.jwt(),
        user_agent=options.user_agent,
        get_user_custom_headers_func=options.get_user_custom_headers_func,
        verify_cert=options.verify_cert,
    )
    inner = transport._TBufferedTransport__trans  # noqa: SLF001 - thrift has no other way
    return transport, HttpWire(inner, options.timeout)
