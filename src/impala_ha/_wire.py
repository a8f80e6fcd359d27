"""
One connection's wire: a socket that keeps a deadline, a protocol that knows its replies, and a
client that dies at the first sign of trouble.

impyla re-opens a transport behind the caller's back, leaves late replies in the stream after a
time-out, and takes any reply for the answer.  So: this socket is opened once and never again; a
call that ended in anything but a clean reply breaks the client for good; and each reply must
carry the name and the number of its call.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from impala._thrift_gen.ImpalaService.ImpalaHiveServer2Service import Client as ThriftClient
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TApplicationException
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TTransportException

from . import errors
from ._clock import Clock
from ._faults import Phase

_LONGEST_NAME = 256  # bytes of a method's name; a longer one is no HiveServer2 answering


class CallFailed(errors.OperationalError):  # type: ignore[misc]  # impyla is not typed
    """
    A call that got no clean reply; its cause is what the stack below raised.

    Attributes:
        phase: How far the call had come.
    """

    def __init__(self, phase: Phase, cause: BaseException):
        super().__init__(str(cause) or type(cause).__name__)
        self.phase = phase
        self.__cause__ = cause


class Socket(TSocket):  # type: ignore[misc]  # thrift is not typed
    """
    A TCP or TLS socket for one connection.

    Attributes:
        deadline: Until when, in seconds of the clock, all that happens now must be done; None:
            only the time-out of a single read counts.
        written: Whether anything was handed to the system since the last `rest`.
    """

    def __init__(self, host: str, port: int, clock: Clock, context: ssl.SSLContext | None = None):
        super().__init__(host, port)
        self._clock = clock
        self._context = context
        self.deadline: float | None = None
        self.written = False

    def isOpen(self) -> bool:  # noqa: N802 - thrift's name
        """Say yes, always: impyla re-opens a transport that says no."""
        return True

    def open(self) -> None:
        """Connect to the first address that answers; they share the deadline."""
        try:
            addresses = self._resolveAddr()
        except OSError as error:
            text = f"failed to resolve sockaddr for {self.host}:{self.port}: {error}"
            raise TTransportException(TTransportException.NOT_OPEN, text, error) from error
        last: OSError | None = None
        for family, kind, _, _, address in addresses:
            handle = socket.socket(family, kind)
            try:
                self._connect(handle, address)
            except OSError as error:
                handle.close()
                last = error
            else:
                return
        tried = [address for *_, address in addresses]
        text = f"Could not connect to any of {tried}: {last}"
        raise TTransportException(TTransportException.NOT_OPEN, text, last) from last

    def _connect(self, handle: socket.socket, address: Any) -> None:
        handle.settimeout(self._patience())
        handle.connect(address)
        _keep_alive(handle)
        if self._context is not None:
            handle.settimeout(self._patience())
            handle = self._context.wrap_socket(handle, server_hostname=self.host)
        self.handle = handle

    def _patience(self) -> float | None:
        """Seconds that the next step may take."""
        if self.deadline is None:
            return self._timeout  # type: ignore[no-any-return]  # thrift is not typed
        left = self.deadline - self._clock.now()
        if left <= 0:
            raise TimeoutError("timed out")
        return left if self._timeout is None else min(left, self._timeout)

    def read(self, size: int) -> bytes:
        """Up to *size* bytes."""
        self._arm()
        return super().read(size)  # type: ignore[no-any-return]  # thrift is not typed

    def write(self, buffer: bytes) -> None:
        """All of *buffer*."""
        self._arm()
        self.written = True
        super().write(buffer)

    def sent(self, error: BaseException) -> bool:  # noqa: ARG002 - HTTP has nothing else to go by
        """Whether any of the request that ended in *error* may have left."""
        return self.written

    def _arm(self) -> None:
        if self.handle is None:
            raise TTransportException(TTransportException.NOT_OPEN, "the connection is closed")
        if self.deadline is not None:
            try:
                self.handle.settimeout(self._patience())
            except TimeoutError as error:
                raise TTransportException(
                    TTransportException.TIMED_OUT, "read timeout", error
                ) from error

    def limit(self, seconds: float) -> None:
        """Let all that happens from now on take *seconds* together, until `disarm`."""
        self.deadline = self._clock.now() + seconds

    def disarm(self) -> None:
        """End the deadline: from here on the time-out of a single read counts again."""
        self.deadline = None
        if self.handle is not None:
            self.handle.settimeout(self._timeout)

    def stale(self) -> str:
        """What is wrong with a connection on which no call is under way; empty if it is well."""
        if self.handle is None:
            return "the connection is closed"
        try:
            self.handle.settimeout(0)
            # Nothing is owed to us, so a byte is as wrong as an end of file.  TLS cannot peek.
            peeked = self.handle.recv(1, 0 if self._context else socket.MSG_PEEK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return ""
        except OSError as error:
            return f"unexpected exception: {error}"
        finally:
            with suppress(OSError):
                self.handle.settimeout(self._timeout)
        return "a reply that nobody waits for" if peeked else "TSocket read 0 bytes"

    def close(self) -> None:
        """Close without a word: a goodbye over TLS could block."""
        handle, self.handle = self.handle, None
        if handle is not None:
            with suppress(OSError):
                handle.close()


def _keep_alive(handle: socket.socket) -> None:
    """Notice a host that vanished: after a minute of silence, probes 15 s apart, four of them."""
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = (60 + 4 * 15) * 1000
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


class HttpWire:
    """What `Socket` is for the binary transport, around impyla's HTTP client."""

    def __init__(self, transport: Any, timeout: float | None):
        self._transport = transport
        self._timeout = timeout
        self.written = False

    def limit(self, seconds: float) -> None:
        """Let one request take *seconds*, until `disarm`."""
        self._transport.setTimeout(seconds * 1000)

    def disarm(self) -> None:
        """Let one request take the caller's time-out again."""
        self._transport.setTimeout(None if self._timeout is None else self._timeout * 1000)

    def sent(self, error: BaseException) -> bool:
        """Whether any of the request that ended in *error* may have left."""
        return not isinstance(error, (ConnectionRefusedError, socket.gaierror))

    def stale(self) -> str:
        """Empty: each request has a connection of its own."""
        return ""

    def close(self) -> None:
        """Close; a second close of impyla's client would raise."""
        if self._transport.isOpen():
            self._transport.close()


