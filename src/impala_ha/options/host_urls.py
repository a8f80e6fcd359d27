"""
Where coordinators come from, as a URL: ``dns://impala.example.com:21050?zone=east``.

It is only read here; `impala_ha.discovery` asks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from impala_ha.core.model import DEFAULT_PORT, Coordinator

from .hosts import SCHEMES, parse_hosts, read_query

_URL = re.compile(r"(?P<scheme>\w+)://(?P<places>[^/?]*)(?P<path>/[^?]*)?(?:\?(?P<query>.*))?")
_BEGINS = re.compile(rf"\s*(?:{'|'.join(SCHEMES)})://", re.IGNORECASE)
_FORMS = {
    "dns": "dns://NAME or dns://NAME:PORT",
    "srv": "srv://_SERVICE._tcp.DOMAIN",
    "file": "file:///PATH",
    "backends": "backends://HOST:PORT, several with commas",
    "zookeeper": "zookeeper://HOST:PORT/PATH, several hosts with commas",
}
_PORTS = {"srv": 0, "backends": 25000, "zookeeper": 2181}
_OPTIONS = {"file": ("refresh",)}
_ALL_OPTIONS = ("zone", "krb_host", "refresh")
#: Seconds between two looks, where neither the URL nor the source says.
INTERVAL = 30.0


@dataclass(frozen=True, slots=True)
class HostURL:
    """
    A URL that tells where coordinators come from.

    Attributes:
        text: As it was given.
        scheme: One of `SCHEMES`.
        places: Whom to ask, each with its port; for ``dns`` and ``srv`` the name that is looked up.
        path: From the first slash on.
        port: What was given as `port` of `connect`; None if it was not.
        zone: Of all coordinators.
        krb_host: Of all coordinators.
        refresh: Seconds between two looks; 0: up to the source.
    """

    text: str
    scheme: str
    places: tuple[Coordinator, ...]
    path: str
    port: int | None
    zone: str = ""
    krb_host: str = ""
    refresh: float = 0.0

    def names_ports(self, port: int) -> bool:
        """Is *port* none that the coordinators can have?"""
        if self.scheme == "dns":
            return self.places[0].port != port
        return self.scheme in ("srv", "zookeeper")

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class HostFunction:
    """
    A function of the caller's that returns what `host` may be.

    Attributes:
        function: The function.
        port: Of those for which it names none; None: the default.
    """

    function: Callable[[], object]
    port: int | None


def is_url(hosts: object) -> bool:
    """Does the text *hosts* tell where coordinators come from?"""
    return isinstance(hosts, str) and _BEGINS.match(hosts) is not None


def parse_url(text: str, port: int | None) -> HostURL:
    """
    Read a URL that `is_url`.

    Args:
        text: The URL.
        port: The option of that name; None if it was not given.

    Raises:
        ValueError: It is none, and why.
    """
    text = text.strip()
    if "@" in text:
        raise ValueError(f"host '***@{text.rpartition('@')[2]}' must have no credentials")
    match = _URL.fullmatch(text)
    scheme = text.partition("://")[0].lower()
    malformed = f"host {text!r} is not {_FORMS[scheme]}"
    if match is None:
        raise ValueError(malformed)
    path = unquote(match["path"] or "")
    options = read_query(text, match["query"], _OPTIONS.get(scheme, _ALL_OPTIONS))
    refresh = _seconds(text, options.get("refresh"))
    places = _places(match["places"], scheme, port, malformed)
    one_name = scheme in ("dns", "srv")
    if one_name and (len(places) != 1 or path not in ("", "/")):
        raise ValueError(malformed)
    if one_name and places[0].is_address:
        raise ValueError(f"host {text!r} has an address, for which there is nothing to look up")
    if scheme == "srv" and ":" in match["places"]:
        raise ValueError(f"host {text!r} has a port: those of the SRV records count")
    if scheme in ("file", "zookeeper") and path in ("", "/"):
        raise ValueError(malformed)
    zone, krb_host = options.get("zone", ""), options.get("krb_host", "")
    Coordinator(text, krb_host=krb_host)  # which raises if that is none
    return HostURL(text, scheme, places, path, port, zone, krb_host, refresh)


def _places(text: str, scheme: str, port: int | None, malformed: str) -> tuple[Coordinator, ...]:
    if scheme == "file":
        if text not in ("", "localhost"):
            raise ValueError(malformed)
        return ()
    places, wrong = parse_hosts(text, _PORTS.get(scheme) or port or DEFAULT_PORT)
    if wrong or not text:
        raise ValueError("; ".join([malformed, *wrong]) if text else malformed)
    return places


def _seconds(text: str, given: str | None) -> float:
    if given is None:
        return 0.0
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"refresh of {text!r} must be seconds, more than 0, not {given!r}")
    return seconds
