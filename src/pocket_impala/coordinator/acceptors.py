"""The acceptor of the binary port: asks each client what the plan says it must be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pocket_impala.coordinator import kerberos
from pocket_impala.coordinator.sasl import Conversation, Plain, negotiate

if TYPE_CHECKING:
    from collections.abc import Callable

    from pocket_impala.coordinator.security import Security
    from pocket_impala.coordinator.wire import Wire


def binary_login(security: Security, index: int) -> Callable[[Wire], str | None]:
    """Return what lets clients in to coordinator *index*, and says who they are.

    Raises:
        gssapi.exceptions.GSSError: Its keytab does not have its key.
        MissingExtra: A package is not there.
    """
    mechanisms: dict[bytes, Callable[[], Conversation]] = {}
    if security.auth in {"PLAIN", "LDAP"}:
        mechanisms[b"PLAIN"] = lambda: Plain(security)
    elif security.auth == "GSSAPI":
        keys = kerberos.credentials(security, security.principal(index))
        mechanisms[b"GSSAPI"] = lambda: kerberos.Kerberos(keys, security.qop)
    if not mechanisms:
        return lambda _: None
    return lambda wire: negotiate(wire, mechanisms)
