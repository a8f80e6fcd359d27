"""
Texts of a server are shown without the secrets that it was given.

A server may repeat what it was sent: a gateway that shows the request in its page, a login that
names the wrong password.  So what is shown of its text has `***` in place of what this connection
logs in with, in every form in which that was sent or is usually shown.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections import OrderedDict
from http.client import HTTPMessage
from urllib.parse import quote, quote_plus

from .secret import linked

_MASK = "***"
_MOST = 64  # tokens and cookies, which come and go
_SHORT = 4  # characters; what is shorter is masked where it stands alone, or no text could be read
_LONG = 12  # characters; what is longer is masked also where its end was cut off
_BEGINNING = 8  # characters of it
_HEADER = re.compile(r"(?i)auth|token|cookie|secret|key|passw|credential|session")
#: What follows the name of a scheme, unless that is a word; and what looks like a JSON Web Token.
_SCHEMES = re.compile(r"\b((?i:basic|bearer|negotiate)) (?![a-z]+\b)[\w+/=.~-]{8,}")
_TOKENS = re.compile(r"\beyJ[\w-]{5,}(?:\.[\w-]*){1,4}")


class Redaction:
    """The secrets of one connection; several threads may use it."""

    def __init__(self) -> None:
        self._lasting: dict[str, None] = {}
        self._passing: OrderedDict[str, None] = OrderedDict()
        self._forms: tuple[tuple[str, ...], list[str]] = ((), [])  # of these secrets

    def __repr__(self) -> str:
        return f"Redaction({_MASK})"

    def add(self, secret: str | None) -> None:
        """From now on mask *secret*."""
        if secret:
            self._lasting[secret] = None

    def add_passing(self, secret: str) -> None:
        """Mask *secret* until many others have come after it."""
        if len(secret) >= _BEGINNING:
            self._passing[secret] = None
            while len(self._passing) > _MOST:
                self._passing.popitem(last=False)

    def add_header(self, name: str, value: str) -> None:
        """Mask the *value* of a header of the user's, if its *name* sounds like it."""
        if _HEADER.search(name):
            for part in (value, value.rpartition(" ")[2], value.rpartition("=")[2]):
                self.add_passing(part)

    def text(self, text: str) -> str:
        """*text* without them."""
        known = (*list(self._lasting), *list(self._passing))
        if self._forms[0] != known:
            found = {form for secret in known for form in _forms(str(secret))}
            self._forms = known, sorted(found, key=len, reverse=True)
        for form in self._forms[1]:
            alone = len(form) < _SHORT
            text = _alone(text, form) if alone else text.replace(form, _MASK)
        for form in self._forms[1]:
            if len(form) >= _LONG:
                text = _cut_off(text, form)
        return _TOKENS.sub(_MASK, _SCHEMES.sub(rf"\1 {_MASK}", text))

    def error(self, error: BaseException) -> bool:
        """
        Take them out of *error* and what it stands for.

        Returns:
            Whether there was any.
        """
        found = False
        for one in linked(error, "__cause__", "inner"):
            args = tuple(map(self._value, one.args))
            if args != one.args:
                one.args, found = args, True
            for name, value in list(vars(one).items()):
                masked = self._value(value)
                if masked is not value:
                    setattr(one, name, masked)
                    found = True
        return found

    def _value(self, value: object) -> object:
        """*value* without them, or itself."""
        masked: object = value
        if isinstance(value, str):
            masked = self.text(value)
        elif isinstance(value, bytes):
            masked = self.text(value.decode("latin-1")).encode("latin-1")
        elif isinstance(value, HTTPMessage):
            masked = HTTPMessage()
            for name, one in value.items():
                masked[self.text(name)] = self.text(one)
            return masked if masked.items() != value.items() else value
        return value if masked == value else masked


def _forms(secret: str) -> set[str]:
    """How *secret* may look in a text: plain, escaped, and in base64 wherever it begins there."""
    data = secret.encode(errors="replace")
    escaped = {quote(data, safe=""), quote(data), quote_plus(data)}
    found = {
        secret,
        data.decode("latin-1"),
        *escaped,
        *(re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), one) for one in escaped),
        html.escape(secret),
        html.escape(secret, quote=False),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        repr(data)[2:-1],
    }
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + data).decode()
        inner = coded.rstrip("=")[before and before + 1 :]  # without what its neighbour is part of
        if len(data) + before > _SHORT:
            found |= {inner[:-1], inner[:-1].replace("+", "-").replace("/", "_")}
    found.add(base64.b64encode(data).decode().rstrip("="))
    return {form for form in found if form}


def _alone(text: str, form: str) -> str:
    return re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", _MASK, text)


def _cut_off(text: str, form: str) -> str:
    """*text* without what *form* begins with."""
    at = 0
    while (at := text.find(form[:_BEGINNING], at)) >= 0:
        end = _BEGINNING
        while end < len(form) and text[at + end : at + end + 1] == form[end]:
            end += 1
        text = f"{text[:at]}{_MASK}{text[at + end :]}"
        at += len(_MASK)
    return text
