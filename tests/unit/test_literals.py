"""Values become SQL by a table of types; what has no literal is told."""

import datetime as dt
import enum
import math
import uuid
from decimal import Decimal
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from impala.interface import _bind_parameters

from impala_ha._literals import NoLiteral, literal


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


class Level(enum.IntEnum):
    HIGH = 3


class Name(str):
    __slots__ = ()


KNOWN = [
    (None, "NULL"),
    (float("nan"), "NULL"),
    (np.float64("nan"), "NULL"),
    (Decimal("NaN"), "NULL"),
    (pd.NaT, "NULL"),
    (pd.NA, "NULL"),
    (np.datetime64("NaT"), "NULL"),
    (True, "True"),
    (np.bool_(False), "False"),
    (7, "7"),
    (-7, "-7"),
    (np.int64(7), "7"),
    (np.uint8(7), "7"),
    (Level.HIGH, "3"),
    (Colour.RED, "'red'"),
    (Colour.ONE, "1"),
    (2.5, "2.5"),
    (1e16, "1e+16"),
    (np.float64(2.5), "2.5"),
    (np.float32(0.5), "0.5"),
    (math.inf, "CAST('inf' AS DOUBLE)"),
    (-math.inf, "CAST('-inf' AS DOUBLE)"),
    (Decimal("1.50"), "1.50"),
    (Decimal("1E+5"), "100000"),
    (Decimal("1E-3"), "0.001"),
    ("it's", r"'it\'s'"),
    (Name("x"), "'x'"),
    (np.str_("x"), "'x'"),
    (uuid.UUID(int=5), "'00000000-0000-0000-0000-000000000005'"),
    (PurePosixPath("/a/b"), "'/a/b'"),
    (dt.date(2026, 1, 2), "'2026-01-02'"),
    (dt.datetime(2026, 1, 2, 3, 4, 5, 6), "'2026-01-02 03:04:05.000006'"),  # noqa: DTZ001
    (dt.time(10, 20, 30), "'10:20:30'"),
    (np.datetime64("2026-01-02"), "'2026-01-02'"),
    (np.datetime64("2026-01"), "'2026-01-01'"),
    (np.datetime64("2026"), "'2026-01-01'"),
    (np.datetime64("2026-01-02T03:04:05.123456789"), "'2026-01-02 03:04:05.123456789'"),
    (pd.Timestamp("2026-01-02 03:04:05.123456789"), "'2026-01-02 03:04:05.123456789'"),
    (b"He", "UNHEX('4865')"),
    (bytearray(b"He"), "UNHEX('4865')"),
    (memoryview(b"He"), "UNHEX('4865')"),
    (b"\xff\x00", "UNHEX('ff00')"),
    (b"", "''"),
    ([1, 2], "(1, 2)"),
    ((1,), "(1)"),
    (("a", None), "('a', NULL)"),
    ({2, 1}, "(1, 2)"),
    (np.array([1, 2]), "(1, 2)"),
    (np.array("x"), "'x'"),
]


@pytest.mark.parametrize(("value", "sql"), KNOWN, ids=[f"{type(v).__name__}-{s}" for v, s in KNOWN])
def test_a_value_has_its_literal(value, sql):
    assert sql == literal(value)


UNKNOWN = [
    (object(), "a object has no literal"),
    ({"a": 1}, "a dict has no literal"),
    (1j, "a complex has no literal"),
    (dt.timedelta(1), "a datetime.timedelta has no literal"),
    (np.timedelta64(1, "D"), "a numpy.timedelta64 has no literal"),
    (pd.Timedelta(1), "Timedelta has no literal"),
    (pd.Period("2026-01"), "Period has no literal"),
    (np.longdouble(1), "has no literal"),
    (Decimal("Infinity"), "infinite"),
    (dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc), "Impala does not have"),
    (pd.Timestamp("2026-01-02", tz="UTC"), "Impala does not have"),
    (dt.time(1, tzinfo=dt.timezone.utc), "Impala does not have"),
    ([], "an empty list"),
    (np.array([]), "an empty list"),
    ([[1]], "a list in a list"),
    ([object()], "a object has no literal"),
    ("\ud800", "not valid Unicode"),
    (int, "has no literal"),
    (len, "has no literal"),
    (pd.Series([1]), "Series has no literal"),
]


@pytest.mark.parametrize(("value", "why"), UNKNOWN, ids=[w for _, w in UNKNOWN])
def test_what_has_no_literal_is_told(value, why):
    with pytest.raises(NoLiteral, match=why):
        literal(value)


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8")),
    st.dates(),
    st.datetimes(),
    st.decimals(allow_nan=False, allow_infinity=False).filter(lambda d: "E" not in str(d)),
)


@given(PLAIN)
def test_what_impyla_writes_well_is_written_alike(value):
    assert _bind_parameters("?", [value]) == literal(value)
