"""
The proxies of the environment, as impyla honours them.

``http_proxy``, ``https_proxy`` and ``no_proxy`` say who stands between.  A proxy is given whole
URLs where nothing is encrypted; else it is asked for a tunnel, in which TLS is spoken with the
coordinator itself, under the coordinator's name.
"""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from impala_ha.core.login_throttle import LOGIN_THROTTLE, LoginAttempt, digest

from .http_request import Auth
from .http_response import ReceiveBuffer, Response
from .http_status import HTTPStatusError, public_headers
from .sockets import Socket

_PORTS = {"http": 80, "https": 443}  # where a proxy listens that names none, in impyla
_OK, _WHO_ARE_YOU = 200, 407
_LOGIN_TIMEOUT = 10.0  # seconds to wait for another login's result, where nobody said how many


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    Who stands between.

    Attributes:
        host, port: Where.
        login: The value of the Proxy-Authorization header, empty without one.
    """

    host: str
    port: int
    login: str = field(default="", repr=False)

    @property
    def password(self) -> str:
        """In its login."""
        pair = base64.b64decode(self.login.partition(" ")[2]).decode(errors="replace")
        return pair.partition(":")[2]

    def __str__(self) -> str:
        return f"proxy {self.host}:{self.port}"


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """Who stands before *host*, by the environment; None if nobody does."""
    url = getproxies().get(scheme)
    if not url or proxy_bypass(host) or proxy_bypass(f"{host}:{port}"):
        return None
    parts = urlsplit(url if "//" in url else f"//{url}")
    if not parts.hostname:
        return None
    login = ""
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        login = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Proxy(parts.hostname, parts.port or _PORTS[scheme], login)


def begin_login(proxy: Proxy, limit: float) -> LoginAttempt:
    """
    A login at *proxy*, once nobody else finds out, within *limit* seconds, whether it is good.

    Raises:
        LoginBlocked: It was refused before.
    """
    key, where = digest("proxy", proxy.login), str(proxy)
    if not proxy.login or LOGIN_THROTTLE.trusts(key, [where]):
        return LoginAttempt(LOGIN_THROTTLE, key, [where], where, limit)
    return LOGIN_THROTTLE.begin(key, [where], "login", where, limit)


def report_status(attempt: LoginAttempt, status: int) -> None:
    """Tell *attempt* how it ended, by the HTTP *status* of the answer."""
    if status == _WHO_ARE_YOU:
        attempt.refused(f"HTTP code {status}")
    else:
        attempt.accepted()


class ProxyAuth:
    """Authentication at a coordinator and at the proxy before it, see `http_request.Auth`."""

    def __init__(self, auth: Auth, proxy: Proxy, timeout: float):
        """
        Args:
            auth: At the coordinator.
            proxy: Who stands between.
            timeout: Seconds to wait for the result of another login at the proxy.
        """
        self._auth = auth
        self._proxy = proxy
        self._timeout = timeout
        self._attempt: LoginAttempt | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._auth, name)

    def header(self, *, known: bool) -> str:
        """As at the coordinator."""
        self._attempt = begin_login(self._proxy, self._timeout)
        return self._auth.header(known=known)

    def answered(self, status: int) -> None:
        """Take note of the HTTP *status* of the answer to the last header."""
        if self._attempt is not None:
            report_status(self._attempt, status)
        self._auth.answered(status)

    def failed(self, error: BaseException, gone: Callable[[], bool]) -> None:
        """Take note that there was none."""
        if self._attempt is not None:
            self._attempt.over()
        self._auth.failed(error, gone)


class TunnelSocket(Socket):
    """A socket with TLS to *host*, through a proxy."""

    def __init__(self, proxy: Proxy, host: str, port: int, name: str = "", **rest: Any):
        """
        Args:
            proxy: Who is asked for the tunnel.
            host: Where it ends.
            port: At that host.
            name: Whose certificate is shown; that of *host* by default.
            **rest: See `Socket`.
        """
        super().__init__(proxy.host, proxy.port, name=name or host, **rest)
        self._proxy = proxy
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._end = where

    def _pass(self, handle: socket.socket) -> None:
        """
        Ask for the tunnel, in the clear: TLS begins behind it.

        Raises:
            HTTPStatusError: The proxy makes none.
        """

        def receive(size: int) -> bytes:
            handle.settimeout(self._remaining())
            got = bytes(socket.socket.recv(handle, size))  # not TLS's own
            if not got:
                raise ConnectionResetError(f"{self._proxy} closed the connection")
            return got

        lines = [f"CONNECT {self._end} HTTP/1.1", f"Host: {self._end}"]
        if self._proxy.login:
            lines.append(f"Proxy-Authorization: {self._proxy.login}")
        request = memoryview("\r\n".join([*lines, "", ""]).encode("latin-1"))
        del lines  # a traceback may be shown with the variables of each frame
        attempt = begin_login(self._proxy, self._remaining() or _LOGIN_TIMEOUT)
        try:
            handle.settimeout(self._remaining())
            socket.socket.sendall(handle, request)
            response = Response(ReceiveBuffer(receive))
            report_status(attempt, response.status)
        finally:
            attempt.over()
        if response.status != _OK:
            where = f"{self._proxy} for {self._end}"
            headers = public_headers(response.headers)
            raise HTTPStatusError(response.status, response.reason, b"", headers, where)
