"""
HiveServer2 over HTTP, on one connection that is kept alive.

Each request is one POST.  Sessions are not bound to connections here, so a connection that the
server has ended meanwhile is opened anew without a word, before a request; but once a byte of a
request may have left it is not sent again, unless the answer says that nobody looked into it: 401,
which gets one more request, with another login where there is one.

Where the server must prove who it is (Kerberos), a request about nothing goes first: it carries the
login, and only after the proof in its answer is anything said.  The cookie stands for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from thrift.protocol.TProtocol import TProtocolException
from thrift.transport.TTransport import TTransportBase, TTransportException

from impala_ha.core import logs
from impala_ha.core.clock import Clock
from impala_ha.core.interruption import is_interrupt, suppress

from .cookies import Jar
from .http_request import Target
from .http_response import Answer, Inbox
from .http_status import Refused, seconds_ahead, seconds_until, told_headers
from .sockets import Socket

_LONGEST_PAGE = 2**16  # bytes of an error page that are read
_BRIEFLY = 0.2  # seconds in which what nobody needs must have come, to be read
_FRESH = 1.0  # seconds in which nobody ends a connection for being idle
_OK, _NOT_OK, _WHO_ARE_YOU, _CONFUSED = 200, 300, 401, 500

#: A call of Thrift that no server has, without arguments: each answers, and none does anything.
ABOUT_NOTHING = b"\x80\1\0\1" + b"\0\0\0\5Hello" + b"\0\0\0\0" + b"\0"


class Login(Protocol):
    """How a client says who it is, and whether the server must as well: see `auth.http_auth`."""

    mutual: bool
    untried: bool

    def header(self, *, known: bool) -> str:
        """The value of the Authorization header; *known*: a cookie stands for a login already."""

    def renew(self) -> bool:
        """Get something else to show after a refusal; is there anything?"""

    def answered(self, status: int) -> None:
        """Take note of the HTTP *status* of the answer to the last header."""

    def broke(self, error: BaseException, gone: Callable[[], bool]) -> None:
        """Take note that there was none; *gone*: did the header not leave, or nobody get it?"""

    def verify(self, said: Iterable[str]) -> None:
        """See that the server has proven who it is, by the WWW-Authenticate headers."""


def _of_the_socket(name: str) -> property:
    return property(
        lambda self: getattr(self._socket, name),
        lambda self, value: setattr(self._socket, name, value),
    )


class Http(TTransportBase):  # type: ignore[misc]  # thrift is not typed
    """
    A transport of Thrift, and the wire of a `Client`.

    Attributes:
        deadline, written, watch, silence, stall: As `Socket` has them, which carries it.
    """

    deadline = _of_the_socket("deadline")
    written = _of_the_socket("written")
    watch = _of_the_socket("watch")
    silence = _of_the_socket("silence")
    stall = _of_the_socket("stall")
    peer = _of_the_socket("peer")

    def __init__(
        self, socket: Socket, target: Target, who: tuple[Login, Jar], clock: Clock, patience: float
    ):
        """
        Args:
            socket: Not open yet.
            target: Where requests go.
            who: Who we are, and the coordinator's cookies.
            clock: For the age of cookies.
            patience: Seconds for connecting anew.
        """
        self._socket = socket
        self._target = target
        self._login, self._jar = who
        self._clock = clock
        self._patience = patience
        self._out: list[bytes] = []
        self._inbox = Inbox(socket.read, socket.await_answer)
        self._answer: Answer | None = None
        self._heard = float("-inf")
        self._proven = False
        self._used = False

    def limit(self, seconds: float) -> None:
        """Let all that happens from now on take *seconds* together, until `disarm`."""
        self._socket.limit(seconds)

    def disarm(self) -> None:
        """End the deadline."""
        self._socket.disarm()

    def stale(self) -> str:
        """
        Empty: a connection that ended is opened anew before the next request.

        That it ended is found out here, where it is asked before each statement, and after a
        while without requests; not before each of those that follow each other.
        """
        self._heard = float("-inf")
        return ""

    def isOpen(self) -> bool:  # noqa: N802 - thrift's name
        """Say yes, always: impyla re-opens a transport that says no."""
        return True

    def open(self) -> None:
        """Connect."""
        self._inbox.held = b""
        self._answer = None
        self._proven = self._used = False
        self._socket.open()

    def close(self) -> None:
        """Close without a word."""
        self._socket.close()

    def hang_up(self) -> None:
        """End what another thread waits for here."""
        self._socket.hang_up()

    def abort(self) -> None:
        """Close with a reset."""
        self._socket.abort()

    def write(self, buffer: bytes) -> None:
        """Keep *buffer* for the request."""
        self._out.append(buffer)

    def read(self, size: int) -> bytes:
        """Up to *size* bytes of the answer; none at its end."""
        return b"" if self._answer is None else self._answer.read(size)

    def readAll(self, size: int) -> bytes:  # noqa: N802 - thrift's name
        """Exactly *size* bytes."""
        pieces: list[bytes] = []
        while size > 0:
            pieces.append(self.read(size))
            if not pieces[-1]:
                raise EOFError("the HTTP answer ended before Thrift's")
            size -= len(pieces[-1])
        return b"".join(pieces)

    def flush(self) -> None:
        """
        Send the request and wait for the head of the answer.

        Raises:
            Refused: The answer is none of HiveServer2's.
        """
        body = b"".join(self._out)
        self._out.clear()
        answer = self._ask(body)
        if answer.status == _WHO_ARE_YOU and self._may_come_again():
            self._answer = answer
            self.written = False  # it was turned away, and nobody has looked into it
            answer = self._ask(body)
        self._jar.keep(answer.all("set-cookie"), self._clock.now())
        if answer.status == _CONFUSED:
            self._jar.clear()  # HiveServer2 says so to a cookie that it signed in a former life
        self._answer = answer
        if not _answers(answer):
            raise _refused(answer, self._page(answer), self._target.url)

    def _may_come_again(self) -> bool:
        dropped = self._jar.clear()
        return self._login.renew() or dropped

    def _ask(self, body: bytes) -> Answer:
        self._ready()
        if self._login.mutual and not (self._proven or self._jar.logs_in(self._clock.now())):
            try:
                with self._in_time():
                    self._introduce()
            finally:
                self.written = False  # nothing of the call, so far
        return self._exchange(body)

    def _introduce(self) -> None:
        """Log in, and go on only if the server proves who it is."""
        answer = self._exchange(ABOUT_NOTHING)
        if answer.status == _WHO_ARE_YOU and self._login.renew():
            self._answer = answer
            self._ready()
            answer = self._exchange(ABOUT_NOTHING)
        if not _answers(answer):
            raise _refused(answer, self._page(answer), self._target.url)
        self._login.verify(answer.all("www-authenticate"))
        self._jar.keep(answer.all("set-cookie"), self._clock.now())
        self._proven = True
        if answer.bounded:
            self._page(answer)
        self._answer = answer
        self._ready()

    def _exchange(self, body: bytes) -> Answer:
        try:
            answer = self._sent(body)
        except BaseException as error:
            self._login.broke(error, lambda: not self.written or self._socket.is_gone())
            raise
        self._login.answered(answer.status)
        return answer

    def _sent(self, body: bytes) -> Answer:
        # A view, for tracebacks may be shown with the variables of each frame.
        request = memoryview(self._request(body))
        if self._used and self._login.untried:
            # A connection that has ended meanwhile would be held against what is new.
            self._socket.close()
            with self._in_time():
                self.open()
        self._used = True
        try:
            self._socket.write(request)  # type: ignore[arg-type]
        except TTransportException as error:
            if is_interrupt(error) or error.type == TTransportException.TIMED_OUT:
                raise
            answer = None
            with suppress(Exception), self._briefly():
                answer = self._head()  # who refuses need not read a long request to its end
            if answer is None or answer.status < _NOT_OK:
                raise
            return answer
        answer = self._head()
        self._heard = self._clock.now()
        return answer

    def _head(self) -> Answer:
        """The next answer, once its head has come."""
        self._socket.small = True
        try:
            return Answer(self._inbox)
        finally:
            self._socket.small = False

    def _page(self, answer: Answer) -> bytes:
        """The beginning of what nobody needs, as far as it is there."""
        body = b""
        with suppress(Exception), self._briefly():
            while len(body) < _LONGEST_PAGE and (more := answer.read(_LONGEST_PAGE)):
                body += more
        return body

    def _over(self, answer: Answer) -> bool:
        """Is *answer* at its end, so that another may follow?"""
        if answer.whole:
            return answer.over()
        if answer.bounded and answer.status >= _NOT_OK:
            self._page(answer)
        try:
            with self._briefly():
                return answer.over()
        except (TTransportException, TProtocolException):
            return False

    @contextmanager
    def _briefly(self) -> Iterator[None]:
        """In here nobody is waited for: what is read matters little."""
        before, end = self.deadline, self._clock.now() + _BRIEFLY
        self.deadline = end if before is None else min(before, end)
        try:
            yield
        finally:
            self.deadline = before

    def _ready(self) -> None:
        """Have a connection on which nothing is under way."""
        answer, self._answer = self._answer, None
        why = "" if answer is None or self._over(answer) else "the answer was the last one there"
        if self._inbox.held:
            why = "something came that nobody waits for"
        if self._socket.handle is None or self._clock.now() - self._heard > _FRESH:
            why = why or self._socket.stale()
        if not why:
            return
        logs.debug("connecting to %s anew: %s", self._target.url, why)
        self._socket.close()
        with self._in_time():
            self.open()

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """In here there is a deadline, if there was none before."""
        if self.deadline is not None:
            yield
            return
        self.limit(self._patience)
        try:
            yield
        finally:
            self.disarm()

    def _request(self, body: bytes) -> bytes:
        headers = self._target.headers(len(body))  # calls what the user gave: before the secrets
        now = self._clock.now()
        login = self._login.header(known=self._jar.logs_in(now))
        if self._login.untried and self.deadline is not None:
            self.deadline += self._clock.now() - now  # or the end of a long wait would tell on it
        return self._target.head(headers, login, self._jar.header(now)) + body


def _refused(answer: Answer, page: bytes, url: str) -> Refused:
    """The error for an *answer* that is none, with the beginning of its *page*."""
    now, headers = time.time(), told_headers(answer.headers)
    wait = seconds_until(answer.header("retry-after"), now)
    error = Refused(answer.status, _reason(answer), page, headers, url, wait)
    error.ahead = seconds_ahead(answer.header("date"), now)
    return error


def _answers(answer: Answer) -> bool:
    """Is *answer* what HiveServer2 sends, and not the page of a gateway?"""
    page = answer.header("content-type").lower().startswith("text/")
    return _OK <= answer.status < _NOT_OK and not page


def _reason(answer: Answer) -> str:
    if answer.status >= _NOT_OK:
        return answer.reason
    return f"{answer.reason}, with a page ({answer.header('content-type')[:40]})"
