"""Values that are bound come back as they went, in every style and from the tools in use."""

from __future__ import annotations

import datetime as dt
import enum
import math
import uuid
from decimal import Decimal
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from promises import connect

import impala_ha

pytestmark = [
    pytest.mark.servers,
    pytest.mark.filterwarnings("ignore:pandas only supports SQLAlchemy"),
]

MARKERS = ["?", "%s", ":1", ":a", "%(a)s"]
DAY = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - Impala has no zones
NOON = dt.datetime(2026, 1, 2, 12, 0, 0, 5)  # noqa: DTZ001
ROUND_TRIP = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Colour(enum.Enum):
    RED = "r'ed"


@pytest.fixture
def cursor(cluster):
    with connect(cluster) as connection, connection.cursor() as cursor:
        yield cursor


def read(cursor, sql, values):
    cursor.execute(sql, values)
    return cursor.fetchall()


def back(cursor, expression, value):
    """What *expression* gives where its marker is bound to *value*; the same in every style."""
    found = [
        read(
            cursor,
            f"select {expression.format(marker)}, '10:20:30 ? :a'",
            {"a": value} if "a" in marker else [value],
        )
        for marker in MARKERS
    ]
    assert {"10:20:30 ? :a"} == {row[1] for rows in found for row in rows}
    [first, *others] = [row[0] for rows in found for row in rows]
    assert all(repr(one) == repr(first) for one in others)
    return first


VALUES = [
    ("{}", None, None),
    ("{}", pd.NA, None),
    ("{}", pd.NaT, None),
    ("{}", np.datetime64("NaT", "s"), None),
    ("{}", True, True),
    ("{}", np.False_, False),
    ("{}", -7, -7),
    ("5-{}", -7, 12),
    ("cast({} as bigint)", np.int64(2**63 - 1), 2**63 - 1),
    ("cast({} as double)", 0.1 + 0.2, 0.1 + 0.2),
    ("cast({} as double)", 1e300, 1e300),
    ("cast({} as double)", np.float64(-1e-7), -1e-7),
    ("{}", float("inf"), math.inf),
    ("{}", np.float32("-inf"), -math.inf),
    ("cast({} as decimal(38, 9))", Decimal("12345678901234567890.123456789"), None),
    ("cast({} as decimal(9, 0))", Decimal("1E+5"), Decimal(100000)),
    ("{}", "it's \"\\%\\_\n\r\t\0ü😀 -- /* ? %s :1 :a %(a)s", None),
    ("{}", "", ""),
    ("{}", Colour.RED, "r'ed"),
    ("{}", uuid.UUID(int=5), str(uuid.UUID(int=5))),
    ("{}", PurePosixPath("/a'b"), "/a'b"),
    ("{}", b"\xff\0'", None),
    ("{}", memoryview(b"x"), b"x"),
    ("cast({} as timestamp)", NOON, NOON),
    ("cast({} as timestamp)", np.datetime64("2026-01-02T12:00:00.000005"), NOON),
    ("{}", pd.Timestamp("2026-01-02 03:04:05.000000006"), "2026-01-02 03:04:05.000000006"),
    ("cast({} as date)", dt.date(2026, 1, 2), dt.date(2026, 1, 2)),
    ("cast({} as date)", np.datetime64("2026-01-02"), dt.date(2026, 1, 2)),
    ("{}", dt.time(1, 2, 3), "01:02:03"),
    ("cast('2026-01-01' as timestamp) + {}", dt.timedelta(1.5), DAY + dt.timedelta(1.5)),
    ("cast('2026-01-01' as timestamp) - {}", np.timedelta64(2, "h"), DAY - dt.timedelta(hours=2)),
    ("2 in {}", [1, 2], True),
    ("'b' in {}", ("a", "c"), False),
    ("2 in {}", np.array([1, 2]), True),
    ("2 in {}", pd.Series([1, 2]), True),
]


@pytest.mark.parametrize(("expression", "value", "expected"), VALUES)
def test_a_value_comes_back(cursor, expression, value, expected):
    if expected is None and not pd.isna(value):
        expected = value

    assert expected == back(cursor, expression, value)


def test_not_a_number_comes_back(cursor):
    assert back(cursor, "{}", float("nan")) is None


@ROUND_TRIP
@given(value=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(cursor, value):
    assert value == back(cursor, "{}", value)


@ROUND_TRIP
@given(value=st.floats(allow_nan=False))
def test_any_float_comes_back(cursor, value):
    assert value == back(cursor, "cast({} as double)", value)


@ROUND_TRIP
@given(value=st.integers(-(2**63) + 1, 2**63 - 1))
def test_any_integer_comes_back(cursor, value):
    assert value == back(cursor, "cast({} as bigint)", value)


@ROUND_TRIP
@given(value=st.decimals(allow_nan=False, allow_infinity=False, places=9, max_value=10**28))
def test_any_decimal_comes_back(cursor, value):
    value = value % 10**28

    assert value == back(cursor, "cast({} as decimal(38, 9))", value)


@ROUND_TRIP
@given(value=st.binary())
def test_any_bytes_come_back(cursor, value):
    assert value == back(cursor, "{}", value)


@ROUND_TRIP
@given(value=st.datetimes(min_value=dt.datetime(1400, 1, 1)))  # noqa: DTZ001
def test_any_moment_comes_back(cursor, value):
    assert value == back(cursor, "cast({} as timestamp)", value)


def test_executemany_binds_each_row(cursor):
    cursor.execute("create table bound (s string, i int)")
    try:
        cursor.executemany("insert into bound values ('10:20:30', %s)", [(1,), [2]])
        cursor.executemany("insert into bound values (:s, %(i)s)", [{"s": ":i", "i": 3}])

        assert [("10:20:30", 1), ("10:20:30", 2), (":i", 3)] == read(
            cursor, "select * from bound where i <> ? order by i", [0]
        )
    finally:
        cursor.execute("drop table bound")


def test_a_cursor_of_dicts_binds_too(cluster):
    with connect(cluster) as connection, connection.cursor(dictify=True) as cursor:
        assert [{"a": "x:1", "b": 7}] == read(cursor, "select 'x:1' as a, %s as b", [7])


@pytest.mark.parametrize(("marker", "values"), [("%s", [7]), ("?", (7,)), ("%(i)s", {"i": 7})])
def test_pandas_binds_beside_a_time_of_day(cluster, marker, values):
    with connect(cluster) as connection:
        frame = pd.read_sql(f"select '10:20:30' as t, {marker} as i", connection, params=values)

    assert [["10:20:30", 7]] == frame.to_numpy().tolist()


def test_sqlalchemy_binds_beside_colons_and_percent_signs(cluster):
    engine = sa.create_engine("impala://", creator=lambda: connect(cluster))
    text = sa.text(r"select '10\:20\:30 5%', cast(7 % 4 as int), :name")
    with engine.connect() as connection:
        rows = connection.execute(text, {"name": "it's :name"}).fetchall()
    engine.dispose()

    assert [("10:20:30 5%", 3, "it's :name")] == [tuple(row) for row in rows]


def test_what_cannot_be_bound_is_not_sent(cluster, cursor):
    sql = "create table never as select %s as a"
    for values in [[object()], [1, 2], [float], {"a": 1}]:
        with pytest.raises(impala_ha.ProgrammingError):
            cursor.execute(sql, values)
    cursor.execute("show tables like 'never'")

    assert cursor.fetchall() == []
