"""
Logging in to a coordinator's web server: Basic, Digest or Negotiate, whichever it asks for.

httpx does it; the connections are those of `Web`, whose deadline covers all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from impala_ha.core.extras import import_extra
from impala_ha.net.web import LoginNeeded, RefusedLogin, Web

if TYPE_CHECKING:
    from .kerberos import Negotiation

    httpx: Any
else:
    httpx = import_extra("httpx", "web")

_OK, _WHO_ARE_YOU = 200, 401
_SENT = ("authorization", "cookie")  # of httpx's headers; the others are those of `Web`


class _Asked(httpx.Auth):  # type: ignore[misc]  # httpx may not be there
    """
    The login that the server asks for.

    Args:
        password: User and password, read when they are asked for; None: there are none.
        negotiation: Makes a token; None: without Kerberos.
    """

    def __init__(
        self,
        password: Callable[[], tuple[str, str]] | None,
        negotiation: Callable[[], Negotiation] | None,
    ):
        self._password = password
        self._negotiation = negotiation
        self._digest: Any = None

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """See httpx."""
        response = yield request
        if response.status_code != _WHO_ARE_YOU:
            return
        asked = response.headers.get_list("www-authenticate")
        ways = [each.partition(" ")[0].lower() for each in asked]
        if "negotiate" in ways and self._negotiation is not None:
            shown = self._negotiation()
            request.headers["Authorization"] = f"Negotiate {shown.token}"
            response = yield request
            if response.status_code == _OK:
                shown.verify(response.headers.get("www-authenticate", "").partition(" ")[2])
            elif response.status_code == _WHO_ARE_YOU:
                raise LoginNeeded("it refused the Kerberos ticket")
        elif self._password is not None and {"digest", "basic"} & set(ways):
            name, word = self._password()
            way = httpx.DigestAuth if "digest" in ways else httpx.BasicAuth
            login = way(name, word).auth_flow(request)
            next(login)
            if "digest" in ways:
                login.send(response)
            response = yield request
            if response.status_code == _WHO_ARE_YOU:
                raise RefusedLogin(f"it refused the password of web_user {name!r}")
        else:
            raise LoginNeeded(f"give web_user and web_password, it asks for {' or '.join(ways)}")


class LoggedInWeb(Web):
    """A web server that may ask for a login; takes the arguments of `Web`, and those of it."""

    def login(
        self,
        password: Callable[[], tuple[str, str]] | None,
        negotiation: Callable[[], Negotiation] | None,
    ) -> None:
        """Log in with a *password*, or with a token of Kerberos, whichever is asked for."""
        self._client = httpx.Client(
            auth=_Asked(password, negotiation), transport=_Transport(self), trust_env=False
        )

    def text(self, path: str, most: int) -> bytes | None:
        """
        The first *most* bytes of a page; None if it cannot be had.

        Raises:
            RefusedLogin: The password was refused.
            LoginNeeded: It takes no login that there is.
            GSSError: There is no ticket for it, or it does not prove who it is.
        """
        scheme = "https" if self.context else "http"
        try:
            answer = self._client.get(f"{scheme}://{self.address}{path}", extensions={"most": most})
        except httpx.HTTPError:
            return None
        return bytes(answer.content) if answer.status_code == _OK else None


class _Transport(httpx.BaseTransport):  # type: ignore[misc]
    def __init__(self, web: Web):
        self._web = web

    def handle_request(self, request: Any) -> Any:
        """See httpx."""
        path, most = request.url.raw_path.decode("ascii"), request.extensions["most"]
        kept = [(n, request.headers[n]) for n in _SENT if n in request.headers]
        answer = self._web.ask(path, most, kept)
        if answer is None:
            raise httpx.ReadError("it did not answer in time, or not as a web server does")
        named = [("www-authenticate", each) for each in answer.challenges]
        named += [("set-cookie", each) for each in answer.cookies]
        return httpx.Response(answer.status, headers=named, content=answer.body, request=request)
