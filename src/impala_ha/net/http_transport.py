"""
HiveServer2 over HTTP, on one connection that is kept alive.

Each request is one POST.  Sessions are not bound to connections here, so a connection that the
server has ended meanwhile is opened anew before a request; but once a byte of a
request may have left it is not sent again, unless the answer says that nobody looked into it: 401,
which gets one more request, with another login where there is one.

Where the server must prove who it is (Kerberos), a request about nothing goes first: it carries the
login, and only after the proof in its answer is anything said.  The cookie stands for both.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from thrift.protocol.TProtocol import TProtocolException
from thrift.transport.TTransport import TTransportBase, TTransportException

from impala_ha.core import logs
from impala_ha.core.clock import Clock
from impala_ha.core.coroutine import Coroutine
from impala_ha.core.interruption import is_interrupt, suppress

from .cookies import CookieJar
from .http_request import Auth, RequestIds, Target
from .http_response import ReceiveBuffer, Response
from .http_status import HTTPStatusError, public_headers, seconds_ahead, seconds_until
from .sockets import Socket

_LONGEST_PAGE = 2**16  # bytes of an error page that are read
_BRIEFLY = 0.2  # seconds in which what nobody needs must have come, to be read
_FRESH = 1.0  # seconds in which nobody ends a connection for being idle
_OK, _NOT_OK, _WHO_ARE_YOU, _CONFUSED = 200, 300, 401, 500

#: A call of Thrift that no server has, without arguments: each answers, and none does anything.
ABOUT_NOTHING = b"\x80\1\0\1" + b"\0\0\0\5Hello" + b"\0\0\0\0" + b"\0"


def _of_the_socket(name: str) -> property:
    return property(
        lambda self: getattr(self._socket, name),
        lambda self, value: setattr(self._socket, name, value),
    )


class HttpTransport(TTransportBase):  # type: ignore[misc]  # thrift is not typed
    """
    A transport of Thrift over HTTP.

    Attributes:
        deadline, written, probe, probe_after, stall_timeout, peer: As `Socket` has them, and its
            methods `set_deadline` and `clear_deadline`.
        name_requests: Gets the name of the requests that follow.
    """

    deadline = _of_the_socket("deadline")
    written = _of_the_socket("written")
    probe = _of_the_socket("probe")
    probe_after = _of_the_socket("probe_after")
    stall_timeout = _of_the_socket("stall_timeout")
    peer = _of_the_socket("peer")
    set_deadline = _of_the_socket("set_deadline")
    clear_deadline = _of_the_socket("clear_deadline")

    def __init__(
        self,
        socket: Socket,
        target: Target,
        who: tuple[Auth, CookieJar],
        clock: Clock,
        connect_timeout: float,
    ):
        """
        Args:
            socket: Not open yet.
            target: Where requests go.
            who: Who we are, and the coordinator's cookies.
            clock: For cookies.
            connect_timeout: Seconds for connecting anew.
        """
        self._socket = socket
        self._target = target
        self._auth, self._cookies = who
        self._clock = clock
        self._connect_timeout = connect_timeout
        self._out: list[bytes] = []
        self._buffer = ReceiveBuffer(socket.read, socket.await_answer)
        self._response: Response | None = None
        self._heard = float("-inf")
        self._proven = False
        self._used = False
        self._ids = RequestIds()
        self.name_requests = self._ids.name

    def dropped(self) -> str:
        """
        Empty: a connection that ended is opened anew before the next request.

        Whether it ended is looked at after this call, which comes before each statement, and
        after a while without requests.
        """
        self._heard = float("-inf")
        return ""

    def isOpen(self) -> bool:
        """Say yes, always: impyla re-opens a transport that says no."""
        return True

    def open(self) -> None:
        """Connect."""
        self._buffer.held, self._response = b"", None
        self._proven = self._used = False
        self._socket.open()

    def arriving(self) -> Coroutine[None]:
        """Waits for nothing: `flush` has."""
        yield from ()

    def close(self) -> None:
        """Close the socket."""
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
        return b"" if self._response is None else self._response.read(size)

    def readAll(self, size: int) -> bytes:
        """Exactly *size* bytes."""
        pieces: list[bytes] = []
        while size > 0:
            pieces.append(self.read(size))
            if not pieces[-1]:
                raise EOFError("the HTTP answer ended before Thrift's")
            size -= len(pieces[-1])
        return b"".join(pieces)

    def flush(self) -> None:
        """Send the request and wait for the head; raise `HTTPStatusError` for another's answer."""
        body = b"".join(self._out)
        self._out.clear()
        response = self._ask(body)
        if response.status == _WHO_ARE_YOU and self._may_come_again():
            self._response = response
            self.written = False  # it was turned away, and nobody has looked into it
            response = self._ask(body)
        self._cookies.keep(response.all("set-cookie"), self._clock.now())
        if response.status == _CONFUSED:
            self._cookies.clear()  # HiveServer2 says so to a cookie that it signed in a former life
        self._response = response
        if not _is_from_hs2(response):
            raise _status_error(response, self._page(response), self._target.url)

    def _may_come_again(self) -> bool:
        dropped = self._cookies.clear()
        return self._auth.renew() or dropped

    def _ask(self, body: bytes) -> Response:
        self._ready()
        if self._auth.mutual and not (self._proven or self._cookies.logs_in(self._clock.now())):
            try:
                with self._in_time():
                    self._introduce()
            finally:
                self.written = False  # nothing of the call, so far
        return self._exchange(body)

    def _introduce(self) -> None:
        """Log in, and go on only if the server proves who it is."""
        response = self._exchange(ABOUT_NOTHING)
        if response.status == _WHO_ARE_YOU and self._auth.renew():
            self._response = response
            self._ready()
            response = self._exchange(ABOUT_NOTHING)
        if not _is_from_hs2(response):
            raise _status_error(response, self._page(response), self._target.url)
        self._auth.verify(response.all("www-authenticate"))
        self._cookies.keep(response.all("set-cookie"), self._clock.now())
        self._proven = True
        if response.bounded:
            self._page(response)
        self._response = response
        self._ready()

    def _exchange(self, body: bytes) -> Response:
        try:
            response = self._sent(body)
        except BaseException as error:
            self._auth.failed(error, lambda: not self.written or self._socket.is_gone())
            raise
        self._auth.answered(response.status)
        return response

    def _sent(self, body: bytes) -> Response:
        # A view, for tracebacks may be shown with the variables of each frame.
        request = memoryview(self._request(body))
        if self._used and self._auth.unverified:
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
            response = None
            with suppress(Exception), self._briefly():
                response = self._head()  # who refuses need not read a long request to its end
            if response is None or response.status < _NOT_OK:
                raise
            return response
        response = self._head()
        self._heard = self._clock.now()
        return response

    def _head(self) -> Response:
        """The next answer, once its head has come."""
        self._socket.small = True
        try:
            return Response(self._buffer)
        finally:
            self._socket.small = False

    def _page(self, response: Response) -> bytes:
        """The beginning of what nobody needs, as far as it is there."""
        body = b""
        with suppress(Exception), self._briefly():
            while len(body) < _LONGEST_PAGE and (more := response.read(_LONGEST_PAGE)):
                body += more
        return body

    def _over(self, response: Response) -> bool:
        """Is *response* at its end, so that another may follow?"""
        if response.whole:
            return response.over()
        if response.bounded and response.status >= _NOT_OK:
            self._page(response)
        with suppress(TTransportException, TProtocolException), self._briefly():
            return response.over()
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
        response, self._response, why = self._response, None, ""
        if not (response is None or self._over(response)):
            why = "the answer was the last one there"
        if self._buffer.held:
            why = "something came that nobody waits for"
        if self._socket.handle is None or self._clock.now() - self._heard > _FRESH:
            why = why or self._socket.dropped()
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
        self.set_deadline(self._connect_timeout)
        try:
            yield
        finally:
            self.clear_deadline()

    def _request(self, body: bytes) -> bytes:
        # Calls what the user gave, before the secrets.
        headers = self._target.headers(len(body), self._ids.next())
        now = self._clock.now()
        auth = self._auth.header(known=self._cookies.logs_in(now))
        if self._auth.unverified and self.deadline is not None:
            self.deadline += self._clock.now() - now  # or the end of a long wait would tell on it
        return self._target.head(headers, auth, self._cookies.header(now)) + body


def _status_error(response: Response, page: bytes, url: str) -> HTTPStatusError:
    """The error for a *response* that is no answer, with the beginning of its *page*."""
    now, headers = time.time(), public_headers(response.headers)
    wait = seconds_until(response.header("retry-after"), now)
    error = HTTPStatusError(response.status, _reason(response), page, headers, url, wait)
    error.ahead = seconds_ahead(response.header("date"), now)
    return error


def _is_from_hs2(response: Response) -> bool:
    """Is *response* what HiveServer2 sends, and not the page of a gateway?"""
    page = response.header("content-type").lower().startswith("text/")
    return _OK <= response.status < _NOT_OK and not page


def _reason(response: Response) -> str:
    if response.status >= _NOT_OK:
        return response.reason
    return f"{response.reason}, with a page ({response.header('content-type')[:40]})"
