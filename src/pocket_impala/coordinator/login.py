"""Who asks, over HTTP: every request says it, by a cookie or by a proof.

A coordinator takes one kind of proof, which it names in its refusal: ``Basic`` (a password, in
`schemes`), ``Negotiate`` (Kerberos) or ``Bearer`` (a token).  Who has given a password or a ticket
gets a cookie with the answer; who shows a token shows it each time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pocket_impala.coordinator.cookies import FORGET

if TYPE_CHECKING:
    from pocket_impala.coordinator.cookies import Cookies
    from pocket_impala.coordinator.http_head import Head, Headers


class HttpRefused(Exception):
    """A request whose answer is 401.

    Args:
        headers: What the answer says besides.
    """

    def __init__(self, headers: Headers) -> None:
        super().__init__("not let in")
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a scheme says to a proof.

    Attributes:
        user: Who it is; None: it proves nothing.
        challenge: What ``WWW-Authenticate`` says; None: nothing.
    """

    user: str | None
    challenge: str | None = None


class Scheme(Protocol):
    """A kind of proof.

    Attributes:
        word: How ``Authorization`` begins.
        earns_cookie: Whether who gave it gets a cookie.
    """

    word: str
    earns_cookie: bool

    def judge(self, proof: str) -> Verdict:
        """Look at what follows the word; nothing when the client gave no such proof."""
        ...


class Login:
    """Lets requests in.

    Args:
        scheme: What is asked of clients; None: nothing.
        cookies: The cookies that were given out.

    Attributes:
        proofs: How many were given that were good.
    """

    def __init__(self, scheme: Scheme | None, cookies: Cookies) -> None:
        self._scheme = scheme
        self._cookies = cookies
        self._one_at_a_time = threading.Lock()
        self.proofs = 0

    def admit(self, head: Head) -> tuple[str | None, Headers]:
        """Let a request in.

        Args:
            head: The request.

        Returns:
            Who asks (None where nobody need say), and headers for the answer.

        Raises:
            HttpRefused: It is to be refused.
        """
        if self._scheme is None:
            return None, ()
        said: list[tuple[str, str]] = []
        cookie = head.headers.get("cookie") if self._cookies.in_use else None
        if cookie:
            # What is no ASCII was sent as UTF-8.
            user = self._cookies.user(cookie.encode("latin-1").decode(errors="replace"))
            if user is not None:
                return user, ()
            said.append(("Set-Cookie", FORGET))
        verdict = self._scheme.judge(head.credentials(self._scheme.word))
        if verdict.challenge is not None:
            said.append(("WWW-Authenticate", verdict.challenge))
        if verdict.user is None:
            raise HttpRefused(said)
        with self._one_at_a_time:
            self.proofs += 1
        if self._scheme.earns_cookie and self._cookies.in_use:
            said.append(("Set-Cookie", self._cookies.bake(verdict.user, self._scheme.word)))
        return verdict.user, said
