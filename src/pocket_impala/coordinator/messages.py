"""Messages as Thrift reads and writes them, and where they can be cut.

Thrift's own buffered transport does not know where one message ends and the next begins, and a
cut needs to: "after 40 bytes of the answer to ExecuteStatement" is a place in a message.  This
transport counts the bytes of the message that is being read, holds back what it was told to hold
back, and ends the connection there.  How the bytes travel is the business of those that inherit:
`wire.Wire`, with SASL's frames or without, and `http_wire.HttpWire`.
"""

from __future__ import annotations

from abc import abstractmethod
from io import BytesIO
from typing import NoReturn

from thrift.transport.TTransport import CReadableTransport, TTransportBase


class MessageTransport(TTransportBase, CReadableTransport):  # type: ignore[misc]  # thrift has no types
    """A transport whose messages can be cut."""

    def __init__(self) -> None:
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

    # -- what the coordinator asks of it ---------------------------------------------------------

    @abstractmethod
    def begin_message(self) -> None:
        """Forget the message before; wait for the next."""

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

    @abstractmethod
    def end(self, how: str) -> NoReturn:
        """Cut the connection: *how* is ``"fin"`` (end of file) or ``"rst"`` (reset)."""

    def _begin(self, buffered: bytes) -> None:
        """Begin a message of which *buffered* has arrived."""
        self._cut_request = self._cut_response = None
        self._inbox = BytesIO(buffered)
        self._received = len(buffered)

    def _receive(self, wanted: int) -> bytes:
        """Receive at least one byte of the message."""
        self._check_request()
        data = self._receive_payload(wanted)
        self._received += len(data)
        self._check_request()
        return data

    def _check_request(self) -> None:
        if self._cut_request is not None and self._received >= self._cut_request[0]:
            self.end(self._cut_request[1])

    @abstractmethod
    def _receive_payload(self, wanted: int) -> bytes:
        """Receive at least one byte; *wanted* of them would be welcome."""

    @abstractmethod
    def _send(self, payload: bytes, size: int | None = None) -> None:
        """Send the answer *payload*, or the first *size* bytes of it."""
