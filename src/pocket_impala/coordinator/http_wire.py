"""HTTP around the messages of one connection: what `wire.Wire` is for SASL's frames.

A request is a head and a body, the body is one Thrift message, and so is the body of the answer.
A connection is kept for the next request, and each request says anew who asks; only when somebody
is not let in, the answer ends the connection.  Bytes are counted in the body alone: the place of
a cut is the same over HTTP as over SASL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from thrift.transport.TTransport import TTransportException

from pocket_impala.coordinator.http_head import write_head
from pocket_impala.coordinator.http_stream import HttpStream
from pocket_impala.coordinator.login import HttpRefused
from pocket_impala.coordinator.messages import MessageTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from pocket_impala.coordinator.browsers import Browsers
    from pocket_impala.coordinator.faults import Faults
    from pocket_impala.coordinator.gateway import Answer, Gateway
    from pocket_impala.coordinator.http_head import Head, Headers
    from pocket_impala.coordinator.wire import Wire

# Thrift's version and kind, then the length of the name of the call.
_BEFORE_NAME = 8
_OK, _UNAUTHORIZED = 200, 401
_THRIFT = ("Content-Type", "application/x-thrift")
_PREFLIGHT = (
    ("Access-Control-Allow-Methods", "POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type"),
    ("Content-Length", "0"),
)


class HttpWire(MessageTransport):
    """A transport of one message a request.

    Args:
        wire: The connection below.
        faults: What is wrong with the coordinator.
        gateway: What stands before it.
        browsers: Which web pages may ask.
        admit: Lets a request in and returns headers for its answer, or raises `HttpRefused`.
    """

    def __init__(
        self,
        wire: Wire,
        faults: Faults,
        gateway: Gateway,
        browsers: Browsers,
        admit: Callable[[Head], Headers],
    ) -> None:
        super().__init__()
        self._wire = wire
        self._stream = HttpStream(wire)
        self._faults = faults
        self._gateway = gateway
        self._browsers = browsers
        self._admit = admit
        self._headers: Headers = ()
        self._instead: Answer | None = None

    def isOpen(self) -> bool:  # noqa: N802  # Thrift's name
        """Whether the socket is open on our side."""
        return self._wire.is_open

    def end(self, how: str) -> NoReturn:
        """Cut the connection: *how* is ``"fin"`` (end of file) or ``"rst"`` (reset)."""
        self._wire.end(how)

    def begin_message(self) -> None:
        """Wait for the next request that is to be done, and let it in."""
        while True:
            head = self._stream.next_head()
            self._begin(b"")
            self._instead = None
            # Before any word of ours: who is mute does not even say 401.
            self._faults.wait_while_mute()
            preflight = head.method == "OPTIONS"
            refusal = self._browsers.refusal(head.headers, preflight=preflight)
            if refusal is not None:
                self._refuse(refusal)
            if preflight:
                told = (*self._browsers.told(head.headers), *_PREFLIGHT)
                self._wire.send(write_head(_OK, told))
            elif not self._is_intercepted():
                self._let_in(head)
                return

    def _let_in(self, head: Head) -> None:
        try:
            self._headers = (*self._admit(head), *self._browsers.told(head.headers))
        except HttpRefused as refusal:
            self._refuse(_UNAUTHORIZED, refusal.headers)
        self._stream.say_continue()

    def _refuse(self, status: int, headers: Headers = ()) -> NoReturn:
        self._wire.send(write_head(status, [("Connection", "close"), *headers]))
        self._wire.finish()

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
        self._begin(data)
        end = _BEFORE_NAME + int.from_bytes(data[4:_BEFORE_NAME], "big")
        return data[_BEFORE_NAME:end].decode(errors="replace")

    def _receive_payload(self, wanted: int) -> bytes:  # noqa: ARG002  # all there is will do
        data = self._stream.body()
        if not data:
            raise TTransportException(TTransportException.END_OF_FILE, "the body ends too early")
        return data

    def _send(self, payload: bytes, size: int | None = None) -> None:
        if self._instead is not None:
            self._answer(self._instead)
        elif size != 0:
            length = ("Content-Length", str(len(payload)))
            headers = (_THRIFT, length, ("Connection", "Keep-Alive"), *self._headers)
            self._wire.send(write_head(_OK, headers) + payload[:size])

    def _answer(self, answer: Answer) -> None:
        length = ("Content-Length", str(len(answer.body)))
        self._wire.send(write_head(answer.status, (*answer.headers, length)) + answer.body)
