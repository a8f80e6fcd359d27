"""JSON lines and Markdown hold what the result holds, in a form that others read."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest

from impala_ha.cli.connect.records import JsonLines, Markdown


def lines(names, types, rows):
    batches = [rows, []]
    cursor = SimpleNamespace(
        description=list(zip(names, types, strict=True)),
        arraysize=7,
        fetchmany=lambda _: batches.pop(0),
    )
    form, out = JsonLines(names), io.StringIO()
    while batch := form.read(cursor):
        form.write(batch, out)
    form.end(out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


VALUES = [
    ("INT", 7, 7),
    ("BIGINT", 2**62, 2**62),
    ("DOUBLE", 0.1, 0.1),
    ("DOUBLE", float("nan"), "nan"),
    ("DOUBLE", float("-inf"), "-inf"),
    ("BOOLEAN", True, True),
    ("STRING", 'a"b\n', 'a"b\n'),
    ("STRING", "ü 世界", "ü 世界"),
    ("STRING", b"\xff!", "\ufffd!"),
    ("STRING", "\udcff!", "\ufffd!"),
    ("BINARY", b"\xff\x00", "/wA="),
    ("BINARY", "text", "dGV4dA=="),
    ("DECIMAL", "12345678901234567890.10", "12345678901234567890.10"),
    ("TIMESTAMP", "2026-01-01 00:00:00.123456789", "2026-01-01 00:00:00.123456789"),
    ("INT", None, None),
    ("BINARY", None, None),
]


@pytest.mark.parametrize(("kind", "value", "expected"), VALUES)
def test_a_value_is_one_of_json_and_loses_nothing_it_can_keep(kind, value, expected):
    assert lines(["x"], [kind], [(value,)]) == [{"x": expected}]


def test_a_line_is_a_row_and_no_rows_are_no_lines():
    assert lines(["a", "b"], ["INT", "INT"], [(1, 2), (3, 4)]) == [
        {"a": 1, "b": 2},
        {"a": 3, "b": 4},
    ]
    assert lines(["a"], ["INT"], []) == []


def test_columns_of_one_name_are_told_apart():
    names = ["a", "a", "a_2", "a"]

    assert lines(names, ["INT"] * 4, [(1, 2, 3, 4)]) == [{"a": 1, "a_3": 2, "a_2": 3, "a_4": 4}]


def test_a_table_of_markdown_keeps_its_cells_apart():
    form, out = Markdown(["a|b", "c"], ".1f"), io.StringIO()
    form.write([("x|y\nz\\", 1.25), (None, "\x1b[2J")], out)
    form.write([("next", True)], out)

    assert out.getvalue() == (
        "| a\\|b | c |\n| --- | --- |\n| x\\|y<br>z\\\\ | 1.25 |\n"
        "| NULL | \\\\x1b[2J |\n| next | true |\n"
    )
