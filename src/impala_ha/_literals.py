"""
From a value of Python to a literal of Impala's SQL, by a table of types.

impyla writes what it does not know with ``str()``: a UUID becomes a subtraction, a NumPy date the
year it stands in.  Here what has no literal is an error before anything is sent.  Values of NumPy
and pandas are known by the names of their types; nothing is imported for them.
"""

from __future__ import annotations

import datetime as dt
import math
import os
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from decimal import Decimal
from enum import Enum
from typing import Any

# In impyla's order: the backslash first.
_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("'", "\\'"), ('"', '\\"'))
_MISSING = frozenset({"NaTType", "NAType"})  # pandas.NaT and pandas.NA


class NoLiteral(ValueError):
    """A value that cannot be written as a literal; the text says why."""


def literal(value: Any) -> str:
    """
    *value* as SQL.

    ========================================= ====================================================
    None, NaN, NaT, pandas.NA                 ``NULL``
    bool, int, float, Decimal                 the number; infinity as ``CAST('inf' AS DOUBLE)``
    str, UUID, path, time                     the text in quotes
    date, datetime, datetime64, Timestamp     the text in quotes, nanoseconds included
    bytes, bytearray, memoryview              ``UNHEX('...')``
    Enum                                      its value
    list, tuple, set, array                   ``(1, 2)``, for IN
    ========================================= ====================================================

    Raises:
        NoLiteral: Everything else; a date or time with a zone, which Impala does not have; an empty
            list; a text that cannot be encoded.
    """
    if value is None or type(value).__name__ in _MISSING:
        return "NULL"
    if isinstance(value, Enum):
        return literal(value.value)
    for kinds, write in _TABLE:
        if isinstance(value, kinds):
            return write(value)
    if _is_numpy(value):
        return _numpy(value)
    if type(value).__module__ == "uuid":
        return _text(str(value))
    raise NoLiteral(f"a {_name(value)} has no literal in Impala's SQL")


def inside(value: Any) -> str:
    """*value* as a part of a string literal."""
    written = literal(value)
    if written.startswith("'"):
        return written[1:-1]
    if written == "NULL" or written.startswith(("UNHEX", "CAST", "(")):
        raise NoLiteral(f"{written} cannot stand in a literal: leave out the quotes around it")
    return written


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise NoLiteral(f"a text that is not valid Unicode: {error}") from None
    for character, escaped in _ESCAPES:
        value = value.replace(character, escaped)
    return f"'{value}'"


def _float(value: float) -> str:
    if math.isnan(value):
        return "NULL"
    if math.isinf(value):
        return f"CAST('{'-' * (value < 0)}inf' AS DOUBLE)"
    return float.__repr__(value)  # NumPy's own names the type


def _decimal(value: Decimal) -> str:
    if value.is_nan():
        return "NULL"
    if value.is_infinite():
        raise NoLiteral("a Decimal that is infinite has no literal in Impala's SQL")
    return format(value, "f")  # with an exponent it would be a DOUBLE


def _moment(value: Any) -> str:
    if value.tzinfo is not None:
        raise NoLiteral(
            f"a {_name(value)} with a time zone, which Impala does not have: give it without one "
            "(value.astimezone(zone).replace(tzinfo=None))"
        )
    return _text(str(value))


def _bytes(value: Any) -> str:
    return f"UNHEX('{bytes(value).hex()}')" if len(value) else "''"


def _several(value: Iterable[Any]) -> str:
    items = [literal(item) for item in value]
    if not items:
        raise NoLiteral("an empty list, for which there is no IN")
    if any(item.startswith("(") for item in items):
        raise NoLiteral("a list in a list")
    return f"({', '.join(sorted(items) if isinstance(value, AbstractSet) else items)})"


_TABLE: tuple[tuple[tuple[type, ...], Callable[[Any], str]], ...] = (
    ((str,), _text),
    ((bool,), str),
    ((int,), int.__repr__),
    ((float,), _float),
    ((Decimal,), _decimal),
    ((dt.datetime, dt.time), _moment),
    ((dt.date,), lambda value: _text(str(value))),
    ((bytes, bytearray, memoryview), _bytes),
    ((list, tuple, set, frozenset), _several),
    ((os.PathLike,), lambda value: _text(os.fsdecode(value))),
)


def _is_numpy(value: Any) -> bool:
    return any(kind.__module__ == "numpy" for kind in type(value).__mro__)


def _numpy(value: Any) -> str:
    """A NumPy scalar or array."""
    kind = getattr(value, "dtype", None)
    if getattr(value, "ndim", 0):
        return _several(list(value))
    if kind is not None and kind.kind == "M":
        text = str(value if kind.str[-3:-1] not in {"[Y", "[M"} else value.astype("M8[D]"))
        return "NULL" if text == "NaT" else _text(text.replace("T", " "))
    if kind is not None and kind.kind in "biufSU":
        plain = value.item()
        if not _is_numpy(plain):  # a longdouble stays what it is
            return literal(plain)
    raise NoLiteral(f"a {_name(value)} has no literal in Impala's SQL")


def _name(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
