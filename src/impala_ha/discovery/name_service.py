"""
``dns://name:port``: each address of a name is a coordinator, as the system's resolver knows them.

TLS and Kerberos know all of them by the name that was looked up.
"""

from __future__ import annotations

import socket
from collections.abc import Hashable, Sequence

from impala_ha.core.model import Coordinator
from impala_ha.options.host_urls import INTERVAL, HostURL


class NameService:
    """Asks the system's resolver: its files, its search list, whatever it is set up with."""

    def __init__(self, url: HostURL):
        self.key: Hashable = url
        self.interval = url.refresh or INTERVAL
        (self._place,) = url.places
        self.remedy = f"see `getent ahosts {self._place.host}` on this machine"
        self._url = url

    def resolve(self, limit: float) -> Sequence[Coordinator]:  # noqa: ARG002 - the resolver has one
        """See `HostSource`."""
        url, name, port = self._url, self._place.host, self._place.port
        found = socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        # In an order that does not depend on the answer's, which turns.
        return [
            Coordinator(address, port, zone=url.zone, krb_host=url.krb_host, name=name)
            for address in sorted({str(entry[4][0]) for entry in found})
        ]

    def __str__(self) -> str:
        return str(self._url)
