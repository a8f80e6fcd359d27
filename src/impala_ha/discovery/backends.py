"""
``backends://host:25000``: the coordinators that an impalad's web server lists at ``/backends``.

It lists no ports of clients: those are in the ``/varz`` of each one's own web server.  A login is
shown to the web servers of the URL alone, and not to those that a page names.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from impala_ha.auth.web_pages import RefusedLogin, WebPages
from impala_ha.balancing.readings import number_of_flag
from impala_ha.core.clock import SystemClock
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.model import DEFAULT_PORT, LAST_PORT, Coordinator
from impala_ha.net import tls
from impala_ha.options.host_urls import INTERVAL, HostURL
from impala_ha.options.hosts import parse_hosts
from impala_ha.options.options import Options

_SHARES = 4  # of the limit, one for each page: who hangs must not take it all
_REFUSED_FOR = 3600.0  # seconds: accounts are locked for less
_FLAGS = {False: ("hs2_port", DEFAULT_PORT), True: ("hs2_http_port", 28000)}


class Backends:
    """Asks one web server after the other, those of coordinators that it has heard of too."""

    def __init__(self, url: HostURL, options: Options):
        over_http = options.use_http_transport
        form: list[object] = ["http"]
        if options.web_ssl:
            tls.prepare(options, url.places)
            form = ["https", options.ca_cert, options.verify_cert, options.client_cert]
        login = options.web_user, options.auth_mechanism == "GSSAPI"
        self.key: Hashable = url, over_http, *form, *login
        self.interval = url.refresh or INTERVAL
        names = " or ".join(f"`curl {form[0]}://{place}/backends?json`" for place in url.places)
        self.remedy = f"see {names}; web_ssl, web_user and web_password count"
        self._url = url
        self._options = options
        self._flag, self._default_port = _FLAGS[over_http]
        self._places = url.places
        self._ports: dict[tuple[Coordinator, str], int] = {}
        self._clock = SystemClock()
        self._silent_until = 0.0  # a password was refused: until then none is shown

    def resolve(self, limit: float) -> Sequence[Coordinator]:
        """See `HostSource`."""
        self._end = self._clock.now() + limit
        self._share = limit / _SHARES
        self._pages: dict[Coordinator, WebPages] = {}
        failed = []
        for place in self._places:
            page, why = self._page(place, "/backends")
            listed = page.get("backends") if page else None
            if isinstance(listed, list):
                found = sorted(set(self._coordinators(listed, place)))
                if found:  # none: it has not heard of the others yet
                    return found
            failed.append(f"{place} ({why or 'no such page of Impala came in time'})")
        raise LookupError(f"no list of backends from {', '.join(failed)}")

    def _page(self, place: Coordinator, path: str) -> tuple[dict[str, Any] | None, str]:
        """A page of one web server, or why there is none, where that is known."""
        now = self._clock.now()
        share = min(self._end - now, self._share)
        try:
            if place not in self._pages:
                may = place in self._url.places and now >= self._silent_until
                self._pages[place] = WebPages(place, self._options, self._clock, share, logs_in=may)
            pages = self._pages[place]
            pages.set_limit(share)
            return pages.page(path), pages.refused
        except Exception as error:
            if from_signal_handler(error):
                raise
            if isinstance(error, RefusedLogin):
                self._silent_until = self._clock.now() + _REFUSED_FOR
            return None, str(error)

    def _coordinators(
        self, listed: list[dict[str, Any]], asked: Coordinator
    ) -> Iterator[Coordinator]:
        there = [(each, where) for each in listed if (where := _address(each))]
        webs = [_web(each) or asked for each, _ in there]
        self._places = tuple(dict.fromkeys([*self._url.places, *webs]))
        for (each, where), web in zip(there, webs, strict=True):
            started = str(each.get("process_start_time"))
            port = self._url.port or self._port(web, started, asked)
            yield replace(where, port=port, zone=self._url.zone, krb_host=self._url.krb_host)

    def _port(self, web: Coordinator, started: str, asked: Coordinator) -> int:
        """Of one that *started* then; if it does not say, that of the one that was *asked*."""
        for place in (web, asked):
            known = self._ports.get((place, started)) or self._flag_of(place)
            if known:
                self._ports[web, started] = known
                return known
        return self._default_port

    def _flag_of(self, place: Coordinator) -> int | None:
        page, _ = self._page(place, "/varz")
        return number_of_flag(page or {}, self._flag, LAST_PORT)

    def __str__(self) -> str:
        return str(self._url)


def _address(backend: object) -> Coordinator | None:
    """Of a coordinator that is neither shutting down nor out.  Before 3.1 it did not say."""
    if (
        isinstance(backend, dict)
        and backend.get("is_coordinator", True)
        and not backend.get("is_quiescing")
        and backend.get("is_active", True)
    ):
        return _place(str(backend.get("address") or ""))
    return None


def _web(backend: dict[str, Any]) -> Coordinator | None:
    return _place(urlsplit(str(backend.get("webserver_url") or "")).netloc)


def _place(text: str) -> Coordinator | None:
    found, wrong = parse_hosts(text)
    return found[0] if len(found) == 1 and not wrong else None
