"""A request is carried out on one cursor; what happens is told, and the exit status is true."""

from __future__ import annotations

import logging
import re
import threading
import warnings
from dataclasses import dataclass, field
from functools import partial

import pytest

from impala_ha import errors
from impala_ha.cli.connect.destination import Destination
from impala_ha.cli.connect.notes import Notes, Verbosity
from impala_ha.cli.connect.output import Table
from impala_ha.cli.connect.request import Request
from impala_ha.cli.connect.run import run
from impala_ha.cli.connect.script import ScriptStatement
from impala_ha.core.faults import Fault, Phase
from impala_ha.core.model import Attempt, Coordinator


@dataclass
class Outcome:
    """
    What a statement does.

    Attributes:
        batches: Rows that each fetch hands out; None for a statement without a result.
        modified: What `rowcount` says afterwards.
        failed: Rows that a write could not change.
        log: What `get_log` says.
        raised: By `execute`, or by the fetch after the last batch where there are batches.
    """

    batches: list | None = None
    modified: int = -1
    failed: int = -1
    log: str = ""
    raised: BaseException | None = None


@dataclass
class Cursor:
    """A cursor that plays outcomes and writes down what is asked of it."""

    outcomes: dict[str, Outcome]
    executed: list[str] = field(default_factory=list)
    query_id: str | None = None
    cancelled: int = 0
    arraysize: int = 1
    coordinator: str = "a:21050"

    def execute(self, sql):
        self.executed.append(sql)
        self.outcome = self.outcomes[sql]
        self.left = list(self.outcome.batches or [])
        if self.outcome.batches is None and self.outcome.raised:
            raise self.outcome.raised

    execute_async = execute

    def finish(self):
        """It has ended."""

    @property
    def has_result_set(self):
        return self.outcome.batches is not None

    @property
    def description(self):
        return [("id", "INT", None, None, None, None, None)]

    @property
    def rowcount(self):
        return self.outcome.modified

    def fetchmany(self, size):
        assert size == self.arraysize
        if self.left:
            return self.left.pop(0)
        if self.outcome.raised:
            raise self.outcome.raised
        return []

    @property
    def rowcounts(self):
        return self.outcome.modified, self.outcome.failed

    def get_log(self):
        if self.outcome.log == "gone":
            raise errors.OperationalError("gone")
        return self.outcome.log

    def get_profile(self, form, *, failed=False):
        assert not failed
        if self.executed[-1] == "gone":
            raise errors.OperationalError("gone")
        return f"profile of {self.executed[-1]} in {form}"

    def cancel(self):
        self.cancelled += 1
        raise errors.OperationalError("there is nothing to cancel any more")


@dataclass
class Connection:
    """A connection with one cursor."""

    only: Cursor
    coordinator: str = "a:21050"
    asked: dict = field(default_factory=dict)
    closed: int = 0
    cursor_error: Exception | None = None

    def cursor(self, **how):
        if self.cursor_error:
            raise self.cursor_error
        self.asked.update(how)
        return self.only

    def close(self):
        self.closed += 1
        raise errors.OperationalError("the session had been lost")


LOST = errors.OperationalError("gone")
ROWS = Outcome([[(1,), (2,)], [(3,)]])
DML = Outcome(modified=5)


def test_results_go_to_standard_output_and_all_else_to_standard_error(capsys):
    status, connection = carried_out({"select 1": ROWS, "insert": DML, "x": Outcome()})

    out, err = capsys.readouterr()
    assert (status, connection.closed) == (0, 1)
    assert out == "+----+\n| id |\n+----+\n| 1  |\n| 2  |\n| 3  |\n+----+\n"
    assert [line.split(" in ")[0] for line in err.splitlines()] == [
        "Fetched 3 row(s)",
        "Modified 5 row(s)",
        "Time elapsed: 0.00s",
    ]


def test_use_and_set_go_without_saying(capsys):
    carried_out({"use db": Outcome(), "SET x='y'": Outcome()})

    assert not capsys.readouterr().err


