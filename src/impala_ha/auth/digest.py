"""HTTP Digest (RFC 7616), which impalads with ``--webserver_password_file`` ask for, by httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impala_ha.core.extras import import_extra

if TYPE_CHECKING:
    httpx: Any
else:
    httpx = import_extra("httpx", "web")


def digest(name: str, password: str, url: str, challenge: str) -> str:
    """
    What to show in ``Authorization`` for a GET of *url*.

    Raises:
        ProtocolError: httpx's, of a *challenge* that is none.
    """
    request = httpx.Request("GET", url)
    headers = {"WWW-Authenticate": challenge}
    flow = httpx.DigestAuth(name, password).auth_flow(request)
    next(flow)
    again = flow.send(httpx.Response(401, headers=headers, request=request))
    return str(again.headers["Authorization"])
