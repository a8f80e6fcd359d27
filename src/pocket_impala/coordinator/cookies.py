"""The cookie ``impala.auth``: who has proven once who they are need not do it with each request.

It is signed with a key of this process, so the cookie of one coordinator is worth nothing at
another, nor at the same one after a restart, unless both have the same `cookie_secret_file`; and it
is too old after `max_cookie_lifetime_s` seconds.  ``Secure`` is said even where there is no TLS, as
Impala does unless it is told not to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time

_NAME = "impala.auth"
_MOST_LOOKED_AT = 5
_PARTS = 4

FORGET = f"{_NAME}=;HttpOnly;Max-Age=0"


class Cookies:
    """Bakes cookies and knows its own.

    Args:
        lifetime: For how many seconds one is good; 0: there are none.
        secret: What they are signed with; nothing: a key of this process.
    """

    def __init__(self, lifetime: int, secret: bytes = b"") -> None:
        self._lifetime = lifetime
        self._key = secret or secrets.token_bytes(32)

    @property
    def in_use(self) -> bool:
        """Whether there are cookies at all."""
        return self._lifetime > 0

    def forget(self) -> None:
        """Know none of the cookies that were given out."""
        self._key = secrets.token_bytes(32)

    def bake(self, user: str, mechanism: str) -> str:
        """Return what ``Set-Cookie`` says to *user*, who came by *mechanism*."""
        stamp = int(time.monotonic() * 1000)
        value = f"u={user}&t={stamp}&r={secrets.randbelow(2**31)}&a={mechanism}"
        signature = base64.urlsafe_b64encode(self._sign(value)).decode()
        attributes = f"HttpOnly;Max-Age={self._lifetime};Secure"
        return f"{_NAME}={signature}&{value};{attributes}"

    def user(self, header: str) -> str | None:
        """Return whose cookie *header* has; None when it has none of ours that is good."""
        for pair in header.split(";")[:_MOST_LOOKED_AT]:
            name, _, value = pair.strip().partition("=")
            if name == _NAME:
                return self._user(value.strip('"'))
        return None

    def _user(self, cookie: str) -> str | None:
        signature, _, value = cookie.partition("&")
        try:
            given = base64.urlsafe_b64decode(signature)
        except (binascii.Error, ValueError):
            return None
        if not hmac.compare_digest(given, self._sign(value)):
            return None
        # What is signed was written here, so it need not be doubted any further; a user may be
        # called anything.
        user, stamp, *_ = value.removeprefix("u=").rsplit("&", _PARTS - 1)
        age = time.monotonic() * 1000 - int(stamp.removeprefix("t="))
        return user if age <= self._lifetime * 1000 else None

    def _sign(self, value: str) -> bytes:
        return hmac.digest(self._key, value.encode(), hashlib.sha256)
