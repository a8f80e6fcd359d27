"""
What HTTP says in place of an answer: not here, not you, not now.

impalad itself says 200 and 401; everything else comes from a gateway before it, whose page says
nothing of the statement.  So the error tells the URL, and when to come back where that was said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage

from impala.error import HttpError

_SECRET = frozenset({"set-cookie", "www-authenticate", "proxy-authenticate"})  # may hold tokens
_ASKED = "www-authenticate"
_SCHEMES = re.compile(r"(?:^|,) *(Basic|Bearer|Digest|Negotiate|NTLM)\b(?!=)")
_SERVER_ERROR = 500
_WHO_ARE_YOU = 401
_CLOCKS_DIFFER = 240.0  # seconds; Kerberos allows five minutes as a rule
_PASSING = (429, 502, 503, 504)


class HTTPStatusError(HttpError):  # type: ignore[misc]  # impyla is not typed
    """
    An HTTP answer that is none of HiveServer2's.

    Attributes:
        code, message, body, http_headers: As impyla has them, the headers without cookies.
        where: The URL that was asked.
        retry_after: Seconds to stay away, as the server asked for; 0 if it did not.
        ahead: Seconds by which the server's clock is before ours; negative where it is behind.
    """

    ahead = 0.0

    def __init__(  # noqa: PLR0917 - impyla's four come first, and pickle calls with all of them
        self,
        code: int,
        message: str,
        body: bytes,
        http_headers: HTTPMessage,
        where: str = "",
        retry_after: float = 0.0,
    ):
        super().__init__(code, message, body, http_headers)
        self.where = where
        self.retry_after = retry_after

    def __str__(self) -> str:
        text = str(super().__str__())
        if asked := self.http_headers.get(_ASKED):
            text += f" (asks for {asked})"
        if self.where:
            text += f" from {self.where}"
        if self.retry_after:
            text += f", retry after {self.retry_after:g} s"
        if self.code == _WHO_ARE_YOU and abs(self.ahead) > _CLOCKS_DIFFER:
            text += f", by a clock that is {abs(self.ahead):.0f} s "
            text += "ahead of ours" if self.ahead > 0 else "behind ours"
        target = self.http_headers.get("Location", "")
        return f"{text} (leads to {target})" if target else text

    @property
    def clean(self) -> bool:
        """Was the request turned away before anybody looked into it, or put off?"""
        return bool(self.code < _SERVER_ERROR or self.retry_after)

    @property
    def passing(self) -> bool:
        """Does it speak of a gateway that may be well again soon?"""
        return self.code in _PASSING


def public_headers(headers: Iterable[tuple[str, str]]) -> HTTPMessage:
    """*headers* as impyla tells them in an error, without what may be secret in them."""
    message = HTTPMessage()
    schemes: dict[str, None] = {}
    for name, value in headers:
        if name.lower() == _ASKED:
            schemes.update(dict.fromkeys(_SCHEMES.findall(re.sub(r'"[^"]*"', "", value))))
        if name.lower() not in _SECRET:
            message[name] = _plain(value) if name.lower() == "location" else value
    if schemes:
        message[_ASKED] = ", ".join(schemes)
    return message


def seconds_until(text: str, now: float) -> float:
    """
    What a Retry-After header says, in seconds; 0 if that is nothing.

    Args:
        text: The header: seconds, or a date.
        now: Seconds since 1970, to which a date is compared.
    """
    text = text.strip()
    if re.fullmatch(r"\d{1,9}", text):
        return float(text)
    return max(0.0, seconds_ahead(text, now))


def seconds_ahead(date: str, now: float) -> float:
    """By how many seconds a *date* of HTTP is ahead of *now*; 0 if it is none."""
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _plain(url: str) -> str:
    """*url* without what may be secret in it: user, query and fragment."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"//[^/@]*@", "//", bare)