def test_warnings_of_the_server_are_passed_on(capsys):
    done = "Query 1f:2e: 100% Complete (1 out of 1)\n"
    carried_out({"a": Outcome([[(1,)]], log=f"{done}skipped a file\n"), "b": Outcome(log=done)})

    err = capsys.readouterr().err
    assert (err.count("WARNINGS: skipped a file\n"), err.count("WARNINGS")) == (1, 1)


def test_a_log_that_cannot_be_had_any_more_fails_nothing(capsys):
    status, _ = carried_out({"insert": Outcome(modified=5, log="gone")})

    assert (status, capsys.readouterr().err) == (0, "Modified 5 row(s) in 0.00s\n")


def test_nobody_hears_anything_of_a_quiet_run_that_goes_well(capsys):
    carried_out({"insert": Outcome(modified=1, log="hm")}, verbosity=Verbosity.QUIET)

    assert capsys.readouterr() == ("", "")


def test_a_verbose_run_tells_where_and_what(capsys):
    carried_out({"insert": DML}, verbosity=Verbosity.VERBOSE)

    err = capsys.readouterr().err
    assert re.sub("at: .*", "at: now", err).startswith(
        "Starting impala-connect with no authentication\n"
        "Connected to a:21050\nQuery: insert\nQuery submitted at: now\nServed by a:21050\n"
    )


def test_the_session_has_the_query_options_and_values_as_impala_writes_them():
    cursor = Cursor({"SET MT_DOP=4": Outcome(), "x": Outcome()})
    _, connection = carried_out(
        {"x": Outcome()}, connection=Connection(cursor), query_options={"MT_DOP": "4"}
    )

    assert connection.asked == {"configuration": {"MT_DOP": "4"}, "convert_types": False}
    assert connection.only.arraysize == 2


def test_the_first_failed_statement_is_the_last(capsys):
    status, connection = carried_out({"a": Outcome(), "b": Outcome(raised=LOST), "c": Outcome()})

    assert (status, connection.only.executed) == (1, ["a", "b"])
    assert "impala-connect: statement 2 of 3 (etl.sql, line 2): gone\n" in capsys.readouterr().err


def test_a_single_statement_needs_no_number(capsys):
    carried_out({"a": Outcome(raised=LOST)})

    assert capsys.readouterr().err == "impala-connect: gone\n"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.ProgrammingError("no such table"), 0),
        (errors.make_error(errors.OutcomeUnknown, "it may have run"), 1),
        (errors.make_error(errors.NoCoordinatorLeft, "nobody answers"), 1),
    ],
)
def test_keep_going_ignores_what_failed_and_nothing_that_may_have_run(error, status):
    outcomes = {"a": Outcome(raised=error), "b": Outcome()}

    ended, connection = carried_out(outcomes, keep_going=True)

    assert (ended, connection.only.executed) == (status, ["a", "b"])


def test_a_result_that_breaks_off_is_said_to_be_incomplete(capsys):
    status, connection = carried_out({"a": Outcome([[(1,), (2,)]], raised=LOST)})

    out, err = capsys.readouterr()
    assert (status, connection.only.cancelled) == (1, 0)
    assert "| 2  |\n" in out
    assert err == (
        "impala-connect: the result is incomplete: it ends after 2 row(s)\nimpala-connect: gone\n"
    )


@pytest.mark.parametrize("outcome", [Outcome(), Outcome([[(1,)]])])
def test_ctrl_c_cancels_the_statement_and_passes_on(outcome):
    outcome.raised = KeyboardInterrupt()
    connection = Connection(Cursor({"a": outcome}))

    with pytest.raises(KeyboardInterrupt):
        carried_out({"a": outcome}, connection=connection)

    assert (connection.only.cancelled, connection.closed) == (1, 1)


def test_an_error_of_a_link_that_is_a_broken_pipe_is_the_statements_failure(capsys):
    error = errors.make_error(errors.CoordinatorLost, "broken", BrokenPipeError("broken"))
    assert isinstance(error, BrokenPipeError)

    status, connection = carried_out({"a": Outcome(raised=error)})

    assert (status, connection.only.cancelled) == (1, 0)
    assert capsys.readouterr().err == "impala-connect: broken\n"


