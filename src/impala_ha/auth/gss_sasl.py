"""
The mechanism GSSAPI of SASL (RFC 4752), as thrift_sasl asks for it.

After the context is established, the server says which protection it offers and how much it takes
at once; the strongest is taken: none but the login (auth), a signature on everything (auth-int),
encryption (auth-conf).  With the latter two each piece on the wire has a length of four bytes and
what `wrap` made.  impyla's own client has wrapping and unwrapping the wrong way round and knows
of no length, so that it fails with everything but auth.

thrift_sasl takes the server's word for it that the login is complete.  So whoever opens a
connection asks `Sasl.verify`: the server has proven who it is, and the protection is agreed on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from impala_ha.core.kerberos_errors import GSSError, server_unproven

from .gss_context import SecurityContext

_AUTH, _INT, _CONF = 1, 2, 4  # RFC 4752, 3.3
_NAMES = {_AUTH: "auth", _INT: "auth-int", _CONF: "auth-conf"}
_WORD = struct.Struct(">I")  # as the RFC has it
_MOST = 0xFFFFFF  # bytes that we take at once, as three bytes can say it
_OVERHEAD = 1024  # bytes that wrapping may add; AES adds 60


class Sasl:
    """
    One negotiation, and the protection that came out of it.

    Attributes:
        protection: 1, 2 or 4, as on the wire; 0 while it is negotiated.
        renew: Has the next login show another ticket, after this one was refused, if it was old.
    """

    def __init__(
        self,
        context: SecurityContext,
        first: bytes,
        *,
        accepted: Callable[[], None] = lambda: None,
        renew: Callable[[], bool] = lambda: False,
    ):
        """
        Args:
            context: With the coordinator.
            first: The first token, made before the coordinator was spoken to.
            accepted: Is called when the coordinator took it.
            renew: Has the next login show another ticket, and says whether it will.
        """
        self.renew = renew
        self._accepted = accepted
        self._context = context
        self._first = first
        self._error = ""
        self.protection = 0
        self._piece = 0

    @property
    def qop(self) -> str:
        """The protection by its name in configuration files."""
        return _NAMES.get(self.protection, "")

    def start(self, mechanism: str) -> tuple[bool, str, bytes]:
        """Begin: the mechanism, and the first token."""
        return True, mechanism, self._first

    def step(self, challenge: bytes | str) -> tuple[bool, bytes]:
        """
        Answer the server.

        Raises:
            GSSError: Its token is wrong, or what it offers.
        """
        token = challenge if isinstance(challenge, bytes) else challenge.encode()
        if self.protection:
            raise server_unproven("it goes on with the login after its end")
        try:
            if not self._context.complete:
                return True, self._context.step(token)
            plain, _ = self._context.unwrap(token)
        except GSSError as error:
            raise server_unproven(error, error.name) from error
        offer = _offer(plain)
        self.protection, self._piece = offer.best, max(offer.most - _OVERHEAD, _OVERHEAD)
        answer = struct.pack(">I", self.protection << 24 | _MOST)
        return True, self._context.wrap(answer, encrypt=False)

    def verify(self) -> None:
        """
        See that the login did not end before the server had proven who it is.

        Raises:
            GSSError: It did, or before the protection was agreed on.
        """
        if not self._context.complete:
            raise server_unproven("it ended the login without a token of its own")
        if not self.protection:
            raise server_unproven("it ended the login before the protection was agreed on")
        self._accepted()

    def encode(self, data: bytes) -> tuple[bool, bytes | None]:
        """*data* as it goes onto the wire; unchanged where nothing is protected."""
        if self.protection in (0, _AUTH):
            return True, data
        encrypt = self.protection == _CONF
        pieces = []
        try:
            for start in range(0, len(data), self._piece):
                piece = data[start : start + self._piece]
                wrapped = self._context.wrap(piece, encrypt=encrypt)
                pieces.append(struct.pack(">I", len(wrapped)) + wrapped)
        except GSSError as error:
            self._error = str(error)
            return False, None
        return True, b"".join(pieces)

    def decode(self, frame: bytes) -> tuple[bool, bytes | None]:
        """What is in one piece from the wire, its length included."""
        try:
            plain, encrypted = self._context.unwrap(frame[4:])
        except GSSError as error:
            self._error = str(error)
            return False, None
        if self.protection == _CONF and not encrypted:
            self._error = "the server sent in the clear what it had agreed to encrypt"
            return False, None
        return True, plain

    def getError(self) -> str:
        """Why the last `encode` or `decode` failed."""
        return self._error


class _Offer(NamedTuple):
    best: int
    most: int


def _offer(plain: bytes) -> _Offer:
    """What the server offers and how many bytes it takes at once."""
    if len(plain) != _WORD.size:
        raise GSSError(f"the server offered its protection in {len(plain)} bytes instead of 4")
    (word,) = _WORD.unpack(plain)
    offered = word >> 24
    for protection in (_CONF, _INT, _AUTH):
        if offered & protection:
            return _Offer(protection, word & _MOST)
    raise GSSError(f"the server offered no protection that is known, but {offered}")
