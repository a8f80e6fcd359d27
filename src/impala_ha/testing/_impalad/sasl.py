"""The server's half of SASL PLAIN, as Impala plays it.

A negotiation message is a status byte, a length of four bytes and a payload.  The client sends
START with the mechanism's name, then OK with the initial response; the server answers COMPLETE.
What goes wrong is told in three ways, and clients must read all of them: not SASL at all and an
unknown mechanism get a status and a sentence; a wrong password gets a closed socket and nothing
else.
"""

from __future__ import annotations

import hmac
import struct
from typing import TYPE_CHECKING, NoReturn

from thrift.transport.TTransport import TTransportException

if TYPE_CHECKING:
    from collections.abc import Mapping

    from impala_ha.testing._impalad.wire import Wire

_START, _OK, _BAD, _ERROR, _COMPLETE = 1, 2, 3, 4, 5
# Impala's own limit: a longer negotiation message is no negotiation.
_LONGEST = 65536
_PLAIN_PARTS = 3


def accept_plain(wire: Wire, users: Mapping[str, str] | None) -> str:
    """Let a client in by SASL PLAIN.

    Args:
        wire: The fresh connection.
        users: Passwords by user; None lets everybody in.

    Returns:
        The user's name.

    Raises:
        TTransportException: The client is not let in; the socket is to be closed.
    """
    status, mechanism = _receive(wire)
    if status != _START:
        _refuse(wire, _ERROR, f"Expecting START status, received {status}")
    if mechanism != b"PLAIN":
        _refuse(wire, _BAD, f"Unsupported mechanism type {mechanism.decode(errors='replace')}")
    status, response = _receive(wire)
    parts = response.split(b"\0")
    # Java's client says COMPLETE here: for PLAIN, nothing is left to negotiate.
    if status not in {_OK, _COMPLETE} or len(parts) != _PLAIN_PARTS:
        _reject()
    user, password = parts[1].decode(errors="replace"), parts[2]
    if users is not None:
        known = users.get(user)
        if known is None or not hmac.compare_digest(known.encode(), password):
            _reject()
    wire.send(struct.pack(">BI", _COMPLETE, 0))
    wire.framed = True
    return user


def _receive(wire: Wire) -> tuple[int, bytes]:
    header = wire.receive_exactly(5)
    status, length = struct.unpack(">BI", header)
    if status not in {_START, _OK, _BAD, _ERROR, _COMPLETE}:
        _refuse(wire, _ERROR, f"Expecting START status, received {status}")
    if length > _LONGEST:
        _reject()
    return status, wire.receive_exactly(length)


def _refuse(wire: Wire, status: int, text: str) -> NoReturn:
    wire.send(struct.pack(">BI", status, len(text)) + text.encode())
    _reject()


def _reject() -> NoReturn:
    raise TTransportException(TTransportException.NOT_OPEN, "not let in")
