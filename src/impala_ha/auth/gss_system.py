"""The backend without a package: a security context of the system's Kerberos library."""

from __future__ import annotations

import time
from ctypes import byref, c_int, c_uint32

from impala_ha.core.forks import GATE

from .gss_context import ContextParameters, by_keytab, cache_of, gss_call
from .gss_library import (
    CONTINUE_NEEDED,
    FLAGS,
    KRB5,
    MUTUAL,
    PRINCIPAL,
    Buffer,
    Input,
    Library,
    Owned,
    StatusError,
    load,
)

_HELD: dict[str, Owned] = {}  # by the name of their cache, the tickets that were acquired last


class SystemContext:
    """The system's library."""

    errors = StatusError

    def __init__(self, login: ContextParameters):
        """
        Args:
            login: Who, and where.

        Raises:
            MissingExtra: The library is not there.
            GSSError: There is no ticket for that principal, and none can be had.
        """
        self._library = load()
        self.login = login
        self.complete = False
        self._context = Owned(self._library, "gss_delete_sec_context", None)
        self._server, self._credentials = self._init()

    @gss_call
    def _init(self) -> tuple[Owned, Owned | None]:
        server = self._library.service(f"{self.login.service}@{self.login.host}")
        return server, _acquired(self._library, self.login)

    @property
    @gss_call
    def initiator(self) -> str:
        """Whose ticket it is."""
        library = self._library
        if not self.complete:
            return library.inquire(self._credentials or library.acquire(None))[0]
        name = Owned(library, "gss_release_name")
        library.call("gss_inquire_context", self._context, byref(name), *(None,) * 6)
        return library.text(name)

    @gss_call
    def step(self, token: bytes) -> bytes:
        """Take the server's token, give the next one of ours."""
        out, flags = Buffer(self._library), c_uint32()
        what = (self._credentials, byref(self._context), self._server, byref(KRB5), FLAGS, 0, None)
        given = byref(Input(len(token), token)) if token else None
        rest = (given, None, byref(out), byref(flags), None)
        said = self._library.call("gss_init_sec_context", *what, *rest)
        self.complete = not said & CONTINUE_NEEDED and bool(flags.value & MUTUAL)
        return bytes(out)

    @gss_call
    def wrap(self, data: bytes, *, encrypt: bool) -> bytes:
        """*data* with a signature, and encrypted if asked for."""
        out, given = Buffer(self._library), byref(Input(len(data), data))
        self._library.call("gss_wrap", self._context, encrypt, 0, given, None, byref(out))
        return bytes(out)

    @gss_call
    def unwrap(self, data: bytes) -> tuple[bytes, bool]:
        """What the server wrapped, and whether it was encrypted."""
        out, given, encrypted = Buffer(self._library), byref(Input(len(data), data)), c_int()
        rest = (given, byref(out), byref(encrypted), None)
        self._library.call("gss_unwrap", self._context, *rest)
        return bytes(out), bool(encrypted.value)


def own_tickets(login: ContextParameters) -> tuple[str, int]:
    """
    Whose tickets *login* shows, and for how many seconds they are good; none are acquired.

    Raises:
        MissingExtra: The library is not there.
        StatusError: There are none.
    """
    library = load()
    with GATE.passing():
        name = library.name(login.principal, PRINCIPAL) if login.principal else None
        store = {"ccache": cache_of(login)} if login.keytab else None
        return library.inquire(library.acquire(name, store))


def seconds_to_name(service: str, host: str) -> float:
    """
    How long the library takes to make a principal of both: it may look the host up in the DNS.

    Raises:
        MissingExtra: The library is not there.
    """
    library, start = load(), time.monotonic()
    library.service(f"{service}@{host}")
    return time.monotonic() - start


def _acquired(library: Library, login: ContextParameters) -> Owned | None:
    """The client's tickets; None: those of the credential cache, whosever they are."""
    name = library.name(login.principal, PRINCIPAL) if login.principal else None
    if login.keytab:
        return by_keytab(login, _HELD, lambda store: library.acquire(name, store))
    return library.acquire(name) if name else None
