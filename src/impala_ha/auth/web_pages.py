"""
Pages of a coordinator's web server, with the login and the TLS that the options `web_*` give.

A page is asked for without a login; only where that is refused one is shown, and httpx loaded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from impala_ha.core.clock import Clock
from impala_ha.core.model import Coordinator
from impala_ha.net import tls
from impala_ha.net.web import Web
from impala_ha.options.options import Options

if TYPE_CHECKING:
    from .kerberos import Negotiation

_MOST = 2**24  # bytes of a page


class WebPages:
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
        self._where = where
        self._options = options
        self._clock = clock
        context = tls.context(options) if options.web_ssl else None
        self._address = str(where), clock, clock.now() + limit, context, where.name
        self._web = Web(*self._address)
        self._may_log_in = logs_in
        self.refused = ""

    def set_limit(self, seconds: float) -> None:
        """The pages of now on must come within *seconds*; loading httpx is not counted."""
        self._web.end = self._clock.now() + seconds

    def page(self, path: str, most: int = _MOST) -> dict[str, Any] | None:
        """
        A page in JSON of *most* bytes; None if it cannot be had, or is none.

        Raises:
            RefusedLogin: The password was refused.
            LoginNeeded: It takes no login that there is.
            MissingExtra: It asks for a login, and httpx is not installed.
            GSSError: There is no ticket for it, or it does not prove who it is.
        """
        shown = self._web.page(path, most)
        if not self._web.wants_login:
            return shown
        if not self._may_log_in:
            self.refused = "it asks for a login"
            return None
        self._may_log_in = False  # one that was taken for a page is taken for the others
        self._web = self._logged_in()
        return self._web.page(path, most)

    def _logged_in(self) -> Web:
        options, clock, left = self._options, self._clock, self._web.left
        from .web_login import LoggedInWeb  # noqa: PLC0415 - httpx takes 0.15 s

        web = LoggedInWeb(*self._address)
        web.end = clock.now() + left
        negotiation = None
        if options.auth_mechanism == "GSSAPI":
            from .kerberos import negotiate  # noqa: PLC0415 - not everybody has it

            asked = replace(options, kerberos_service_name="HTTP")  # as browsers do

            def negotiation() -> Negotiation:
                return negotiate(asked, self._where, clock, web.left)

        name, word = options.web_user, options.web_password

        def password() -> tuple[str, str]:
            return name or "", word() if callable(word) else word or ""

        web.login(None if name is None else password, negotiation)
        return web
