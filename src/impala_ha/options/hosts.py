"""
From a text to coordinators: ``a,b:21051?weight=2&zone=east,[::1]:21050``.

Comma or white space separates; each item is ``host``, ``host:port`` or ``[ipv6]:port``, and may
carry ``?weight=``, ``?zone=`` and ``?krb_host=``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl

from impala_ha.core.model import DEFAULT_PORT, LAST_PORT, Coordinator, is_address

_ITEM = re.compile(
    r"(?:\[(?P<six>[^\[\]]*)\]|(?P<host>[^\[\]:?/@]*))(?::(?P<port>[^?]*))?(?:\?(?P<query>.*))?"
)
_NAME = re.compile(r"[\w.\-%:]+")
_KNOWN = ("weight", "zone", "krb_host")
#: Those of URLs that tell where coordinators come from.
SCHEMES = ("dns", "srv", "file", "backends", "zookeeper")

_NO_LISTS = (bytes, bytearray, memoryview, Mapping)
_KINDS = "a text ('a,b:21051'), a list of such, Coordinator values, a function or a Cluster"


def parse_hosts(
    hosts: object, port: int = DEFAULT_PORT
) -> tuple[tuple[Coordinator, ...], tuple[str, ...]]:
    """
    The coordinators that *hosts* names, and what is wrong with it.

    Args:
        hosts: A text, an address, a `Coordinator`, or several of these.
        port: For items that name none.
    """
    found: list[Coordinator] = []
    wrong: list[str] = []
    for item in _items(hosts):
        try:
            coordinator = _coordinator(item, port)
        except ValueError as error:
            wrong.append(str(error))
            continue
        if coordinator in found:
            wrong.append(f"host names {coordinator} twice")
        found.append(coordinator)
    if not found and not wrong:
        wrong.append("host must name at least one coordinator, and names none")
    return tuple(found), tuple(wrong)


def _items(hosts: object) -> Sequence[object]:
    if isinstance(hosts, str):
        return _split(hosts)
    if not isinstance(hosts, Iterable) or isinstance(hosts, _NO_LISTS):
        return [hosts]
    items: list[object] = []
    for host in hosts:
        items += _split(host) if isinstance(host, str) else [host]
    return items


def _split(hosts: str) -> list[str]:
    if "@" in hosts:
        return [hosts]  # one mistake, shown whole: a comma may be part of a password
    return [item for item in re.split(r"[,\s]+", hosts) if item]


def _coordinator(item: object, default_port: int) -> Coordinator:
    if isinstance(item, Coordinator):
        return item
    if type(item).__module__ == "ipaddress":  # which not each import pays for
        item = str(item)
    if not isinstance(item, str):
        shown = "***" if "@" in repr(item) else repr(item)
        raise ValueError(f"host must be {_KINDS}, not {shown}")
    if item.count(":") > 1 and is_address(item):
        return Coordinator(item, default_port)
    match = _ITEM.fullmatch(item)
    if "@" in item:
        match, item = None, f"***@{item.rpartition('@')[2]}"  # before it may be a password
    if "://" in item.partition("?")[0]:
        raise ValueError(
            f"host {item!r} is a URL: give host:port, and the rest as options (use_ssl, "
            "use_http_transport, http_path, database); where hosts come from may be one text that "
            f"begins with {', '.join(f'{each}://' for each in SCHEMES)}"
        )
    if match is None:
        raise ValueError(
            f"host {item!r} is not host, host:port or [ipv6]:port, each with or without "
            "?weight=N&zone=NAME&krb_host=NAME (credentials and paths have options of their own)"
        )
    host = match["six"] if match["six"] is not None else match["host"]
    if not host or not _NAME.fullmatch(host):
        raise ValueError(f"host {item!r} has no name before the port")
    port = _number(f"port of {host}", match["port"], default_port, most=LAST_PORT)
    options = read_query(item, match["query"], _KNOWN)
    weight = _number(f"weight of {host}", options.get("weight"), 1)
    return Coordinator(host, port, weight, options.get("zone", ""), options.get("krb_host", ""))


def read_query(item: str, text: str | None, known: Sequence[str]) -> dict[str, str]:
    """
    What stands behind the question mark of *item*.

    Raises:
        ValueError: A name that is not one of *known*.
    """
    options = dict(parse_qsl(text or "", keep_blank_values=True))
    for name in options:
        if name not in known:
            names = ", ".join(known)
            raise ValueError(f"host {item!r} has an unknown option {name!r}; known are {names}")
    return options


def _number(what: str, text: str | None, default: int, most: int | None = None) -> int:
    rule = f"within 1..{most}" if most else "at least 1"
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or int(text) < 1 or (most and int(text) > most):
        raise ValueError(f"{what} must be a whole number {rule}, not {text!r}")
    return int(text)
