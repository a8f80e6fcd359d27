"""A result looks as in impala-shell, needs no memory, and cannot take over a terminal."""

from __future__ import annotations

import csv
import io
import os
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impala._thrift_gen.TCLIService import ttypes as hs2

from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.connect.destination import Destination, WholeFile
from impala_ha.cli.connect.output import Delimited, Table, Vertical, delimiter, prepare_stdout, text
from impala_ha.hs2.batch import ColumnBatch


def test_a_table_is_a_grid_with_all_cells_to_the_left():
    drawn = written(Table(["id", "name"]), [(1, "Ada"), (20, None)])

    assert drawn == (
        "+----+------+\n| id | name |\n+----+------+\n| 1  | Ada  |\n| 20 | NULL |\n+----+------+\n"
    )


def test_a_table_without_rows_still_shows_its_columns():
    assert written(Table(["id"]), []) == "+----+\n| id |\n+----+\n+----+\n"


def test_a_later_batch_keeps_the_columns_of_the_first_and_no_second_head():
    drawn = written(Table(["a", "b"]), [("xx", 1)], [("yyyyy", 2), ("z", 3)])

    assert drawn.splitlines()[3:] == [
        "| xx | 1 |",
        "| yyyyy | 2 |",
        "| z  | 3 |",
        "+----+---+",
    ]


def test_wide_characters_take_two_columns():
    drawn = written(Table(["a"]), [("世界",), ("ü",)])

    assert drawn.splitlines()[1:5] == ["| a    |", "+------+", "| 世界 |", "| ü    |"]


def test_a_cell_of_several_lines_is_a_row_of_several_lines():
    drawn = written(Table(["a", "b"]), [("CREATE TABLE t (\n  a INT\n)", 1)])

    assert drawn.splitlines()[3:6] == [
        "| CREATE TABLE t ( | 1 |",
        "|   a INT          |   |",
        "| )                |   |",
    ]


@pytest.mark.parametrize("form", [Table, Vertical])
def test_what_people_read_cannot_steer_the_terminal(form):
    drawn = written(form(["a\x1b[2J"]), [("\x1b[31mred\x07\r\t\x9b",)])

    assert r"\x1b[31mred\x07\r\t\x9b" in drawn
    assert not set(drawn) & set("\x1b\x07\r\t\x9b")


def test_vertical_has_a_line_for_each_value_and_counts_rows_through():
    drawn = written(Vertical(["id", "name"]), [(1, "a\nb")], [(2, None)])

    rule = "*" * 38
    assert drawn == (
        f"{rule} 1.row {rule}\n  id: 1\nname: a\nb\n{rule} 2.row {rule}\n  id: 2\nname: NULL\n"
    )


LINES = [
    (("a", "b"), "a\tb\n"),
    (("a\tb", "c"), '"a\tb"\tc\n'),
    (('say "x"', ""), '"say ""x"""\t\n'),
    ((True, b"b"), "true\tb\n"),
    (("a\nb", None), '"a\nb"\tNULL\n'),
    (("\x1b[31m", 1.5), "\x1b[31m\t1.5\n"),
    (("",), '""\n'),
]


@pytest.mark.parametrize(("row", "expected"), LINES)
def test_a_delimited_value_is_quoted_only_where_it_must_be(row, expected):
    assert expected == written(Delimited(["x", "y"], "\t", header=False), columns(row))


def test_a_delimited_result_has_its_names_once_when_asked_for():
    drawn = written(Delimited(["x", 'a"y'], ",", header=True), columns((1, 2)), columns((3, 4)))

    assert drawn == 'x,"a""y"\n1,2\n3,4\n'


def test_a_delimited_result_without_rows_has_its_names_all_the_same():
    assert written(Delimited(["x"], ",", header=True), None) == "x\n"
    assert not written(Delimited(["x"], ",", header=False), None)


def test_floating_point_numbers_are_delimited_in_the_form_that_was_asked_for():
    form = Delimited(["x", "y"], ",", header=False, fp_format=".2f")

    assert written(form, columns((0.125, 1), (None, 2))) == "0.12,1\nNULL,2\n"


