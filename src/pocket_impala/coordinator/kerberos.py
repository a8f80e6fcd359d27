"""Kerberos on the coordinator's side: its keys, and SASL GSSAPI with a client (RFC 4752).

The client shows a ticket for this coordinator's own service principal: one for any other name is
worthless here, as it is where ``--principal`` names one.  When both have proven who they are, they
agree on what SASL's layer does from then on: nothing, sign each frame, or encrypt it.  The server
offers one layer, the one it was started with, as a HiveServer2 with one ``qop`` does.  (Impala
itself never signs or encrypts frames; TLS is its answer.  Clients meet the layers at Hive.)

A ticket is looked at when a connection is made and never again: the connection outlives it.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from thrift.transport.TTransport import TTransportException

from impala_ha.core.extras import import_extra
from pocket_impala.coordinator.sasl import SaslRefusedError
from pocket_impala.coordinator.security import short_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from gssapi import Credentials, SecurityContext

    from pocket_impala.coordinator.security import Security
    from pocket_impala.coordinator.wire import Layer

_LAYERS = {"auth": 1, "auth-int": 2, "auth-conf": 4}
# What Java's server says it can take; like it, this one takes more.
_LONGEST_FRAME = 65536
_CHOICE_BYTES = 4


def prepare(security: Security) -> None:
    """Let this process see the realm of the plan.  Only for a process that is a coordinator."""
    if security.krb5_config is not None:
        os.environ["KRB5_CONFIG"] = security.krb5_config
    # The memory of tickets that were shown is a file outside of the private directory, shared
    # with everybody; nobody on the loopback listens in to show one again.
    os.environ["KRB5RCACHENAME"] = "none:"


def credentials(security: Security, principal: str) -> Credentials:
    """Return the key of one service.

    Args:
        security: The plan, which names the keytab.
        principal: Such as ``"impala/coord1.test"``.

    Raises:
        gssapi.exceptions.GSSError: The keytab does not have it.
        MissingExtra: The package `gssapi` is not there.
    """
    gssapi = import_extra("gssapi", "testing")
    name = gssapi.Name(principal, gssapi.NameType.kerberos_principal)
    keys: Credentials = gssapi.Credentials(
        name=name, usage="accept", store={"keytab": security.keytab}
    )
    return keys


class Kerberos:
    """SASL GSSAPI with one client.

    Args:
        keys: The key of this coordinator's service.
        qop: The layer that is offered.
    """

    def __init__(self, keys: Credentials, qop: str) -> None:
        self.user = ""
        self.layer: Layer | None = None
        self._qop = qop
        self._context = acceptor(keys)
        self._next: Callable[[bytes], bytes | None] = self._prove

    def answer(self, response: bytes) -> bytes | None:
        """Take the client's response; return the next challenge, or None: it is let in."""
        try:
            return self._next(response)
        except refusal() as error:
            raise SaslRefusedError from error

    def _prove(self, token: bytes) -> bytes:
        challenge = self._context.step(token)
        if not self._context.complete:
            return challenge or b""
        self._next = self._offer
        # Without a last token the client did not ask who we are, and waits for the offer.
        return challenge or self._offer(b"")

    def _offer(self, response: bytes) -> bytes:
        if response:
            raise SaslRefusedError
        longest = 0 if self._qop == "auth" else _LONGEST_FRAME
        self._next = self._agree
        offer = struct.pack(">I", _LAYERS[self._qop] << 24 | longest)
        return self._context.wrap(offer, encrypt=False).message  # type: ignore[no-any-return]  # gssapi counts as not typed

    def _agree(self, response: bytes) -> None:
        choice = self._context.unwrap(response).message
        if len(choice) < _CHOICE_BYTES or choice[0] != _LAYERS[self._qop]:
            raise SaslRefusedError
        self.user = str(self._context.initiator_name)
        wanted = choice[_CHOICE_BYTES:].decode(errors="replace")
        # To speak for somebody else is the business of `impala.doas.user`.
        if wanted not in {"", self.user, short_name(self.user)}:
            raise SaslRefusedError
        if self._qop != "auth":
            self.layer = FrameLayer(self._context, encrypt=self._qop == "auth-conf")


class FrameLayer:
    """What signs or encrypts each frame of one connection.

    Args:
        context: What both sides agreed on.
        encrypt: Whether to encrypt; else frames are signed only.
    """

    def __init__(self, context: SecurityContext, *, encrypt: bool) -> None:
        self._context = context
        self._encrypt = encrypt

    def wrap(self, payload: bytes) -> bytes:
        """Sign or encrypt one frame."""
        return self._context.wrap(payload, encrypt=self._encrypt).message  # type: ignore[no-any-return]  # gssapi counts as not typed

    def unwrap(self, frame: bytes) -> bytes:
        """Verify or decrypt one frame.

        Raises:
            TTransportException: It was tampered with, or is in clear where it must not be.
        """
        try:
            found = self._context.unwrap(frame)
        except refusal() as error:
            raise TTransportException(TTransportException.UNKNOWN, "a bad frame") from error
        if self._encrypt and not found.encrypted:
            raise TTransportException(TTransportException.UNKNOWN, "a frame in clear")
        return found.message  # type: ignore[no-any-return]  # gssapi counts as not typed


def acceptor(keys: Credentials) -> SecurityContext:
    """Return the server's side of a new conversation with one client."""
    context: SecurityContext = import_extra("gssapi", "testing").SecurityContext(
        creds=keys, usage="accept"
    )
    # Else what is wrong with a ticket would be told to the client; Impala hangs up.
    context.__DEFER_STEP_ERRORS__ = False
    return context


def refusal() -> type[Exception]:
    """Return what is raised over a ticket, a token or a key that will not do."""
    error: type[Exception] = import_extra("gssapi.exceptions", "testing").GSSError
    return error
