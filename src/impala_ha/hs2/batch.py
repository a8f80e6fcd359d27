"""
Rows from columns: impyla's batch, with the same values, made a column at a time.

impyla makes each value by itself, in Python, and a TIMESTAMP by ``strptime``.  Here a column is
converted by functions that are written in C, and rows are made by ``zip``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from bitarray import bitarray
from impala._thrift_gen.TCLIService import ttypes as hs2
from impala.hiveserver2 import CBatch, Column

_ONE = bitarray("1")
_DATE_LENGTHS = frozenset({10})  # characters: YYYY-MM-DD
_TIMESTAMP_LENGTHS = frozenset({19, *range(21, 30)})  # YYYY-MM-DD HH:MM:SS[.fffffffff]
_MICROSECONDS = 26  # characters of a timestamp that Python 3.10 can read


class ColumnBatch(CBatch):  # type: ignore[misc]  # impyla is not typed
    """
    A batch of rows, as impyla's cursors use it.

    Attributes:
        columns: impyla's columns: type, values, and a bit for each that is NULL.

    Raises:
        ValueError: The rows do not fit the schema.
    """

    def __init__(
        self,
        row_set: Any,
        expect_more_rows: bool,
        schema: Any,
        convert_types: bool = True,
        convert_strings_to_unicode: bool = True,
    ):
        self.expect_more_rows = expect_more_rows
        self.schema = schema
        self.columns = []
        columns = zip(row_set.columns or (), schema, strict=True) if row_set else ()
        for column, (_, type_, *_) in columns:
            values, nulls, text = _read(column)
            if text and type_ != "BINARY":
                if convert_types and type_ in _CONVERT:
                    values = _converted(type_, values, nulls)
                elif convert_strings_to_unicode:
                    values = _without_nulls(_decoded(values), nulls)
            self.columns.append(Column(type_, values, nulls))
        self.remaining_rows = len(self.columns[0].values) if self.columns else 0
        self._rows: Iterator[tuple[Any, ...]] | None = None

    def _left(self) -> Iterator[tuple[Any, ...]]:
        if self._rows is None:
            self._rows = zip(*map(_with_nulls, self.columns), strict=True)
        return self._rows

    def pop(self) -> tuple[Any, ...]:
        """The next row."""
        self.remaining_rows -= 1
        return next(self._left())

    def pop_many(self, row_count: int) -> list[tuple[Any, ...]]:
        """Up to *row_count* next rows."""
        row_count = min(row_count, self.remaining_rows)
        self.remaining_rows -= row_count
        return list(islice(self._left(), row_count))


def _read(column: Any) -> tuple[list[Any], bitarray, bool]:
    """Values of a TColumn, which of them are NULL, and whether they are texts or binary."""
    name, got = next((each for each in vars(column).items() if each[1] is not None), ("", None))
    if got is None or got.values is None:
        raise ValueError("a column has no values")
    values = got.values
    if name == "boolVal":
        values = list(map(bool, values))
    elif not isinstance(values, list):
        values = values.tolist()
    nulls = bitarray(endian="little")
    nulls.frombytes(got.nulls or b"")
    nulls.extend([0] * (len(values) - len(nulls)))  # Hive and Spark leave out zeros at the end
    del nulls[len(values) :]
    return values, nulls, name == "stringVal"


def _without_nulls(values: list[Any], nulls: bitarray, instead: Any = None) -> list[Any]:
    """*values*, in place, with *instead* where they are NULL: what stands there is anything."""
    for place in nulls.search(_ONE):
        values[place] = instead
    return values


def _decoded(values: list[bytes]) -> list[Any]:
    """*values* as texts; bytes that are no UTF-8 stay bytes, as impyla has it."""
    try:
        return list(map(bytes.decode, values))
    except UnicodeDecodeError:
        return list(map(_text, values))


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _timestamps(texts: list[Any]) -> list[Any]:
    if not _TIMESTAMP_LENGTHS.issuperset(map(len, texts)):
        raise ValueError
    if sys.version_info < (3, 11):  # which cuts what is finer than a microsecond by itself
        texts = [text[:_MICROSECONDS] for text in texts]
    return list(map(datetime.fromisoformat, texts))


def _dates(texts: list[Any]) -> list[Any]:
    if not _DATE_LENGTHS.issuperset(map(len, texts)):
        raise ValueError
    return list(map(date.fromisoformat, texts))


#: A type: what reads all its texts at once, and a text that stands where a value is NULL.
_CONVERT: dict[str, tuple[Callable[[list[Any]], list[Any]], bytes]] = {
    "TIMESTAMP": (_timestamps, b"1970-01-01 00:00:00"),
    "DATE": (_dates, b"1970-01-01"),
    "DECIMAL": (lambda texts: list(map(Decimal, texts)), b"0"),
}


def _converted(type_: str, values: list[bytes], nulls: bitarray) -> list[Any]:
    """The values of a column of texts; by impyla, one at a time, where a text is unusual."""
    convert, sample = _CONVERT[type_]
    try:
        converted = convert(_decoded(_without_nulls(values, nulls, sample)))
    except (TypeError, ValueError, ArithmeticError):
        column = hs2.TColumn(stringVal=hs2.TStringColumn(values=values, nulls=nulls.tobytes()))
        impylas = CBatch(hs2.TRowSet(columns=[column]), False, [("", type_)])
        return list(impylas.columns[0].values)
    return _without_nulls(converted, nulls)


def _with_nulls(column: Column) -> list[Any]:
    """The values of *column*, None where they are NULL."""
    values: list[Any] = column.values
    return _without_nulls(list(values), column.nulls) if column.nulls.any() else values