KINDS = [
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.text(st.sampled_from('aN"\t,;\n\r|ü世 ')),
    st.binary(max_size=4),
]
TABLES = st.lists(st.sampled_from(KINDS), min_size=1, max_size=4).flatmap(
    lambda kinds: st.lists(st.tuples(*(st.none() | each for each in kinds)), min_size=1)
)


@given(TABLES, st.sampled_from("\t,;|N-1.ü"))
def test_delimited_lines_are_those_of_the_module_csv(rows, char):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=char, lineterminator="\n")
    writer.writerows([text(value) for value in row] for row in rows)

    names = ["x"] * len(rows[0])
    assert out.getvalue() == written(Delimited(names, char, header=False), columns(*rows))


VALUES = [
    (None, "NULL"),
    (True, "true"),
    (False, "false"),
    (7, "7"),
    (0.1, "0.1"),
    ("", ""),
    ("2026-01-01 00:00:00.123456789", "2026-01-01 00:00:00.123456789"),
    (b"abc", "abc"),
]


@pytest.mark.parametrize(("value", "expected"), VALUES)
def test_a_value_is_written_as_impala_writes_it(value, expected):
    assert expected == text(value)


def test_a_string_that_is_not_utf8_comes_out_byte_for_byte(tmp_path):
    destination = Destination(tmp_path / "out")
    Delimited(["x"], ",", header=False).write(columns((b"a\xff\xfe",)), destination.open())
    destination.close()

    assert (tmp_path / "out").read_bytes() == b"a\xff\xfe\n"


DELIMITERS = [
    (",", ","),
    (r"\t", "\t"),
    (r"\001", "\x01"),
    (r"\x01", "\x01"),
    ("§", "§"),
    ("\\", "\\"),
]


@pytest.mark.parametrize(("given", "expected"), DELIMITERS)
def test_a_delimiter_is_a_character_or_an_escape(given, expected):
    assert expected == delimiter(given)
    assert f"1{expected}2\n" == written(
        Delimited(["x", "y"], delimiter(given), header=False), columns((1, 2))
    )


@pytest.mark.parametrize("given", ["", "||", r"\n", '"', r"\q\q", r"\q", r"\x"])
def test_what_cannot_delimit_is_refused(given):
    with pytest.raises(BadInput, match="--output_delimiter"):
        delimiter(given)


def test_a_pipe_gets_utf8_whatever_the_locale_says(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))

    prepare_stdout()
    sys.stdout.write("ü" + text(b"\xff"))
    sys.stdout.flush()

    assert raw.getvalue() == b"\xc3\xbc\xff"


def test_a_standard_output_that_is_closed_is_let_be(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)

    prepare_stdout()

    assert sys.stdout is None


def test_a_terminal_keeps_its_encoding_and_shows_the_rest_as_question_marks(monkeypatch):
    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return True

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(raw, encoding="latin-1"))

    prepare_stdout()
    sys.stdout.write("ü世" + text(b"\xff"))
    sys.stdout.flush()

    assert raw.getvalue() == b"\xfc??"


def test_a_file_is_emptied_by_the_first_result_and_not_before(tmp_path):
    path = tmp_path / "out"
    path.write_text("of yesterday")
    destination = Destination(path)
    before = path.read_text()
    destination.open().write("one ")
    destination.open().write("two")
    destination.close()

    assert (before, path.read_text()) == ("of yesterday", "one two")


def test_a_file_that_was_never_opened_is_left_alone(tmp_path):
    path = tmp_path / "out"
    path.write_text("of yesterday")

    Destination(path).close()

    assert path.read_text() == "of yesterday"


def test_the_device_null_may_be_an_output():
    destination = Destination(Path(os.devnull))
    destination.open().write("gone")
    destination.close()

    assert not Path(os.devnull).read_bytes()


