"""Keeps web pages out: a developer's browser runs programs of strangers.

A page of anybody can have the browser send requests to this machine, and one whose name is made to
lead here (DNS rebinding) can read the answers.  A browser says from where a page comes, in
``Origin`` or ``Sec-Fetch-Site``, and by which name it was asked for, in ``Host``; programs say
neither, or a name that is ours.  Impala itself lets everybody in.
"""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pocket_impala.coordinator.http_head import Headers

_ALL = "*"
_OURS = frozenset({"", "none", "same-origin"})  # typed by a person, or a link on our own page


class Browsers:
    """Whom a coordinator answers.

    Args:
        origins: Origins of pages that may ask, with commas between; ``*``: all.
        hosts: Names by which it may be asked besides those it has, likewise.
        names: Those it has, besides ``localhost`` and the loopback addresses.
    """

    def __init__(self, origins: str = "", hosts: str = "", names: Iterable[str] = ()) -> None:
        self._origins = _words(origins)
        self._hosts = _words(hosts) | {"localhost", *(name.lower() for name in names)}

    def refusal(self, headers: Mapping[str, str], *, preflight: bool = False) -> HTTPStatus | None:
        """Return with which status a request is refused; None: it is not.

        Args:
            headers: Of the request, by name in lower case.
            preflight: Whether a browser asks only whether it may.
        """
        host, origin = headers.get("host"), headers.get("origin")
        if host is not None and not self._is_ours(host):
            return HTTPStatus.MISDIRECTED_REQUEST
        if _ALL in self._origins or (origin is not None and origin.lower() in self._origins):
            return None
        site = headers.get("sec-fetch-site", "").lower()
        if preflight or origin is not None or site not in _OURS:
            return HTTPStatus.FORBIDDEN
        return None

    def told(self, headers: Mapping[str, str]) -> Headers:
        """Return what an answer says to the browser of a page that may read it."""
        origin = headers.get("origin")
        return (
            () if origin is None else (("Access-Control-Allow-Origin", origin), ("Vary", "Origin"))
        )

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if _ALL in self._hosts or name.rstrip(".") in self._hosts:
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


def _words(text: str) -> set[str]:
    return {word.strip().lower() for word in text.split(",") if word.strip()}
