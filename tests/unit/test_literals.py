"""From a value to the SQL that means it, by a table of types."""

from __future__ import annotations

import datetime as dt
import enum
import subprocess
import sys
import uuid
from collections import namedtuple
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PureWindowsPath

import numpy as np
import pandas as pd
import pytest

from impala_ha.sql.literals import literal

NOON = dt.datetime(2026, 1, 2, 12, 0, 0, 5)  # noqa: DTZ001 - Impala has no zones


class Colour(enum.Enum):
    RED = "r'ed"
    BLUE = 2


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    YES = "yes"


class Markup(str):  # what templates make of a text
    __slots__ = ()

    def __str__(self):
        return "other"

    def replace(self, *_):
        return "another"


Point = namedtuple("Point", "x y")  # noqa: PYI024 - as callers have it


def name_of(value):
    return value[:50] if isinstance(value, str) else type(value).__name__


LITERALS = [
    (None, "NULL"),
    (pd.NA, "NULL"),
    (pd.NaT, "NULL"),
    (np.datetime64("NaT", "ns"), "NULL"),
    (np.timedelta64("NaT", "s"), "NULL"),
    (np.ma.masked, "NULL"),
    (True, "True"),
    (np.False_, "False"),
    (7, "7"),
    (-(10**38) + 1, "-" + "9" * 38),
    (np.int8(-3), "-3"),
    (np.uint64(2**64 - 1), "18446744073709551615"),
    (Level.HIGH, "3"),
    (2.5, "2.5"),
    (1e16, "1e+16"),
    (-0.0, "-0.0"),
    (5e-324, "5e-324"),
    (np.float64(0.1), "0.1"),
    (np.float32(0.1), "0.1"),
    (np.float16(0.1), "0.1"),
    (float("nan"), "NULL"),
    (np.float64("nan"), "NULL"),
    (Decimal("NaN"), "NULL"),
    (np.float32("inf"), "cast('inf' as double)"),
    (float("-inf"), "cast('-inf' as double)"),
    (Decimal("1.50"), "1.50"),
    (Decimal("1E+5"), "100000"),
    (Decimal("-1E-38"), "-0." + "0" * 37 + "1"),
    (Decimal("1E+37"), "1" + "0" * 37),
    ("", "''"),
    ("it's \"\\\n\r", r"'it\'s \"\\\n\r'"),
    ("ü😀\0\t", "'ü😀\0\t'"),
    (np.str_("x"), "'x'"),
    (Markup("a'b"), r"'a\'b'"),
    (Colour.RED, r"'r\'ed'"),
    (Colour.BLUE, "2"),
    (Word.YES, "'yes'"),
    (uuid.UUID(int=5), "'00000000-0000-0000-0000-000000000005'"),
    (Path("/a'b"), r"'/a\'b'"),
    (PureWindowsPath("c:\\d"), r"'c:\\d'"),
    (b"\xff\0'", "cast(unhex('ff0027') as binary)"),
    (b"", "cast('' as binary)"),
    (bytearray(b"a"), "cast(unhex('61') as binary)"),
    (memoryview(b"abcd")[::2], "cast(unhex('6163') as binary)"),
    (np.bytes_(b"a"), "cast(unhex('61') as binary)"),
    (NOON, "'2026-01-02 12:00:00.000005'"),
    (dt.date(1, 2, 3), "'0001-02-03'"),
    (dt.time(1, 2, 3), "'01:02:03'"),
    (pd.Timestamp("2026-01-02 03:04:05.000000006"), "'2026-01-02 03:04:05.000000006'"),
    (np.datetime64("2026"), "'2026-01-01'"),
    (np.datetime64("2026-02"), "'2026-02-01'"),
    (np.datetime64("2026-01-02"), "'2026-01-02'"),
    (np.datetime64("2026-01-01", "W"), "'2026-01-01'"),
    (np.datetime64("2026-01-02T03"), "'2026-01-02 03:00:00'"),
    (np.datetime64("2026-01-02T03:04"), "'2026-01-02 03:04:00'"),
    (np.datetime64("2026-01-02T03:04:05"), "'2026-01-02 03:04:05'"),
    (np.datetime64("2026-01-02", "ns"), "'2026-01-02 00:00:00.000000000'"),
    (np.datetime64(1, "25s"), "'1970-01-01 00:00:25'"),
    (dt.timedelta(days=-1, microseconds=3), "INTERVAL -86399999997 MICROSECONDS"),
    (pd.Timedelta("1s 1ns"), "INTERVAL 1000000001 NANOSECONDS"),
    (np.timedelta64(2, "D"), "INTERVAL 172800000000 MICROSECONDS"),
    (np.timedelta64(-1, "ns"), "INTERVAL -1 NANOSECONDS"),
    (np.timedelta64(2, "25s"), "INTERVAL 50000000 MICROSECONDS"),
    ([1, "a", None], "(1, 'a', NULL)"),
    ((1,), "(1)"),
    ([(1, "a"), (2, "b")], "((1, 'a'), (2, 'b'))"),
    (Point(1, 2), "(1, 2)"),
    ({5}, "(5)"),
    (frozenset(["x"]), "('x')"),
    (range(3), "(0, 1, 2)"),
    ({1: "a"}.keys(), "(1)"),
    ({1: "a"}.values(), "('a')"),
    (pd.array([1, None], dtype="Int64"), "(1, NULL)"),
    (pd.Categorical(["x"]), "('x')"),
    (np.array([1, 2]), "(1, 2)"),
    (np.array(5), "5"),
    (np.array(["2026-01-02"], dtype="datetime64[ns]"), "('2026-01-02 00:00:00.000000000')"),
    (np.ma.array([1, 2], mask=[False, True]), "(1, NULL)"),
    (pd.Series(["x", None], dtype="string"), "('x', NULL)"),
    (pd.Index([1, 2]), "(1, 2)"),
    (pd.DatetimeIndex(["2026-01-02"]), "('2026-01-02 00:00:00')"),
]


