"""Results as Arrow: the same values as the rows, in the types that the manual lists."""

import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impala._thrift_gen.TCLIService import ttypes as hs2
from impala._thrift_gen.TCLIService.TCLIService import FetchResults_result
from test_row_set import column, protocol, reply, results, written

from impala_ha import DataError, ProgrammingError
from impala_ha.hs2.batch import ColumnBatch
from impala_ha.hs2.row_set import read_results

pa = pytest.importorskip("pyarrow", reason="the extra arrow is not installed")

from impala_ha.arrow import record_batch as module  # noqa: E402
from impala_ha.arrow.record_batch import arrow_schema, record_batch  # noqa: E402


def described(*types):
    """PEP 249's description; a decimal is named with its precision and scale."""
    found = []
    for at, each in enumerate(types):
        name, *size = each if isinstance(each, tuple) else (each, None, None)
        found.append((f"c{at}", name, None, None, *size, None))
    return found


def batch(types, *columns, unit="ns"):
    row_set = read_results(protocol(written(reply(list(columns))))).results
    return record_batch(row_set, arrow_schema(described(*types), unit))


TYPES = {
    "BOOLEAN": pa.bool_(),
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "STRING": pa.string(),
    "VARCHAR": pa.string(),
    "CHAR": pa.string(),
    "BINARY": pa.binary(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("ns"),
    "NULL": pa.null(),
    "ARRAY": pa.string(),
    "GEOMETRY": pa.string(),
}


@pytest.mark.parametrize(("name", "wanted"), TYPES.items())
def test_types(name, wanted):
    assert [wanted] == arrow_schema(described(name)).types


def test_decimals_keep_precision_and_scale():
    assert [pa.decimal128(18, 4)] == arrow_schema(described(("DECIMAL", 18, 4))).types


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_unit_of_timestamps(unit):
    """What is finer than the unit is cut, as impyla cuts what is finer than microseconds."""
    got = batch(["TIMESTAMP"], column("TIMESTAMP", [b"2024-02-29 01:02:03.123456789"]), unit=unit)
    whole = 1709168523_123456789

    assert [pa.timestamp(unit)] == got.schema.types
    assert [whole // 1000 ** (3 - ["s", "ms", "us", "ns"].index(unit))] == got[0].cast(
        pa.int64()
    ).to_pylist()


def test_an_unknown_unit_is_an_error():
    with pytest.raises(
        ProgrammingError, match="timestamp_unit must be one of s, ms, us, ns, not 'h'"
    ):
        arrow_schema(described("TIMESTAMP"), "h")


def read_as_lists(raw):
    """As few rows are read: Thrift makes lists of numbers, too."""
    result = FetchResults_result()
    result.read(raw)
    return result.success


@given(
    results(),
    st.sampled_from([read_results, read_as_lists]),
    st.booleans(),
    st.sampled_from([9, 2**31]),
)
def test_the_values_are_those_of_the_rows(result, read, with_numpy, large):
    """Also where numpy is not installed, and where there are gigabytes of texts."""
    schema, columns = result
    wide = [(n, t, None, None, 38, 4, None) for n, t, *_ in schema]
    columns = [_printable(each) for each in columns]
    data = written(reply(columns))
    rows = ColumnBatch(read_results(protocol(data)).results, True, schema)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_LARGE", large)
        if not with_numpy:
            patch.setattr(module, "_numpy", lambda: None)
        got = record_batch(read(protocol(data)).results, arrow_schema(wide, "us"))

    assert rows.pop_many(len(rows)) == list(zip(*(c.to_pylist() for c in got), strict=True))


READ = """
import sys
sys.path.insert(0, {path!r})
import test_record_batch as tests
names = ["TIMESTAMP", "BIGINT", "STRING", "DATE", ("DECIMAL", 9, 2), "BOOLEAN"]
texts = {{"BIGINT": [1], "BOOLEAN": [True], "DATE": [b"2024-02-29"], "DECIMAL": [b"1.50"]}}
texts |= {{"STRING": [b"a"], "TIMESTAMP": [b"2024-02-29 01:02:03"]}}
columns = [
    tests.column(name, texts[name])
    for name in (each if isinstance(each, str) else each[0] for each in names)
]
print(tests.batch(names, *columns).num_rows, "pandas" in sys.modules)
"""


@pytest.mark.skipif(find_spec("pandas") is None, reason="pandas is not installed")
def test_pandas_is_not_imported_for_it():
    """Which takes longer than reading half a million rows; Arrow would, to look at a list."""
    done = subprocess.run(
        [sys.executable, "-c", READ.format(path=str(Path(__file__).parent))],
        capture_output=True,
        text=True,
        check=True,
    )

    assert ["1", "False"] == done.stdout.split()


def _printable(column):
    """Arrow's strings are UTF-8, and what is none is another test."""
    if column.stringVal is not None:
        column.stringVal.values = [
            value.decode("utf-8", "replace").encode() for value in column.stringVal.values
        ]
    return column


@pytest.mark.parametrize(
    ("name", "form", "values", "nulls", "expected"),
    [
        ("BOOLEAN", "BOOLEAN", [True, True], b"\1", [None, True]),
        ("INT", "INT", [1, 2], b"", [1, 2]),
        ("INT", "INT", [1] * 20, b"\x08", [1, 1, 1, None, *[1] * 16]),
        ("FLOAT", "FLOAT", [1.10000002384185791], b"", [1.10000002384185791]),
        ("FLOAT", "FLOAT", [float("inf")], b"", [float("inf")]),
        (("DECIMAL", 5, 2), "DECIMAL", [b"?", b"-1.50"], b"\1", [None, Decimal("-1.50")]),
        (("DECIMAL", 9, 4), "DECIMAL", [b"1.5"], b"", [Decimal("1.5000")]),
        ("DATE", "DATE", [b"", b"9999-12-31"], b"\1", [None, date.max]),
        ("CHAR", "STRING", [b"ab  "], b"", ["ab  "]),
        ("BINARY", "BINARY", [b"\xff"], b"", [b"\xff"]),
        ("BINARY", "STRING", [b"\xff"], b"", [b"\xff"]),
        ("NULL", "BOOLEAN", [False, True], b"\3", [None, None]),
        ("NULL", "STRING", [b""], b"\1", [None]),
        ("TIMESTAMP", "TIMESTAMP", [b"", b"x"], b"\2", [None, None]),  # Impala's, without a date
        ("STRUCT", "STRING", [b'{"a":1}'], b"", ['{"a":1}']),
        ("STRING", "STRING", [b"a" * 255, b"", b"b" * 256], b"", ["a" * 255, "", "b" * 256]),
        ("STRING", "STRING", [b"\xff" * 300, b"x"], b"\1", [None, "x"]),
        (("DECIMAL", 18, 4), "DECIMAL", [b"-0.5000"], b"", [Decimal("-0.5000")]),
        (("DECIMAL", 38, 0), "DECIMAL", [b"-" + b"9" * 38], b"", [Decimal(-(10**38) + 1)]),
    ],
)
def test_odd_columns(name, form, values, nulls, expected):
    assert expected == batch([name], column(form, values, nulls))[0].to_pylist()


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("STRING", b"\xff", "fetch it as rows"),
        ("TIMESTAMP", b"\xff" * 29, "need timestamp_unit"),
        (("DECIMAL", 9, 2), b"\xff", "CAST"),
        ("TIMESTAMP", b"9999-12-31 00:00:00", "need timestamp_unit='us'"),
        (("DECIMAL", 3, 0), b"12345", "CAST"),
        ("DATE", b"soon", "CAST"),
    ],
)
def test_a_value_without_a_place_in_its_type_is_told(name, value, advice):
    """With the name of the column, and what to do; nothing is cut or replaced in silence."""
    with pytest.raises(DataError, match=rf"column c0 has a value that is no .*{advice}"):
        batch([name], column("STRING", [value]))


