"""HTTP around the messages of one connection: what `wire.Wire` is for SASL's frames.

A request is a head and a body, the body is one Thrift message, and so is the body of the answer.
A connection is kept for the next request, and each request says anew who asks; only when somebody
is not let in, the answer ends the connection.  Bytes are counted in the body alone: the place of
a cut is the same over HTTP as over SASL.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, NoReturn

from thrift.transport.TTransport import CReadableTransport, TTransportBase, TTransportException

from impala_ha.testing._impalad.http_head import write_head
from impala_ha.testing._impalad.http_stream import HttpStream
from impala_ha.testing._impalad.login import NotLetIn

if TYPE_CHECKING:
    from collections.abc import Callable

    from impala_ha.testing._impalad.faults import Faults
    from impala_ha.testing._impalad.gateway import Answer, Gateway
    from impala_ha.testing._impalad.http_head import Head, Headers
    from impala_ha.testing._impalad.wire import Wire

# Thrift's version and kind, then the length of the name of the call.
_BEFORE_NAME = 8
_OK, _UNAUTHORIZED = 200, 401
_THRIFT = ("Content-Type", "application/x-thrift")
_ANY_ORIGIN = ("Access-Control-Allow-Origin", "*")
_PREFLIGHT = (
    _ANY_ORIGIN,
    ("Access-Control-Allow-Methods", "POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type"),
)


class HttpWire(TTransportBase, CReadableTransport):  # type: ignore[misc]  # thrift has no types
    """A transport of one Thrift message a request.

    Args:
        wire: The connection below.
        faults: What is wrong with the coordinator.
        gateway: What stands before it.
        admit: Lets a request in and returns headers for its answer, or raises `NotLetIn`.
    """

    def __init__(
        self, wire: Wire, faults: Faults, gateway: Gateway, admit: Callable[[Head], Headers]
    ) -> None:
        self._wire = wire
        self._stream = HttpStream(wire)
        self._faults = faults
        self._gateway = gateway
        self._admit = admit
        self._inbox = BytesIO()
        self._outbox: list[bytes] = []
        self._received = 0
        self._headers: Headers = ()
        self._instead: Answer | None = None
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
            chunks.append(self._receive())
            missing -= len(chunks[-1])
        self._inbox = BytesIO(b"".join(chunks))
        return self._inbox

    def read(self, sz: int) -> bytes:
        """Read up to *sz* bytes: what is buffered, else what arrives next."""
        data = self._inbox.read(sz)
        if not data:
            self._inbox = BytesIO(self._receive())
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
        if self._instead is not None:
            self._answer(self._instead)
        else:
            self._send(payload, len(payload))

    def isOpen(self) -> bool:  # noqa: N802  # Thrift's name
        """Whether the socket is open on our side."""
        return self._wire.isOpen()

    # -- what the coordinator asks of it ---------------------------------------------------------

    def begin_message(self) -> None:
        """Wait for the next request that is to be done, and let it in."""
        while True:
            self._cut_request = self._cut_response = self._instead = None
            head = self._stream.next_head()
            self._inbox, self._received = BytesIO(), 0
            # Before any word of ours: who is mute does not even say 401.
            self._faults.wait_while_mute()
            if head.method == "OPTIONS":
                self._wire.send(write_head(_OK, _PREFLIGHT))
            elif not self._is_intercepted():
                self._let_in(head)
                return

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

    def end(self, how: str) -> NoReturn:
        """Cut the connection: *how* is ``"fin"`` (end of file) or ``"rst"`` (reset)."""
        self._wire.end(how)

    def _let_in(self, head: Head) -> None:
        try:
            self._headers = self._admit(head)
        except NotLetIn as refusal:
            self._wire.send(write_head(_UNAUTHORIZED, [("Connection", "close"), *refusal.headers]))
            self._wire.finish()
        self._stream.say_continue()

    def _is_intercepted(self) -> bool:
        """Whether a gateway has answered this request in the coordinator's place."""
        answer = self._gateway.take(None)
        if answer is None and self._gateway.waits_for_a_call():
            self._stream.say_continue()
            answer = self._gateway.take(self._peek_call())
        if answer is None:
            return False
        if answer.ran:
            self._instead = answer
            return False
        self._stream.say_continue()
        while self._stream.body():
            pass
        self._answer(answer)
        return True

    def _peek_call(self) -> str:
        data = b""
        while len(data) < _BEFORE_NAME + int.from_bytes(data[4:_BEFORE_NAME], "big"):
            more = self._stream.body()
            if not more:
                break
            data += more
        self._inbox, self._received = BytesIO(data), len(data)
        end = _BEFORE_NAME + int.from_bytes(data[4:_BEFORE_NAME], "big")
        return data[_BEFORE_NAME:end].decode(errors="replace")

    def _receive(self) -> bytes:
        """Receive at least one byte of the body."""
        self._check_request()
        data: bytes = self._stream.body()
        if not data:
            raise TTransportException(TTransportException.END_OF_FILE, "the body ends too early")
        self._received += len(data)
        self._check_request()
        return data

    def _check_request(self) -> None:
        if self._cut_request is not None and self._received >= self._cut_request[0]:
            self.end(self._cut_request[1])

    def _send(self, payload: bytes, size: int) -> None:
        if not size:
            return
        length = ("Content-Length", str(len(payload)))
        headers = (_ANY_ORIGIN, _THRIFT, length, ("Connection", "Keep-Alive"), *self._headers)
        self._wire.send(write_head(_OK, headers) + payload[:size])

    def _answer(self, answer: Answer) -> None:
        length = ("Content-Length", str(len(answer.body)))
        self._wire.send(write_head(answer.status, (*answer.headers, length)) + answer.body)