def test_an_output_that_cannot_be_is_refused_before_anything_is_opened(tmp_path):
    script = tmp_path / "etl.sql"
    script.write_text("select 1")
    (tmp_path / "link").symlink_to(script)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    cases = {
        tmp_path: "is a directory",
        tmp_path / "none" / "out": "there is no directory",
        script / "out": "Not a directory",
        tmp_path / "loop": "symbolic links",
        tmp_path / "link": "is the script itself",
    }

    for path, message in cases.items():
        with pytest.raises(BadInput, match=message):
            Destination(path, script)
    assert script.read_text() == "select 1"


def test_an_output_without_permission_is_refused_before_anything_is_opened(tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    kept.write_text("x")
    # The tests may run as root, to whom nothing is forbidden.
    monkeypatch.setattr(os, "access", lambda *_: False)

    with pytest.raises(BadInput, match=r"kept: no permission to write$"):
        Destination(kept)
    with pytest.raises(BadInput, match="new: no permission to write in"):
        Destination(tmp_path / "new")


def test_a_whole_file_takes_its_name_at_the_end_and_the_rights_of_the_old_one(tmp_path):
    path, link = tmp_path / "x.parquet", tmp_path / "link.parquet"
    path.write_text("of yesterday")
    path.chmod(0o640)
    link.symlink_to(path)
    destination = WholeFile(link, None)
    destination.open().write(b"new")
    before = path.read_text()
    destination.finish()
    destination.close()

    assert (before, path.read_bytes()) == ("of yesterday", b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert set(tmp_path.iterdir()) == {link, path}


def test_a_whole_file_that_is_not_finished_leaves_nothing(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_text("of yesterday")
    destination = WholeFile(path, None)
    destination.open().write(b"new")
    meanwhile = set(tmp_path.iterdir()) - {path}
    destination.close()
    destination.close()

    assert [each.suffix for each in meanwhile] == [".part"]
    assert ([*tmp_path.iterdir()], path.read_text()) == ([path], "of yesterday")


def test_a_whole_file_is_neither_a_pipe_nor_in_a_directory_that_cannot_be_written(
    tmp_path, monkeypatch
):
    pipe, kept = tmp_path / "pipe.parquet", tmp_path / "x.parquet"
    os.mkfifo(pipe)
    kept.touch()

    with pytest.raises(BadInput, match="is no regular file, and Parquet needs one"):
        WholeFile(pipe, None)
    monkeypatch.setattr(os, "access", lambda path, _: path == kept)
    with pytest.raises(BadInput, match="no permission to write in"):
        WholeFile(kept, None)


def columns(*rows):
    """*rows* as a server sends them: by the column, with anything where a value is NULL."""
    sent = []
    for values in zip(*rows, strict=True):
        kind = next((type(value) for value in values if value is not None), str)
        bits = sum(1 << place for place, value in enumerate(values) if value is None)
        nulls = bits.to_bytes((len(values) + 7) // 8, "little")
        there = [kind() if value is None else value for value in values]
        if kind is str:
            there = [value.encode() for value in there]
        name, make = COLUMNS[kind]
        sent.append(hs2.TColumn(**{name: make(there, nulls)}))
    schema = [("x", "STRING", None, None, None, None, None)] * len(sent)
    return ColumnBatch(hs2.TRowSet(columns=sent), False, schema, convert_types=False)


COLUMNS = {
    bool: ("boolVal", hs2.TBoolColumn),
    int: ("i64Val", hs2.TI64Column),
    float: ("doubleVal", hs2.TDoubleColumn),
    str: ("stringVal", hs2.TStringColumn),
    bytes: ("stringVal", hs2.TStringColumn),
}


def written(form, *batches):
    out = io.StringIO()
    for batch in batches:
        form.write(batch, out)
    form.end(out)
    return out.getvalue()


@pytest.mark.parametrize("form", [Table, Vertical])
def test_what_is_no_utf8_is_shown_as_such_to_people(form):
    out = io.StringIO()

    made = form(["x"])
    made.write([(b"a\xff\xfe",)], out)

    assert "a\ufffd\ufffd" in out.getvalue()
    assert out.getvalue().encode()
