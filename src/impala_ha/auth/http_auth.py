"""
How a client says who it is over HTTP: Basic, Bearer, Negotiate, or not at all.

Passwords and tokens are sent with each request, for a cookie may have ended without our knowing;
a Kerberos token costs a way to the KDC, so it is made only where no cookie stands for it.  With
Kerberos the server says who it is as well, in the answer to the token.
"""

from __future__ import annotations

import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from impala_ha import errors
from impala_ha.core.fault_rules import error_text, refused_before_login
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.core.interruption import is_interrupt
from impala_ha.core.kerberos_errors import server_unproven
from impala_ha.core.login_throttle import LoginAttempt
from impala_ha.core.secret import masked
from impala_ha.net.http_request import Auth

if TYPE_CHECKING:
    from .kerberos import Negotiation

Show = Callable[[], tuple[str, LoginAttempt | None]]

_OK, _NOT_OK, _WHO_ARE_YOU, _NOT_YOU, _CONFUSED = 200, 300, 401, 403, 500


class _SecretAuth(Auth, ABC):
    """
    Who shows a secret, unless a cookie stands for it.

    A server may want both: then its 401 to the cookie alone is the last one.
    """

    borrows = True  # who would be shown the secret may be shown a cookie

    def __init__(
        self, show: Show, renew: Callable[[str], bool], well: Callable[[], bool] = lambda: True
    ):
        """
        Args:
            show: Returns the secret, and the attempt that is to be told the result.
            renew: Reads it anew, given the refused one, and says whether it is another one.
            well: Whether the server has a better answer than 5xx for who does not log in.
        """
        self._show = show
        self._renew = renew
        self._well = well
        self._shown: str | None = None
        self._attempt: LoginAttempt | None = None
        self._let_in = False
        self._by_cookie: bool | None = None  # whether that has worked; None: not tried yet

    def header(self, *, known: bool) -> str:
        """
        What tells the secret; empty where a cookie does.

        Raises:
            LoginBlocked: It was refused, and is not shown again.
        """
        self._shown, self.unverified = None, False
        if known and self._by_cookie is not False:
            return ""
        self._shown, self._attempt = self._show()
        if self._attempt is not None:
            self.unverified = not self._attempt.trusted
            self._attempt.established = self._let_in
        return self._value(self._shown)

    @abstractmethod
    def _value(self, secret: str) -> str:
        """The value of the Authorization header."""

    def answered(self, status: int) -> None:
        """Take note of the HTTP *status* of the answer to the last header."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.ended = True
        if self._shown is None:
            self._by_cookie = self._by_cookie or _OK <= status < _NOT_OK
        elif attempt is None:
            pass  # there is no secret
        elif status == _WHO_ARE_YOU:
            attempt.refused(f"HTTP code {status}")
        elif _OK <= status < _NOT_OK:
            attempt.accepted()
            self._let_in = True
        elif status == _NOT_YOU or (status >= _CONFUSED and self._well()):
            attempt.failed(f"HTTP code {status}")
        else:
            attempt.over()  # a gateway's

    def failed(self, error: BaseException, gone: Callable[[], bool]) -> None:
        """Take note that there was none; *gone*: did the header not leave, or nobody get it?"""
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        attempt.ended = True
        if is_interrupt(error) or refused_before_login(error) or gone():
            attempt.over()
        else:
            attempt.failed(error_text(error))

    def renew(self) -> bool:
        """Another secret, if there is one: accounts are locked for trying one twice."""
        if self._shown is None:
            return True
        return self._renew(self._shown)


class BasicAuth(_SecretAuth):
    """User and password, in base64."""

    def __init__(self, user: str, *secret: Any):
        """
        Args:
            user: Who.
            *secret: See `_SecretAuth`.
        """
        super().__init__(*secret)
        self._user = user

    def _value(self, secret: str) -> str:
        pair = f"{self._user}:{secret}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


class BearerAuth(_SecretAuth):
    """A JSON Web Token."""

    def _value(self, secret: str) -> str:
        token = masked(secret.strip())
        if not re.fullmatch(r"[!-~]+", token):
            raise errors.InterfaceError(
                "the JSON Web Token is empty, or has white space or other than ASCII in it"
            )
        return f"Bearer {token}"


class NegotiateAuth(Auth):
    """Kerberos: each token is good for one request."""

    mutual = True

    def __init__(
        self, token: Callable[[float], Negotiation], timeout: float, *, certified: bool = False
    ):
        """
        Args:
            token: Makes one within so many seconds.
            timeout: These seconds for those after the first.
            certified: Whether TLS has proven already who the server is.
        """
        self._token = token
        self._timeout = timeout
        self._certified = self.borrows = certified  # a cookie, unlike a token, is good for anybody
        self._ready: list[Negotiation] = []
        self._shown: Negotiation | None = None

    def prepare(self, limit: float) -> None:
        """
        Make a token before the coordinator is touched.

        Raises:
            CallFailed: With `Phase.TICKET`.
        """
        try:
            self._ready = [self._token(limit)]
        except BaseException as error:
            if is_interrupt(error):
                raise
            raise CallFailed(Phase.TICKET, error) from error

    def header(self, *, known: bool) -> str:
        """A token, unless a cookie does."""
        if known:
            return ""
        if not self._ready:
            self.prepare(self._timeout)
        self._shown = self._ready.pop()
        return f"Negotiate {self._shown.token}"

    def renew(self) -> bool:
        """Another token can always be tried; an old ticket that was refused is not shown again."""
        shown, self._shown = self._shown, None
        if shown is not None:
            shown.renew()
        return True

    def verify(self, said: Iterable[str]) -> None:
        """
        See that the answer to the last token proves who the server is.

        Hive and Spark never say it over HTTP; where a certificate does, that is enough.

        Raises:
            GSSError: It does not.
        """
        pairs = (text.split(None, 1) for text in said)
        tokens = [pair[1] for pair in pairs if len(pair) > 1 and pair[0].lower() == "negotiate"]
        if tokens and self._shown is not None:
            self._shown.verify(tokens[0].strip())
        elif self._certified and self._shown is not None:
            self._shown.accepted()
        else:
            raise server_unproven(
                "it answered without a token of its own (WWW-Authenticate: Negotiate)"
            )
