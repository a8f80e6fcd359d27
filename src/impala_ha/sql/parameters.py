"""
Binding parameters; what works with impyla gives the same statement here.

A marker in a string, a quoted name or a comment is text.  Two exceptions, which are in use:
``'%s'``, with nothing else in the quotes, is a marker, and ``%(name)s`` is one in any quotes.
There the value is inserted without quotes of its own.  A list is bound to ``?``, ``%s`` and ``:1``,
a dict to ``:name`` and ``%(name)s``, and with a dict ``%%`` is a percent sign.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from functools import lru_cache, partial
from itertools import islice
from typing import NoReturn, TypeAlias

from impala_ha import errors

from .literals import in_quotes, literal
from .scanner import TokenType, scan

_STYLES = ("qmark", "format", "numeric")  # those of a list
_CODE = {"qmark": r"(?P<next>\?)", "format": r"(?P<next>%s)", "numeric": r":(?P<index>[0-9]{1,9})"}
_ANY = rf"(?P<next>\?|%s)|{_CODE['numeric']}"
# A key may have pairs of parentheses in it, as in Python: %(avg(x))s.
_PYFORMAT = r"%\((?P<key>[^()]*(?:\([^()]*\)[^()]*){0,8})\)(?P<s>s?)"
_NAMED_IN_CODE = (
    rf"(?P<percent>%%)|{_PYFORMAT}|(?<!:):(?P<name>[^\d\W]\w*)|(?P<list>\?|%s\b|:[0-9]+)"
)
_NAMED_IN_QUOTES = rf"(?P<escape>(?:\\[^%]){{1,500}})|(?P<slash>\\?)(?:(?P<percent>%%)|{_PYFORMAT})"
_QUOTED = {TokenType.STRING, TokenType.NAME}
_ONE_VALUE = (str, bytes, bytearray, memoryview)
_SHOWN = 10  # names or numbers in a message

Parameters: TypeAlias = Sequence[object] | Mapping[str, object]


class BindingError(
    errors.ProgrammingError,  # type: ignore[misc]  # impyla is not typed
    KeyError,
    TypeError,
    ValueError,
):
    """Markers and parameters do not match; also of the class that impyla raises."""

    def __str__(self) -> str:
        return str(self.args[0])


def bind(
    operation: str, parameters: object, configuration: Mapping[str, object] | None
) -> tuple[str, dict[str, object] | None]:
    """
    The statement to send and the configuration to send with it.

    Args:
        operation: SQL, with markers in any of PEP 249's styles.
        parameters: A list, tuple or dict; nothing is bound when it is empty.
        configuration: Query options for this statement; ``paramstyle`` among them is for binding.

    Raises:
        ProgrammingError: *operation* is no str, or markers and parameters do not match, or a value
            has no SQL literal (then it is also a KeyError, TypeError and ValueError, as in impyla).
    """
    if not isinstance(operation, str):
        raise errors.ProgrammingError(
            f"operation must be a str of SQL, not {type(operation).__name__}"
        )
    overlay = dict(configuration) if configuration else None
    style = overlay.pop("paramstyle", None) if overlay else None
    text = _bound(operation, parameters, style)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BindingError("the statement has half of a surrogate pair: no valid UTF-8") from None
    return text, overlay


def _bound(operation: str, parameters: object, style: object) -> str:
    if parameters is None or (isinstance(parameters, Sized) and not len(parameters)):
        return operation
    if isinstance(parameters, Mapping):
        return _Named(parameters).bind(operation)
    if isinstance(parameters, Sequence) and not isinstance(parameters, _ONE_VALUE):
        return _Listed(parameters, style).bind(operation)
    raise BindingError(f"parameters must be a list, tuple or dict, not {type(parameters).__name__}")


class _Listed:
    """Values by position."""

    def __init__(self, values: Sequence[object], style: object) -> None:
        if style in ("named", "pyformat"):
            raise BindingError(f"paramstyle {style!r} needs a dict of parameters, not a list")
        if style is not None and style not in _STYLES:
            raise BindingError(f"paramstyle {style!r} is none of {', '.join(_STYLES)}")
        self._values = values
        self._style = None if style is None else str(style)
        self._count = 0
        self._numbers: set[int] = set()
        self._alone = False  # whether there is a '%s' that is alone in its quotes

    def bind(self, sql: str) -> str:
        """*sql* with the values; each marker needs a value and each value a marker."""
        code = _pattern(_CODE[self._style] if self._style else _ANY)
        parts = []
        for token in scan(sql):
            kind, part = token.type, token.text
            if kind is TokenType.CODE:
                part = code.sub(self._in_code, part)
            elif kind in _QUOTED and part[1:-1] == "%s" and self._style in (None, "format"):
                self._alone = True
                part = part[0] + self._next(partial(in_quotes, quote=part[0])) + part[0]
            parts.append(part)
        self._check()
        return "".join(parts)

    def _in_code(self, found: re.Match[str]) -> str:
        if found.lastgroup == "next":
            return _spaced(found, self._next(literal))
        self._numbers.add(int(found["index"]))
        return _spaced(found, self._at(int(found["index"]), literal))

    def _next(self, convert: Callable[[object], str]) -> str:
        self._count += 1
        return self._at(self._count, convert)

    def _at(self, number: int, convert: Callable[[object], str]) -> str:
        if not 1 <= number <= len(self._values):
            return ""  # `_check` raises
        return _converted(self._values[number - 1], str(number), convert)

    def _check(self) -> None:
        wanted = self._numbers | set(range(1, self._count + 1))
        given = set(range(1, len(self._values) + 1))
        if self._numbers and self._alone:
            raise BindingError(
                "'%s' in quotes stands beside markers with numbers (:1), and would take the value "
                "of one of them: name the paramstyle, numeric for text in the quotes"
            )
        if wanted == given:
            return
        markers = {"qmark": "?", "format": "%s", "numeric": ":1"}.get(self._style or "")
        raise BindingError(
            f"the statement has markers ({markers or '?, %s or :1'}) for {len(wanted)} values, and "
            f"{len(given)} were given: without a value are {_few(sorted(wanted - given))}, without "
            f"a marker {_few(sorted(given - wanted))}. In quotes and comments a marker is text; "
            "only '%s' is one, where it stands alone in quotes"
        )


class _Named:
    """Values by name."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self._missing: dict[str, None] = {}
        self._quote = ""

    def bind(self, sql: str) -> str:
        """*sql* with the values; each marker needs a value, and a value may be unused."""
        code, quoted = _pattern(_NAMED_IN_CODE), _pattern(_NAMED_IN_QUOTES)
        parts = []
        for token in scan(sql):
            kind, part = token.type, token.text
            if kind is TokenType.CODE:
                part = code.sub(self._in_code, part)
            elif "%" not in part:
                pass
            elif part[1:-1] == "%s":
                _refuse_list(part)
            elif kind in _QUOTED:
                self._quote = part[0]
                part = quoted.sub(self._in_quotes, part)
            else:
                part = part.replace("%%", "%")
            parts.append(part)
        if self._missing:
            raise BindingError(
                f"the parameters have no value for {_few(self._missing)}; "
                f"given are {_few(self._values)}. In quotes too, %(name)s is a marker and %% a "
                "percent sign"
            )
        return "".join(parts)

    def _in_code(self, found: re.Match[str]) -> str:
        if found["list"]:
            _refuse_list(found[0])
        if found["percent"]:
            return "%"
        before = found.string[max(found.start() - 1, 0) : found.start()]
        if found["name"] and re.match(r"\w", before) and found["name"] not in self._values:
            return found[0]  # a field and its type: struct<a:int>
        if found["name"]:
            return _spaced(found, self._value(found["name"], literal))
        return _spaced(found, self._pyformat(found, literal))

    def _in_quotes(self, found: re.Match[str]) -> str:
        if found["escape"]:
            return found[0]
        if found["percent"]:
            return found["slash"] + "%"
        if found["slash"] and found["s"]:
            raise BindingError(f"{found[0]} follows a backslash, which would change its value")
        return found["slash"] + self._pyformat(found, partial(in_quotes, quote=self._quote))

    def _pyformat(self, found: re.Match[str], convert: Callable[[object], str]) -> str:
        key = found["key"]
        if found["s"]:
            return self._value(key, convert)
        if key in self._values:
            raise BindingError(f"write %({key})s, with an s, for the value of {key}")
        return f"%({key})"  # an operator and parentheses: i %(n + 1)

    def _value(self, name: str, convert: Callable[[object], str]) -> str:
        if name in self._values:
            return _converted(self._values[name], name, convert)
        self._missing[name] = None
        return ""


def _refuse_list(marker: str) -> NoReturn:
    raise BindingError(
        f"{marker} is a marker for a list of parameters, and a dict was given: "
        "write :name or %(name)s, or %% for a percent sign"
    )


def _converted(value: object, name: str, convert: Callable[[object], str]) -> str:
    try:
        return convert(value)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise BindingError(f"parameter {name}: {error}") from error


def _spaced(found: re.Match[str], sql: str) -> str:
    """A negative number after a minus: ``5 --1`` would be a comment."""
    before = found.string[found.start() - 1 : found.start()]
    return f" {sql}" if before == "-" and sql.startswith("-") else sql


def _few(names: Iterable[object]) -> str:
    shown = [str(name) for name in islice(names, _SHOWN + 1)]
    return ", ".join([*shown[:_SHOWN], *["..."] * (len(shown) > _SHOWN)]) or "none"


@lru_cache(maxsize=8)
def _pattern(text: str) -> re.Pattern[str]:
    """Compiled at its first use, and not at each import."""
    return re.compile(text)
