"""
A protocol that knows its replies, and a client that dies at the first sign of trouble.

impyla leaves late replies in the stream after a time-out, and takes any reply for the answer.  So:
a call that ended in anything but a clean reply breaks the client for good, and each reply must
carry the name and the number of its call.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from impala._thrift_gen.ImpalaService.ImpalaHiveServer2Service import Client as ThriftClient
from impala._thrift_gen.TCLIService.ttypes import (
    TFetchResultsResp,
    TOpenSessionReq,
    TOpenSessionResp,
)
from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TApplicationException, TMessageType

from impala_ha import errors
from impala_ha.core import forks
from impala_ha.core.coroutine import Coroutine
from impala_ha.core.exclusive import fork_error
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.core.interruption import is_interrupt
from impala_ha.net.http_status import HTTPStatusError

from .phases import BEGINNING, before, during
from .protocol import BinaryProtocol
from .reply import Reply, checked
from .row_set import read_results

if TYPE_CHECKING:
    from impala_ha.net.http_transport import HttpTransport
    from impala_ha.net.sockets import Socket

FEW = 1024  # rows; for fewer the heads of the columns cost more than reading by column saves

CloseSessions = Callable[[float], None]  # gets the seconds that it may take

Transport: TypeAlias = "Socket | HttpTransport"


class ConnectionClosed(ConnectionAbortedError):
    """Why a connection that was closed on purpose cannot be used."""


class Client(ThriftClient):  # type: ignore[misc]  # thrift is not typed
    """
    Thrift's client, for one connection and one thread at a time.

    Attributes:
        broken: Why it cannot be used any more, None while it can.
        phase: How far the last call had come.
        transport: What carries it.
        connections: How many it has had.
        calls: How many were begun.
        pipelined: Whether several calls may be sent before the first is answered.  Not over HTTP:
            Impala may let the second of two requests wait for half a minute.
        redact: Takes secrets out of a text.
    """

    def __init__(self, protocol: BinaryProtocol, transport: Transport):
        super().__init__(protocol)
        self._seqid = 0
        self.transport = transport
        self._process = forks.process_id
        self.broken: BaseException | None = None
        # A lock for what it does in a `with`: unlike code of ours, it is surely let go where a
        # signal handler raises at its beginning or end.
        self._call = threading.Lock()
        self._unfinished = False  # has the last call begun, and not ended?
        self.phase = Phase.OPEN
        self.pipelined = True
        self.connections = 1
        self.calls = 0
        self.redact: Callable[[str], str] = str
        self._oprot = protocol
        self._owed: deque[Reply] = deque()
        self._close_sessions: list[CloseSessions] = []
        self._finalizer: list[CloseSessions] = []

    def set_finalizer(self, close_sessions: CloseSessions) -> list[CloseSessions]:
        """
        What to call when nobody uses the client any more: *close_sessions*, or nothing once it is
        broken.

        Whoever waits for that holds the list and, through it, the client.  The traceback of what
        broke a client leads back to its users, who would then never be gone.
        """
        self._close_sessions = [close_sessions]
        self._finalizer[:] = self._close_sessions
        return self._finalizer

    @property
    def forked(self) -> bool:
        """Is this a copy in a child process, whose socket belongs to the parent?"""
        return self._process != forks.process_id

    @property
    def busy(self) -> bool:
        """Is a call under way?"""
        return self._call.locked()

    def _alone(self, name: str) -> threading.Lock:
        """Around one call of the method *name*, outside of `_Calling`."""
        if self.forked:
            raise fork_error(self._process)
        if self._call.locked():
            raise errors.InterfaceError(
                f"{name} was called in the middle of another call on the same connection, by a "
                "signal handler or another thread (threadsafety is 1)"
            )
        return self._call

    def check_interrupted(self) -> None:
        """Break the client if its last call was left in the middle, by a signal handler."""
        if self._unfinished and self.broken is None:
            self.invalidate(ConnectionAbortedError("interrupted in the middle of a call"))

    def flight(self, *calls: tuple[str, object]) -> list[Reply]:
        """
        Send *calls*, names and requests, at once; each reply is read when it is asked for.

        The server answers them in order, one after the other.  The next call reads what is left of
        them before its own reply.
        """
        first = calls[0][0]
        with self._alone(first), _Calling(self, first):
            wire, written = self._oprot.trans, _Written()
            self._oprot.trans = written
            try:
                replies = [Reply(self, name, self._send(name, what), what) for name, what in calls]
            finally:
                self._oprot.trans = wire
            self._owed.extend(replies)
            self._deliver(b"".join(written.pieces))
        return replies

    def receive(self, reply: Reply) -> None:
        """Read the replies of flights, in order, until *reply* has come."""
        with self._alone(reply.name), _Calling(self, reply.name, sent=True):
            while not reply.came:
                self._read_owed()

    def collect(self) -> None:
        """Read the replies that nobody has asked for, as far as they have come."""
        while self._owed and (self.transport.readable() or self._buffered()):
            self.receive(self._owed[0])

    def _buffered(self) -> bool:
        """Is something here that was read with what came before it?"""
        buffer = self._iprot.trans.cstringio_buf
        return bool(buffer.tell() < buffer.getbuffer().nbytes)

    @property
    def owed(self) -> bool:
        """Are replies of flights left that nobody has read?"""
        return bool(self._owed)

    def settle(self) -> None:
        """Read all replies of flights."""
        if self._owed:
            self.receive(self._owed[-1])

    @property
    def fetching(self) -> bool:
        """Are rows on their way that nobody has read?"""
        return any(reply.name == "FetchResults" for reply in self._owed)

    def call(self, name: str, request: object) -> Any:
        """Call the method *name*; thrift's methods lead here."""
        with self._alone(name), _Calling(self, name):
            number = self._send(name, request)
            self._read_all_owed()
            return self.read_reply(name, number, request)

    def opening_session(self, request: TOpenSessionReq) -> Coroutine[TOpenSessionResp]:
        """OpenSession, which can be left while it waits for the reply."""
        with self._alone("OpenSession"), _Calling(self, "OpenSession"):
            number = self._send("OpenSession", request)
            yield from self.transport.arriving()
            self._read_all_owed()
            return self.read_reply("OpenSession", number, request)

    def _send(self, name: str, request: object) -> int:
        """Write a call; its number."""
        self._seqid = (self._seqid + 1) % 2**31
        _SEND[name](self, request)
        return self._seqid

    def _deliver(self, calls: bytes) -> None:
        self._oprot.trans.write(calls)
        self._oprot.trans.flush()

    def _read_all_owed(self) -> None:
        while self._owed:
            self._read_owed()

    def _read_owed(self) -> None:
        self.transport.await_answer()
        self._owed[0].read()
        self._owed.popleft()

    def read_reply(self, name: str, number: int, request: Any) -> Any:
        """The next reply, which must be that to call *number*, of the method *name*."""
        self._iprot.expected = (name, number)
        if name == "FetchResults" and request.maxRows > FEW:
            return checked(name, self._read_by_column())
        return checked(name, _RECEIVE[name](self))

    def _begin(self, name: str, *, sent: bool) -> None:
        phase = during(name) if sent else before(name)
        self.check_interrupted()
        if self.broken is not None:
            raise CallFailed(phase, self.broken)
        self._unfinished = True
        self.calls += 1
        self.phase = phase
        self.transport.written = sent

    def _end(self, name: str, error: BaseException | None) -> None:
        try:
            if error is None:
                self.phase = during(name)
            else:
                self._failed(name, error)
        finally:
            self._ended()

    def _ended(self) -> None:
        self._unfinished = False
        if self.broken is not None:  # also where another thread hung up, and the reply had come
            self.transport.close()

    def _failed(self, name: str, error: BaseException) -> None:
        """Say how far it had come; only a clean reply leaves the client usable."""
        if self.broken is not None and not is_interrupt(error):
            error = self.broken  # another thread hung up
        if self.transport.written:
            self.phase = during(name)
            error = _as_thrift_tells(error)
        if (
            isinstance(error, TApplicationException)
            and error.type == TApplicationException.UNKNOWN_METHOD
        ):
            return  # impyla asks Hive for methods that only Impala has, and goes on
        if self.phase in BEGINNING and isinstance(error, HTTPStatusError) and error.clean:
            raise CallFailed(self.phase, error) from error
        self.invalidate(error)
        if isinstance(error, CallFailed):
            raise error
        if not is_interrupt(error):
            raise CallFailed(self.phase, error) from error
        if inner := getattr(error, "inner", None):
            raise inner  # thrift took the caller's time limit for its own

    def _read_by_column(self) -> TFetchResultsResp:
        """The reply to FetchResults where many rows were asked for."""
        _, kind, _ = self._iprot.readMessageBegin()
        if kind == TMessageType.EXCEPTION:
            error = TApplicationException()
            error.read(self._iprot)
            raise error
        response = read_results(self._iprot)
        if response is None:
            kind = TApplicationException.MISSING_RESULT
            raise TApplicationException(kind, "FetchResults failed: unknown result")
        return response

    def attach(self, protocol: BinaryProtocol, transport: Transport) -> None:
        """Go on with another connection, unless another thread has closed this one meanwhile."""
        if isinstance(self.broken, ConnectionClosed):
            transport.close()
            return
        self._iprot = self._oprot = protocol
        self.transport = transport
        self.broken = None
        self.connections += 1
        self._lose_replies()
        self._finalizer[:] = self._close_sessions

    def hang_up(self, why: BaseException) -> None:
        """End the call that another thread waits in, and let nothing more be sent."""
        self.broken = why
        if not self.forked:  # it would end the connection of the parent
            self.transport.hang_up()

    def invalidate(self, error: BaseException) -> None:
        """Close the socket; nothing can be sent on it any more, nor arrive late."""
        self.broken = error
        self._unfinished = False
        self._lose_replies()
        self._finalizer.clear()
        if isinstance(error, ConnectionClosed):
            self._close_sessions.clear()  # which lead back here
            self.transport.close()
        else:
            self.transport.abort()

    def _lose_replies(self) -> None:
        while self._owed:
            self._owed.popleft().lost = True


