"""One accepted connection, as Thrift reads and writes it, and where it can be cut.

Thrift's own buffered transport does not know where one message ends and the next begins, and a
cut needs to: "after 40 bytes of the answer to ExecuteStatement" is a place on the wire.  This
transport counts the bytes of the message that is being read, holds back what it was told to hold
back, and ends the connection there.

With SASL the stream is divided into frames (a length of four bytes, then the payload).  A frame is
no message: like Impala's, this transport takes the payloads as one stream, so several messages may
share a frame and a message may span several.  A layer of SASL's signs or encrypts each payload; a
cut then counts the bytes of what it made of the answer.  TLS lies below all that.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Protocol

from thrift.transport.TTransport import CReadableTransport, TTransportBase

from impala_ha.testing._impalad.line import Line

if TYPE_CHECKING:
    import socket

_CHUNK = 1 << 16


class Layer(Protocol):
    """What SASL does with each frame once both sides have agreed."""

    def wrap(self, payload: bytes) -> bytes:
        """Sign or encrypt the payload of a frame."""
        ...

    def unwrap(self, frame: bytes) -> bytes:
        """Verify or decrypt it."""
        ...


class Wire(Line, TTransportBase, CReadableTransport):  # type: ignore[misc]  # thrift has no types
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
        super().__init__(sock)
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
        return self.is_open

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

    def _receive(self, wanted: int) -> bytes:
        """Receive at least one byte of payload."""
        self._check_request()
        if not self.framed:
            data = self.receive(max(_CHUNK, wanted))
        else:
            (length,) = struct.unpack(">I", self.receive_exactly(4))
            if not length:
                return self._receive(wanted)
            data = self.receive_exactly(length)
            if self.layer is not None:
                data = self.layer.unwrap(data)
        self._received += len(data)
        self._check_request()
        return data

    def _check_request(self) -> None:
        if self._cut_request is not None and self._received >= self._cut_request[0]:
            self.end(self._cut_request[1])

    def _send(self, payload: bytes, size: int | None = None) -> None:
        """Send *payload*, or the first *size* bytes of it."""
        if self.layer is not None:
            payload = self.layer.wrap(payload)
        if self.framed and size != 0:
            self.send(struct.pack(">I", len(payload)))
        self.send(payload[:size])
