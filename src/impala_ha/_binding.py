"""
From a text and parameters to a statement, in all of PEP 249's paramstyles as impyla has them.

A marker counts where it stands in code: in literals, quoted names and comments ``:10``, ``?`` and
``%s`` are text.  (impyla takes the minutes of ``'10:20'`` for parameter 20.)  With one exception,
for code that was written for impyla: ``%(name)s`` in a literal is replaced by the value as a part
of it, and so is ``%s`` where the markers outside of literals leave values over.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

from . import errors
from ._literals import NoLiteral, inside, literal
from ._scanner import Token, scan

_MARKERS = {"qmark": r"\?", "format": "%s", "numeric": r":(?P<number>\d+)"}
_NAMED = r"%%|:([^\W\d]\w*)|%\(([^)]*)\)(\w?)"
_PYFORMAT = r"%%|%\(([^)]*)\)s"


class BindingError(
    errors.ProgrammingError,  # type: ignore[misc]  # impyla is not typed
    KeyError,
    TypeError,
    ValueError,
):
    """Markers and parameters do not fit; impyla lets Python's own error through."""

    def __str__(self) -> str:
        return str(self.args[0])


def bind(
    operation: str, parameters: Any, configuration: Mapping[str, Any] | None
) -> tuple[str, dict[str, Any] | None]:
    """
    The statement to send and the configuration to send with it.

    Args:
        operation: SQL, with markers in any of PEP 249's styles.
        parameters: A list, tuple or mapping; nothing is bound when it is empty.
        configuration: Query options for this statement; ``paramstyle`` among them is for binding.

    Raises:
        BindingError: They do not fit, or a value has no literal; nothing was sent.
    """
    if not isinstance(operation, str):
        raise BindingError(f"a statement is a str of SQL, not {type(operation).__name__}")
    overlay = dict(configuration) if configuration else None
    style = overlay.pop("paramstyle", None) if overlay else None
    if isinstance(parameters, Mapping):
        text = _by_name(operation, parameters) if parameters else operation
    elif isinstance(parameters, (list, tuple)):
        text = _by_position(operation, parameters, style) if parameters else operation
    elif parameters is None:
        text = operation
    else:
        raise BindingError(
            f"parameters are a list, a tuple or a mapping, not {type(parameters).__name__}"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BindingError(f"the statement is not valid Unicode: {error}") from None
    return text, overlay


def _by_position(operation: str, values: list[Any] | tuple[Any, ...], style: str | None) -> str:
    pattern, pieces = _pattern(style), _pieces(operation)
    found = [m for token, p in pieces if token is Token.CODE for m in re.finditer(pattern, p)]
    numbers, in_order = {m["number"] for m in found} - {None}, sum(not m["number"] for m in found)
    # Where markers outside of literals take all the values, those in literals are text.
    in_literals = style in {None, "format"} and max(len(numbers), in_order) < len(values)
    used: set[int] = set()
    order = itertools.count()

    def value(number: str | None, write: Callable[[Any], str]) -> str:
        index = int(number) - 1 if number else next(order)
        used.add(index)
        if not 0 <= index < len(values):
            raise BindingError(
                f"there is a marker for parameter {index + 1}, and {len(values)} are given "
                f"(paramstyle {style or 'qmark, format or numeric'})"
            )
        return _written(values[index], write, f"parameter {index + 1}")

    out = []
    for token, piece in pieces:
        if token is Token.CODE:
            out.append(_replaced(pattern, lambda m: value(m["number"], literal), piece))
        elif token is Token.STRING and in_literals:
            out.append(_in_literal("%s", lambda _, write: value(None, write), piece))
        else:
            out.append(piece)
    if len(used) < len(values):
        raise BindingError(
            f"there are markers for {len(used)} parameters outside of literals and comments, and "
            f"{len(values)} are given (paramstyle {style or 'qmark, format or numeric'})"
        )
    return "".join(out)


def _pattern(style: str | None) -> str:
    if style in {"named", "pyformat"}:
        raise BindingError(
            f"paramstyle {style!r} does not go with a list of parameters: give a dict, or another "
            f"paramstyle ({', '.join(_MARKERS)})"
        )
    if style is not None and style not in _MARKERS:
        known = ", ".join([*_MARKERS, "named", "pyformat"])
        raise BindingError(f"paramstyle must be one of {known}, not {style!r}")
    wanted = _MARKERS.values() if style is None else [_MARKERS[style]]
    return "|".join([*wanted, r"(?!)(?P<number>)"] if style in {"qmark", "format"} else wanted)


def _by_name(operation: str, values: Mapping[str, Any]) -> str:
    missing: dict[str, None] = {}

    def value(name: str, write: Callable[[Any], str]) -> str:
        if name not in values:
            missing[name] = None
            return ""
        return _written(values[name], write, f"parameter {name!r}")

    def marker(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        if match[2] is not None and match[3] != "s":
            raise BindingError(f"{match[0]!r} is no marker: write %({match[2]})s, or %% for a %")
        return value(match[1] or match[2], literal)

    out = []
    for token, piece in _pieces(operation):
        if token is Token.CODE:
            out.append(_replaced(_NAMED, marker, piece))
        elif token is Token.STRING:
            out.append(_in_literal(_PYFORMAT, lambda m, write: value(m[1], write), piece))
        else:
            out.append(piece.replace("%%", "%") if token is Token.NAME else piece)
    if missing:
        raise BindingError(
            f"no value is given for {', '.join(map(repr, missing))}; given are "
            f"{', '.join(map(repr, values))}"
        )
    return "".join(out)


def _replaced(pattern: str, marker: Callable[[re.Match[str]], str], piece: str) -> str:
    """*piece* with its markers replaced; two minus signs would begin a comment."""

    def replace(match: re.Match[str]) -> str:
        written = marker(match)
        before = piece[match.start() - 1 : match.start()]
        return f" {written}" if written[:1] == "-" == before else written

    return re.sub(pattern, replace, piece)


def _in_literal(
    pattern: str, value: Callable[[re.Match[str], Callable[[Any], str]], str], piece: str
) -> str:
    """A string literal with its markers replaced; one that is nothing else may be NULL."""
    whole = re.fullmatch(pattern, piece[1:-1])
    if whole and whole[0] != "%%":
        return value(whole, _whole)

    def replace(match: re.Match[str]) -> str:
        return "%" if match[0] == "%%" else value(match, inside)

    return re.sub(pattern, replace, piece)


def _pieces(operation: str) -> list[tuple[Token, str]]:
    return [(piece.token, operation[piece.start : piece.end]) for piece in scan(operation)]


def _whole(value: Any) -> str:
    return "NULL" if literal(value) == "NULL" else f"'{inside(value)}'"


def _written(value: Any, write: Callable[[Any], str], what: str) -> str:
    try:
        return write(value)
    except NoLiteral as error:
        raise BindingError(f"{what}: {error}") from error
