"""
One answer of HTTP, as it comes: a head, and a body that ends where the head says.

Not the standard library's: its frames would show cookies to whoever reports an error with the
variables of its traceback, and it takes longer for the head than the local server for the query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from thrift.protocol.TProtocol import TProtocolException
from thrift.transport.TTransport import TTransportException

_PIECE = 2**16  # bytes to ask for at once
_LONGEST_HEAD = 2**16  # bytes
_LONGEST_LINE = 2**10  # bytes, of the line before a chunk
_STATUS = re.compile(rb"HTTP/1\.(\d) (\d{3})(?: (.*))?")
_BODILESS = (204, 304)
_CONTINUE = 200  # what is below announces another answer
_MOST_CONTINUES = 16


class ReceiveBuffer:
    """
    Bytes from a connection, taken by lines or by count.

    Attributes:
        held: What has come and was not taken yet.
    """

    def __init__(self, receive: Callable[[int], bytes], announced: Callable[[], object] = int):
        """
        Args:
            receive: Waits for up to so many bytes.
            announced: Is called when another answer was announced, and nothing of it is here yet.
        """
        self._receive = receive
        self.announced = announced
        self.held = b""

    def some(self, most: int) -> bytes:
        """At least one byte, at most *most*."""
        if not self.held:
            self.held = self._receive(_PIECE)
        if len(self.held) <= most:
            got, self.held = self.held, b""
        else:
            got, self.held = self.held[:most], self.held[most:]
        return got

    def until(self, end: bytes, most: int, begin: bytes = b"") -> bytes:
        """All up to *end*, which is taken as well; it must start with *begin*."""
        while (at := self.held.find(end)) < 0 and len(self.held) <= most:
            self.held += self._receive(_PIECE)
            if not self.held.startswith(begin[: len(self.held)]):
                raise _wrong(f"no HTTP answer: it begins with {self.held[:40]!r}")
        if not 0 <= at <= most:
            raise _wrong(f"no HTTP answer: {most} bytes came, and no end of its head")
        got, self.held = self.held[:at], self.held[at + len(end) :]
        return got


class Response:
    """
    One answer.

    Attributes:
        status, reason: Of its first line.
        headers: As they came, by name and value.
    """

    def __init__(self, buffer: ReceiveBuffer):
        """
        Wait for the head.

        Raises:
            TProtocolException: What came is no HTTP.
            TTransportException: The connection failed.
        """
        self._buffer = buffer
        self.status = 0
        for _ in range(_MOST_CONTINUES):
            head = buffer.until(b"\r\n\r\n", _LONGEST_HEAD, b"HTTP/1.").decode("latin-1")
            first, *rest = head.split("\r\n")
            minor, self.status, self.reason = _first(first.encode("latin-1"))
            if self.status >= _CONTINUE:
                break
            if not buffer.held:
                buffer.announced()
        else:
            raise _wrong(f"no HTTP answer: it was announced {_MOST_CONTINUES} times")
        pairs = (line.partition(":") for line in rest)
        self.headers = [(name.strip(), value.strip()) for name, _, value in pairs]
        self._last = {name.lower(): value for name, value in self.headers}
        words = self.header("connection").lower()
        self._kept_alive = "close" not in words and (minor > 0 or "keep-alive" in words)
        self._chunked = self.header("transfer-encoding").lower().endswith("chunked")
        self._left = self._length()

    def header(self, name: str) -> str:
        """The value of the last header with that *name*, in lower case; empty without one."""
        return self._last.get(name, "")

    def all(self, name: str) -> Iterator[str]:
        """The values of the headers with that *name*, which is in lower case."""
        return (value for known, value in self.headers if known.lower() == name)

    def read(self, most: int) -> bytes:
        """Up to *most* bytes of the body; none at its end."""
        if self._chunked and self._left == 0:
            self._left = self._next_chunk()
        if self._left is None:
            return self._to_the_end(most)
        if not self._left:
            return b""
        got = self._buffer.some(min(most, self._left))
        self._left -= len(got)
        if self._chunked and not self._left:
            self._buffer.until(b"\r\n", _LONGEST_LINE)
        return got

    @property
    def bounded(self) -> bool:
        """Does the body end before the connection does?"""
        return self._left is not None

    @property
    def whole(self) -> bool:
        """Has all of it come, as far as that is known without a look?"""
        return self._left == 0 and not self._chunked

    def over(self) -> bool:
        """Was all of the body read, and may another request follow on the connection?"""
        return self.bounded and self._kept_alive and not self.read(1)

    def _length(self) -> int | None:
        """Of what comes first; None: up to the end of the connection."""
        length = self.header("content-length")
        if self.status in _BODILESS or self._chunked:
            return 0
        if not length:
            return None
        if not re.fullmatch(r"\d{1,18}", length):
            raise _wrong(f"no HTTP answer: a Content-Length of {length[:40]!r}")
        return int(length)

    def _next_chunk(self) -> int:
        line = self._buffer.until(b"\r\n", _LONGEST_LINE)
        size = re.match(rb"[0-9a-fA-F]{1,15}(?=\s*(?:;|$))", line)
        if not size:
            raise _wrong(f"no HTTP answer: a chunk begins with {line[:40]!r}")
        length = int(size[0], 16)
        if not length:
            self._chunked = False
            left = _LONGEST_HEAD
            while line := self._buffer.until(b"\r\n", left):  # trailers say nothing to us
                left = max(0, left - len(line))
        return length

    def _to_the_end(self, most: int) -> bytes:
        try:
            return self._buffer.some(most)
        except TTransportException as error:
            if error.type != TTransportException.END_OF_FILE:
                raise
            return b""


def _first(line: bytes) -> tuple[int, int, str]:
    """What the first line says: the version after ``1.``, the status and the reason."""
    parts = _STATUS.fullmatch(line)
    if not parts:
        raise _wrong(f"no HTTP answer: it begins with {line[:40]!r}")
    return int(parts[1]), int(parts[2]), (parts[3] or b"").decode("latin-1").strip()


def _wrong(text: str) -> TProtocolException:
    return TProtocolException(TProtocolException.INVALID_DATA, text)
