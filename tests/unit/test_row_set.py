"""Results are read by the column: the same values as impyla's, in whatever form they come."""

import gc
import itertools
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impala._thrift_gen.TCLIService import ttypes as hs2
from impala._thrift_gen.TCLIService.TCLIService import FetchResults_result
from impala.hiveserver2 import CBatch
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TType
from thrift.transport.TTransport import TBufferedTransport, TMemoryBuffer, TTransportException

from impala_ha import DataError
from impala_ha.hs2 import batch as batch_module
from impala_ha.hs2.batch import ColumnBatch
from impala_ha.hs2.row_set import read_results

OK = hs2.TStatus(statusCode=hs2.TStatusCode.SUCCESS_STATUS)

COLUMNS = {
    "BOOLEAN": ("boolVal", hs2.TBoolColumn, st.booleans()),
    "TINYINT": ("byteVal", hs2.TByteColumn, st.integers(-(2**7), 2**7 - 1)),
    "SMALLINT": ("i16Val", hs2.TI16Column, st.integers(-(2**15), 2**15 - 1)),
    "INT": ("i32Val", hs2.TI32Column, st.integers(-(2**31), 2**31 - 1)),
    "BIGINT": ("i64Val", hs2.TI64Column, st.integers(-(2**63), 2**63 - 1)),
    "FLOAT": ("doubleVal", hs2.TDoubleColumn, st.floats(width=32, allow_nan=False)),
    "DOUBLE": ("doubleVal", hs2.TDoubleColumn, st.floats(allow_nan=False)),
    "STRING": ("stringVal", hs2.TStringColumn, st.binary(max_size=9)),
    "VARCHAR": ("stringVal", hs2.TStringColumn, st.text(max_size=9).map(str.encode)),
    "DECIMAL": (
        "stringVal",
        hs2.TStringColumn,
        st.one_of(
            st.decimals(-(10**30), 10**30, places=4).map(lambda v: f"{v:f}".encode()),
            st.integers(-(10**33), 10**33).map(lambda v: str(v).encode()),
            st.sampled_from([b"-0.5", b"-.5", b"-0", b"+7", b"00012.50", b"1E+5", b"9" * 34]),
        ),
    ),
    "DATE": ("stringVal", hs2.TStringColumn, st.dates().map(lambda day: str(day).encode())),
    "TIMESTAMP": (
        "stringVal",
        hs2.TStringColumn,
        st.tuples(st.datetimes(), st.sampled_from(["", ".000000001", ".123456789", ".5"])).map(
            lambda got: (
                f"{got[0]:%Y}".zfill(4).encode() + f"{got[0]:-%m-%d %H:%M:%S}{got[1]}".encode()
            )
        ),
    ),
    "BINARY": ("binaryVal", hs2.TBinaryColumn, st.binary(max_size=9)),
}


def column(name, values, nulls=b""):
    form, make, _ = COLUMNS[name]
    return hs2.TColumn(**{form: make(values=list(values), nulls=nulls)})


def reply(columns, first=0, more=True):
    results = hs2.TRowSet(startRowOffset=first, rows=[], columns=columns)
    return hs2.TFetchResultsResp(status=OK, hasMoreRows=more, results=results)


def written(response):
    buffer = TMemoryBuffer()
    FetchResults_result(success=response).write(TBinaryProtocolAccelerated(buffer))
    return buffer.getvalue()


def protocol(data):
    return TBinaryProtocolAccelerated(TBufferedTransport(TMemoryBuffer(data)))


def rows(batch):
    return [batch.pop() for _ in range(len(batch))]


