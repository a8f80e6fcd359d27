"""Who may come into a local cluster, and over what: the part of its plan that is about trust.

It is checked when the cluster is made, so that a keytab that is not there, or two certificates for
three coordinators, is told to whoever wrote the line, and not by a coordinator that does not start.
"""

from __future__ import annotations

import hmac
import os
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    PathOrPaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

Auth = Literal["NOSASL", "PLAIN", "LDAP", "GSSAPI", "JWT"]
Qop = Literal["auth", "auth-int", "auth-conf"]
TlsVersion = Literal["TLSv1.2", "TLSv1.3"]

AUTHS = ("NOSASL", "PLAIN", "LDAP", "GSSAPI", "JWT")
QOPS = ("auth", "auth-int", "auth-conf")
TLS_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_BEHIND_USER = re.compile("[/@]")
_WORDS = {"principals", "qop", "tls_minimum", "jwt_key"}
_WITH_PASSWORDS = ("PLAIN", "LDAP")


class Secured(TypedDict, total=False):
    """The keywords of `LocalCluster` that are about Kerberos, TLS and tokens."""

    keytab: str | os.PathLike[str] | None
    krb5_config: str | os.PathLike[str] | None
    principals: str
    qop: Qop
    tls: PathOrPaths | None
    client_ca: str | os.PathLike[str] | None
    tls_minimum: TlsVersion
    jwt_key: str | None


@dataclass(frozen=True, slots=True)
class Security:
    """Who may come in, and over what.

    Attributes:
        auth: One of `AUTHS`.
        users: Passwords by user; None lets everybody in.
        keytab: The file with the keys of all coordinators.
        krb5_config: The configuration of Kerberos; None for the one of this machine.
        principals: The name of each coordinator's service; ``{}`` is its number, from 1.
        qop: What SASL's layer does with each frame: nothing, sign, or encrypt.
        certificates: The pem of each coordinator, key and chain; one for all, or none: no TLS.
        client_ca: The pem of who signs the certificates that clients must show; None: they
            need none.
        tls_minimum: The oldest version of TLS.
        jwt_key: What the signature of a bearer token is verified with.
    """

    auth: Auth = "NOSASL"
    users: Mapping[str, str] | None = field(default=None, repr=False)
    keytab: str | None = None
    krb5_config: str | None = None
    principals: str = "impala/coord{}.test"
    qop: Qop = "auth"
    certificates: tuple[str, ...] = ()
    client_ca: str | None = None
    tls_minimum: TlsVersion = "TLSv1.2"
    jwt_key: str | None = field(default=None, repr=False)

    def principal(self, index: int) -> str:
        """Return the name of the service of coordinator *index*: ``"impala/coord1.test"``."""
        return self.principals.replace("{}", str(index + 1))

    def kerberos_host(self, index: int) -> str:
        """Return the host in that name, which clients call ``krb_host``."""
        return self.principal(index).partition("/")[2].partition("@")[0]

    def certificate(self, index: int) -> str | None:
        """Return the pem of coordinator *index*; None: no TLS."""
        if not self.certificates:
            return None
        return self.certificates[index % len(self.certificates)]

    def lets_in(self, user: str, password: bytes) -> bool:
        """Whether that is the password of *user*."""
        if self.auth == "LDAP" and not password:
            # A directory takes a bind without a password for an anonymous one; Impala does not ask.
            return False
        if self.users is None:
            return True
        known = self.users.get(user)
        return known is not None and hmac.compare_digest(known.encode(), password)


def short_name(principal: str) -> str:
    """Return the user in a principal: ``"etl"`` of ``"etl/host@REALM"``."""
    return _BEHIND_USER.split(principal, maxsplit=1)[0] or principal


def make_security(
    size: int, auth: Auth, users: Mapping[str, str] | None, secured: Secured
) -> Security:
    """Make the plan of a caller's keywords.

    Args:
        size: How many coordinators there will be.
        auth: How clients say who they are.
        users: Passwords by user.
        secured: The rest.

    Raises:
        ValueError: Something does not fit, or a file is not there.
        TypeError: There is no such keyword.
    """
    unknown = secured.keys() - Secured.__annotations__.keys()
    if unknown:
        raise TypeError(f"LocalCluster takes no argument {min(unknown)!r}")
    words = {name: value for name, value in secured.items() if name in _WORDS}
    security = Security(
        auth=auth,
        users=dict(users) if users is not None else None,
        keytab=_file("keytab", secured.get("keytab")),
        krb5_config=_file("krb5_config", secured.get("krb5_config")),
        certificates=_certificates(secured.get("tls")),
        client_ca=_file("client_ca", secured.get("client_ca")),
        **words,  # type: ignore[arg-type]  # they are called and typed alike in both
    )
    _check_words(security)
    _check_companions(security, size)
    return security


def _check_words(security: Security) -> None:
    for name, value, known in (
        ("auth", security.auth, AUTHS),
        ("qop", security.qop, QOPS),
        ("tls_minimum", security.tls_minimum, tuple(TLS_VERSIONS)),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
    service, slash, host = security.principals.partition("/")
    if not (service and slash and host.partition("@")[0]):
        raise ValueError(
            f"principals must look like 'impala/coord{{}}.test', not {security.principals!r}"
        )


def _check_companions(security: Security, size: int) -> None:
    auth, count = security.auth, len(security.certificates)
    if security.users is not None and auth not in _WITH_PASSWORDS:
        raise ValueError("users have no meaning without auth='PLAIN' or auth='LDAP'")
    if auth == "LDAP" and security.users is None:
        raise ValueError("auth='LDAP' needs users: no directory lets everybody in")
    if auth == "GSSAPI" and security.keytab is None:
        raise ValueError("auth='GSSAPI' needs a keytab")
    if auth == "JWT" and security.jwt_key is None:
        raise ValueError("auth='JWT' needs a jwt_key")
    if security.qop != "auth" and auth != "GSSAPI":
        raise ValueError(f"qop={security.qop!r} has no meaning without auth='GSSAPI'")
    if count not in {0, 1, size}:
        raise ValueError(f"tls must be one pem, or one for each of {size}, not {count}")
    if security.client_ca is not None and not count:
        raise ValueError("client_ca has no meaning without tls")


def _certificates(given: PathOrPaths | None) -> tuple[str, ...]:
    if given is None:
        return ()
    paths = [given] if isinstance(given, str | os.PathLike) else list(given)
    return tuple(str(_file("tls", path)) for path in paths)


def _file(name: str, path: str | os.PathLike[str] | None) -> str | None:
    if path is None:
        return None
    if not Path(path).is_file():
        raise ValueError(f"{name} must be a file, and {os.fspath(path)!r} is none")
    return str(Path(path).resolve())
