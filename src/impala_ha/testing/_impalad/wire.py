"""One accepted connection, as Thrift reads and writes it, and where it can be cut.

Thrift's own buffered transport does not know where one message ends and the next begins, and a
cut needs to: "after 40 bytes of the answer to ExecuteStatement" is a place on the wire.  This
transport counts the bytes of the message that is being read, holds back what it was told to hold
back, and ends the connection with a FIN or an RST, as a dying process, a firewall or a pulled
cable would.

With SASL the stream is divided into frames (a length of four bytes, then the payload).  A frame is
no message: like Impala's, this transport takes the payloads as one stream, so several messages may
share a frame and a message may span several.  A layer of SASL's signs or encrypts each payload; a
cut then counts the bytes of what it made of the answer.  TLS lies below all that.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from io import BytesIO
from typing import TYPE_CHECKING, NoReturn, Protocol

from thrift.transport.TTransport import CReadableTransport, TTransportBase, TTransportException

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 16


class Layer(Protocol):
    """What SASL does with each frame once both sides have agreed."""

    def wrap(self, payload: bytes) -> bytes:
        """Sign or encrypt the payload of a frame."""
        ...

    def unwrap(self, frame: bytes) -> bytes:
        """Verify or decrypt it."""
        ...


class Wire(TTransportBase, CReadableTransport):  # type: ignore[misc]  # thrift has no types
    """A buffered transport over an accepted socket.

    Args:
        sock: The accepted socket.

    Attributes:
        framed: Whether SASL frames are on the wire (set after the handshake).
        layer: What signs or encrypts these frames; None: nothing.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.framed = False
        self.layer: Layer | None = None
        self._sock = sock
        self._inbox = BytesIO()
        self._outbox: list[bytes] = []
        self._received = 0
        self._cut_request: tuple[int, str] | None = None
        self._cut_response: tuple[int, str] | None = None

    # -- what Thrift asks of a transport ---------------------------------------------------------

    @property
    def cstringio_buf(self) -> BytesIO:
        """What was received and not yet read; Thrift's C decoder reads it in place."""
        return self._inbox

    def cstringio_refill(self, partialread: bytes, reqlen: int) -> BytesIO:
        """Give the C decoder a buffer of at least *reqlen* bytes that starts with *partialread*."""
        chunks = [partialread]
        missing = reqlen - len(partialread)
        while missing > 0:
            chunk = self._receive(missing)
            chunks.append(chunk)
            missing -= len(chunk)
        self._inbox = BytesIO(b"".join(chunks))
        return self._inbox

    def read(self, sz: int) -> bytes:
        """Read up to *sz* bytes: what is buffered, else what arrives next."""
        data = self._inbox.read(sz)
        if not data:
            self._inbox = BytesIO(self._receive(sz))
            data = self._inbox.read(sz)
        return data

    def write(self, buf: bytes) -> None:
        """Keep *buf* until the answer is complete."""
        self._outbox.append(buf)

    def flush(self) -> None:
        """Send the answer, or as much of it as a cut lets through."""
        payload = b"".join(self._outbox)
        self._outbox.clear()
        if self._cut_response is not None:
            byte, how = self._cut_response
            self._send(payload, byte)
            self.end(how)
        self._send(payload)

    def isOpen(self) -> bool:  # noqa: N802  # Thrift's name
        """Whether the socket is open on our side."""
        return self._sock.fileno() >= 0

    # -- what the coordinator asks of it ---------------------------------------------------------

    def begin_message(self) -> None:
        """Forget the message before; wait for the first byte of the next."""
        self._cut_request = self._cut_response = None
        rest = self._inbox.read()
        self._received = len(rest)
        self._inbox = BytesIO(rest or self._receive(1))

    def cut_request(self, byte: int, how: str) -> None:
        """Cut when *byte* bytes of the message being read have arrived."""
        self._cut_request = (byte, how)
        self._check_request()

    def finish_request(self) -> None:
        """The message was read whole: a cut that lies behind its last byte happens now."""
        if self._cut_request is not None:
            self.end(self._cut_request[1])

    def cut_response(self, byte: int, how: str) -> None:
        """Cut when *byte* bytes of the answer being written were sent."""
        self._cut_response = (byte, how)

    def receive_exactly(self, size: int) -> bytes:
        """Read *size* bytes past Thrift: the SASL handshake."""
        return bytes(self.readAll(size))

    def send(self, data: bytes) -> None:
        """Send *data* past Thrift: the SASL handshake."""
        with _as_thrift_errors():
            self._sock.sendall(data)

    def secure(self, context: ssl.SSLContext) -> None:
        """Shake hands for TLS, which is below everything from then on."""
        with _as_thrift_errors():
            # In two steps, so that `hang_up` reaches a handshake that waits.
            self._sock = secured = context.wrap_socket(
                self._sock, server_side=True, do_handshake_on_connect=False
            )
            secured.do_handshake()

    def hang_up(self) -> None:
        """End the connection from another thread: the one that reads it wakes up and closes it."""
        with contextlib.suppress(OSError):
            # Not TLS's own, which forgets the keys: the other thread would go on in clear.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket, with a goodbye where there is TLS.  May be called twice."""
        if isinstance(self._sock, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                # The client's own goodbye is not waited for.
                self._sock.setblocking(False)
                self._sock.unwrap()
        self._sock.close()

    def end(self, how: str) -> NoReturn:
        """Cut the connection: *how* is ``"fin"`` (end of file) or ``"rst"`` (reset)."""
        # Past TLS, which would say goodbye.
        cut(socket.socket(fileno=self._sock.detach()), how)
        raise TTransportException(TTransportException.END_OF_FILE, "cut on request")

    def _receive(self, wanted: int) -> bytes:
        """Receive at least one byte of payload."""
        self._check_request()
        if not self.framed:
            data = self._recv(max(_CHUNK, wanted))
        else:
            (length,) = struct.unpack(">I", self._recv_exactly(4))
            if not length:
                return self._receive(wanted)
            data = self._recv_exactly(length)
            if self.layer is not None:
                data = self.layer.unwrap(data)
        self._received += len(data)
        self._check_request()
        return data

    def _check_request(self) -> None:
        if self._cut_request is not None and self._received >= self._cut_request[0]:
            self.end(self._cut_request[1])

    def _recv(self, size: int) -> bytes:
        with _as_thrift_errors():
            data = self._sock.recv(size)
        if not data:
            raise TTransportException(TTransportException.END_OF_FILE, "the client hung up")
        return data

    def _recv_exactly(self, size: int) -> bytes:
        chunks = []
        while size > 0:
            chunks.append(self._recv(min(size, 1 << 20)))
            size -= len(chunks[-1])
        return b"".join(chunks)

    def _send(self, payload: bytes, size: int | None = None) -> None:
        """Send *payload*, or the first *size* bytes of it."""
        if self.layer is not None:
            payload = self.layer.wrap(payload)
        if self.framed and size != 0:
            self.send(struct.pack(">I", len(payload)))
        self.send(payload[:size])


def cut(sock: socket.socket, how: str) -> None:
    """End *sock* at once: with an end of file (``"fin"``) or a reset (``"rst"``)."""
    if how == "rst":
        # A linger of zero makes close() send a reset and drop what was not sent.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
            # Unread bytes at close() would turn the FIN into a reset.
            sock.setblocking(False)
            while sock.recv(_CHUNK):
                pass
    sock.close()


@contextlib.contextmanager
def _as_thrift_errors() -> Iterator[None]:
    """Raise what Thrift's processor lets through: it would answer any other exception."""
    try:
        yield
    except OSError as error:
        raise TTransportException(TTransportException.END_OF_FILE, str(error)) from error
