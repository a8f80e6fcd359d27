"""
Under which name Kerberos knows a coordinator.

The service principal of each coordinator is its own, ``impala/<its name>``.  Clusters that were
set up for a load balancer run under the balancer's name instead and refuse every other; where
short names or addresses are used to connect, the full name has to be given, once for all as a
pattern (``_HOST.example.com``) or one by one.

And under which name it knows us: the tickets of a cache may be somebody else's tomorrow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from impala_ha.core.kerberos_errors import PrincipalMismatch
from impala_ha.core.model import KRB_HOST, Coordinator

HOST = "_HOST"  # as in Hadoop's and Impala's own configuration

#: A name or pattern for all, or one for each coordinator, as pairs: options can be hashed.
Names = str | tuple[tuple[str, str], ...]


def read(value: object) -> Names:
    """
    The names in *value*: a name, a pattern, a mapping, or a mapping as text (``a=x,b=y``).

    Raises:
        ValueError: It is nothing of the kind.
    """
    if isinstance(value, str) and "=" in value:
        value = dict(_pair(item) for item in re.split(r"[,\s]+", value) if item)
    if isinstance(value, Mapping):
        value = tuple(value.items())
    if isinstance(value, tuple):
        return tuple((_key(str(host)), _name(name)) for host, name in value)
    return _name(value)


def _key(host: str) -> str:
    """*host*, with or without a port, as it is compared: case and a dot at its end do not count."""
    return re.sub(r"\.(?=$|:)", "", host.lower())


def _pair(item: str) -> tuple[str, str]:
    host, _, name = item.partition("=")
    return host, name


def _name(value: object) -> str:
    if not isinstance(value, str) or not KRB_HOST.fullmatch(value):
        raise ValueError(
            f"must be the name of a host, a pattern with {HOST}, or a mapping from hosts to such "
            "(without service and realm: these are kerberos_service_name and up to krb5.conf)"
        )
    return value


def given(names: Names | None, coordinator: Coordinator) -> str:
    """What was given for *coordinator*: a name or a pattern; `HOST` if nothing was."""
    if coordinator.krb_host:
        return coordinator.krb_host
    if isinstance(names, tuple):
        known = dict(names)
        return known.get(_key(str(coordinator))) or known.get(_key(coordinator.host)) or HOST
    return names or HOST


class Identity:
    """
    Who a connection is opened as, which stays so: its sessions, SET and USE are that user's.

    Attributes:
        principal: Of the first login; empty before.
    """

    def __init__(self) -> None:
        self.principal = ""

    def check(self, principal: str) -> None:
        """
        Remember the *principal* of the first login, and take no other one.

        Raises:
            PrincipalMismatch: It is another one.
        """
        self.principal = self.principal or principal
        if principal != self.principal:
            raise PrincipalMismatch(
                f"the ticket is one of {principal}, and the connection was opened as "
                f"{self.principal}"
            )


def host_of(names: Names | None, coordinator: Coordinator, own: str = "") -> str:
    """
    The host part of the service principal of *coordinator*.

    Args:
        names: As `read` made it.
        coordinator: Whose.
        own: Its name, where that is known better than from the list of hosts.
    """
    name = given(names, coordinator).replace(HOST, own or coordinator.name or coordinator.host)
    return name.rstrip(".").lower()