class Protocol(TBinaryProtocolAccelerated):  # type: ignore[misc]  # thrift is not typed
    """
    The binary protocol, which takes only the reply that belongs to the last call.

    Attributes:
        expected: Name and number of that call.
    """

    def __init__(self, transport: Any):
        # Thrift's limit of 16,384,000 bytes a string would make a larger cell an OverflowError.
        super().__init__(transport, strictRead=True, string_length_limit=None)
        self.expected: tuple[str, int] = ("", 0)

    def readMessageBegin(self) -> tuple[str, int, int]:  # noqa: N802 - thrift's name
        """Name, type and number of a reply."""
        self.string_length_limit = _LONGEST_NAME
        try:
            name, kind, number = super().readMessageBegin()
        except OverflowError as error:  # how thrift's C part puts it
            raise TProtocolException(TProtocolException.SIZE_LIMIT, str(error)) from error
        finally:
            self.string_length_limit = None
        if (name, number) != self.expected:
            raise TProtocolException(
                TProtocolException.INVALID_DATA,
                f"a reply to {name} (call {number}) came where {self.expected[0]} (call "
                f"{self.expected[1]}) was asked",
            )
        return name, kind, number


class Client(ThriftClient):  # type: ignore[misc]  # thrift is not typed
    """
    Thrift's client, for one connection and one thread at a time.

    Attributes:
        broken: Why it cannot be used any more, None while it can.
        busy: Whether a call is under way.
        phase: How far the last call had come.
    """

    def __init__(self, protocol: Protocol, wire: Any):
        super().__init__(protocol)
        self._wire = wire
        self._process = os.getpid()
        self.broken: BaseException | None = None
        self.busy = False
        self.phase = Phase.OPEN

    @property
    def forked(self) -> bool:
        """Is this a copy in a child process, whose socket belongs to the parent?"""
        return self._process != os.getpid()

    @contextmanager
    def calling(self, name: str) -> Iterator[None]:
        """Around one call of the method *name*."""
        if self.forked:
            raise errors.InterfaceError(
                f"this connection belongs to process {self._process}; "
                f"a forked process ({os.getpid()}) must connect for itself"
            )
        if self.broken is not None:
            raise CallFailed(_before(name), self.broken)
        if self.busy:
            raise errors.InterfaceError(
                f"{name} was called while another call was under way on the same connection; "
                "each thread needs a connection of its own (threadsafety is 1)"
            )
        self.busy = True
        self.phase = _before(name)
        self._wire.written = False
        self._seqid = (self._seqid + 1) % 2**31
        self._iprot.expected = (name, self._seqid)
        try:
            yield
        except BaseException as error:
            self._failed(name, error)
            raise
        else:
            self.phase = _during(name)
        finally:
            self.busy = False

    def _failed(self, name: str, error: BaseException) -> None:
        """Say how far it had come; only a clean reply leaves the client usable."""
        if self._wire.sent(error):
            self.phase = _during(name)
        if (
            isinstance(error, TApplicationException)
            and error.type == TApplicationException.UNKNOWN_METHOD
        ):
            return  # impyla asks Hive for methods that only Impala has, and goes on
        self.sever(error)
        if isinstance(error, Exception):
            raise CallFailed(self.phase, error) from error

    def sever(self, error: BaseException) -> None:
        """Close the socket; nothing can be sent on it any more."""
        self.broken = error
        self._wire.close()


_PHASES = {
    "OpenSession": Phase.OPEN,
    "ExecuteStatement": Phase.SENT,
    "GetSchemas": Phase.SENT,
    "GetTables": Phase.SENT,
    "GetColumns": Phase.SENT,
    "GetFunctions": Phase.SENT,
    "GetOperationStatus": Phase.RUNNING,
    "GetResultSetMetadata": Phase.FETCH,
    "FetchResults": Phase.FETCH,
}


def _during(name: str) -> Phase:
    return _PHASES.get(name, Phase.CLOSE)


def _before(name: str) -> Phase:
    """Before the request of a call has left, only a statement has certainly not run."""
    phase = _during(name)
    return Phase.UNSENT if phase is Phase.SENT else phase


def _guarded(name: str) -> Any:
    call = getattr(ThriftClient, name)

    def guarded(self: Client, request: Any) -> Any:
        with self.calling(name):
            return call(self, request)

    guarded.__name__ = name
    return guarded


for _name in [name[5:] for name in dir(ThriftClient) if name.startswith("send_")]:
    setattr(Client, _name, _guarded(_name))
