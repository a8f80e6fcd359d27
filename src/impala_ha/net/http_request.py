"""
The head of a request over HTTP: where it goes, what it carries, who sends it.

Headers of the user's own take the place of ours, and those that come twice are sent twice.  None
may hold a line break, or one header would be two.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

from impala_ha import errors
from impala_ha.core.secret import masked

_AGENT = "Python/ImpylaHttpClient"  # servers' logs and rules know it
_ANNOUNCED = 1024  # bytes from which a request is announced, as curl and impyla do


class Auth:
    """
    How a client says who it is: not at all; `auth.http_auth` has those that do.

    Attributes:
        mutual: Whether the server must say who it is as well, see `verify`.
        unverified: Whether the last header tells a secret that nobody has accepted yet.
        borrows: Whether the cookie of another coordinator of the cluster may be shown instead.
    """

    mutual = False
    unverified = False
    borrows = False

    def prepare(self, limit: float) -> None:
        """Get what the first request needs, within *limit* seconds."""

    def header(self, *, known: bool) -> str:  # noqa: ARG002 - for those that do
        """The value of the Authorization header; *known*: a cookie stands for a login already."""
        return ""

    def renew(self) -> bool:
        """Get something else to show after a refusal; is there anything?"""
        return False

    def answered(self, status: int) -> None:
        """Take note of the HTTP *status* of the answer to the last header."""

    def failed(self, error: BaseException, gone: Callable[[], bool]) -> None:
        """Take note that there was none; *gone*: did the header not leave, or nobody get it?"""

    def verify(self, said: Iterable[str]) -> None:
        """See that the server has proven who it is, by the WWW-Authenticate headers."""


class RequestIds:
    """
    What requests are known by: a name, ``-``, and how many there were with that name.

    Impala 5.0 shows the name of X-Request-Id in its trace (IMPALA-14332).
    """

    def __init__(self) -> None:
        self._name, self._count = "", 0

    def name(self, name: str) -> None:
        """Call those from now on *name*."""
        if name != self._name:
            self._name, self._count = name, 0

    def next(self) -> str:
        """The id of the next one; empty: it has none."""
        self._count += 1
        return f"{self._name}-{self._count}" if self._name else ""


@dataclass(frozen=True, slots=True)
class Target:
    """
    Where requests go.

    Attributes:
        url: As errors show it.
        line: What follows POST: a path, or a URL for a proxy.
        host: The Host header.
        agent: The User-Agent header, None for the usual one.
        more: Returns more headers, for each request.
        proxy_login: What a proxy wants in each request; empty for nothing.
    """

    url: str
    line: str
    host: str
    agent: str | None = None
    more: Callable[[], Iterable[tuple[str, str]] | None] | None = None
    proxy_login: str = field(default="", repr=False)

    def headers(self, size: int, request_id: str = "") -> list[tuple[str, str]]:
        """
        Those that do not say who we are, for a body of *size* bytes; *request_id*, if any, as well.

        Raises:
            InterfaceError: One of the user's own cannot be a header.
        """
        found = {
            "Host": self.host,
            "Accept-Encoding": "identity",
            "Content-Type": "application/x-thrift",
            "Content-Length": str(size),
            "User-Agent": _agent(self.agent, sys.argv[0] if sys.argv else ""),
        }
        if size > _ANNOUNCED:
            found["Expect"] = "100-continue"
        if request_id:
            found["X-Request-Id"] = request_id
        more = [(n, masked(v)) for n, v in (self.more() if self.more else None) or ()]
        for name, value in more:
            _check(name, value)
        theirs = {name.lower() for name, _ in more}
        return [*((n, v) for n, v in found.items() if n.lower() not in theirs), *more]

    def head(self, headers: list[tuple[str, str]], login: str, cookies: str) -> bytes:
        """The bytes before the body; *login* and *cookies* are left out where they are empty."""
        lines = [f"POST {self.line} HTTP/1.1", *(f"{n}: {v}" for n, v in headers)]
        if login and not any(name.lower() == "authorization" for name, _ in headers):
            lines.append(f"Authorization: {login}")
        if cookies:
            lines.append(f"Cookie: {cookies}")
        if self.proxy_login:
            lines.append(f"Proxy-Authorization: {self.proxy_login}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _check(name: str, value: str) -> None:
    """
    Refuse what would be more than one header.

    The value is not shown, for it may be secret.
    """
    if not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name):
        raise errors.InterfaceError(f"{name!r} cannot be the name of an HTTP header")
    if not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value):
        raise errors.InterfaceError(
            f"the HTTP header {name} has a line break, or what is not Latin-1, in its value"
        )


@lru_cache(maxsize=16)
def _agent(agent_option: str | None, program: str) -> str:
    """The user agent and the program, as impyla tells them."""
    script = os.path.basename(program)
    agent = f"{agent_option or _AGENT} ({quote(script)})" if script else agent_option or _AGENT
    _check("User-Agent", agent)
    return agent
