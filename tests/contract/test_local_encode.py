"""Result sets as HiveServer2 carries them: types, qualifiers, NULL bitmaps."""

from __future__ import annotations

import pytest
from impala._thrift_gen.TCLIService.ttypes import TTypeId

from pocket_impala.coordinator.contract import Column
from pocket_impala.coordinator.encode import encode_rows, encode_schema


def entry(type_text):
    schema = encode_schema([Column("x", type_text)])
    return schema.columns[0].typeDesc.types[0].primitiveEntry


@pytest.mark.parametrize(
    ("type_text", "number", "qualifiers"),
    [
        ("bigint", TTypeId.BIGINT_TYPE, None),
        ("decimal(18,4)", TTypeId.DECIMAL_TYPE, {"precision": 18, "scale": 4}),
        ("decimal(5)", TTypeId.DECIMAL_TYPE, {"precision": 5, "scale": 0}),
        ("decimal", TTypeId.DECIMAL_TYPE, {"precision": 9, "scale": 0}),
        ("VARCHAR(10)", TTypeId.VARCHAR_TYPE, {"characterMaximumLength": 10}),
        ("char(3)", TTypeId.CHAR_TYPE, {"characterMaximumLength": 3}),
        ("array<int>", TTypeId.ARRAY_TYPE, None),
        ("map<string,int>", TTypeId.MAP_TYPE, None),
        ("struct<a:int>", TTypeId.STRUCT_TYPE, None),
        ("binary", TTypeId.BINARY_TYPE, None),
    ],
)
def test_a_type_has_its_number_and_its_qualifiers(type_text, number, qualifiers):
    found = entry(type_text)
    given = found.typeQualifiers and {
        name: value.i32Value for name, value in found.typeQualifiers.qualifiers.items()
    }

    assert (found.type, given) == (number, qualifiers)


def test_an_unknown_type_is_a_defect_and_told():
    with pytest.raises(ValueError, match="no HiveServer2 type for 'interval'"):
        entry("interval")


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 16, 17])
def test_bit_n_of_the_bitmap_is_row_n(rows):
    cells = [None if row % 3 == 0 else row for row in range(rows)]
    column = encode_rows(0, [Column("x", "int")], [cells]).columns[0].i32Val
    bits = int.from_bytes(column.nulls, "little")

    assert [None if bits >> row & 1 else value for row, value in enumerate(column.values)] == cells
    assert len(column.nulls) == (rows + 7) // 8


def test_a_column_without_nulls_has_no_bitmap():
    column = encode_rows(5, [Column("x", "string")], [("a", "b")]).columns[0].stringVal

    assert (column.values, column.nulls) == (["a", "b"], b"")


def test_the_slot_of_a_null_holds_nothing():
    rows = encode_rows(
        0, [Column("b", "binary"), Column("d", "double")], [[None, b"\0"], [None, 1]]
    )

    assert rows.columns[0].binaryVal.values == [b"", b"\0"]
    assert rows.columns[1].doubleVal.values == [0.0, 1]


def test_no_rows_are_columns_without_values():
    columns = encode_rows(0, [Column("a", "int"), Column("b", "date")], []).columns

    assert columns[0].i32Val.values == columns[1].stringVal.values == []
