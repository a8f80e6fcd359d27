"""
Rows from columns: impyla's batch, with the same values, made a column at a time.

impyla makes each value by itself, in Python, and a TIMESTAMP by ``strptime``.  Here a column is
converted by functions that are written in C, and rows are made by ``zip``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, InvalidOperation
from itertools import islice
from typing import Any, Protocol, TypeAlias

from bitarray import bitarray
from impala._thrift_gen.TCLIService import ttypes as hs2
from impala.hiveserver2 import CBatch, Column

from impala_ha.core.cached_property import cached_property
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.remote import Row, Schema
from impala_ha.errors import DataError

Cell: TypeAlias = Any  #: What a value is, its column says.


class Values(Protocol):
    """One of HiveServer2's eight kinds of columns, TI64Column and so on."""

    values: Any
    nulls: bytes | None


#: Rows that are made at a time, a multiple of 8: what they are made of stays in the processor's
#: cache, which is a tenth of the time of all.
_PIECE = 2048
_ONE = bitarray("1")
_DATE_LENGTHS = frozenset({10})  # characters: YYYY-MM-DD
_TIMESTAMP_LENGTHS = frozenset({19, *range(21, 30)})  # YYYY-MM-DD HH:MM:SS[.fffffffff]
_MICROSECONDS = 26  # characters of a timestamp that Python 3.10 can read
_TRUTH = b"\0" + b"\1" * 255  # a byte as a boolean
# The same as Decimal(text), in less time: nothing is rounded.
_decimal = Context(MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[InvalidOperation]).create_decimal


class ColumnBatch(CBatch):  # type: ignore[misc]  # impyla is not typed
    """
    A batch of rows, as impyla's cursors use it; values are made once they are asked for.

    Attributes:
        row_set: The columns as they came; None where no rows have come.
        columns: impyla's columns: type, values, and a bit for each that is NULL.

    Raises:
        ValueError: The rows do not fit the schema.
    """

    def __init__(
        self,
        row_set: hs2.TRowSet | None,
        expect_more_rows: bool,
        schema: Schema,
        convert_types: bool = True,
        convert_strings_to_unicode: bool = True,
    ):
        self.row_set = row_set
        self.expect_more_rows = expect_more_rows
        self.schema = schema
        self._convert = convert_types, convert_strings_to_unicode
        came = list(zip(row_set.columns or (), schema, strict=True)) if row_set else []
        self._came = [(*values_of(column), about[1]) for column, about in came]
        self._height = len(self._came[0][1].values) if came else 0
        self.remaining_rows = self._height
        self._rows: Iterator[Row] = iter(())  # of the piece that is being handed out
        self._made = 0

    @cached_property
    def columns(self) -> list[Column]:
        """The columns, with values of Python."""
        return self._columns(0, self._height)

    def _columns(self, start: int, stop: int) -> list[Column]:
        piece = slice(start, stop)
        return [
            Column(type_, *_read(name, got, piece, type_, self._convert))
            for name, got, type_ in self._came
        ]

    def _make(self) -> None:
        """Make the rows of the next piece; after an error it is still the next one."""
        stop = min(self._made + _PIECE, self._height)
        columns = self._columns(self._made, stop)
        self._rows = zip(*map(_with_nulls, columns), strict=True)
        self._made = stop

    def pop(self) -> Row:
        """The next row."""
        self.remaining_rows -= 1
        for row in self._rows:
            return row
        self._make()
        return next(self._rows)

    def pop_many(self, row_count: int) -> list[Row]:
        """Up to *row_count* next rows."""
        row_count = min(row_count, self.remaining_rows)
        self.remaining_rows -= row_count
        rows: list[Row] = []
        while left := row_count - len(rows):
            if not (some := list(islice(self._rows, left))):
                self._make()
            rows += some
        return rows


def values_of(column: hs2.TColumn) -> tuple[str, Values]:
    """In which form *column* came, and its values with their NULLs."""
    for name, got in vars(column).items():
        if got is not None and got.values is not None:
            return name, got
    raise ValueError("a column has no values")


def _read(
    form: str,
    got: Values,
    piece: slice,
    type_: str,
    convert: tuple[bool, bool],
) -> tuple[list[Cell], bitarray]:
    """Values of a piece of a column, and which of them are NULL."""
    values = got.values[piece]
    if not isinstance(values, list):
        if form == "boolVal":
            values = memoryview(values.tobytes().translate(_TRUTH)).cast("?")
        values = values.tolist()
    nulls = bitarray(endian="little")
    nulls.frombytes((got.nulls or b"")[piece.start // 8 : (piece.stop + 7) // 8])
    nulls.extend([0] * (len(values) - len(nulls)))  # Hive and Spark leave out zeros at the end
    del nulls[len(values) :]
    convert_types, convert_strings_to_unicode = convert
    if form == "stringVal" and type_ != "BINARY":
        if convert_types and type_ in _CONVERT:
            values = _converted(type_, values, nulls)
        elif convert_strings_to_unicode:
            values = _without_nulls(_decoded(values), nulls)
    return values, nulls


def _without_nulls(values: list[Cell], nulls: bitarray, instead: Cell = None) -> list[Cell]:
    """*values*, in place, with *instead* where they are NULL: what stands there is anything."""
    for place in nulls.search(_ONE):
        values[place] = instead
    return values


def _decoded(values: list[bytes]) -> list[Cell]:
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


def _timestamps(texts: list[Cell]) -> list[Cell]:
    if not _TIMESTAMP_LENGTHS.issuperset(map(len, texts)):
        raise ValueError
    if sys.version_info < (3, 11):  # which cuts what is finer than a microsecond by itself
        texts = [text[:_MICROSECONDS] for text in texts]
    return list(map(datetime.fromisoformat, texts))


def _dates(texts: list[Cell]) -> list[Cell]:
    if not _DATE_LENGTHS.issuperset(map(len, texts)):
        raise ValueError
    return list(map(date.fromisoformat, texts))


#: A type: what reads all its texts at once, and a text that stands where a value is NULL.
_CONVERT: dict[str, tuple[Callable[[list[Cell]], list[Cell]], bytes]] = {
    "TIMESTAMP": (_timestamps, b"1970-01-01 00:00:00"),
    "DATE": (_dates, b"1970-01-01"),
    "DECIMAL": (lambda texts: list(map(_decimal, texts)), b"0"),
}


def _converted(type_: str, values: list[bytes], nulls: bitarray) -> list[Cell]:
    """The values of a column of texts; by impyla, one at a time, where a text is unusual."""
    convert, sample = _CONVERT[type_]
    try:
        converted = convert(_decoded(_without_nulls(values, nulls, sample)))
    except (TypeError, ValueError, ArithmeticError):
        return _by_impyla(type_, values, nulls)
    return _without_nulls(converted, nulls)


def _by_impyla(type_: str, values: list[bytes], nulls: bitarray) -> list[Cell]:
    """The values as impyla makes them, which raises a bare Exception where it cannot."""
    column = hs2.TColumn(stringVal=hs2.TStringColumn(values=values, nulls=nulls.tobytes()))
    try:
        impylas = CBatch(hs2.TRowSet(columns=[column]), False, [("", type_)])
    except Exception as error:
        if from_signal_handler(error):
            raise
        raise DataError(f"a value of type {type_} is none: {error!r}") from error
    return list(impylas.columns[0].values)


def _with_nulls(column: Column) -> list[Cell]:
    """The values of *column*, None where they are NULL."""
    values: list[Cell] = column.values
    first = column.nulls.find(1)
    if first < 0 or values[first] is None:
        return values
    return _without_nulls(values, column.nulls)
