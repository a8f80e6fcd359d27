"""Where one message ends and the next begins, in a stream of bytes that only passes through.

A proxy that is to cut "after 40 bytes of the answer to ExecuteStatement" must find that answer.
Thrift's binary protocol has no lengths of messages, so each value is stepped over, as it comes.
With SASL, the negotiation has messages of its own, and then the stream is divided into frames,
which are no messages: one message may fill many.  Over HTTP a message is a head and a body.

What cannot be read is passed on and has no names: TLS that is not ended here, Kerberos with
encryption, garbage.  Nothing here reads or writes a socket.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Generator
from dataclasses import dataclass, replace

_STRICT = 0x8001
_KINDS = frozenset({1, 2, 3, 4})  # call, reply, exception, one-way
_LONGEST_NAME = 256
_BEFORE_NAME = 8
_DEEPEST = 32

_STOP = 0
_SIZES = {2: 1, 3: 1, 4: 8, 6: 2, 8: 4, 10: 8}
_STRING, _STRUCT, _MAP, _SET, _LIST = 11, 12, 13, 14, 15

_SASL_FIRST, _THRIFT_FIRST, _HTTP_FIRST = 0x01, 0x80, ord("P")
_SASL_COMPLETE = 5
_LONGEST_TOKEN = 1 << 20
_LONGEST_HEAD = 1 << 16

# How many bytes the parser wants next; below 0: at most so many, as they come; 0: whatever comes.
_Parser = Generator[int, bytes, None]
_Taking = Generator[int, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of one message.

    Attributes:
        data: The bytes.
        phase: ``"ExecuteStatement:request"`` and so on; ``""`` where nobody knows.
        at: How many bytes of the message came before.
        last: Whether the message ends with them.
        front: The head of the SASL frame that begins here; it does not count.
    """

    data: bytes
    phase: str = ""
    at: int = 0
    last: bool = False
    front: bytes = b""