@st.composite
def results(draw):
    """A schema, and columns of one height, in which some values are NULL: there is anything."""
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=5))
    height = draw(st.integers(0, 20))
    columns = []
    for name in names:
        values = draw(st.lists(COLUMNS[name][2], min_size=height, max_size=height))
        nulls = draw(st.binary(min_size=(height + 7) // 8, max_size=(height + 7) // 8))
        if COLUMNS[name][0] == "stringVal":
            anything = draw(st.sampled_from([None, b"", b"\377", b"x" * 300]))
            for at in range(height if anything is not None else 0):
                if nulls[at // 8] & 1 << at % 8:
                    values[at] = anything
        columns.append(column(name, values, nulls))
    return [(f"c{at}", name, *[None] * 5) for at, name in enumerate(names)], columns


def parsed_by_impyla(data, schema, **how):
    result = FetchResults_result()
    result.read(protocol(data))
    return CBatch(result.success.results, True, schema, **how)


@given(results(), st.booleans(), st.booleans(), st.sampled_from([8, 2048]))
def test_the_values_are_impylas(result, types, texts, piece):
    """However many are made at a time."""
    schema, columns = result
    data = written(reply(columns))
    how = {"convert_types": types, "convert_strings_to_unicode": texts}

    theirs = parsed_by_impyla(data, schema, **how)
    ours = ColumnBatch(read_results(protocol(data)).results, True, schema, **how)

    assert len(theirs) == len(ours)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_module, "_PIECE", piece)
        assert list(map(repr, rows(theirs))) == list(map(repr, rows(ours)))


@given(results())
def test_so_are_the_columns(result):
    """What `fetchcolumnar` gives: in NULL slots of numbers is what the server sent."""
    schema, columns = result
    data = written(reply(columns))

    theirs = parsed_by_impyla(data, schema).columns
    ours = ColumnBatch(read_results(protocol(data)).results, True, schema).columns

    assert [c.data_type for c in theirs] == [c.data_type for c in ours]
    for their, our in zip(theirs, ours, strict=True):
        there = [v for v, null in zip(their.values, their.nulls, strict=False) if not null]
        here = [v for v, null in zip(our.values, our.nulls, strict=True) if not null]
        assert there == here
        assert list(map(type, there)) == list(map(type, here))


@given(results(), st.data())
def test_a_reply_that_is_cut_anywhere_is_none(result, data):
    raw = written(reply(result[1]))
    end = data.draw(st.integers(0, len(raw) - 1))

    with pytest.raises((EOFError, TTransportException)):
        read_results(protocol(raw[:end]))


def batch(name, *columns, **how):
    schema = [(f"c{at}", name, *[None] * 5) for at in range(len(columns))]
    return ColumnBatch(read_results(protocol(written(reply(columns)))).results, True, schema, **how)


ODD = {
    # Spark sends `true` where a boolean is NULL, and leaves out zeros at the end of the bits.
    "a boolean that is NULL": ("BOOLEAN", "BOOLEAN", [True, True], b"\1", [None, True]),
    "no bits at all": ("INT", "INT", [1, 2], b"", [1, 2]),
    "more bits than rows": ("INT", "INT", [1], b"\2\377", [1]),
    "text that is NULL": ("STRING", "STRING", [b"\377", b"x"], b"\1", [None, "x"]),
    "a decimal that is NULL": (
        "DECIMAL",
        "DECIMAL",
        [b"?", b"1.50"],
        b"\1",
        [None, Decimal("1.50")],
    ),
    "a date that is NULL": ("DATE", "DATE", [b"?", b"0001-01-01"], b"\1", [None, date.min]),
    "no UTF-8": ("STRING", "STRING", [b"\377", "\u00e4".encode()], b"", [b"\377", "\u00e4"]),
    "NULs": ("STRING", "STRING", [b"\0", b"a\0b", b""], b"", ["\0", "a\0b", ""]),
    "a timestamp without a date": ("TIMESTAMP", "TIMESTAMP", [b""], b"", [None]),
    "Hive's fraction": (
        "TIMESTAMP",
        "TIMESTAMP",
        [b"2024-02-29 01:02:03.0", b"2024-02-29 01:02:03.5"],
        b"",
        [*map(datetime.fromisoformat, ("2024-02-29 01:02:03", "2024-02-29 01:02:03.500"))],
    ),
    "single digits": (
        "TIMESTAMP",
        "TIMESTAMP",
        [b"2024-2-9 1:2:3"],
        b"",
        [datetime.fromisoformat("2024-02-09 01:02:03")],
    ),
    # The form in which a column comes counts, not what the schema calls it.
    "the type NULL": ("NULL", "BOOLEAN", [False], b"\1", [None]),
    "the type NULL of Impala 5": ("NULL", "STRING", [b""], b"\1", [None]),
    "an unknown type": ("GEOMETRY", "STRING", [b"POINT (1 2)"], b"", ["POINT (1 2)"]),
    "constant binary": ("BINARY", "STRING", [b"ab"], b"", [b"ab"]),
    "a number for a text": ("STRING", "INT", [7], b"", [7]),
}


@pytest.mark.parametrize(("name", "form", "values", "nulls", "expected"), ODD.values(), ids=ODD)
def test_odd_columns(name, form, values, nulls, expected):
    assert [(value,) for value in expected] == rows(batch(name, column(form, values, nulls)))


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [("TIMESTAMP", b"soon", "Cannot convert"), ("DATE", b"soon", ""), ("DECIMAL", b"much", "")],
)
def test_a_text_that_is_no_value_is_a_data_error(name, value, why):
    """impyla raises a bare Exception, or what Decimal raises."""
    with pytest.raises(DataError, match=f"a value of type {name} is none: .*{why}"):
        batch(name, column(name, [value])).pop()


def test_rows_are_taken_one_at_a_time_and_many_at_a_time():
    got = batch("INT", column("INT", range(5)), column("INT", range(5, 10)))

    assert (0, 5) == got.pop()
    assert [(1, 6), (2, 7)] == got.pop_many(2)
    assert 2 == len(got)
    assert [(3, 8), (4, 9)] == got.pop_many(9)
    assert [] == got.pop_many(1)


NUMBERS = range(2 * batch_module._PIECE + 3)


@pytest.mark.parametrize("size", [1, 7, 2047, 2048, 2049, 10_000])
def test_rows_are_all_there_however_many_are_taken_at_a_time(size):
    """They are made in pieces, whose borders nobody sees."""
    nulls = bytes(len(NUMBERS) // 8)[:-9] + b"\200" + bytes(8)
    there = batch(
        "INT", column("INT", NUMBERS, nulls), column("STRING", [b"%d" % n for n in NUMBERS])
    )

    got = list(itertools.chain(*iter(lambda: there.pop_many(size), [])))

    null = 8 * len(nulls) - 65
    assert [(None if n == null else n, str(n)) for n in NUMBERS] == got


def test_after_a_value_that_is_none_the_rest_is_not_taken_for_the_end():
    texts = [b"2024-02-29"] * len(NUMBERS)
    texts[-1] = b"soon"
    there = batch("DATE", column("DATE", texts))

    assert {(date(2024, 2, 29),)} == set(there.pop_many(len(NUMBERS) - 3))
    for _ in range(3):
        with pytest.raises(DataError, match="a value of type DATE is none"):
            there.pop()


@pytest.mark.parametrize("collects", [True, False])
def test_the_garbage_collector_is_left_as_it_was(collects):
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        batch("INT", column("INT", range(9))).pop_many(9)

        assert collects == gc.isenabled()
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize("byte", [1, 2, -1])
def test_each_byte_but_zero_is_true(byte):
    data = message(lambda out: columns_of(out, TType.BOOL, [byte, 0], out.writeByte, 1))
    there = ColumnBatch(read_results(protocol(data)).results, True, [("c", "BOOLEAN")])

    assert [(True,), (False,)] == there.pop_many(2)


def test_a_column_without_values_is_none():
    with pytest.raises(ValueError, match="has no values"):
        batch("INT", hs2.TColumn())


def message(write):
    """The result of a call, with what *write* writes in its TRowSet."""
    buffer = TMemoryBuffer()
    out = TBinaryProtocolAccelerated(buffer)
    for kind, number in ((TType.STRUCT, 0), (TType.STRUCT, 3)):
        out.writeFieldBegin("", kind, number)
    write(out)
    for _ in range(3):
        out.writeFieldStop()
    return buffer.getvalue()


def columns_of(out, item, values, write, number=4):
    """A list of one column, whose field *number* has a list of items of the type *item*."""
    out.writeFieldBegin("", TType.LIST, 3)
    out.writeListBegin(TType.STRUCT, 1)
    out.writeFieldBegin("", TType.STRUCT, number)
    out.writeFieldBegin("", TType.LIST, 1)
    out.writeListBegin(item, len(values))
    for value in values:
        write(value)
    for _ in range(2):
        out.writeFieldStop()


def test_what_is_unknown_is_skipped():
    """At each level: a later server may say more than we know."""

    def write(out):
        out.writeFieldBegin("", TType.MAP, 99)
        out.writeMapBegin(TType.STRING, TType.I32, 1)
        out.writeString("later")
        out.writeI32(1)
        out.writeFieldBegin("", TType.STRUCT, 98)
        out.writeFieldBegin("", TType.STRING, 1)
        out.writeString("later")
        out.writeFieldStop()
        out.writeFieldBegin("", TType.STRING, 1)  # known by its number, of another type
        out.writeString("no offset")
        columns_of(out, TType.I32, [1, 2], out.writeI32)

    results = read_results(protocol(message(write))).results

    assert results.startRowOffset is None
    assert [1, 2] == list(results.columns[0].i32Val.values)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
def test_items_of_another_type_are_no_numbers(number):
    """What follows them would be read at the wrong place."""
    data = message(lambda out: columns_of(out, TType.STRING, ["x"], out.writeString, number))

    with pytest.raises(TProtocolException, match="items of type 11"):
        read_results(protocol(data))


def test_a_reply_that_is_nested_without_end_is_none():
    """Garbage, say: each of these bytes begins another struct."""
    with pytest.raises(TProtocolException, match="depth"):
        read_results(protocol(b"\x0c" * 100_000))


def test_rows_of_old_servers_are_read_as_rows():
    values = [hs2.TColumnValue(i32Val=hs2.TI32Value(value=7))]
    old = hs2.TRowSet(startRowOffset=0, rows=[hs2.TRow(colVals=values)])
    data = written(hs2.TFetchResultsResp(status=OK, hasMoreRows=False, results=old))

    assert [7] == [row.colVals[0].i32Val.value for row in read_results(protocol(data)).results.rows]


def test_no_result_is_none():
    assert read_results(protocol(written(None))) is None