class _Written:
    """A transport that keeps what is written, to be sent with what follows."""

    __slots__ = ("pieces", "write")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.write = self.pieces.append

    def flush(self) -> None:
        """Send nothing yet."""


class _Calling:
    """
    Around one call of a method, or around reading its reply if it was *sent*.

    A class, for a generator costs more and each call pays for it.
    """

    __slots__ = ("_client", "_name", "_sent")

    def __init__(self, client: Client, name: str, *, sent: bool = False):
        self._client = client
        self._name = name
        self._sent = sent

    def __enter__(self) -> None:
        self._client._begin(self._name, sent=self._sent)  # noqa: SLF001

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._client._end(self._name, error)  # noqa: SLF001


def _as_thrift_tells(error: BaseException) -> BaseException:
    """Thrift's C part stumbles over a reply that is none; its slips say what thrift says of one."""
    if not isinstance(error, _SLIPS):
        return error
    text = str(error) or type(error).__name__
    told = TProtocolException(TProtocolException.INVALID_DATA, text)
    told.inner = error  # so that one of a signal handler is known for what it is
    told.__cause__ = error
    return told  # type: ignore[no-any-return]  # thrift is not typed


# A length below nothing or above all memory, an end in the head of a map, a name that is no text.
_SLIPS = (TypeError, ValueError, OverflowError, MemoryError, LookupError, AttributeError)


_METHODS = [name[5:] for name in dir(ThriftClient) if name.startswith("send_")]
_SEND = {name: getattr(ThriftClient, f"send_{name}") for name in _METHODS}
_RECEIVE = {name: getattr(ThriftClient, f"recv_{name}") for name in _METHODS}


def _method(name: str) -> Callable[[Client, object], object]:
    def method(self: Client, request: object) -> object:
        return self.call(name, request)

    method.__name__ = name
    return method


for _name in _METHODS:
    setattr(Client, _name, _method(_name))
