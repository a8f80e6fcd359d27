"""The messages of one accepted connection, one after the other or in SASL's frames.

With SASL the stream is divided into frames (a length of four bytes, then the payload).  A frame is
no message: like Impala's, this transport takes the payloads as one stream, so several messages may
share a frame and a message may span several.  A layer of SASL's signs or encrypts each payload; a
cut then counts the bytes of what it made of the answer.  TLS lies below all that.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

from pocket_impala.coordinator.messages import MessageTransport
from pocket_impala.coordinator.stream import SocketStream

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


class Wire(SocketStream, MessageTransport):
    """A transport of messages over an accepted socket.

    Args:
        sock: The accepted socket.

    Attributes:
        framed: Whether SASL frames are on the wire (set after the handshake).
        layer: What signs or encrypts these frames; None: nothing.
    """

    def __init__(self, sock: socket.socket) -> None:
        SocketStream.__init__(self, sock)
        MessageTransport.__init__(self)
        self.framed = False
        self.layer: Layer | None = None

    def isOpen(self) -> bool:  # noqa: N802  # Thrift's name
        """Whether the socket is open on our side."""
        return self.is_open

    def begin_message(self) -> None:
        """Forget the message before; wait for the first byte of the next."""
        self._begin(self._inbox.read())
        if not self._received:
            self._begin(self._receive(1))

    def _receive_payload(self, wanted: int) -> bytes:
        if not self.framed:
            return self.receive(max(_CHUNK, wanted))
        (length,) = struct.unpack(">I", self.receive_exactly(4))
        if not length:
            return self._receive_payload(wanted)
        data = self.receive_exactly(length)
        return data if self.layer is None else self.layer.unwrap(data)

    def _send(self, payload: bytes, size: int | None = None) -> None:
        if self.layer is not None:
            payload = self.layer.wrap(payload)
        if self.framed and size != 0:
            self.send(struct.pack(">I", len(payload)))
        self.send(payload[:size])
