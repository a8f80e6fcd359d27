"""Result sets as HiveServer2 carries them since protocol V6: column by column.

Each column is a list of values and a bitmap of its NULLs (bit 0 of byte 0 is row 0); a NULL's slot
holds a zero or an empty string.  Timestamps, dates, decimals and complex values travel as strings;
what they really are stands in the metadata.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from impala._thrift_gen.TCLIService import ttypes as t

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pocket_impala.coordinator.contract import Column

_TYPE = re.compile(r"\s*([a-z_]+)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?", re.IGNORECASE)
_STRING = ("stringVal", t.TStringColumn, "")
# By base type: its number, the field of TColumn, the class of that field, what a NULL's slot holds.
_TYPES: dict[str, tuple[int, str, Callable[..., Any], object]] = {
    "boolean": (t.TTypeId.BOOLEAN_TYPE, "boolVal", t.TBoolColumn, False),
    "tinyint": (t.TTypeId.TINYINT_TYPE, "byteVal", t.TByteColumn, 0),
    "smallint": (t.TTypeId.SMALLINT_TYPE, "i16Val", t.TI16Column, 0),
    "int": (t.TTypeId.INT_TYPE, "i32Val", t.TI32Column, 0),
    "bigint": (t.TTypeId.BIGINT_TYPE, "i64Val", t.TI64Column, 0),
    "float": (t.TTypeId.FLOAT_TYPE, "doubleVal", t.TDoubleColumn, 0.0),
    "double": (t.TTypeId.DOUBLE_TYPE, "doubleVal", t.TDoubleColumn, 0.0),
    "string": (t.TTypeId.STRING_TYPE, *_STRING),
    "timestamp": (t.TTypeId.TIMESTAMP_TYPE, *_STRING),
    "date": (t.TTypeId.DATE_TYPE, *_STRING),
    "decimal": (t.TTypeId.DECIMAL_TYPE, *_STRING),
    "varchar": (t.TTypeId.VARCHAR_TYPE, *_STRING),
    "char": (t.TTypeId.CHAR_TYPE, *_STRING),
    "binary": (t.TTypeId.BINARY_TYPE, "binaryVal", t.TBinaryColumn, b""),
    "null_type": (t.TTypeId.BOOLEAN_TYPE, "boolVal", t.TBoolColumn, False),
    "array": (t.TTypeId.ARRAY_TYPE, *_STRING),
    "map": (t.TTypeId.MAP_TYPE, *_STRING),
    "struct": (t.TTypeId.STRUCT_TYPE, *_STRING),
}
# Name, java.sql.Types, precision, whether it is a number.
_JDBC = (
    ("boolean", 16, None, False),
    ("tinyint", -6, 3, True),
    ("smallint", 5, 5, True),
    ("int", 4, 10, True),
    ("bigint", -5, 19, True),
    ("float", 6, 7, True),
    ("double", 8, 15, True),
    ("decimal", 3, 38, True),
    ("string", 12, None, False),
    ("varchar", 12, None, False),
    ("char", 1, None, False),
    ("timestamp", 93, None, False),
    ("date", 91, None, False),
    ("binary", -2, None, False),
)


def encode_rows(
    offset: int, columns: Sequence[Column], values: Sequence[Sequence[object]]
) -> t.TRowSet:
    """Make the rows of one FetchResults.

    Args:
        offset: The number of the first row in the whole result.
        columns: What the result is made of.
        values: The values of each column; all of one length.
    """
    pairs = zip(columns, values or [() for _ in columns], strict=True)
    encoded = [_encode_column(column.type, cells) for column, cells in pairs]
    return t.TRowSet(startRowOffset=offset, rows=[], columns=encoded)


def encode_schema(columns: Sequence[Column]) -> t.TTableSchema:
    """Make the metadata of a result set."""
    return t.TTableSchema(
        columns=[
            t.TColumnDesc(
                columnName=column.name,
                typeDesc=_describe(column.type),
                position=position,
                comment=column.comment or None,
            )
            for position, column in enumerate(columns)
        ]
    )


def type_infos() -> list[tuple[object, ...]]:
    """Return the rows of GetTypeInfo: one for each type that has a number in JDBC."""
    nullable, searchable, radix = 1, 3, 10
    return [
        (
            *(name.upper(), number, precision, None, None, None, nullable, False, searchable),
            *(not numeric, False, False, None, None, None, None, None, radix if numeric else None),
        )
        for name, number, precision, numeric in _JDBC
    ]


def _encode_column(type_text: str, cells: Sequence[object]) -> t.TColumn:
    _, field, make, hole = _TYPES[_split(type_text)[0]]
    nulls = b""
    if None in cells:
        nulls = _bitmap(cells)
        cells = [hole if cell is None else cell for cell in cells]
    elif not isinstance(cells, list):
        # Thrift's C encoder takes lists only.
        cells = list(cells)
    return t.TColumn(**{field: make(values=cells, nulls=nulls)})


def _bitmap(cells: Sequence[object]) -> bytes:
    bits = bytearray((len(cells) + 7) // 8)
    for row, cell in enumerate(cells):
        if cell is None:
            bits[row >> 3] |= 1 << (row & 7)
    return bytes(bits)


def _describe(type_text: str) -> t.TTypeDesc:
    base, numbers = _split(type_text)
    qualifiers = None
    if base == "decimal":
        precision, scale = (*numbers, 0)[:2] if numbers else (9, 0)
        qualifiers = {"precision": precision, "scale": scale}
    elif base in {"char", "varchar"} and numbers:
        qualifiers = {"characterMaximumLength": numbers[0]}
    entry = t.TPrimitiveTypeEntry(type=_TYPES[base][0])
    if qualifiers is not None:
        entry.typeQualifiers = t.TTypeQualifiers(
            qualifiers={
                name: t.TTypeQualifierValue(i32Value=value) for name, value in qualifiers.items()
            }
        )
    return t.TTypeDesc(types=[t.TTypeEntry(primitiveEntry=entry)])


def _split(type_text: str) -> tuple[str, tuple[int, ...]]:
    """Take ``decimal(18,4)`` apart: its base type and its numbers."""
    match = _TYPE.match(type_text)
    base = match.group(1).lower() if match else ""
    if match is None or base not in _TYPES:
        raise ValueError(f"no HiveServer2 type for {type_text!r}")
    return base, tuple(int(number) for number in match.groups()[1:] if number)
