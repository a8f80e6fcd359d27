"""
The two packages that speak with Kerberos, behind one face: one security context with one server.

`kerberos` is the package that impyla uses; `gssapi` can also acquire tickets with a keytab into
a cache of its own.  Neither is imported before it is asked for.  Every call may block (a KDC is
asked for a ticket), holds up a fork for a moment, and what it raises has been made a `GSSError`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from impala_ha.core.extras import MissingExtra, import_extra
from impala_ha.core.forks import GATE
from impala_ha.core.kerberos_errors import GSSError, to_gss_error

P = ParamSpec("P")
Got = TypeVar("Got")

#: What libkrb5 says while another thread renews the tickets of a cache: for a moment it is empty.
_CACHE_IS_EMPTY = frozenset({"KRB5_CC_NOTFOUND", "KRB5_FCC_NOFILE"})


@dataclass(frozen=True, slots=True)
class ContextParameters:
    """
    Who logs in, and where.

    Attributes:
        service: First part of the service principal.
        host: Second part.
        principal: Of the client; None: that of the credential cache.
        keytab: File with its key; None: tickets come from the credential cache.
        renew: Whether the keytab is used, or only the tickets that were acquired with it.
        cache: Which of the caches that are filled with the keytab; 0: that of all services.
    """

    service: str
    host: str
    principal: str | None = None
    keytab: str | None = None
    renew: bool = True
    cache: int = 0

    def __str__(self) -> str:
        return f"{self.service}/{self.host}"


_HELD: dict[str, Any] = {}  # by the name of their cache, the tickets that were acquired last


class SecurityContext(Protocol):
    """A security context of the client's side."""

    def step(self, token: bytes) -> bytes:
        """Take the server's token (empty: the first step), give the next one of ours."""

    @property
    def complete(self) -> bool:
        """Whether the context is established, and the server has proven who it is."""

    @property
    def initiator(self) -> str:
        """Whose ticket it is; before it is complete, whose the ticket of the cache is."""

    def wrap(self, data: bytes, *, encrypt: bool) -> bytes:
        """*data* with a signature, and encrypted if asked for."""

    def unwrap(self, data: bytes) -> tuple[bytes, bool]:
        """What `wrap` of the other side was given, and whether it was encrypted."""


def _gss_call(method: Callable[P, Got]) -> Callable[P, Got]:
    """A method that calls the library: no fork meanwhile, and its errors made a `GSSError`."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> Got:
        context: Any = args[0]
        try:
            with GATE.passing():
                return method(*args, **kwargs)
        except context.errors as error:
            raise to_gss_error(error, f"asking for {context.login}") from error

    return call


class KerberosContext:
    """The package `kerberos`."""

    def __init__(self, login: ContextParameters):
        """
        Args:
            login: Who, and where; a keytab is none of its business.

        Raises:
            MissingExtra: The package is not there.
            GSSError: There is no ticket for that principal.
        """
        self._library: Any = import_extra("kerberos", "kerberos")
        self.errors = self._library.KrbError
        self.login = login
        self.complete = False
        self._context = self._init()

    @_gss_call
    def _init(self) -> Any:
        lib, login = self._library, self.login
        flags = (
            lib.GSS_C_MUTUAL_FLAG
            | lib.GSS_C_SEQUENCE_FLAG
            | lib.GSS_C_INTEG_FLAG
            | lib.GSS_C_CONF_FLAG
        )
        client = {"principal": login.principal} if login.principal else {}
        name = f"{login.service}@{login.host}"
        return lib.authGSSClientInit(name, gssflags=flags, **client)[1]

    @_gss_call
    def step(self, token: bytes) -> bytes:
        """Take the server's token, give the next one of ours."""
        lib = self._library
        said = lib.authGSSClientStep(self._context, base64.b64encode(token).decode())
        # The package does not tell the flags; we asked for a proof, which is in a token.
        self.complete = bool(token) and said == lib.AUTH_GSS_COMPLETE
        return self._response()

    @property
    @_gss_call
    def initiator(self) -> str:
        """Whose ticket it is."""
        if not self.complete:
            self._library.authGSSClientInquireCred(self._context)
        return self._library.authGSSClientUserName(self._context) or ""

    @_gss_call
    def wrap(self, data: bytes, *, encrypt: bool) -> bytes:
        """*data* with a signature, and encrypted if asked for."""
        text = base64.b64encode(data).decode()
        self._library.authGSSClientWrap(self._context, text, None, int(encrypt))
        return self._response()

    @_gss_call
    def unwrap(self, data: bytes) -> tuple[bytes, bool]:
        """What the server wrapped, and whether it was encrypted."""
        self._library.authGSSClientUnwrap(self._context, base64.b64encode(data).decode())
        encrypted = bool(self._library.authGSSClientResponseConf(self._context))
        return self._response(), encrypted

    def _response(self) -> bytes:
        return base64.b64decode(self._library.authGSSClientResponse(self._context) or "")