def test_a_full_disk_cancels_the_statement_and_ends_the_run(tmp_path, capsys):
    class Full(Destination):
        def open(self):
            raise OSError(28, "No space left on device")

    status, connection = carried_out(
        {"a": ROWS, "b": Outcome()}, destination=Full(None), keep_going=True
    )

    assert (status, connection.only.cancelled, connection.only.executed) == (1, 1, ["a"])
    expected = "impala-connect: the result cannot be written: No space left on device\n"
    assert capsys.readouterr().err == expected


def test_what_a_server_says_cannot_steer_the_terminal(capsys):
    evil = errors.OperationalError("\x1b]0;owned\x07 line\r\nnext \x9b2J")
    carried_out({"a": Outcome(raised=evil), "b": Outcome(log="\x1b[2J")}, keep_going=True)

    err = capsys.readouterr().err
    assert "\\x1b]0;owned\\x07 line\\r\nnext \\x9b2J" in err
    assert err.isascii()
    assert all(char.isprintable() or char == "\n" for char in err)


def test_a_script_with_nothing_in_it_connects_and_went_well(tmp_path, capsys):
    file = tmp_path / "out"
    file.write_text("of yesterday")

    status, connection = carried_out({}, destination=Destination(file))

    assert (status, connection.closed, file.read_text()) == (0, 1, "")
    assert capsys.readouterr().err == (
        "impala-connect: nothing to run: there is no statement in etl.sql\n"
    )


def test_floating_point_numbers_have_the_form_that_was_asked_for(capsys):
    form = partial(Table, fp_format=".2f")
    carried_out({"a": Outcome([[(1.0,), (2,), (None,)]])}, form=form)

    assert capsys.readouterr().out.split("\n")[3:6] == ["| 1.00 |", "| 2    |", "| NULL |"]


