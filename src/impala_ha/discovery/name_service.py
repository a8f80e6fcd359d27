"""
``dns://name:port``: each address of a name is a coordinator, as the system's resolver knows them.

TLS and Kerberos know all of them by the name that was looked up.
"""

from __future__ import annotations

import socket
from collections.abc import Hashable, Sequence
from functools import partial

from impala_ha.core.model import Coordinator
from impala_ha.core.timeouts import run_with_timeout
from impala_ha.options.host_urls import INTERVAL, HostURL

_LATE = "the name service did not answer in time"


class NameService:
    """Asks the system's resolver: its files, its search list, whatever it is set up with."""

    def __init__(self, url: HostURL):
        self.key: Hashable = url
        self.interval = url.refresh or INTERVAL
        (self._place,) = url.places
        self.remedy = f"see `getent ahosts {self._place.host}` on this machine"
        self._url = url

    def resolve(self, limit: float) -> Sequence[Coordinator]:
        """See `HostSource`."""
        url, name, port = self._url, self._place.host, self._place.port
        look = partial(
            socket.getaddrinfo, name, port, 0, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG
        )
        found = run_with_timeout(look, limit, f"look up {name}", _LATE)
        # In an order that does not depend on the answer's, which turns.
        return [
            Coordinator(address, port, zone=url.zone, krb_host=url.krb_host, name=name)
            for address in sorted({str(entry[4][0]) for entry in found})
        ]

    def __str__(self) -> str:
        return str(self._url)
