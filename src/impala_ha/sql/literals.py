"""
SQL literals of Python values: one table, by type.

The table has the package and the name of a type, so that those of numpy and pandas need no import.
A subclass is converted as its nearest base class in the table.  Other types, and values that have
no SQL literal, are errors: ``str()`` of an object is never sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, SupportsInt

if TYPE_CHECKING:
    from datetime import date, datetime, time, timedelta
    from decimal import Decimal
    from pathlib import PurePath

DIGITS = 38  # of Impala's widest DECIMAL; it silently reads a longer number as DOUBLE
_FIRST_YEAR = 1400  # of a TIMESTAMP; what is earlier is NULL for Impala
_DEPTH = 2  # of lists in lists: VALUES (1, 2), (3, 4)
# The backslash first: the others add backslashes.
_ESCAPES = (("\\", r"\\"), ("\n", r"\n"), ("\r", r"\r"), ("'", r"\'"), ('"', r"\""))
_NANOSECONDS = {
    "W": 604_800 * 10**9,
    "D": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 1_000,
    "ns": 1,
}


class _Text(str):
    """A string literal without its quotes; other results of converters are SQL."""

    __slots__ = ()


def literal(value: object) -> str:
    """
    The SQL for *value*.

    Raises:
        TypeError: Its type is not in the table.
        ValueError: SQL has no literal for it.
    """
    return _sql(value, _DEPTH)


def in_quotes(value: object, quote: str) -> str:
    """
    *value* as a part of a literal or name that is already within *quote*.

    Raises:
        TypeError: Its type is not in the table.
        ValueError: It is neither a number nor a string, or a string within a name.
    """
    sql = _convert(value, _DEPTH)
    if isinstance(sql, _Text) and quote != "`":
        return _escape(sql)
    if re.fullmatch(r"True|False|[-+.\de]+", sql) and not isinstance(sql, _Text):
        return sql
    raise ValueError(f"{_kind(value)} cannot stand within {quote}{quote}")


def _sql(value: object, depth: int) -> str:
    sql = _convert(value, depth)
    return f"'{_escape(sql)}'" if isinstance(sql, _Text) else sql


def _convert(value: Any, depth: int) -> str:
    for base in type(value).__mro__:
        name = f"{base.__module__.partition('.')[0]}.{base.__qualname__}"
        if name in _LISTS:
            return _list(value, depth)
        if name in _TABLE:
            return _TABLE[name](value)
        if name == "enum.Enum":
            return _convert(value.value, depth)
    raise TypeError(f"{_kind(value)} has no SQL literal: convert it first")


def _kind(value: object) -> str:
    kind = type(value)
    return f"a value of type {kind.__module__}.{kind.__qualname__}".replace("builtins.", "")


def _escape(text: str) -> str:
    for character, escaped in _ESCAPES:
        text = text.replace(character, escaped)
    return text


def _null(_: object) -> str:
    return "NULL"


def _text(value: object) -> str:
    text = str.__str__(value) if isinstance(value, str) else str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a text with half of a surrogate pair is not valid UTF-8") from None
    return _Text(text)


def _path(value: PurePath) -> str:
    return _text(value.__fspath__())


def _bytes(value: bytes | bytearray | memoryview) -> str:
    digits = bytes(value).hex()
    text = f"unhex('{digits}')" if digits else "''"
    return f"cast({text} as binary)"


def _boolean(value: object) -> str:
    return str(bool(value))


def _integer(value: SupportsInt) -> str:
    number = int(value)
    if abs(number) >= 10**DIGITS:
        raise ValueError(f"an integer of more than {DIGITS} digits is not exact in Impala")
    return str(number)


def _float(value: object) -> str:
    # The shortest text that gives this very number, also where numpy's float is shorter than ours.
    text = float.__repr__(value) if isinstance(value, float) else str(value)
    if text == "nan":
        return "NULL"  # a missing number in pandas and NumPy
    return f"cast('{text}' as double)" if text in {"inf", "-inf"} else text


def _decimal(value: Decimal) -> str:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        if value.is_nan():
            return "NULL"
        raise ValueError("Impala's DECIMAL has no infinity")
    if max(len(digits) + max(exponent, 0), -exponent) > DIGITS:
        raise ValueError(f"a Decimal of more than {DIGITS} digits is not exact in Impala")
    return f"{value:f}"


def _datetime(value: datetime) -> str:
    if value.tzinfo is not None:
        raise ValueError(
            "Impala's TIMESTAMP has no time zone: convert it to the zone that the table uses, "
            "then remove it with .replace(tzinfo=None)"
        )
    if value.year < _FIRST_YEAR:
        raise ValueError(f"Impala's TIMESTAMP begins in the year {_FIRST_YEAR}")
    return _Text(value.isoformat(" "))


def _date(value: date) -> str:
    return _Text(value.isoformat())


def _time(value: time) -> str:
    if value.tzinfo is not None:
        raise ValueError("Impala knows no time of day with a time zone")
    return _Text(value.isoformat())


def _timedelta(value: timedelta) -> str:
    seconds = value.days * 86_400 + value.seconds
    microseconds = seconds * 10**6 + value.microseconds
    return _interval(microseconds * 1_000 + getattr(value, "nanoseconds", 0))


def _interval(nanoseconds: int) -> str:
    microseconds, rest = divmod(nanoseconds, 1_000)
    return (
        f"INTERVAL {nanoseconds} NANOSECONDS" if rest else f"INTERVAL {microseconds} MICROSECONDS"
    )


def _numpy_datetime(value: Any) -> str:
    text, unit = str(value), _unit(value)[1]
    if text == "NaT":
        return "NULL"
    if unit in {"Y", "M", "W"}:
        text = str(value.astype("datetime64[D]"))
    elif unit == "h":
        text = str(value.astype("datetime64[s]"))
    if not re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?", text):
        raise ValueError("Impala's TIMESTAMP has years 1400 to 9999 and nanoseconds")
    if "T" in text and int(text[:4]) < _FIRST_YEAR:
        raise ValueError(f"Impala's TIMESTAMP begins in the year {_FIRST_YEAR}")
    return _Text(text.replace("T", " ") + (":00" if unit == "m" else ""))


def _numpy_timedelta(value: Any) -> str:
    if str(value) == "NaT":
        return "NULL"
    count, unit = _unit(value)
    if unit not in _NANOSECONDS:
        raise ValueError(f"a timedelta64 in units of {unit or 'nothing'} has no INTERVAL")
    return _interval(int(value.astype("int64")) * count * _NANOSECONDS[unit])


def _unit(value: Any) -> tuple[int, str]:
    """From ``datetime64[25us]``: 25 and ``us``."""
    found = re.search(r"\[(\d*)(\w+)\]", str(value.dtype))
    return (int(found[1] or 1), found[2]) if found else (1, "")


def _list(value: Any, depth: int) -> str:
    if getattr(value, "shape", None) == ():  # an array of numpy without a dimension is one value
        return _sql(value[()], depth)
    if not depth:
        raise ValueError(f"lists within lists go {_DEPTH} deep in SQL")
    if not len(value):
        raise ValueError("an empty list has no SQL: IN () is not valid, and IN (NULL) misleads")
    return f"({', '.join(_sql(one, depth - 1) for one in value)})"


_LISTS = {
    "builtins.list",
    "builtins.tuple",
    "builtins.set",
    "builtins.frozenset",
    "builtins.range",
    "builtins.dict_keys",
    "builtins.dict_values",
    "numpy.ndarray",
    "pandas.Series",
    "pandas.Index",
    "pandas.ExtensionArray",
}

_TABLE: dict[str, Callable[[Any], str]] = {
    "builtins.NoneType": _null,
    "pandas.NAType": _null,
    "pandas.NaTType": _null,
    "numpy.MaskedConstant": _null,
    "builtins.bool": _boolean,
    "numpy.bool": _boolean,
    "numpy.bool_": _boolean,
    "builtins.int": _integer,
    "numpy.integer": _integer,
    "builtins.float": _float,
    "numpy.floating": _float,
    "decimal.Decimal": _decimal,
    "builtins.str": _text,
    "uuid.UUID": _text,
    "pathlib.PurePath": _path,
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "builtins.memoryview": _bytes,
    "datetime.datetime": _datetime,
    "datetime.date": _date,
    "datetime.time": _time,
    "datetime.timedelta": _timedelta,
    "numpy.datetime64": _numpy_datetime,
    "numpy.timedelta64": _numpy_timedelta,
}
