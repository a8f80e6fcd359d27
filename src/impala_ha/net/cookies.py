"""
The cookies of one coordinator.

impalad signs its cookie with a key of its own, so there is a jar for each coordinator.  From Impala
5.0 on all coordinators of a cluster may sign with the same key (``--cookie_secret_file``), and then
the login at one is a login at all: a jar without one can borrow that of another.

Which cookies are kept, and for how long, is as in impyla: those that were named, or all; those
whose path is ours; until their Max-Age is over.  Unlike Python's own, this jar keeps a cookie with
the name of a user in it that is no ASCII.

What a server sets is sent back as it came.  So nothing with a control character in it is a cookie,
or one header could become two; and no more is kept than the head of a request has room for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from impala.util import cookie_matches_path

EVERY = "*"
_SHARED = "impala.auth"
_MOST = 50  # cookies, as browsers keep at least
_LONGEST = 2**13  # bytes of one
_ALL = 2**15  # bytes of all of them: the heads that servers take are no longer


class _Cookie(NamedTuple):
    """How a cookie is sent, and until when."""

    text: str
    until: float

    def __repr__(self) -> str:
        return "***"


class CookieJar:
    """
    The cookies of one coordinator.

    Several threads may use one: what is in it is replaced, never changed.

    Attributes:
        refused: Whether a login that was borrowed did no good here.
    """

    def __init__(self, names: str | Iterable[str] | None, path: str):
        """
        Args:
            names: Those to keep: a name, several (separated by commas, or a list), `EVERY`, or
                nothing.
            path: Of our URL.
        """
        if isinstance(names, str):
            names = [name.strip() for name in names.split(",") if name.strip()]
        self._names = frozenset(names or ())
        self._path = path
        self._cookies: dict[str, _Cookie] = {}
        self._borrowed = False
        self.refused = False

    def header(self, now: float) -> str:
        """What to send; empty if there is nothing."""
        return "; ".join(cookie.text for cookie in self._fresh(now).values())

    def values(self) -> list[str]:
        """What the cookies hold."""
        return [cookie.text.partition("=")[2] for cookie in self._cookies.values()]

    def logs_in(self, now: float) -> bool:
        """Is there one that stands for a login, as its name says (``impala.auth``)?"""
        return any(name.endswith(".auth") for name in self._fresh(now))

    def borrow(self, other: CookieJar, now: float) -> None:
        """Take the login of *other*'s coordinator, where there is one and none is here."""
        found = other._fresh(now).get(_SHARED)
        if found is not None and not self.logs_in(now):
            self._borrowed = True
            self._cookies = {**self._cookies, _SHARED: found}

    def keep(self, headers: Iterable[str], now: float) -> None:
        """Take the cookies of the Set-Cookie *headers* of one answer."""
        kept = dict(self._cookies)
        for header in headers:
            text, *rest = (part.strip() for part in header.split(";"))
            name, _, value = text.partition("=")
            said = {
                n.strip().lower(): v.strip() for n, _, v in (part.partition("=") for part in rest)
            }
            proper = name and len(text) <= _LONGEST and not re.search(r"[\x00-\x1f\x7f]", text)
            if proper and self._wanted(name) and cookie_matches_path(said, self._path):
                kept.pop(name, None)  # the one that was set last is the last one to go
                kept[name] = _Cookie(f"{name}={value}", now + _age(said.get("max-age", "")))
                self._borrowed = self._borrowed and name != _SHARED
        self._cookies = _latest(kept, now)

    def clear(self) -> bool:
        """Throw all away; were there any?"""
        had, self._cookies = self._cookies, {}
        self.refused = self.refused or self._borrowed
        self._borrowed = False
        return bool(had)

    def _wanted(self, name: str) -> bool:
        return name in self._names or EVERY in self._names

    def _fresh(self, now: float) -> dict[str, _Cookie]:
        return {name: cookie for name, cookie in self._cookies.items() if now < cookie.until}


def _latest(cookies: dict[str, _Cookie], now: float) -> dict[str, _Cookie]:
    """Those of *cookies* that are not over, as far as there is room: the last ones."""
    fresh = [(name, cookie) for name, cookie in cookies.items() if now < cookie.until][-_MOST:]
    while sum(len(cookie.text) for _, cookie in fresh) > _ALL:
        del fresh[0]
    return dict(fresh)


def _age(said: str) -> float:
    """Seconds that a cookie lives: up to the end of the program, unless there is a number."""
    return float(said) if re.fullmatch(r"-?\d{1,12}", said) else float("inf")
