"""A script is cut, filled in and refused as its author would expect, before anything is opened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.connect.script import (
    ScriptStatement,
    assignments,
    decoded,
    is_complete,
    statements,
    substituted,
)

CUTS = [
    ("select 1", ["select 1"]),
    ("select 1;", ["select 1"]),
    ("select 1; select 2", ["select 1", "select 2"]),
    ("select 1;\r\nselect 2;\r\n", ["select 1", "select 2"]),
    (";;select 1;;;", ["select 1"]),
    ("select ';'; select 2", ["select ';'", "select 2"]),
    (r"select 'it\'s; so'; select 2", [r"select 'it\'s; so'", "select 2"]),
    (r"select 'a\\'; select 'b'", [r"select 'a\\'", "select 'b'"]),
    (r'select "a\"; b"; select 2', [r'select "a\"; b"', "select 2"]),
    ("select 'it''s; so'; select 2", ["select 'it''s; so'", "select 2"]),
    ("select 'a\n;b'; select 2", ["select 'a\n;b'", "select 2"]),
    ("select `a;b` from t; select 2", ["select `a;b` from t", "select 2"]),
    ("select 1 -- one; two\n; select 2", ["select 1 -- one; two", "select 2"]),
    ("select 1 /* one; two */; select 2", ["select 1 /* one; two */", "select 2"]),
    ("select '--'; select 2", ["select '--'", "select 2"]),
    ("select '/*'; select '*/'", ["select '/*'", "select '*/'"]),
    ("select 1 -- it's\n; select 2", ["select 1 -- it's", "select 2"]),
    ("select 1 /* it's */; select 2", ["select 1 /* it's */", "select 2"]),
    ("select /* a */ 1 /* b */; select 2", ["select /* a */ 1 /* b */", "select 2"]),
    ("select /* +straight_join */ 1", ["select /* +straight_join */ 1"]),
    ("-- why\nselect 1", ["-- why\nselect 1"]),
    ("select 1; -- the end", ["select 1"]),
    ("select 1; /* the end */ ;", ["select 1"]),
    ("select (1; select 2", ["select (1", "select 2"]),
    ("select begin, end from t; select 2", ["select begin, end from t", "select 2"]),
    ("select case when a then 1 end; select 2", ["select case when a then 1 end", "select 2"]),
    ("select 4-1/2; select 2", ["select 4-1/2", "select 2"]),
    ("select 'ü; 世界'; select 2", ["select 'ü; 世界'", "select 2"]),
    ("select 1; quit; select 2", ["select 1"]),
    ("select 1; EXIT", ["select 1"]),
]


@pytest.mark.parametrize(("script", "expected"), CUTS)
def test_a_script_is_cut_at_the_semicolons_that_impala_would_see(script, expected):
    assert expected == texts(script)


SETTINGS = [
    ("set mt_dop=4", "set mt_dop=4"),
    ("set mem_limit=2g", "set mem_limit=2g"),
    ("set scratch_limit=-1", "set scratch_limit=-1"),
    ("set rm_x=0.5", "set rm_x=0.5"),
    ("set request_pool='root.etl'", "set request_pool='root.etl'"),
    ("set request_pool=root.etl", "SET request_pool='root.etl'"),
    ("-- pool\nset request_pool = root.etl -- of the night", "SET request_pool='root.etl'"),
    ("SET debug_action=a:b@c d", "SET debug_action='a:b@c d'"),
    ("set mt_dop=", "SET mt_dop=''"),
    ("unset mt_dop", "SET mt_dop=''"),
    ("set hive.exec.x=y.z", "set hive.exec.x=y.z"),
]


@pytest.mark.parametrize(("script", "expected"), SETTINGS)
def test_a_set_of_impala_shell_becomes_one_that_the_server_understands(script, expected):
    assert [expected] == texts(script)


def test_a_value_of_set_is_quoted_so_that_nothing_in_it_is_sql():
    assert texts("set x=${var:v}", {"V": r"it's\ok"}) == [r"SET x='it\'s\\ok'"]


def test_every_statement_knows_the_line_of_its_first_word():
    script = "-- head\n\nselect 1;\n/* two\nlines */ select\n2; select 'a\nb';\n\nselect 3"

    found = statements(script, {}, "etl.sql")

    assert [statement.line for statement in found] == [3, 5, 6, 9]


def test_a_statement_keeps_its_comments_for_the_query_log():
    found = statements("-- job 7\nselect 1 -- x", {}, "-e")

    assert found == (ScriptStatement("-- job 7\nselect 1 -- x", 2, "SELECT"),)


FILLED = [
    ("select ${var:x}", "select 7"),
    ("select ${VAR:X}, ${hivevar:x}", "select 7, 7"),
    ("select '${var:y}'", r"select 'a\1;b'"),
    (r"select '\${var:x}'", r"select '\${var:x}'"),
    ("set var:z=8; select ${var:z}", "select 8"),
    ("set var:z=${var:x}${var:x}; select ${var:z}", "select 77"),
    ("/* c */ SET HIVEVAR:z = 8 ; select ${var:z}", "select 8"),
    ("set var:z='a b'; select ${var:z}", "select 'a b'"),
]


@pytest.mark.parametrize(("script", "expected"), FILLED)
def test_variables_are_replaced_before_the_server_sees_them(script, expected):
    assert [expected] == texts(script, {"X": "7", "Y": r"a\1;b"})


EMPTY = [
    "",
    ";",
    " ;\n-- nothing\n;",
    "/* nothing */",
    "quit",
    "exit;",
    "set live_progress=true; SET LIVE_SUMMARY = 1; set verbose=false; unset live_progress",
]


@pytest.mark.parametrize("script", EMPTY)
def test_a_script_may_have_nothing_for_the_server_in_it(script):
    assert not texts(script)


REFUSED = [
    ("select 1;\nselect 'abc; drop table t;", "line 2: the string that starts with ' is never"),
    ('select "abc; drop table t;', 'line 1: the string that starts with " is never'),
    ("select 'abc\\", "the string that starts with ' is never closed"),
    ("select `abc; drop table t", "line 1: the name that starts with ` is never closed"),
    ("select 1;\n\n/* abc; drop table t", "line 3: the comment that starts with /* is never"),
    ("select 1;\nhistory;", "line 2: 'history' is for a person at the prompt"),
    (
        "source no/such.sql",
        "line 1: source: Could not open file 'no/such.sql': No such file or directory",
    ),
    ("! ls", "'shell' is for a person at the prompt"),
    ("connect a", "'connect' is for a person at the prompt"),
    ("select ${x}", "line 1: unknown substitution ${x}; write ${VAR:name}"),
    ("select 1;\nselect ${var:x}", "line 2: unknown variable 'x'; give it with --var"),
    ("select 1;\nset vertical=perhaps", "line 2: VERTICAL must be true or false, not 'perhaps'"),
    ("set profile_format=xml", "PROFILE_FORMAT must be one of string, base64, json, not 'xml'"),
    ("set var:x=1; unset var:x; select ${var:x}", "unknown variable 'x'"),
]


@pytest.mark.parametrize(("script", "message"), REFUSED)
def test_a_script_that_cannot_work_is_refused_as_a_whole(script, message):
    with pytest.raises(BadInput) as refusal:
        statements(script, {}, "-e")

    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


COMMANDS = [
    ("profile", ("profile", "")),
    ("SUMMARY all;", ("summary", "all")),
    ("set", ("set", "")),
    ("/* of now */ SET ALL", ("set", "ALL")),
    ("set live_progress = true", ("option", "LIVE_PROGRESS=true")),
    ("unset live_progress", ("option", "LIVE_PROGRESS")),
    ("unset all", ("option", "ALL")),
    ("set var:a = b c", ("variable", "A=b c")),
    ("unset hivevar:a", ("variable", "A")),
    ("version", ("version", "")),
]


@pytest.mark.parametrize(("script", "expected"), COMMANDS)
def test_commands_of_the_shell_are_known_in_a_script(script, expected):
    (found,) = statements(script, {}, "-e")

    assert (found.command, found.text) == expected
    assert not found.is_query


AT_THE_PROMPT = [
    ("\\d", ["SHOW TABLES"]),
    ("\\d flights", ["DESCRIBE flights"]),
    ("\\dt fl*;", ["SHOW TABLES LIKE 'fl*'"]),
    ("\\c sales", ["USE sales"]),
    ("connect a,b; select 1;", ["connect: a,b", "select 1"]),
    ("@3", ["rerun: 3"]),
    ("?", ["help: "]),
    ("exit", ["quit: "]),
    ("! echo 'it;' | wc; pwd", ["shell: echo 'it;' | wc; pwd"]),
    ("\\! ls", ["shell: ls"]),
    ("SHELL date", ["shell: date"]),
]


@pytest.mark.parametrize(("typed", "expected"), AT_THE_PROMPT)
def test_a_person_at_the_prompt_has_more_commands_and_shortcuts(typed, expected):
    found = statements(typed, {}, "input", at_prompt=True)

    assert expected == [f"{s.command}: {s.text}" if s.command else s.text for s in found]


def test_a_shortcut_that_is_none_is_told_with_those_that_are():
    with pytest.raises(BadInput, match=r"\\z is no shortcut: there are \\d "):
        statements("\\z", {}, "input", at_prompt=True)


COMPLETE = [
    ("", True),
    ("select 1", False),
    ("select 1;", True),
    ("select 1; -- the end", True),
    ("select 1 -- no end;", False),
    ("select 'a;", False),
    ("select ';'", False),
    ("profile", True),
    ("set mt_dop=4", True),
    ("use sales", True),
    ("\\d flights", True),
    ("! ls", True),
    ("version()", False),
    ("select 1;\nselect", False),
]


@pytest.mark.parametrize(("typed", "expected"), COMPLETE)
def test_what_is_typed_goes_on_up_to_its_semicolon(typed, expected):
    assert expected is is_complete(typed)


def test_the_statements_of_a_file_that_is_named_stand_in_its_place(tmp_path):
    inner, outer = tmp_path / "inner.sql", tmp_path / "outer.sql"
    inner.write_text("select ${var:x}; quit; select 9")
    outer.write_text(f"select 1;\nsource {inner};\nset var:x=8; src {inner}; select 2")

    assert ["select 1", "select 7", "select 8", "select 2"] == texts(outer.read_text(), {"X": "7"})


def test_a_file_that_reads_itself_is_refused(tmp_path):
    file = tmp_path / "x.sql"
    file.write_text(f"source {file}")

    with pytest.raises(BadInput, match="more than 10 files read each other"):
        statements(f"source {file}", {}, "-e")


def test_a_word_of_impala_shell_inside_sql_is_sql():
    assert texts("select version(); values (1)") == ["select version()", "values (1)"]


literal = st.text(st.sampled_from(";-/*'\"`\\a \n"), max_size=12).map(
    lambda raw: "'" + raw.replace("\\", "\\\\").replace("'", "\\'") + "'"
)


@given(st.lists(literal, min_size=1, max_size=5))
def test_no_string_whatever_is_in_it_moves_a_border(literals):
    wanted = [f"select {value}" for value in literals]

    assert wanted == texts(";".join(wanted))


@given(st.text(st.sampled_from(";-/*'\"`\\a \n$")))
def test_no_text_whatever_breaks_the_cutter(script):
    try:
        found = statements(script, {}, "-e")
    except BadInput:
        return

    assert all(statement.text.strip() for statement in found)


BYTES = [
    (b"select 1", "select 1"),
    (b"\xef\xbb\xbfselect 1", "select 1"),
    ("select 'ü'".encode(), "select 'ü'"),
]


@pytest.mark.parametrize(("raw", "expected"), BYTES)
def test_a_script_is_utf8_with_or_without_a_mark(raw, expected):
    assert expected == decoded(raw, "etl.sql")


BAD_BYTES = [
    (b"select 1;\nselect '\xfc';", "etl.sql is not UTF-8: byte 0xfc at offset 18 (line 2)"),
    (b"\xef\xbb\xbf\xff", "etl.sql is not UTF-8: byte 0xff at offset 3 (line 1)"),
    ("select 1".encode("utf-16"), "etl.sql is UTF-16, not UTF-8; `iconv"),
]


@pytest.mark.parametrize(("raw", "message"), BAD_BYTES)
def test_bytes_that_are_not_utf8_are_told_with_their_place(raw, message):
    with pytest.raises(BadInput) as refusal:
        decoded(raw, "etl.sql")

    assert message in str(refusal.value)


def test_a_variable_may_use_one_that_was_given_before_it():
    given_words = ("day=2026-01-01", "path=/d=${var:day}", "empty=")

    expected = {"DAY": "2026-01-01", "PATH": "/d=2026-01-01", "EMPTY": ""}
    assert expected == assignments("--var", given_words)


@pytest.mark.parametrize("pair", ["day", "=1", "1day=2", "a b=2", "a-b=2", ""])
def test_what_is_not_key_and_value_is_refused(pair):
    with pytest.raises(BadInput, match=r"--var: .* is not KEY=VALUE"):
        assignments("--var", (pair,))


def test_text_without_variables_is_left_alone():
    assert substituted("select '$', '{', '$x'", {}, "-e") == "select '$', '{', '$x'"


def texts(script, variables=None):
    found = statements(script, variables or {}, "-e")
    return [statement.text for statement in found if not statement.command]
