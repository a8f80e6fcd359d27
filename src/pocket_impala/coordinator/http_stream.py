"""The bytes of one HTTP connection: heads and bodies, one after the other.

A body has the length that its head says, or comes in chunks.  Nobody needs to read a body to its
end: what is left of it is passed over before the next head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thrift.transport.TTransport import TTransportException

from pocket_impala.coordinator.http_head import BadHead, parse_head

if TYPE_CHECKING:
    from pocket_impala.coordinator.http_head import Head
    from pocket_impala.coordinator.wire import Wire

_CHUNK = 1 << 16
_LONGEST_HEAD = 1 << 20
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HttpStream:
    """Reads requests from a connection.

    Args:
        wire: The connection.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._buffer = b""
        self._left = 0
        self._chunked = False
        self._must_say_continue = False

    def next_head(self) -> Head:
        """Wait for the next request and read its head.

        Raises:
            TTransportException: The client is gone, or speaks something else.
        """
        while self.body():
            pass
        try:
            head = parse_head(self._read_head())
            self._left = head.length()
        except (BadHead, ValueError) as error:
            raise TTransportException(TTransportException.UNKNOWN, str(error)) from error
        self._chunked = head.is_chunked
        if self._chunked:
            self._left = 0
        self._must_say_continue = head.waits_for_a_word
        return head

    def say_continue(self) -> None:
        """Tell a client that waits for it to send the body; nothing to one that does not."""
        if self._must_say_continue:
            self._must_say_continue = False
            self._wire.send(_CONTINUE)

    def body(self) -> bytes:
        """Return the next bytes of the body; none at its end."""
        if self._chunked and not self._left:
            self._begin_chunk()
        if not self._left:
            return b""
        data = self._take(self._left)
        self._left -= len(data)
        if self._chunked and not self._left:
            self._line()
        return data

    def _begin_chunk(self) -> None:
        size = self._line().partition(b";")[0].strip()
        try:
            self._left = int(size, 16)
        except ValueError as error:
            raise TTransportException(
                TTransportException.UNKNOWN, f"{size[:20]!r} is no size of a chunk"
            ) from error
        if not self._left:
            self._chunked = False
            while self._line():
                pass

    def _read_head(self) -> list[bytes]:
        lines: list[bytes] = []
        size = 0
        while True:
            line = self._line()
            size += len(line)
            if size > _LONGEST_HEAD:
                raise BadHead(f"a head of more than {_LONGEST_HEAD} bytes")
            if line:
                lines.append(line)
            elif lines:
                return lines

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > _LONGEST_HEAD:
                raise TTransportException(TTransportException.UNKNOWN, "a line without an end")
            self._buffer += self._wire.read(_CHUNK)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def _take(self, most: int) -> bytes:
        if not self._buffer:
            self._buffer = self._wire.read(_CHUNK)
        data, self._buffer = self._buffer[:most], self._buffer[most:]
        return data
