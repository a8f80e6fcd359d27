"""
What a port speaks that hung up, or said nothing, when it was spoken to.

An end of file alone may come from a coordinator that is being killed.  So the other protocols are
tried, each on a connection of its own and with nothing of the caller's (where there is no login, a
session is opened and closed); whoever answers one of them will not answer ours a moment later.
"""

from __future__ import annotations

import ssl
import struct
from collections.abc import Sequence
from typing import NamedTuple

from thrift.Thrift import TException
from thrift.transport.TTransport import TBufferedTransport

from impala_ha import errors
from impala_ha.core.clock import Clock
from impala_ha.core.faults import CallFailed
from impala_ha.core.interruption import from_signal_handler, suppress
from impala_ha.core.model import Coordinator
from impala_ha.net.sockets import Socket
from impala_ha.options.options import Options

from .client import Client
from .protocol import BinaryProtocol
from .service import Service

_NAME = b"WhoAreYou"  # no server has a method or a mechanism of that name
_CALL = struct.pack("!II", 0x80010001, len(_NAME)) + _NAME + struct.pack("!IB", 0, 0)
_START = struct.pack("!BI", 1, len(_NAME)) + _NAME + struct.pack("!BI", 2, 0)
_GET = (
    b"GET / HTTP/1.1\r\nHost: impala\r\nConnection: close\r\n\r\n"  # which Impala leaves unanswered
)
_POST = (
    b"POST / HTTP/1.1\r\nHost: impala\r\nContent-Type: application/x-thrift\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s"
) % (len(_CALL), _CALL)


class _Protocol(NamedTuple):
    """
    One way to speak.

    Attributes:
        name: For people.
        question: What its servers answer, whoever asks; empty for OpenSession.
        answers: How the answer begins.
    """

    name: str
    question: bytes = b""
    answers: tuple[bytes, ...] = ()


_HTTP = _Protocol("HTTP", _POST, (b"HTTP/",))
_SASL = _Protocol("SASL", _START, (b"\3\0\0", b"\4\0\0"))
_BINARY = _Protocol("HiveServer2 without SASL")
_PROTOCOLS = (_HTTP, _HTTP._replace(question=_GET), _SASL, _BINARY)


def _ours(options: Options) -> str:
    if options.use_http_transport:
        return _HTTP.name
    return (_BINARY if options.auth_mechanism == "NOSASL" else _SASL).name


def _advice(found: _Protocol, options: Options, *, tls: bool) -> str:
    """What the port speaks, and which options ask for that."""
    http, ours = found.name == _HTTP.name, _ours(options)
    change = [] if tls == options.use_ssl else [f"use_ssl={tls}"]
    if http is not options.use_http_transport:
        change.append(f"use_http_transport={http}")
    if found is _SASL and options.auth_mechanism == "NOSASL":
        change.append("auth_mechanism='GSSAPI', 'LDAP' or 'PLAIN'")
    if found is _BINARY and ours == _SASL.name:
        change.append("auth_mechanism='NOSASL'")
    without = " and no TLS" if options.use_ssl and not tls else ""
    return f"the port speaks {found.name}{without}: {', '.join(change)}"


def other_protocol(coordinator: Coordinator, options: Options, clock: Clock, limit: float) -> str:
    """
    What *coordinator* speaks other than what *options* ask for, and how to ask for that.

    Args:
        coordinator: Whose port.
        options: How it was spoken to.
        clock: For the limit.
        limit: Seconds for all of it.

    Returns:
        A hint; empty where our own protocol is answered now, or none is.
    """
    ours, wanted = _ours(options), options.use_ssl
    asked = _Asking(coordinator, clock, clock.now() + limit)
    if wanted and not asked.speaks_tls(shares=len(_PROTOCOLS) + 1):
        found = asked.protocol(_PROTOCOLS, tls=False)
        return "" if found is None else _advice(found, options, tls=False)
    first = sorted(_PROTOCOLS, key=lambda each: each.name != ours)
    found = asked.protocol(first, tls=wanted, more=not wanted)
    if found is not None:
        return "" if found.name == ours else _advice(found, options, tls=wanted)
    if not wanted and asked.speaks_tls(shares=1):
        return "the port speaks TLS: use_ssl=True"
    return ""


class _Asking:
    """Questions to one coordinator, until *end* in seconds of the clock."""

    def __init__(self, coordinator: Coordinator, clock: Clock, end: float):
        self._coordinator = coordinator
        self._clock = clock
        self._end = end

    def speaks_tls(self, shares: int) -> bool:
        """Does it take a handshake, or refuse it with an alert of TLS?"""
        try:
            self._connected(shares, tls=True).close()
        except (TException, OSError) as error:
            if from_signal_handler(error):
                raise
            return "ALERT" in str(error)
        return True

    def protocol(
        self, protocols: Sequence[_Protocol], *, tls: bool, more: bool = False
    ) -> _Protocol | None:
        """The first of *protocols* that it answers; those that are left share the time."""
        for number, each in enumerate(protocols):
            with suppress(TException, OSError):
                if self._answers(each, len(protocols) - number + more, tls=tls):
                    return each
        return None

    def _answers(self, protocol: _Protocol, shares: int, *, tls: bool) -> bool:
        socket = self._connected(shares, tls=tls)
        try:
            if not protocol.question:
                return _opens_session(socket)
            socket.write(protocol.question)
            wanted = len(protocol.answers[0])
            return socket.readAll(wanted) in protocol.answers
        finally:
            socket.abort()

    def _connected(self, shares: int, *, tls: bool) -> Socket:
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE  # nothing is sent that is anybody's
        where = self._coordinator
        socket = Socket(where.host, where.port, self._clock, context, where.name)
        socket.set_deadline(max(0.001, (self._end - self._clock.now()) / shares))
        socket.open()
        return socket


def _opens_session(socket: Socket) -> bool:
    """Is OpenSession answered, if only by a refusal?"""
    try:
        Service(Client(BinaryProtocol(TBufferedTransport(socket)), socket)).open_session(
            "nobody"
        ).close()
    except errors.Error as error:
        if from_signal_handler(error):
            raise
        return not isinstance(error, CallFailed)
    return True