def test_rows_that_a_write_could_not_change_are_counted(capsys):
    carried_out({"insert": Outcome(modified=2, failed=1), "delete": Outcome(modified=3, failed=0)})

    assert [line.partition(" in ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "Modified 2 row(s), 1 row error(s)",
        "Modified 3 row(s)",
    ]


def test_profiles_go_to_standard_output_or_to_a_file(tmp_path, capsys):
    file = tmp_path / "profiles"
    file.write_text("of yesterday")
    outcomes = {"a": DML, "b": Outcome(raised=LOST)}

    plain, json = look(show_profiles=True), look(show_profiles=True, profile_format="json")
    status, _ = carried_out(outcomes, look=plain, keep_going=True)
    carried_out(outcomes, look={**json, "profile_output": str(file)}, keep_going=True)

    assert status == 0
    assert capsys.readouterr().out.count("Query Runtime Profile:\nprofile of a in 0\n") == 1
    assert file.read_text() == "".join(
        f"Query Runtime Profile:\nprofile of {sql} in 3\n" for sql in "ab"
    )


def test_a_profile_that_is_gone_changes_no_status(capsys):
    status, _ = carried_out({"gone": DML}, look=look(show_profiles=True))

    assert status == 0
    assert "impala-connect: the profile cannot be had: gone\n" in capsys.readouterr().err


def test_who_waits_for_a_coordinator_is_soon_told_why(notes, capsys):
    hint = "no TLS here: use_ssl=False, or use_http_transport=True"
    heard("connect", notes, (A, Fault.UNREACHABLE, "refused"), (B, Fault.LOST, "x"), hint=hint)
    notes._show_why()

    assert capsys.readouterr().err == (
        "impala-connect: no coordinator is there so far (a:21050 could not be reached (refused);"
        " b:21050 stopped answering (x)); trying on until --deadline: no TLS here: no --ssl, or"
        " --protocol=hs2-http\n"
    )


def waits(operation, *tries):
    """The library's word that nobody is left who has not been asked."""
    attempts = tuple(
        Attempt(operation, number, coordinator, 0.1, fault, Phase.SENT, None, text)
        for number, (coordinator, fault, text) in enumerate(tries, 1)
    )
    about = {"state": "waiting", "attempts": attempts}
    logging.getLogger("impala_ha").warning("%s waits", operation, extra=about)


def test_an_outage_under_a_statement_is_reported_when_all_were_asked(notes, capsys):
    lost = [(A, Fault.LOST, "x"), (B, Fault.LOST, "y"), (A, Fault.LOST, "z")]
    heard("execute", notes, *lost)
    waits("execute", *lost)
    waits("execute", *lost)

    (line,) = capsys.readouterr().err.splitlines()
    assert "(a:21050 stopped answering (z); b:21050 stopped answering (y)); trying on" in line


def test_while_a_connection_is_opened_it_is_told_if_it_goes_on_so(notes, capsys):
    waits("connect", (A, Fault.UNREACHABLE, "refused"))
    assert not capsys.readouterr().err

    notes._show_why()

    assert "(a:21050 could not be reached (refused))" in capsys.readouterr().err


def test_what_the_library_says_of_its_coordinators_is_not_said_twice(notes, capsys):
    heard("execute", notes, (A, Fault.LOST, "x"), (B, None, ""))
    told = Attempt("execute", 2, B, 0.1)
    about = {"attempt": told, "coordinator": B, "state": "moved"}
    logging.getLogger("impala_ha").info("execute went on", extra=about)

    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("went on at b:21050")


def test_a_statement_that_goes_on_elsewhere_is_not_waited_for(notes, capsys):
    notes._patience = 0
    heard("execute", notes, (A, Fault.LOST, "x"))
    timers_over()

    assert not capsys.readouterr().err


def test_who_waits_in_silence_is_told_what_to_check(notes, capsys):
    notes._patience = 0
    notes.wait()
    timers_over()

    assert capsys.readouterr().err == (
        "impala-connect: no coordinator is there so far (each is silent); trying on until"
        " --deadline: check names and ports (21050, with --protocol=hs2-http 28000), --protocol"
        " and --ssl; `impala-ha doctor` with the same -i examines each\n"
    )


def test_a_reason_that_comes_later_is_told_too(notes, capsys):
    notes._patience = 0
    notes.wait()
    timers_over()
    heard("connect", notes, (A, Fault.UNREACHABLE, "refused"), (B, Fault.UNREACHABLE, "refused"))

    silent, told = capsys.readouterr().err.splitlines()
    assert "(each is silent)" in silent
    assert "(a:21050 could not be reached (refused))" in told


def test_who_was_answered_is_not_told_that_nobody_answers(notes, capsys):
    notes.wait()
    heard("connect", notes, (A, None, ""))
    notes.answered()
    timers_over()

    assert not capsys.readouterr().err


def timers_over():
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join()


FIRST = {"use `sales`": Outcome(), "SET MT_DOP=2": Outcome(), "SET POOL='a.b'": Outcome()}
OPTIONS = {"database": "sales", "query_options": {"MT_DOP": "2", "POOL": "a.b"}}


def test_the_server_is_asked_whether_database_and_query_options_are_known():
    cursor = Cursor({**FIRST, "a": DML})

    status, _ = carried_out({"a": DML}, connection=Connection(cursor), **OPTIONS)

    assert (status, cursor.executed) == (0, [*FIRST, "a"])


@pytest.mark.parametrize(
    ("wrong", "option"), [*zip(FIRST, ["-d", "-Q MT_DOP", "-Q POOL"], strict=True)]
)
def test_an_unknown_database_or_query_option_ends_the_run_before_the_first_statement(
    wrong, option, tmp_path, capsys
):
    cursor = Cursor({**FIRST, "a": DML, wrong: Outcome(raised=errors.OperationalError("unknown"))})
    kept = tmp_path / "out"
    kept.write_text("of yesterday")

    status, _ = carried_out(
        {"a": DML}, connection=Connection(cursor), destination=Destination(kept), keep_going=True,
        **OPTIONS,
    )  # fmt: skip

    assert (status, "a" in cursor.executed, kept.read_text()) == (1, False, "of yesterday")
    assert capsys.readouterr().err == f"impala-connect: {option}: unknown\n"


def test_no_cursor_is_a_failure(capsys):
    status, connection = carried_out(
        {"a": DML},
        connection=Connection(Cursor({}), cursor_error=errors.OperationalError("no room")),
    )

    assert (status, connection.closed) == (1, 1)
    assert capsys.readouterr().err == "impala-connect: no room\n"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.ConfigurationError(["port must be within 1..65535"]), 2),
        (errors.NoCoordinatorLeft("nobody"), 1),
        (errors.AuthenticationFailed("no ticket"), 1),
    ],
)
def test_no_connection_is_misuse_or_failure_by_its_reason(error, expected, tmp_path, capsys):
    kept = tmp_path / "out"
    kept.write_text("of yesterday")

    def connect(**_):
        raise error

    status = run(wanted(["a"], destination=Destination(kept)), connect, Notes(Verbosity.NORMAL))

    assert (status, kept.read_text()) == (expected, "of yesterday")
    assert capsys.readouterr().err == f"impala-connect: {error}\n"