def test_years_that_nanoseconds_do_not_reach():
    got = batch(["TIMESTAMP"], column("TIMESTAMP", [b"9999-12-31 23:59:59.123456789"]), unit="us")

    assert [datetime.fromisoformat("9999-12-31 23:59:59.123456")] == got[0].to_pylist()


FITS = [b"1677-09-21 00:12:44", b"2024-02-29 01:02:03", b"2262-04-11 23:47:16.854775807"]


@pytest.mark.parametrize("version", [23, 10**6])
@pytest.mark.parametrize(
    "value", [b"1677-09-21 00:12:43", b"1400-01-01 00:00:00", b"2262-04-11 23:47:17"]
)
def test_nanoseconds_never_wrap_around(monkeypatch, version, value):
    """As those of pyarrow before 23 do, to some other year."""
    monkeypatch.setattr(module, "_CHECKS", version)
    whole = [-9223372036_000000000, 1709168523_000000000, 2**63 - 1]

    fits = batch(["TIMESTAMP"], column("TIMESTAMP", [*FITS, b"x"], b"\x08"))[0]
    assert [*whole, None] == fits.cast(pa.int64()).to_pylist()
    assert [None] == batch(["TIMESTAMP"], column("TIMESTAMP", [b""]))[0].to_pylist()
    with pytest.raises(DataError, match="timestamp_unit='us'"):
        batch(["TIMESTAMP"], column("TIMESTAMP", [*FITS, value]))


@pytest.mark.parametrize("columns", [[], [hs2.TColumn()], [column("INT", [1])] * 2])
def test_rows_that_do_not_fit_their_schema(columns):
    with pytest.raises(ValueError, match=r"zip|values"):
        batch(["INT"], *columns)
