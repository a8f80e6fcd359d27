"""
How each kind of option is converted: from what people write to a value, or to what is wrong.

A converter raises ValueError with a text that goes on after the option's name: "must be ...".
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import field
from typing import Any, TypeVar

from impala_ha.balancing.policies import Policy, make_policy
from impala_ha.core.model import LAST_PORT
from impala_ha.core.secret import Secret

Given = TypeVar("Given")
Default = TypeVar("Default")

MECHANISMS = ("NOSASL", "PLAIN", "GSSAPI", "LDAP", "JWT")  # impala.dbapi.AUTH_MECHANISMS
BACKENDS = ("auto", "system", "gssapi", "kerberos")
FOREVER = 2**31 / 1000  # seconds; the most milliseconds that poll(2) takes, 24 days

_TRUE = frozenset({"true", "yes", "on", "1", "y", "t"})
_FALSE = frozenset({"false", "no", "off", "0", "n", "f"})

BALANCED = ("connection", "cursor")  # what goes to the next coordinator
TAGS = ("client_identifier", "comment", "none")  # how a write may be marked


def name(value: object) -> str:
    """A text, or a whole number in place of one (a user id, say), as in impyla."""
    if hasattr(value, "__index__") and not isinstance(value, bool):
        return str(value)
    return text(value)


def text(value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ValueError("must be a text")
    return value


def printable(value: object) -> str:
    """A text without line breaks and the like."""
    word = text(value)
    if word and not word.isprintable():
        raise ValueError("must be printable")
    return word


def anything(value: Any) -> Any:
    """Whatever it is."""
    return value


def secret(value: object) -> Secret | Callable[[], str]:
    """A text, kept out of sight, or the function that returns it."""
    return value if callable(value) else Secret(text(value))


def command(value: object) -> Secret:
    """A command with its arguments, kept out of sight."""
    if not text(value).strip():
        raise ValueError("must be a command")
    return Secret(value)


def function(value: Any) -> Any:
    """Something to call."""
    if not callable(value):
        raise ValueError("must be callable")
    return value


def flag(value: object) -> bool:
    """Yes or no."""
    if isinstance(value, (bool, int)) and value in (0, 1):
        return bool(value)
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("must be true or false (also yes/no, on/off, 1/0)")
    return word in _TRUE


def port(value: Any) -> int:
    """A TCP port."""
    number = whole(value)
    if not 0 < number <= LAST_PORT:
        raise ValueError(f"must be within 1..{LAST_PORT}")
    return number


def whole(value: Any) -> int:
    """A whole number."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise ValueError("must be a whole number") from None
    if isinstance(value, (bool, float)) and (isinstance(value, bool) or value != number):
        raise ValueError("must be a whole number")
    return number


def count(value: Any) -> int:
    """A number of things."""
    number = whole(value)
    if number < 0:
        raise ValueError("must be at least 0")
    return number


def seconds(value: Any) -> float:
    """More than 0 seconds."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError("must be a number of seconds") from None
    if isinstance(value, bool) or not number > 0:
        raise ValueError("must be above 0 seconds")
    return min(number, FOREVER)


def timeout(value: Any) -> float | None:
    """0 means no limit: as a socket option it would make every read fail at once."""
    try:
        if not isinstance(value, bool) and float(value) == 0:
            return None
    except (TypeError, ValueError):
        pass
    return seconds(value)


def mechanism(value: object) -> str:
    """How to log in."""
    word = text(value).strip().upper() or "NOSASL"
    if word not in MECHANISMS:
        known = ", ".join(MECHANISMS)
        # In parentheses: impyla's message, which programs look for.
        raise ValueError(f"must be one of {known} (Unsupported authentication mechanism: {word})")
    return word


def policy(value: str | Policy) -> str | Policy:
    """A name, or an object with ``choose()``."""
    if isinstance(value, str):
        word = value.strip().lower().replace("-", "_")
        make_policy(word, _UNUSED)
        return word
    if not callable(getattr(value, "choose", None)):
        raise ValueError("must be a name or an object with choose(candidates)")
    return value


_UNUSED = random.Random()  # noqa: S311 - nothing is drawn from it


def balance(value: object) -> str:
    """What is balanced."""
    word = text(value).strip().lower()
    if word not in BALANCED:
        raise ValueError(f"must be one of {', '.join(BALANCED)}")
    return word


def tag(value: object) -> str:
    """A kind of mark."""
    word = text(value).strip().lower()
    if word not in TAGS:
        raise ValueError(f"must be one of {', '.join(TAGS)}")
    return word


def backend(value: object) -> str:
    """A package that speaks with Kerberos."""
    word = text(value).strip().lower()
    if word not in BACKENDS:
        raise ValueError(f"must be one of {', '.join(BACKENDS)}")
    return word


_READ: set[str] = set()  # files that could be read once in this process


def file(value: str | os.PathLike[str]) -> str:
    """
    A file that can be read.

    One that is being replaced may be missing for a moment: whoever uses it has kept what was in
    it, or says what is wrong.
    """
    path = str(os.fspath(value))
    # pathlib would cost each import of the library a millisecond
    if os.path.isfile(path) and os.access(path, os.R_OK):
        _READ.add(path)
    elif path not in _READ:
        raise ValueError("must be a file that can be read")
    return path


def new_file(value: str | os.PathLike[str]) -> str:
    """A file that can be written, and need not be there."""
    path = str(os.fspath(value))
    there = os.path.exists(path)
    if os.path.isdir(path) or not os.access(
        path if there else os.path.dirname(path) or ".", os.W_OK
    ):
        raise ValueError("must be a file that can be written")
    return path


def option(
    convert: Callable[[Any], Given], default: Default, text: str, *, secret: bool = False
) -> Given | Default:
    """A field of the options: *convert* makes its value of what was given."""
    metadata = {"convert": convert, "help": text, "secret": secret}
    return field(default=default, metadata=metadata)