def test_a_file_is_kept_when_the_first_statement_fails(tmp_path):
    kept = tmp_path / "out"
    kept.write_text("of yesterday")

    carried_out({"a": Outcome(raised=LOST)}, destination=Destination(kept))
    carried_out({"b": Outcome([], raised=LOST)}, destination=Destination(kept))

    assert kept.read_text() == "of yesterday"


def test_a_run_without_results_that_went_well_leaves_an_empty_file(tmp_path):
    file = tmp_path / "out"
    file.write_text("of yesterday")

    carried_out({"insert": DML}, destination=Destination(file))

    assert not file.read_text()


def test_results_of_several_statements_follow_each_other_in_the_file(tmp_path):
    file = tmp_path / "out"

    carried_out({"a": Outcome([[(1,)]]), "b": Outcome([[(2,)]])}, destination=Destination(file))

    assert file.read_text().count("| id |") == 2


A, B, C = (Coordinator(name, 21050) for name in "abc")


def test_a_failover_is_one_line(notes, capsys):
    heard("execute", notes, (B, Fault.LOST, "read 0 bytes\nmore"), (C, None, ""))

    expected = "impala-connect: b:21050 stopped answering (read 0 bytes); went on at c:21050\n"
    assert capsys.readouterr().err == expected


def test_a_failover_over_two_is_one_line_too(notes, capsys):
    heard("connect", notes, (A, Fault.UNREACHABLE, "refused"), (B, Fault.FULL, ""), (C, None, ""))

    assert capsys.readouterr().err == (
        "impala-connect: a:21050 could not be reached (refused), b:21050 has reached its limit of"
        " sessions (no reason given); went on at c:21050\n"
    )


REASONS = [
    ("TSocket read 0 bytes", "TSocket read 0 bytes"),
    (
        "Could not connect to any of [('127.0.0.9', 1)]: [Errno 111] Connection refused",
        "Connection refused",
    ),
    ("[Errno -2] Name or service not known", "Name or service not known"),
    ("Could not connect to any of [('127.0.0.9', 1)]", "no reason given"),
    ("Query 1f:2e failed:\nmore", "Query 1f:2e failed:"),
]


@pytest.mark.parametrize(("text", "expected"), REASONS)
def test_a_reason_is_told_without_its_wrapping(text, expected, notes, capsys):
    heard("execute", notes, (B, Fault.LOST, text), (C, None, ""))

    assert f" ({expected}); went on at " in capsys.readouterr().err


def test_a_second_try_at_the_same_place_is_reported_as_that(notes, capsys):
    heard("execute", notes, (A, Fault.BUSY, "queue full"), (A, None, ""))

    assert capsys.readouterr().err == (
        "impala-connect: a:21050 is too busy for the statement (queue full); answered again\n"
    )


