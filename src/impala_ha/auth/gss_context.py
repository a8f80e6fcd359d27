"""
What all backends of Kerberos have in common: one security context with one server.

Every call may block (a KDC is asked for a ticket), holds up a fork for a moment, and what it
raises has been made a `GSSError`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from impala_ha.core.forks import GATE
from impala_ha.core.kerberos_errors import GSSError, to_gss_error

P = ParamSpec("P")
Got = TypeVar("Got")


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


def gss_call(method: Callable[P, Got]) -> Callable[P, Got]:
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


def cache_of(login: ContextParameters) -> str:
    """The name of the cache, in this process, that is filled with a keytab."""
    cache = f"MEMORY:impala-ha:{login.principal or ''}:{login.keytab}"
    return f"{cache}:{login}:{login.cache}" if login.cache else cache


def by_keytab(
    login: ContextParameters, held: dict[str, Got], acquire: Callable[[dict[str, str]], Got]
) -> Got:
    """
    The tickets of a keytab.

    libkrb5 gets them when there are none, and new ones after half of their life.  What was acquired
    last is held, for from then on libkrb5 asks the KDC each time that tickets are taken out of the
    cache.

    Args:
        login: Whose.
        held: By the name of their cache, what was acquired last.
        acquire: Takes the credential store, as ``gss_acquire_cred_from`` does.

    Raises:
        GSSError: They are not to be renewed, and none were acquired.
    """
    cache = cache_of(login)
    if login.renew:
        held[cache] = acquire({"client_keytab": f"FILE:{login.keytab}", "ccache": cache})
    elif cache not in held:
        raise GSSError(f"no tickets were acquired with {login.keytab} yet")
    return held[cache]