@pytest.mark.parametrize(("value", "sql"), LITERALS, ids=name_of)
def test_a_value_has_the_sql_that_means_it(value, sql):
    assert sql == literal(value)


@pytest.mark.filterwarnings("ignore:The 'generic' unit:DeprecationWarning")  # NumPy 2.5
def test_a_numpy_time_without_a_unit_is_null_or_no_value():
    assert literal(np.datetime64("NaT")) == "NULL"
    with pytest.raises(ValueError, match="units of nothing"):
        literal(np.timedelta64(1))


NO_SQL = [
    (object(), TypeError, "object"),
    (object, TypeError, "type"),
    ({"a": 1}, TypeError, "dict"),
    (iter([1]), TypeError, "list_iterator"),
    (1j, TypeError, "complex"),
    (Fraction(1, 3), TypeError, r"fractions\.Fraction"),
    (pd.Period("2026"), TypeError, "pandas.*Period"),
    (pd.DataFrame({"a": [1]}), TypeError, "DataFrame"),
    ([1, [object()]], TypeError, "object"),
    (10**38, ValueError, "38 digits"),
    (-(10**5000), ValueError, "38 digits"),
    (Decimal("1E+38"), ValueError, "38 digits"),
    (Decimal("1E-39"), ValueError, "38 digits"),
    (Decimal("1E+999999"), ValueError, "38 digits"),
    (Decimal("-Infinity"), ValueError, "no infinity"),
    ("\ud800", ValueError, "surrogate"),
    (NOON.replace(tzinfo=dt.timezone.utc), ValueError, "no time zone"),
    (pd.Timestamp("2026-01-02", tz="UTC"), ValueError, "no time zone"),
    (dt.time(1, tzinfo=dt.timezone.utc), ValueError, "time zone"),
    (NOON.replace(year=1399), ValueError, "begins in the year 1400"),
    (np.datetime64("1399-12-31T00:00:00"), ValueError, "begins in the year 1400"),
    (np.datetime64("10000-01-01"), ValueError, "9999"),
    (np.datetime64("-0001-01-01"), ValueError, "9999"),
    (np.datetime64(1, "ps"), ValueError, "nanoseconds"),
    (np.timedelta64(1, "Y"), ValueError, "units of Y"),
    (np.timedelta64(1, "ps"), ValueError, "units of ps"),
    ([], ValueError, "empty list"),
    (set(), ValueError, "empty list"),
    ([[]], ValueError, "empty list"),
    ([[[1]]], ValueError, "2 deep"),
]


@pytest.mark.parametrize(("value", "kind", "message"), NO_SQL, ids=name_of)
def test_what_sql_cannot_say_is_refused(value, kind, message):
    with pytest.raises(kind, match=message):
        literal(value)


def test_a_list_within_itself_is_refused():
    values = [1]
    values.append(values)

    with pytest.raises(ValueError, match="2 deep"):
        literal(values)


def test_numpy_and_pandas_are_known_without_an_import():
    code = "import sys, impala_ha.sql.literals; print({'numpy', 'pandas'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"