def test_a_failover_is_told_where_only_the_end_of_it_is_logged(notes, capsys):
    heard("is_executing", notes, (B, Fault.LOST, "read 0 bytes"))
    for _ in range(2):
        attempt = Attempt("is_executing", 2, C, 0.1, None, None, None, "", "")
        moved = {"attempt": attempt, "state": "moved"}
        logging.getLogger("impala_ha").info("went on", extra=moved)

    expected = "impala-connect: b:21050 stopped answering (read 0 bytes); went on at c:21050\n"
    assert capsys.readouterr().err == expected


def test_a_failure_whose_error_nobody_shows_is_told_once(notes, capsys):
    heard("get_summary", notes, (B, Fault.LOST, "read 0 bytes"))
    notes.lost()
    notes.lost()

    assert capsys.readouterr().err == "impala-connect: b:21050 stopped answering (read 0 bytes)\n"


def test_a_call_that_failed_everywhere_is_left_to_its_error(notes, capsys):
    heard("execute", notes, (A, Fault.LOST, "gone"), (B, Fault.LOST, "gone"))
    heard("fetch", notes, (C, None, ""))

    assert not capsys.readouterr().err


def test_a_quiet_run_keeps_its_failovers_to_itself(notes, capsys):
    notes.verbosity = Verbosity.QUIET
    heard("execute", notes, (B, Fault.LOST, "read 0 bytes"), (C, None, ""))

    assert not capsys.readouterr().err


def test_a_verbose_run_tells_each_attempt(notes, capsys):
    notes.verbosity = Verbosity.VERBOSE
    heard("execute", notes, (B, Fault.LOST, "read 0 bytes"), (C, None, ""))

    assert capsys.readouterr().err.count("Attempt: execute #") == 2


def test_a_notice_is_for_people_too(notes, capsys):
    logging.getLogger("impala_ha").warning("nobody verifies", extra={"notice": True})

    assert capsys.readouterr().err == "impala-connect: nobody verifies\n"


def test_another_line_of_the_log_is_not_repeated(notes, capsys):
    logging.getLogger("impala_ha").warning("the roster was read again")

    assert not capsys.readouterr().err


def test_a_warning_of_python_is_said_once_in_one_line(notes, capsys):
    for _ in range(2):
        warnings.showwarning(UserWarning("IMPALA_HA_X is not one"), UserWarning, "x.py", 1)

    assert capsys.readouterr().err == "impala-connect: warning: IMPALA_HA_X is not one\n"


def test_a_standard_error_that_is_gone_stops_nothing(monkeypatch):
    class Gone:
        def write(self, _):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Gone())

    assert carried_out({"insert": DML})[0] == 0


@pytest.fixture
def notes(monkeypatch):
    """Notes that listen for the time of one test."""
    library, root = logging.getLogger("impala_ha"), logging.getLogger()
    monkeypatch.setattr(library, "handlers", [])
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    level = library.level
    made = Notes(Verbosity.NORMAL)
    made.listen()
    yield made
    made.answered()
    library.setLevel(level)


def heard(operation, notes, *tries, hint=""):
    for number, (coordinator, fault, text) in enumerate(tries, 1):
        phase = Phase.SENT if fault else None
        attempt = Attempt(operation, number, coordinator, 0.1, fault, phase, None, text, hint)
        logging.getLogger("impala_ha").info("%s", attempt, extra={"attempt": attempt})


def look(**more):
    """The options of the shell, as the program has them by default."""
    return {
        "profile_output": None,
        "profile_format": "string",
        "show_profiles": False,
        **more,
    }


def wanted(script, **more):
    return Request(
        **{
            "script": tuple(
                ScriptStatement(sql, line, sql.split()[0].upper())
                for line, sql in enumerate(script, 1)
            ),
            "origin": "etl.sql",
            "connect": {},
            "query_options": {},
            "form": Table,
            "destination": Destination(None),
            "fetch_size": 2,
            "keep_going": False,
            "verbosity": Verbosity.NORMAL,
            "look": look(),
            **more,
        }
    )


def carried_out(outcomes, connection=None, **more):
    connection = connection or Connection(Cursor(outcomes))
    request = wanted(outcomes, **more)
    return run(request, lambda **_: connection, Notes(request.verbosity)), connection
