"""
Who speaks with Kerberos: the system's library by ctypes, or one of two packages.

`kerberos` is the package that impyla uses; `gssapi` can also acquire tickets with a keytab into
a cache of its own, as the system's library can.  None is loaded before it is asked for.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from impala_ha.core.extras import MissingExtra, import_extra
from impala_ha.core.kerberos_errors import GSSError

from .gss_context import ContextParameters, SecurityContext, by_keytab, gss_call
from .gss_library import load
from .gss_system import SystemContext

_Kind = Callable[[ContextParameters], SecurityContext]

#: What libkrb5 says while another thread renews the tickets of a cache: for a moment it is empty.
_CACHE_IS_EMPTY = frozenset({"KRB5_CC_NOTFOUND", "KRB5_FCC_NOFILE"})
_HELD: dict[str, Any] = {}  # by the name of their cache, the tickets that were acquired last
_NO_KEYTABS = (
    "the system's Kerberos library acquires no tickets with a keytab (MIT's does since 1.11):"
    " without the option keytab, `kinit -k -t KEYTAB PRINCIPAL` does"
)


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

    @gss_call
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

    @gss_call
    def step(self, token: bytes) -> bytes:
        """Take the server's token, give the next one of ours."""
        lib = self._library
        said = lib.authGSSClientStep(self._context, base64.b64encode(token).decode())
        # The package does not tell the flags; we asked for a proof, which is in a token.
        self.complete = bool(token) and said == lib.AUTH_GSS_COMPLETE
        return self._response()

    @property
    @gss_call
    def initiator(self) -> str:
        """Whose ticket it is."""
        if not self.complete:
            self._library.authGSSClientInquireCred(self._context)
        return self._library.authGSSClientUserName(self._context) or ""

    @gss_call
    def wrap(self, data: bytes, *, encrypt: bool) -> bytes:
        """*data* with a signature, and encrypted if asked for."""
        text = base64.b64encode(data).decode()
        self._library.authGSSClientWrap(self._context, text, None, int(encrypt))
        return self._response()

    @gss_call
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

    @gss_call
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
        """The client's tickets; None: those of the credential cache, whosever they are."""
        login, lib = self.login, self._library
        name = None
        if login.principal:
            name = lib.Name(login.principal, lib.NameType.kerberos_principal)

        def acquire(store: dict[str, str] | None = None) -> Any:
            mechanism = [lib.MechType.kerberos]
            return lib.Credentials(name=name, usage="initiate", mechs=mechanism, store=store)

        if login.keytab:
            return by_keytab(login, _HELD, acquire)
        return acquire() if name else None

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
    @gss_call
    def initiator(self) -> str:
        """Whose ticket it is."""
        lib = self._library
        if self._context.complete:
            return str(self._context.initiator_name)
        mechanism = [lib.MechType.kerberos]
        mine = self._credentials() or lib.Credentials(usage="initiate", mechs=mechanism)
        return str(mine.name)

    @gss_call
    def step(self, token: bytes) -> bytes:
        """Take the server's token, give the next one of ours."""
        return self._context.step(token or None) or b""

    @gss_call
    def wrap(self, data: bytes, *, encrypt: bool) -> bytes:
        """*data* with a signature, and encrypted if asked for."""
        return bytes(self._context.wrap(data, encrypt).message)

    @gss_call
    def unwrap(self, data: bytes) -> tuple[bytes, bool]:
        """What the server wrapped, and whether it was encrypted."""
        got = self._context.unwrap(data)
        return got.message, got.encrypted


def begin(login: ContextParameters, backend: str) -> tuple[SecurityContext, bytes]:
    """
    A context, and the first token of it.

    Raises:
        MissingExtra: Nothing is there that can do it.
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


def choose(backend: str, *, keytab: bool) -> _Kind:
    """
    The backend of that name; for ``"auto"`` the first that is there and can do it.

    Raises:
        MissingExtra: It is not there; for ``"auto"``, what is easiest to have.
    """
    if backend != "auto":
        return _BACKENDS[backend](keytab)
    try:
        return _system(keytab)
    except MissingExtra:
        for each in [_gssapi] if keytab else [_gssapi, _kerberos]:
            with suppress(MissingExtra):
                return each(keytab)
        raise


def _system(keytab: bool) -> _Kind:
    if not load().takes_keytabs and keytab:
        raise MissingExtra(_NO_KEYTABS)
    return SystemContext


def _gssapi(_: bool) -> _Kind:
    import_extra("gssapi", "gssapi")
    return GssapiContext


def _kerberos(_: bool) -> _Kind:
    import_extra("kerberos", "kerberos")
    return KerberosContext


_BACKENDS = {"system": _system, "gssapi": _gssapi, "kerberos": _kerberos}
