"""
``srv://_impala._tcp.example.com``: SRV records, with weights and priorities (RFC 2782).

The targets are names, and TLS and Kerberos know each coordinator by its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from impala_ha.core.extras import import_extra
from impala_ha.core.model import Coordinator
from impala_ha.options.host_urls import INTERVAL, HostURL

_SHORTEST, _LONGEST = 5.0, 300.0  # seconds between two looks, whatever the records say
_MUCH = 100  # times as often are those chosen that have a weight than those that have none


class SrvRecords:
    """Asks the name servers of ``/etc/resolv.conf``, by dnspython."""

    def __init__(self, url: HostURL):
        self.key: Hashable = url
        self.interval = url.refresh or INTERVAL
        self._url = url
        self._name = url.places[0].host
        self.remedy = f"see `dig SRV {self._name}`"
        self._resolver = import_extra("dns.resolver", "srv")

    def resolve(self, limit: float) -> Sequence[Coordinator]:
        """See `HostSource`."""
        url = self._url
        answer = self._resolver.Resolver().resolve(self._name, "SRV", lifetime=limit, search=True)
        if not url.refresh:
            self.interval = min(max(_SHORTEST, float(answer.rrset.ttl)), _LONGEST)
        records = {
            (record.target.to_text(omit_final_dot=True), record.port): record
            for record in answer
            if record.target.labels != (b"",) and record.port  # ".": there is no such service
        }
        weights = [record.weight for record in records.values()]
        scale = _MUCH if 0 in weights and any(weights) else 1
        found = [
            Coordinator(
                host,
                port,
                max(1, record.weight * scale),
                url.zone,
                url.krb_host,
                priority=record.priority,
            )
            for (host, port), record in records.items()
        ]
        return sorted(found, key=lambda each: (each.priority, each))

    def __str__(self) -> str:
        return str(self._url)
