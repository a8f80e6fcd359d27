"""
Pages of a coordinator's web server, read within a deadline.

A deadline covers all of it: name look-up, connecting, head and body.  Redirects are not followed,
no proxy is asked, and no more is read than was asked for.
"""

from __future__ import annotations

import json
from typing import Any

from thrift.Thrift import TException

from impala_ha.core.clock import Clock

from .http_response import ReceiveBuffer, Response
from .sockets import Socket

_OK = 200
_LONGEST = 2**24  # bytes of a page in JSON
_REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept-Encoding: identity\r\n"
    "Connection: close\r\n\r\n"
)


class Web:
    """
    One web server.

    Args:
        address: As Impala tells it: host and port.
        clock: For the deadline.
        end: When all must be done, on that clock.
    """

    def __init__(self, address: str, clock: Clock, end: float):
        self._address = address
        self._clock = clock
        self._end = end

    def page(self, path: str) -> dict[str, Any] | None:
        """A page in JSON; None if it cannot be had, or is none."""
        body = self.text(f"{path}?json", _LONGEST)
        try:
            shown = json.loads(body.decode(errors="replace")) if body else None
        except (ValueError, RecursionError):
            return None
        return shown if isinstance(shown, dict) else None

    def text(self, path: str, most: int) -> bytes | None:
        """The first *most* bytes of a page; None if it cannot be had."""
        host, _, port = self._address.rpartition(":")
        try:
            connection = Socket(host.strip("[]"), int(port), self._clock)
            connection.set_deadline(max(0.0, self._end - self._clock.now()))
            try:
                connection.open()
                request = _REQUEST.format(path=path, address=self._address)
                connection.write(request.encode("ascii"))
                return _body(Response(ReceiveBuffer(connection.read)), most)
            finally:
                connection.close()
        except (OSError, ValueError, TException, OverflowError):
            return None


def _body(response: Response, most: int) -> bytes | None:
    if response.status != _OK or response.header("content-encoding").lower() not in (
        "",
        "identity",
    ):
        return None
    body = bytearray()
    while len(body) < most and (piece := response.read(most - len(body))):
        body += piece
    return bytes(body)