class GssapiContext:
    """The package `gssapi`."""

    def __init__(self, login: ContextParameters):
        """
        Args:
            login: Who, and where.

        Raises:
            MissingExtra: The package is not there.
            GSSError: There is no ticket for that principal, and none can be had.
        """
        self._library: Any = import_extra("gssapi", "gssapi")
        self.errors = self._library.exceptions.GSSError
        self.login = login
        self._context = self._init()

    @_gss_call
    def _init(self) -> Any:
        lib = self._library
        flag = lib.RequirementFlag
        name = lib.Name(f"{self.login.service}@{self.login.host}", lib.NameType.hostbased_service)
        return lib.SecurityContext(
            name=name,
            creds=self._credentials(),
            mech=lib.MechType.kerberos,
            usage="initiate",
            flags=flag.mutual_authentication
            | flag.out_of_sequence_detection
            | flag.integrity
            | flag.confidentiality,
        )

    def _credentials(self) -> Any:
        """
        The client's tickets; None: those of the credential cache, whosever they are.

        With a keytab libkrb5 gets them when there are none, and new ones after half of their
        life; the cache lives in this process and goes with it.  What was acquired last is held,
        for from then on libkrb5 asks the KDC each time that tickets are taken out of the cache.
        """
        login, lib = self.login, self._library
        if not (login.principal or login.keytab):
            return None
        name = store = None
        if login.principal:
            name = lib.Name(login.principal, lib.NameType.kerberos_principal)
        cache = f"MEMORY:impala-ha:{login.principal or ''}:{login.keytab}"
        if login.cache:
            cache += f":{login}:{login.cache}"
        if login.keytab and not login.renew:
            if cache in _HELD:
                return _HELD[cache]
            raise GSSError(f"no tickets were acquired with {login.keytab} yet")
        if login.keytab:
            store = {"client_keytab": f"FILE:{login.keytab}", "ccache": cache}
        mechanism = [lib.MechType.kerberos]
        found = lib.Credentials(name=name, usage="initiate", mechs=mechanism, store=store)
        if store:
            _HELD[cache] = found
        return found

    @property
    def complete(self) -> bool:
        """Whether the context is established, and the server has proven who it is."""
        if not self._context.complete:
            return False
        mutual = self._library.RequirementFlag.mutual_authentication
        try:
            return bool(self._context.actual_flags & mutual)
        except self._library.exceptions.ExpiredContextError:
            # libkrb5 tells nothing of a context whose ticket has just ended; asked for mutual
            # authentication, it takes none for complete without the server's token.
            return True

    @property
    @_gss_call
    def initiator(self) -> str:
        """Whose ticket it is."""
        lib = self._library
        if self._context.complete:
            return str(self._context.initiator_name)
        mechanism = [lib.MechType.kerberos]
        mine = self._credentials() or lib.Credentials(usage="initiate", mechs=mechanism)
        return str(mine.name)

    @_gss_call
    def step(self, token: bytes) -> bytes:
        """Take the server's token, give the next one of ours."""
        return self._context.step(token or None) or b""

    @_gss_call
    def wrap(self, data: bytes, *, encrypt: bool) -> bytes:
        """*data* with a signature, and encrypted if asked for."""
        return bytes(self._context.wrap(data, encrypt).message)

    @_gss_call
    def unwrap(self, data: bytes) -> tuple[bytes, bool]:
        """What the server wrapped, and whether it was encrypted."""
        got = self._context.unwrap(data)
        return got.message, got.encrypted


def begin(login: ContextParameters, backend: str) -> tuple[SecurityContext, bytes]:
    """
    A context, and the first token of it.

    Raises:
        MissingExtra: No package that can do it.
        GSSError: No ticket, or the KDC does not know the service, or cannot be reached.
    """
    kind = choose(backend, keytab=login.keytab is not None)
    try:
        context = kind(login)
        return context, context.step(b"")
    except GSSError as error:
        if not (login.keytab and error.name in _CACHE_IS_EMPTY):
            raise
    context = kind(login)
    return context, context.step(b"")


def choose(backend: str, *, keytab: bool) -> Callable[[ContextParameters], SecurityContext]:
    """
    The backend of that name; for ``"auto"`` the one that is there and can do it.

    Raises:
        MissingExtra: It is not there.
    """
    if backend == "gssapi" or (backend == "auto" and keytab):
        import_extra("gssapi", "gssapi")
        return GssapiContext
    try:
        import_extra("kerberos", "kerberos")
    except MissingExtra:
        if backend == "kerberos":
            raise
        try:
            import_extra("gssapi", "gssapi")
        except MissingExtra:
            pass
        else:
            return GssapiContext
        raise
    return KerberosContext
