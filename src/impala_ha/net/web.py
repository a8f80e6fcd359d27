"""
Pages of a coordinator's web server, read within a deadline.

A deadline covers all of it: name look-up, connecting, head and body.  Redirects are not followed,
no proxy is asked, and no more is read than was asked for.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable
from typing import Any, NamedTuple

from thrift.Thrift import TException

from impala_ha.core.clock import Clock

from .http_response import ReceiveBuffer, Response
from .sockets import Socket

_OK = 200
_LONGEST = 2**24  # bytes of a page in JSON
_REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept-Encoding: identity\r\n"
    "Connection: close\r\n{more}\r\n"
)


class Answer(NamedTuple):
    """
    What a web server answers.

    Attributes:
        status: Of HTTP.
        challenges: How it wants a login, one ``WWW-Authenticate`` each.
        cookies: What it wants to be remembered, one ``Set-Cookie`` each.
        body: The first bytes of the page.
    """

    status: int
    challenges: tuple[str, ...]
    cookies: tuple[str, ...]
    body: bytes


class Web:
    """
    One web server.

    Args:
        address: As Impala tells it: host and port.
        clock: For the deadline.
        end: When all must be done, on that clock.
        context: TLS; None for none.
        name: Whose certificate is to be shown; that of its host by default.

    Attributes:
        end: See above.
    """

    def __init__(
        self,
        address: str,
        clock: Clock,
        end: float,
        context: ssl.SSLContext | None = None,
        name: str = "",
    ):
        self.address = address
        self._clock = clock
        self.end = end
        self.context = context
        self._name = name

    @property
    def left(self) -> float:
        """Seconds until all must be done."""
        return max(0.0, self.end - self._clock.now())

    def page(self, path: str, most: int = _LONGEST) -> dict[str, Any] | None:
        """A page in JSON of *most* bytes; None if it cannot be had, or is none."""
        body = self.text(f"{path}?json", most)
        try:
            shown = json.loads(body.decode(errors="replace")) if body else None
        except (ValueError, RecursionError):
            return None
        return shown if isinstance(shown, dict) else None

    def text(self, path: str, most: int) -> bytes | None:
        """The first *most* bytes of a page; None if it cannot be had."""
        answer = self.ask(path, most)
        return answer.body if answer and answer.status == _OK else None

    def ask(self, path: str, most: int, headers: Iterable[tuple[str, str]] = ()) -> Answer | None:
        """
        What it answers to one request.

        Args:
            path: Of the page.
            most: Bytes of its body.
            headers: More of them.

        Returns:
            None if nothing comes in time, or no HTTP, or a body that is compressed.
        """
        host, _, port = self.address.rpartition(":")
        more = "".join(f"{name}: {value}\r\n" for name, value in headers)
        try:
            host = host.strip("[]")
            connection = Socket(host, int(port), self._clock, self.context, self._name or host)
            connection.set_deadline(self.left)
            try:
                connection.open()
                request = _REQUEST.format(path=path, address=self.address, more=more)
                connection.write(request.encode("latin-1"))
                return _answer(Response(ReceiveBuffer(connection.read)), most)
            finally:
                connection.close()
        except (OSError, ValueError, TException, OverflowError):
            return None


def _answer(response: Response, most: int) -> Answer | None:
    if response.header("content-encoding").lower() not in ("", "identity"):
        return None
    body = bytearray()
    while len(body) < most and (piece := response.read(most - len(body))):
        body += piece
    challenges = tuple(response.all("www-authenticate"))
    return Answer(response.status, challenges, tuple(response.all("set-cookie")), bytes(body))
