"""
``backends://host:25000``: the coordinators that an impalad's web server lists at ``/backends``.

It lists neither ports of clients nor who is no coordinator: the ports are in the ``/varz`` of
each one's own web server.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from impala_ha.core.clock import SystemClock
from impala_ha.core.model import DEFAULT_PORT, Coordinator
from impala_ha.net.web import Web
from impala_ha.options.host_urls import INTERVAL, HostURL

_SHARES = 4  # of the limit, one for each page: who hangs must not take it all
_FLAGS = {False: ("hs2_port", DEFAULT_PORT), True: ("hs2_http_port", 28000)}


class Backends:
    """Asks one web server after the other, those of coordinators that it has heard of too."""

    def __init__(self, url: HostURL, *, http: bool):
        self.key: Hashable = url, http
        self.interval = url.refresh or INTERVAL
        names = " or ".join(f"`curl http://{place}/backends?json`" for place in url.places)
        self.remedy = f"see {names}; the web server must ask for no login and no TLS"
        self._url = url
        self._flag, self._default_port = _FLAGS[http]
        self._places = [str(place) for place in url.places]
        self._ports: dict[tuple[str, str], int] = {}
        self._clock = SystemClock()

    def resolve(self, limit: float) -> Sequence[Coordinator]:
        """See `HostSource`."""
        self._end = self._clock.now() + limit
        self._share = limit / _SHARES
        for place in self._places:
            page = self._page(place, "/backends")
            listed = page.get("backends") if page else None
            if isinstance(listed, list):
                found = sorted(self._coordinators(listed, place))
                if found:  # none: it has not heard of the others yet
                    return found
        raise LookupError(f"no list of backends from {', '.join(self._places)}")

    def _page(self, place: str, path: str) -> dict[str, Any] | None:
        end = min(self._end, self._clock.now() + self._share)
        return Web(place, self._clock, end).page(path)

    def _coordinators(self, listed: list[dict[str, Any]], asked: str) -> Iterator[Coordinator]:
        there = [each for each in listed if _takes_clients(each)]
        webs = {str(each["address"]): _web(each) or asked for each in there}
        first = [str(place) for place in self._url.places]
        self._places = list(dict.fromkeys([*first, *webs.values()]))
        for each in there:
            address = str(each["address"])
            host = address.rpartition(":")[0].strip("[]")
            started = str(each.get("process_start_time"))
            port = self._url.port or self._port(webs[address], started, asked)
            yield Coordinator(host, port, zone=self._url.zone, krb_host=self._url.krb_host)

    def _port(self, web: str, started: str, asked: str) -> int:
        """Of one that *started* then; if it does not say, that of the one that was *asked*."""
        for place in (web, asked):
            known = self._ports.get((place, started)) or self._flag_of(place)
            if known:
                self._ports[web, started] = known
                return known
        return self._default_port

    def _flag_of(self, place: str) -> int | None:
        page = self._page(place, "/varz") or {}
        flags = page.get("flags")
        for flag in flags if isinstance(flags, list) else ():
            if isinstance(flag, dict) and flag.get("name") == self._flag:
                text = str(flag.get("current"))
                return int(text) if text.isdecimal() and int(text) else None
        return None

    def __str__(self) -> str:
        return str(self._url)


def _takes_clients(backend: dict[str, Any]) -> bool:
    """Is it a coordinator that is neither shutting down nor out?  Before 3.1 it did not say."""
    return bool(
        isinstance(backend, dict)
        and backend.get("address")
        and backend.get("is_coordinator", True)
        and not backend.get("is_quiescing")
        and backend.get("is_active", True)
    )


def _web(backend: dict[str, Any]) -> str:
    return urlsplit(str(backend.get("webserver_url", ""))).netloc
