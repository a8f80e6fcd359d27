"""
Thrift's binary protocol, which knows its replies.

impyla leaves late replies in the stream after a time-out, and takes any reply for the answer.
"""

from __future__ import annotations

import struct

from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TProtocol import TProtocolException
from thrift.transport.TTransport import TTransportBase

_LONGEST_NAME = 256  # bytes of a method's name; a longer one is no HiveServer2 answering
_LONGEST_STRING = 2**30  # bytes; Impala's own limit of a message
_LONGEST_LIST = 2**27  # what is longer would not fit into a message, however short its items
_VERSION, _VERSION_BITS = 0x80010000, 0xFFFF0000
_INT = struct.Struct(">i")
_UNSIGNED = struct.Struct(">I")
_HEADS: dict[tuple[str, int], bytes] = {}  # what a message begins with, but for its number


class BinaryProtocol(TBinaryProtocolAccelerated):  # type: ignore[misc]  # thrift is not typed
    """
    The binary protocol, which takes only the reply that belongs to the last call.

    The heads of messages are read and written in pieces that are larger than thrift's.

    Attributes:
        expected: Name and number of that call.
    """

    def __init__(self, transport: TTransportBase):
        # Thrift's limit of 16,384,000 bytes a string would make a larger cell an OverflowError;
        # without one, bytes that are no length would have us wait, and make room, for gigabytes.
        super().__init__(
            transport,
            strictRead=True,
            string_length_limit=_LONGEST_STRING,
            container_length_limit=_LONGEST_LIST,
        )
        self.expected: tuple[str, int] = ("", 0)

    def writeMessageBegin(self, name: str, kind: int, number: int) -> None:
        """The head of a message."""
        head = _HEADS.get((name, kind))
        if head is None:
            method = name.encode()
            head = _UNSIGNED.pack(_VERSION | kind) + _INT.pack(len(method)) + method
            _HEADS[name, kind] = head
        self.trans.write(head + _INT.pack(number))

    def readMessageBegin(self) -> tuple[str, int, int]:
        """Name, type and number of a reply."""
        read_all = self.trans.readAll
        (version,) = _UNSIGNED.unpack(read_all(4))
        if version & _VERSION_BITS != _VERSION:
            text = "No protocol version header"
            if version & 2**31:
                text = f"Bad version in readMessageBegin: {version - 2**32}"
            raise TProtocolException(TProtocolException.BAD_VERSION, text)
        (size,) = _INT.unpack(read_all(4))
        self._check_length(_LONGEST_NAME, size)
        try:
            name = read_all(size).decode()
        except UnicodeDecodeError as error:
            raise TProtocolException(TProtocolException.INVALID_DATA, str(error)) from error
        (number,) = _INT.unpack(read_all(4))
        if (name, number) != self.expected:
            raise TProtocolException(
                TProtocolException.INVALID_DATA,
                f"a reply to {name} (call {number}) came where {self.expected[0]} (call "
                f"{self.expected[1]}) was asked",
            )
        return name, version & 0xFF, number
