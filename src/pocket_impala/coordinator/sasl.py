"""The server's half of a SASL negotiation, as Impala plays it.

A negotiation message is a status byte, a length of four bytes and a payload.  The client sends
START with the mechanism's name, then OK with its first response; the server answers OK with a
challenge as long as there is one, and COMPLETE at the end.  What is said in between is the
mechanism's own affair: PLAIN has one response, GSSAPI (in `kerberos`) several.

What goes wrong is told in three ways, and clients must read all of them: not SASL at all and an
unknown mechanism get a status and a sentence; a wrong password, a ticket for somebody else, a
layer that was not offered get a closed socket and nothing else.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NoReturn, Protocol

from thrift.transport.TTransport import TTransportException

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pocket_impala.coordinator.security import Security
    from pocket_impala.coordinator.wire import Layer, Wire

_START, _OK, _BAD, _ERROR, _COMPLETE = 1, 2, 3, 4, 5
# Impala's own limit: a longer negotiation message is no negotiation.
_LONGEST = 65536
_PLAIN_PARTS = 3


class SaslRefusedError(Exception):
    """The client is not who it says, or does not say who it is."""


class Conversation(Protocol):
    """One mechanism with one client.

    Attributes:
        user: Who the client is, once it is let in.
        layer: What signs or encrypts each frame from then on; None for nothing.
    """

    user: str
    layer: Layer | None

    def answer(self, response: bytes) -> bytes | None:
        """Take the client's response; return the next challenge, or None: it is let in.

        Raises:
            SaslRefusedError: It is not.
        """
        ...


class Plain:
    """SASL PLAIN: one response with user and password.

    Args:
        security: Who may come in.
    """

    def __init__(self, security: Security) -> None:
        self.user = ""
        self.layer: Layer | None = None
        self._security = security

    def answer(self, response: bytes) -> bytes | None:
        """Look at the password."""
        parts = response.split(b"\0")
        if len(parts) != _PLAIN_PARTS:
            raise SaslRefusedError
        self.user = parts[1].decode(errors="replace")
        if not self._security.lets_in(self.user, parts[2]):
            raise SaslRefusedError
        return None


def negotiate(wire: Wire, mechanisms: Mapping[bytes, Callable[[], Conversation]]) -> str:
    """Let a client in by SASL.

    Args:
        wire: The fresh connection.
        mechanisms: What is spoken here, by name.

    Returns:
        The user's name.

    Raises:
        TTransportException: The client is not let in; the socket is to be closed.
    """
    status, mechanism = _receive(wire)
    if status != _START:
        _refuse(wire, _ERROR, f"Expecting START status, received {status}")
    if mechanism not in mechanisms:
        _refuse(wire, _BAD, f"Unsupported mechanism type {mechanism.decode(errors='replace')}")
    conversation = mechanisms[mechanism]()
    try:
        while (challenge := conversation.answer(_response(wire))) is not None:
            _send(wire, _OK, challenge)
    except SaslRefusedError:
        _reject()
    _send(wire, _COMPLETE, b"")
    wire.framed, wire.layer = True, conversation.layer
    return conversation.user


def _response(wire: Wire) -> bytes:
    status, response = _receive(wire)
    # Java's client says COMPLETE with its last response: for itself, it is done.
    if status not in {_OK, _COMPLETE}:
        _reject()
    return response


def _receive(wire: Wire) -> tuple[int, bytes]:
    header = wire.receive_exactly(5)
    status, length = struct.unpack(">BI", header)
    if status not in {_START, _OK, _BAD, _ERROR, _COMPLETE}:
        _refuse(wire, _ERROR, f"Expecting START status, received {status}")
    if length > _LONGEST:
        _reject()
    return status, wire.receive_exactly(length)


def _send(wire: Wire, status: int, payload: bytes) -> None:
    wire.send(struct.pack(">BI", status, len(payload)) + payload)


def _refuse(wire: Wire, status: int, text: str) -> NoReturn:
    _send(wire, status, text.encode())
    _reject()


def _reject() -> NoReturn:
    raise TTransportException(TTransportException.NOT_OPEN, "not let in")
