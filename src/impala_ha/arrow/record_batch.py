"""
From the columns of a result to Arrow's: numbers and texts are handed over, no value is looked at.

=====================  ==========================================================
Impala                 Arrow
=====================  ==========================================================
BOOLEAN                bool
TINYINT ... BIGINT     int8 ... int64
FLOAT, DOUBLE          float, double
DECIMAL(p, s)          decimal128(p, s)
TIMESTAMP              timestamp[ns], without a time zone; another unit on request
DATE                   date32
STRING, VARCHAR, CHAR  string (a CHAR with its blanks)
BINARY                 binary
NULL                   null
others                 string, as Impala writes them: ARRAY, MAP and STRUCT as JSON
=====================  ==========================================================
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from impala_ha import errors
from impala_ha.core.extras import import_extra
from impala_ha.core.forks import importing
from impala_ha.core.remote import ColumnDescription, Schema
from impala_ha.hs2.batch import Values, values_of
from impala_ha.hs2.row_set import NUMBERS

if TYPE_CHECKING:
    import pyarrow as pa
    from impala._thrift_gen.TCLIService.ttypes import TRowSet

_PLAIN = {
    "BOOLEAN": "bool",
    "TINYINT": "int8",
    "SMALLINT": "int16",
    "INT": "int32",
    "BIGINT": "int64",
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "DATE": "date32",
    "BINARY": "binary",
    "NULL": "null",
}
_ARRAYS = {"B": "uint8", "b": "int8", "h": "int16", "i": "int32", "q": "int64", "d": "float64"}
_LARGE = 2**31  # bytes of texts, for which offsets of 32 bits do not do
_INVERTED = bytes(range(255, -1, -1))
TimestampUnit: TypeAlias = Literal["s", "ms", "us", "ns"]


@lru_cache(maxsize=1)
def pyarrow() -> Any:
    """The package, or an error that says what to type."""
    package = import_extra("pyarrow", "arrow")
    import_extra("pyarrow.compute", "arrow")  # which the package does not import by itself
    return package


@lru_cache(maxsize=1)
def _numpy() -> Any:
    """The package; None where pyarrow goes without."""
    try:
        with importing():
            return import_module("numpy")
    except ImportError:
        return None


def arrow_schema(description: Schema, unit: TimestampUnit = "ns") -> pa.Schema:
    """
    Arrow's schema of a result.

    Args:
        description: PEP 249's: name, type, ..., precision, scale, ... of each column.
        unit: Of timestamps: s, ms, us or ns.
    """
    if unit not in get_args(TimestampUnit):
        units = ", ".join(get_args(TimestampUnit))
        raise errors.ProgrammingError(f"timestamp_unit must be one of {units}, not {unit!r}")
    return pyarrow().schema([(each[0], _type(each, unit)) for each in description])


def _type(column: ColumnDescription, unit: TimestampUnit) -> pa.DataType:
    arrow, name = pyarrow(), column[1]
    if name == "TIMESTAMP":
        return arrow.timestamp(unit)
    if name == "DECIMAL" and column[4] is not None:
        return arrow.decimal128(column[4], column[5])
    return arrow.type_for_alias(_PLAIN.get(name, "string"))


def record_batch(row_set: TRowSet, schema: pa.Schema) -> pa.RecordBatch:
    """
    The rows of *row_set*.

    Raises:
        ValueError: They do not fit the schema.
        DataError: A value has no place in its type.
    """
    columns = zip(row_set.columns or (), schema, strict=True)
    arrays = [_array(*values_of(column), field) for column, field in columns]
    return pyarrow().RecordBatch.from_arrays(arrays, schema=schema)


def _array(form: str, column: Values, field: pa.Field) -> pa.Array:
    arrow, values = pyarrow(), column.values
    if arrow.types.is_null(field.type):
        return arrow.nulls(len(values))
    if not len(values):
        return arrow.array([], field.type)
    plain, buffers = _numbers(form, values) if form in NUMBERS else _texts(values, field.type)
    validity = _validity(column.nulls or b"", len(values))
    try:
        return _cast(arrow.Array.from_buffers(plain, len(values), [validity, *buffers]), field.type)
    except arrow.ArrowInvalid as error:
        raise errors.DataError(_unfit(field, str(error))) from error


def _numbers(form: str, values: Sequence[float]) -> tuple[pa.DataType, list[pa.Buffer]]:
    numbers = values if isinstance(values, array) else array(NUMBERS[form], values)
    return pyarrow().type_for_alias(_ARRAYS[numbers.typecode]), [pyarrow().py_buffer(numbers)]


def _texts(values: list[bytes], wanted: pa.DataType) -> tuple[pa.DataType, list[pa.Buffer]]:
    """The type and the buffers of *values*; binary where a cast must still check for UTF-8."""
    arrow, numpy, data = pyarrow(), _numpy(), b"".join(values)
    large = "large_" if len(data) >= _LARGE else ""
    unchecked = arrow.types.is_string(wanted) and not data.isascii()
    kind = "binary" if unchecked or arrow.types.is_binary(wanted) else "string"
    plain = arrow.type_for_alias(large + kind)
    if numpy is None:
        return plain, arrow.array(values, arrow.type_for_alias(large + "binary")).buffers()[1:]
    # `pyarrow.array` would import pandas, where that is installed, before it looks at a list.
    offsets = numpy.zeros(len(values) + 1, numpy.int64 if large else numpy.int32)
    try:
        offsets[1:] = bytearray(map(len, values))
    except ValueError:  # one has more than 255 bytes
        offsets[1:] = list(map(len, values))
    numpy.cumsum(offsets, dtype=offsets.dtype, out=offsets)
    return plain, [arrow.py_buffer(offsets), arrow.py_buffer(data)]


def _cast(plain: pa.Array, wanted: pa.DataType) -> pa.Array:
    arrow = pyarrow()
    if plain.type == wanted:
        return plain
    if not (arrow.types.is_string(plain.type) or arrow.types.is_large_string(plain.type)):
        # Impala sends a FLOAT as the double that is next to it.
        return plain.cast(wanted, safe=not arrow.types.is_floating(wanted))
    if arrow.types.is_timestamp(wanted):
        dated = arrow.compute.binary_length(plain).cast(arrow.bool_())  # an empty one has no date
        if not arrow.compute.all(dated).as_py():
            plain = arrow.compute.if_else(dated, plain, arrow.nulls(len(plain), plain.type))
        if wanted.unit != "ns":
            plain = arrow.compute.utf8_slice_codeunits(plain, 0, _WIDTHS[wanted.unit])
        elif int(arrow.__version__.partition(".")[0]) < _CHECKS:
            _check(plain)
    return plain.cast(wanted)


_CHECKS = 23  # the first version of pyarrow that does not wrap around where 64 bits are too few
_NANOSECONDS = b"1677-09-21 00:12:44", b"2262-04-11 23:47:16.854775807"


def _check(texts: pa.Array) -> None:
    """Raise ArrowInvalid where a timestamp does not fit nanoseconds; texts are ordered as times."""
    arrow = pyarrow()
    first, last = arrow.compute.min_max(texts.cast(arrow.large_binary())).as_py().values()
    least, most = _NANOSECONDS
    if first is not None and (first < least or last > most):
        raise arrow.ArrowInvalid("it does not fit 64 bits")


_WIDTHS = {"s": 19, "ms": 23, "us": 26}  # characters of a timestamp that the unit has room for


def _validity(nulls: bytes, length: int) -> pa.Buffer | None:
    """Arrow's bits say what is there, HiveServer2's what is not; zeros may be missing."""
    if not any(nulls):
        return None
    size = (length + 7) // 8
    return pyarrow().py_buffer(nulls[:size].ljust(size, b"\0").translate(_INVERTED))


def _unfit(field: pa.Field, why: str) -> str:
    types = pyarrow().types
    if types.is_timestamp(field.type) and field.type.unit == "ns":
        advice = "years before 1678 and after 2261 need timestamp_unit='us'"
    elif types.is_string(field.type):
        advice = "it is not UTF-8: select unhex(hex(...)) as BINARY, or fetch it as rows"
    else:
        advice = "select CAST(... AS STRING) to see it"
    return f"column {field.name} has a value that is no {field.type} ({why}): {advice}"
