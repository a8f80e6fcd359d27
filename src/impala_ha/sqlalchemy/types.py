"""Impala's types: those that SQLAlchemy has no class for, and what DESCRIBE writes of any."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import types as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from impala_ha.sql.literals import literal

__all__ = ["ARRAY", "BINARY", "DOUBLE", "MAP", "STRING", "STRUCT", "TINYINT", "parse_type"]

Processor = Callable[[Any], Any]


class TINYINT(sa.Integer):
    """A whole number of one byte."""

    __visit_name__ = "TINYINT"


class DOUBLE(sa.Float):  # type: ignore[type-arg]  # SQLAlchemy 1.4 has no types, and no such class
    """A floating-point number of eight bytes."""

    __visit_name__ = "DOUBLE"


class STRING(sa.Text):
    """A text of any length."""

    __visit_name__ = "STRING"


class BINARY(sa.LargeBinary):
    """Bytes of any number."""

    __visit_name__ = "BINARY"


class _Nested(sa.UserDefinedType):  # type: ignore[type-arg]
    """A type that is made of others. Its values come as Impala writes them: as JSON."""

    cache_ok = True


class ARRAY(_Nested):
    """ARRAY<item>."""

    def __init__(self, item: TypeEngine[Any]):
        self.item = item

    def get_col_spec(self, **_kw: object) -> str:
        """How DDL writes it."""
        return f"ARRAY<{_spec(self.item)}>"


class MAP(_Nested):
    """MAP<key, value>."""

    def __init__(self, key: TypeEngine[Any], value: TypeEngine[Any]):
        self.key = key
        self.value = value

    def get_col_spec(self, **_kw: object) -> str:
        """How DDL writes it."""
        return f"MAP<{_spec(self.key)}, {_spec(self.value)}>"


class STRUCT(_Nested):
    """STRUCT<name: type, ...>; *fields* are pairs of name and type."""

    def __init__(self, fields: Iterable[tuple[str, TypeEngine[Any]]]):
        self.fields = tuple((name, kind) for name, kind in fields)

    def get_col_spec(self, **_kw: object) -> str:
        """How DDL writes it."""
        return f"STRUCT<{', '.join(f'{name}: {_spec(kind)}' for name, kind in self.fields)}>"


def _spec(kind: TypeEngine[Any]) -> str:
    from .dialect import ImpalaDialect  # noqa: PLC0415 - which needs this module

    return str(kind.compile(dialect=ImpalaDialect()))


_SIMPLE: dict[str, Callable[[], TypeEngine[Any]]] = {
    "bigint": sa.BIGINT,
    "binary": BINARY,
    "boolean": sa.BOOLEAN,
    "date": sa.DATE,
    "datetime": sa.TIMESTAMP,
    "double": DOUBLE,
    "float": sa.FLOAT,
    "int": sa.INTEGER,
    "integer": sa.INTEGER,
    "real": DOUBLE,
    "smallint": sa.SMALLINT,
    "string": STRING,
    "timestamp": sa.TIMESTAMP,
    "tinyint": TINYINT,
}
#: The comment of a field of a STRUCT, in which nothing is escaped.
_COMMENT = re.compile(r"\s+comment '.*?'(?=\s*[,>])", re.IGNORECASE | re.DOTALL)
_SIZED = re.compile(r"(decimal|varchar|char)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?")


def parse_type(text: str) -> TypeEngine[Any]:
    """
    The type that DESCRIBE writes as *text*; `sqlalchemy.types.NullType` for one that is unknown.

    What newer servers bring must not keep a table from being reflected.
    """
    text = _COMMENT.sub("", text.strip())
    word = text.lower()
    if word in _SIMPLE:
        return _SIMPLE[word]()
    if sized := _SIZED.fullmatch(word):
        return _sized(*sized.groups())
    inner = text[text.find("<") + 1 : -1]
    if word.startswith("array<"):
        return ARRAY(parse_type(inner))
    if word.startswith("map<"):
        kinds = [parse_type(kind) for kind in _split(inner)]
        return MAP(*kinds) if len(kinds) == 2 else sa.NullType()  # noqa: PLR2004 - key and value
    if word.startswith("struct<"):
        fields = (field.partition(":") for field in _split(inner))
        return STRUCT((name.strip(), parse_type(kind)) for name, _, kind in fields)
    return sa.NullType()


def _sized(kind: str, size: str | None, scale: str | None) -> TypeEngine[Any]:
    if kind == "decimal":  # without size Impala's is DECIMAL(9,0)
        return sa.DECIMAL(int(size or 9), int(scale or 0))
    length = int(size) if size else None
    return sa.VARCHAR(length) if kind == "varchar" else sa.CHAR(length)


def _split(text: str) -> Iterator[str]:
    """The parts of *text* between commas that stand in no bracket."""
    depth = start = 0
    for place, character in enumerate(text):
        depth += (character in "<(") - (character in ">)")
        if character == "," and not depth:
            yield text[start:place]
            start = place + 1
    yield text[start:]


# How values of Python are sent and come back where Impala has no such type, or writes it as text.


class _Literal:
    """A type whose values have a literal of their own."""

    def literal_processor(self, dialect: Dialect) -> Processor:
        return literal


class _Date(_Literal, sa.Date):
    def bind_processor(self, dialect: Dialect) -> Processor:
        return lambda value: value.date() if isinstance(value, dt.datetime) else value

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        return _from_text(dt.date.fromisoformat)


class _DateTime(_Literal, sa.DateTime):
    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        return _from_text(dt.datetime.fromisoformat)


class _Time(_Literal, sa.Time):
    """A time of day, which is a STRING for Impala."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        return _from_text(dt.time.fromisoformat)


def _from_text(convert: Callable[[str], object]) -> Processor:
    """A literal that is given back comes as a text; a column's value has its type."""
    return lambda value: convert(value) if isinstance(value, str) else value


class _Interval(sa.Interval):
    """A length of time, which is a TIMESTAMP for Impala, so long after the start of 1970."""

    def literal_processor(self, dialect: Dialect) -> Processor:
        return lambda value: literal(self.epoch + value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        moment = _from_text(dt.datetime.fromisoformat)
        return lambda value: None if value is None else moment(value) - self.epoch


class _LargeBinary(_Literal, sa.LargeBinary):
    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        return lambda value: value.encode() if isinstance(value, str) else value


class _BINARY(_LargeBinary):
    __visit_name__ = "BINARY"


COLSPECS: dict[type[TypeEngine[Any]], type[TypeEngine[Any]]] = {
    sa.Date: _Date,
    sa.DateTime: _DateTime,
    sa.Time: _Time,
    sa.Interval: _Interval,
    sa.LargeBinary: _LargeBinary,
    BINARY: _BINARY,
}
