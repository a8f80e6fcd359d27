"""
Pages of a coordinator's web server, with the login and the TLS that the options `web_*` give.

A page is asked for without a login, and one is shown where the server asks for it: Basic, Digest or
a ticket.  Of these only Digest needs httpx.
"""

from __future__ import annotations

import base64
from dataclasses import replace

from impala_ha.core.clock import Clock
from impala_ha.core.forks import importing
from impala_ha.core.model import Coordinator
from impala_ha.net import tls
from impala_ha.net.cookies import EVERY, CookieJar
from impala_ha.net.web import Answer, Web
from impala_ha.options.options import Options

_OK, _WHO_ARE_YOU = 200, 401


class RefusedLogin(Exception):
    """A web server does not take a password; others would not either, and count the tries."""


class LoginNeeded(Exception):
    """A web server asks for a login, and takes none that there is; another one may."""


class WebPages(Web):
    """
    The pages of one web server.

    Args:
        where: Its host, its own port, and the name that Kerberos knows it by.
        options: TLS, user and password.
        clock: For the limit.
        limit: Seconds for all of its pages, see `set_limit`.
        logs_in: Whether it may be shown a login.

    Attributes:
        refused: Why there was no page, where it asks for a login and none is shown.
    """

    def __init__(
        self,
        where: Coordinator,
        options: Options,
        clock: Clock,
        limit: float,
        *,
        logs_in: bool = True,
    ):
        context = tls.context(options) if options.web_ssl else None
        super().__init__(str(where), clock, clock.now() + limit, context, where.name)
        self.refused = ""
        self._where = where
        self._options = options
        self._logs_in = logs_in
        self._cookies = CookieJar(EVERY, "/")  # Impala's stands for a login

    def set_limit(self, seconds: float) -> None:
        """The pages of now on must come within *seconds*; loading httpx is not counted."""
        self.end = self._clock.now() + seconds

    def text(self, path: str, most: int) -> bytes | None:
        """
        The first *most* bytes of a page; None if it cannot be had.

        Raises:
            RefusedLogin: The password was refused.
            LoginNeeded: It takes no login that there is.
            MissingExtra: It asks for Digest, and httpx is not installed.
            GSSError: There is no ticket for it, or it does not prove who it is.
        """
        answer = self._ask(path, most)
        if answer is not None and answer.status == _WHO_ARE_YOU:
            if not self._logs_in:
                self.refused = "it asks for a login"
                return None
            answer = self._logged_in(path, most, answer.challenges)
        return answer.body if answer is not None and answer.status == _OK else None

    def _ask(self, path: str, most: int, shown: str = "") -> Answer | None:
        cookie = self._cookies.header(self._clock.now())
        headers = {"Authorization": shown, "Cookie": cookie}
        answer = self.ask(path, most, [each for each in headers.items() if each[1]])
        if answer is not None:
            self._cookies.keep(answer.cookies, self._clock.now())
        return answer

    def _logged_in(self, path: str, most: int, challenges: tuple[str, ...]) -> Answer | None:
        """What it answers once it is shown the login that it asks for."""
        options, asked = self._options, {_way(each): each for each in challenges}
        if "negotiate" in asked and options.auth_mechanism == "GSSAPI":
            return self._with_ticket(path, most)
        if options.web_user is None or not {"digest", "basic"} & {*asked}:
            ways = " or ".join(asked) or "nothing known"
            raise LoginNeeded(f"give web_user and web_password, it asks for {ways}")
        name, word = options.web_user, options.web_password
        word = word() if callable(word) else word or ""
        if "digest" in asked:
            shown = self._digest(name, word, path, asked["digest"])
        else:
            shown = f"Basic {base64.b64encode(f'{name}:{word}'.encode()).decode('ascii')}"
        answer = self._ask(path, most, shown)
        if answer is not None and answer.status == _WHO_ARE_YOU:
            raise RefusedLogin(f"it refused the password of web_user {name!r}")
        return answer

    def _digest(self, name: str, word: str, path: str, challenge: str) -> str:
        left = self.left
        with importing():
            from .digest import digest  # noqa: PLC0415 - httpx takes 0.15 s

        self.set_limit(left)
        return digest(name, word, f"http://{self.address}{path}", challenge)

    def _with_ticket(self, path: str, most: int) -> Answer | None:
        with importing():
            from .kerberos import negotiate  # noqa: PLC0415 - not everybody has it

        asked = replace(self._options, kerberos_service_name="HTTP")  # as browsers do
        shown = negotiate(asked, self._where, self._clock, self.left)
        answer = self._ask(path, most, f"Negotiate {shown.token}")
        if answer is None:
            return None
        if answer.status == _WHO_ARE_YOU:
            raise LoginNeeded("it refused the Kerberos ticket")
        proof = [each for each in answer.challenges if _way(each) == "negotiate"]
        shown.verify(proof[0].partition(" ")[2] if proof else "")
        return answer


def _way(challenge: str) -> str:
    return challenge.partition(" ")[0].lower()
