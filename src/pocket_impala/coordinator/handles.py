"""Names of sessions and queries: 16 bytes of guid, 16 bytes of secret.

A guid is two little-endian 64-bit numbers, and every text that Impala writes shows them in hex
with a colon between.  The secret never shows in a text: it is what keeps one client from using the
session of another.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from dataclasses import dataclass, field

from impala._thrift_gen.TCLIService.ttypes import THandleIdentifier

from pocket_impala.coordinator.contract import ImpalaError

_SIZE = 16


@dataclass(frozen=True, slots=True)
class Handle:
    """The name of a session or of a query.

    Attributes:
        guid: 16 bytes that everybody may see.
        secret: 16 bytes that only the owner knows.
    """

    guid: bytes
    secret: bytes = field(repr=False)

    def __str__(self) -> str:
        """Return the guid as Impala writes it."""
        high, low = struct.unpack("<QQ", self.guid)
        return f"{high:016x}:{low:016x}"

    def fits(self, other: Handle) -> bool:
        """Whether *other* carries the same secret."""
        return hmac.compare_digest(self.secret, other.secret)

    def to_thrift(self) -> THandleIdentifier:
        """Return it as it goes over the wire."""
        return THandleIdentifier(guid=self.guid, secret=self.secret)


def new_session() -> Handle:
    """Name a new session."""
    return Handle(secrets.token_bytes(_SIZE), secrets.token_bytes(_SIZE))


def new_query(session: Handle) -> Handle:
    """Name a new query of *session*: as in Impala it shares the secret of its session."""
    # The low half of the second number counts the fragment instances; it is 0 for the query.
    guid = secrets.token_bytes(8) + bytes(4) + secrets.token_bytes(4)
    return Handle(guid, session.secret)


def from_thrift(identifier: THandleIdentifier | None) -> Handle:
    """Read what a client sent.

    Raises:
        ImpalaError: It has not the size of a handle.
    """
    guid = identifier.guid if identifier is not None and identifier.guid else b""
    secret = identifier.secret if identifier is not None and identifier.secret else b""
    if len(guid) != _SIZE or len(secret) != _SIZE:
        raise ImpalaError(
            f"Malformed THandleIdentifier (guid size: {len(guid)}, expected {_SIZE}, "
            f"secret size: {len(secret)}, expected {_SIZE})"
        )
    return Handle(guid, secret)
