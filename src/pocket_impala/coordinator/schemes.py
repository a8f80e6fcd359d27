"""The proofs that a client may give over HTTP: a password, a ticket, a token.

A refusal says as much as Impala's: which scheme is wanted after a wrong password, nothing at all
after a bad ticket, and what is wrong with a token.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from impala_ha.core.extras import import_extra
from pocket_impala.coordinator import kerberos
from pocket_impala.coordinator.login import Verdict

if TYPE_CHECKING:
    from gssapi import Credentials

    from pocket_impala.coordinator.login import Scheme
    from pocket_impala.coordinator.security import Security

_SECRET = ("HS256", "HS384", "HS512")
_PUBLIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")


class Basic:
    """A user and a password.

    Args:
        security: Who may come in.
    """

    word, earns_cookie = "Basic", True

    def __init__(self, security: Security) -> None:
        self._security = security

    def judge(self, proof: str) -> Verdict:
        """Look at the password."""
        try:
            user, colon, password = base64.b64decode(proof, validate=True).partition(b":")
        except binascii.Error:
            return Verdict(None, self.word)
        name = user.decode(errors="replace")
        if not colon or not self._security.lets_in(name, password):
            return Verdict(None, self.word)
        return Verdict(name)


class Negotiate:
    """A ticket of Kerberos, in a token of SPNEGO.

    Tickets for ``HTTP/HOST`` are as good as those for ``impala/HOST``: Impala takes any for which
    its keytab has the key.

    Args:
        security: Where the keys are.
        index: Which coordinator this is.

    Raises:
        gssapi.exceptions.GSSError: The keytab does not have the coordinator's key.
    """

    word, earns_cookie = "Negotiate", True

    def __init__(self, security: Security, index: int) -> None:
        principal = security.principal(index)
        self._keys = [kerberos.credentials(security, principal)]
        web = f"HTTP/{principal.partition('/')[2]}"
        try:
            self._keys.append(kerberos.credentials(security, web))
        except kerberos.refusal():
            # Who never called it from a browser has no such key.
            return

    def judge(self, proof: str) -> Verdict:
        """Look at the ticket."""
        if not proof:
            return Verdict(None, self.word)
        try:
            token = base64.b64decode(proof, validate=True)
        except binascii.Error:
            return Verdict(None)
        verdicts = (self._judge(token, keys) for keys in self._keys)
        return next(filter(None, verdicts), Verdict(None))

    def _judge(self, token: bytes, keys: Credentials) -> Verdict | None:
        """Return None to a ticket that is no good under the name of *keys*."""
        context = kerberos.acceptor(keys)
        try:
            answer = base64.b64encode(context.step(token) or b"").decode()
        except kerberos.refusal():
            return None
        user = str(context.initiator_name) if context.complete else None
        return Verdict(user, f"{self.word} {answer}" if answer else None)


class Bearer:
    """A JSON Web Token.

    Args:
        security: With what it is verified: a secret, or the pem of a public key.
        claim: Which claim names the user.

    Raises:
        ValueError: The pem is none, or not that of a public key.
    """

    word, earns_cookie = "Bearer", False

    def __init__(self, security: Security, claim: str) -> None:
        self._jwt = import_extra("jwt", "testing")
        self._key = security.jwt_key or ""
        is_pem = self._key.startswith("-----BEGIN")
        self._algorithms = list(_PUBLIC if is_pem else _SECRET)
        if is_pem:
            # Now, and not when the first token comes.
            serialization = import_extra("cryptography.hazmat.primitives.serialization", "testing")
            serialization.load_pem_public_key(self._key.encode())
        self._claim = claim

    def judge(self, proof: str) -> Verdict:
        """Look at the token."""
        if not proof:
            return Verdict(None, self.word)
        try:
            claims = self._jwt.decode(
                proof, self._key, algorithms=self._algorithms, options={"verify_aud": False}
            )
        except self._jwt.PyJWTError as error:
            return self._refuse(str(error))
        user = claims.get(self._claim)
        if not isinstance(user, str) or not user:
            return self._refuse(f"There is no claim '{self._claim}' with a name")
        return Verdict(user)

    def _refuse(self, why: str) -> Verdict:
        told = " ".join(why.replace('"', "'").split())
        return Verdict(None, f'{self.word} error="invalid_token",error_description="{told}"')


def scheme_of(security: Security, index: int, claim: str) -> Scheme | None:
    """Return what coordinator *index* asks of clients over HTTP; None: nothing.

    Args:
        security: The plan.
        index: Which coordinator.
        claim: Which claim of a token names the user.

    Raises:
        gssapi.exceptions.GSSError: Its keytab does not have its key.
        MissingExtra: A package is not there.
    """
    if security.auth in {"PLAIN", "LDAP"}:
        return Basic(security)
    if security.auth == "GSSAPI":
        return Negotiate(security, index)
    return Bearer(security, claim) if security.auth == "JWT" else None