class Talk:
    """What both directions of one connection must know of each other.

    Attributes:
        first: The first byte that the client sent: it tells the language; None before it came.
        framed: Whether the SASL negotiation is over, and frames follow.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self.framed = False


class _Garbage(Exception):
    """This is no message."""


class _Stream:
    """One direction of a connection, taken by values, whatever frames they come in.

    Args:
        talk: Shared with the other direction.
        kind: ``"request"`` or ``"response"``.
    """

    def __init__(self, talk: Talk, kind: str) -> None:
        self._talk = talk
        self._kind = kind
        self._buffer = bytearray()
        self._pieces: list[Piece] = []
        self._unread = b""
        self._front = b""
        self._frame = 0
        self._phase: str | None = ""
        self._head: list[Piece] = []
        self._at = 0

    def rest(self) -> list[Piece]:
        """Return what is kept back, when nothing will follow it."""
        head, self._head = self._head, []
        left = self._unread + self._front + bytes(self._buffer)
        self._unread = self._front = b""
        self._buffer.clear()
        if left:
            head.append(Piece(left, self._phase or "", self._at))
        return head

    def _skip(self, size: int) -> _Parser:
        while size > 0:
            size -= len((yield from self._take(size, whole=False)))

    def _take(self, size: int, *, whole: bool = True) -> _Taking:
        """Take *size* bytes of the message, or at least some, whatever frames they come in."""
        if not self._talk.framed:
            return self._emit((yield from self._wire(size, whole=whole)))
        parts = []
        while size > 0:
            if not self._frame:
                self._front += yield from self._wire(4)
                (self._frame,) = struct.unpack(">I", self._front[-4:])
                continue
            data = yield from self._wire(min(size, self._frame), whole=whole)
            self._frame -= len(data)
            size -= len(data) if whole else size
            parts.append(self._emit(data))
        return b"".join(parts)

    def _wire(self, size: int, *, whole: bool = True) -> _Taking:
        missing = size - len(self._unread)
        if missing > 0 and (whole or not self._unread):
            self._unread += yield missing if whole else -missing
        unread, self._unread = self._unread, b""
        return unread

    def _emit(self, data: bytes) -> bytes:
        front, self._front = self._front, b""
        piece = Piece(data, self._phase or "", self._at, front=front)
        (self._head if self._phase is None else self._pieces).append(piece)
        self._at += len(data)
        return data


class Reader(_Stream):
    """Finds the messages in one direction of one connection."""

    def __init__(self, talk: Talk, kind: str) -> None:
        super().__init__(talk, kind)
        self._parser = self._parse()
        self._want = next(self._parser)

    def feed(self, data: bytes) -> list[Piece]:
        """Take what came; return what may go on.

        The name of a message is needed before its first byte goes, so its head is kept back until
        it is complete.
        """
        self._buffer += data
        while self._buffer and len(self._buffer) >= self._want:
            size = self._want if self._want > 0 else -self._want or len(self._buffer)
            chunk = bytes(self._buffer[:size])
            del self._buffer[:size]
            self._want = self._parser.send(chunk)
        pieces, self._pieces = self._pieces, []
        return _joined(pieces)

    def _parse(self) -> _Parser:
        try:
            while True:
                self._unread = yield 1
                if self._talk.first is None and self._kind == "request":
                    self._talk.first = self._unread[0]
                self._at = 0
                if self._talk.framed or self._talk.first == _THRIFT_FIRST:
                    yield from self._message()
                elif self._talk.first == _SASL_FIRST:
                    yield from self._negotiation()
                elif self._talk.first == _HTTP_FIRST:
                    yield from self._post()
                else:
                    raise _Garbage  # noqa: TRY301  # the loop's only end
                self._pieces[-1] = replace(self._pieces[-1], last=True)
        except _Garbage:
            self._phase = ""
            self._pieces += self.rest()
        while True:
            self._emit((yield 0))

    def _negotiation(self) -> _Parser:
        self._phase = f"SASL:{self._kind}"
        status, length = struct.unpack(">BI", (yield from self._take(5)))
        if length > _LONGEST_TOKEN:
            raise _Garbage
        yield from self._skip(length)
        if status == _SASL_COMPLETE and self._kind == "response":
            self._talk.framed = True

    def _message(self) -> _Parser:
        self._phase = None
        version, kind, length = struct.unpack(">HHI", (yield from self._take(_BEFORE_NAME)))
        if version != _STRICT or kind not in _KINDS or length > _LONGEST_NAME:
            raise _Garbage
        self._name((yield from self._take(length)))
        yield from self._take(4)
        yield from self._struct(0)

    def _name(self, name: bytes) -> None:
        """Let go of the head, whose message is known by now."""
        self._phase = f"{name.decode('ascii', 'replace')}:{self._kind}"
        self._pieces += [replace(piece, phase=self._phase) for piece in self._head]
        self._head.clear()

    def _post(self) -> _Parser:
        """A request or an answer of HTTP; what carries no message is called HTTP."""
        self._phase = None
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += yield from self._take(1)
            if len(head) > _LONGEST_HEAD:
                raise _Garbage
        found = re.search(rb"(?i)\r\ncontent-length:\s*(\d+)", head)
        left = int(found[1]) if found else 0
        name = b"HTTP"
        if left > _BEFORE_NAME:
            version, _, length = struct.unpack(">HHI", (yield from self._take(_BEFORE_NAME)))
            left -= _BEFORE_NAME
            if version == _STRICT and length <= min(left, _LONGEST_NAME):
                name = yield from self._take(length)
                left -= length
        self._name(name)
        yield from self._skip(left)

    def _struct(self, depth: int) -> _Parser:
        while True:
            (kind,) = yield from self._take(1)
            if kind == _STOP:
                return
            yield from self._take(2)
            yield from self._value(kind, depth + 1)

    def _value(self, kind: int, depth: int) -> _Parser:
        if depth > _DEEPEST:
            raise _Garbage
        if kind in _SIZES:
            yield from self._take(_SIZES[kind])
        elif kind == _STRING:
            (length,) = struct.unpack(">I", (yield from self._take(4)))
            yield from self._skip(length)
        elif kind == _STRUCT:
            yield from self._struct(depth)
        elif kind in {_SET, _LIST}:
            inner, count = struct.unpack(">BI", (yield from self._take(5)))
            yield from self._values((inner,), count, depth)
        elif kind == _MAP:
            key, inner, count = struct.unpack(">BBI", (yield from self._take(6)))
            yield from self._values((key, inner), count, depth)
        else:
            raise _Garbage

    def _values(self, kinds: tuple[int, ...], count: int, depth: int) -> _Parser:
        sizes = [_SIZES.get(kind, 0) for kind in kinds]
        if all(sizes):
            yield from self._skip(sum(sizes) * count)
            return
        for _ in range(count):
            for kind in kinds:
                yield from self._value(kind, depth + 1)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Make one of neighbours that belong to one message: values are small."""
    joined: list[list[Piece]] = []
    for piece in pieces:
        if (
            joined
            and not (joined[-1][-1].last or piece.front)
            and piece.phase == joined[-1][-1].phase
        ):
            joined[-1].append(piece)
        else:
            joined.append([piece])
    return [
        replace(run[0], data=b"".join(piece.data for piece in run), last=run[-1].last)
        for run in joined
    ]
