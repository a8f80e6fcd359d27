"""`impala-connect` as a shell sees it: a process, its output, its exit status, real coordinators."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import sysconfig
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from impala_ha.testing import LocalCluster

PROGRAM = str(Path(sysconfig.get_path("scripts"), "impala-connect"))
LIMIT = 60
ENVIRONMENT = {
    **{n: value for n, value in os.environ.items() if not n.startswith(("IMPALA_", "LC_"))},
    "IMPALA_HA_SHARE_STATE": "0",  # what one test kills is tried by the programs of the next
}
MEBIBYTE = 1024  # in the unit of ru_maxrss
# ^C means something only on the terminal that a session has taken for its own.
TAKE_THE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


def test_the_form_that_users_know(cluster):
    done = ran("-i", cluster.hosts, "-e", "select 1 as a, 'x' as b, null as c")

    assert done.returncode == 0
    assert done.stdout == (
        "+---+---+------+\n| a | b | c    |\n+---+---+------+\n| 1 | x | NULL |\n+---+---+------+\n"
    )
    assert done.stderr.startswith("Fetched 1 row(s) in ")


def test_hosts_come_from_the_environment_when_none_are_given(cluster):
    done = ran("-i", "-Be", "select 7", environment={"IMPALA_HA_HOSTS": cluster.hosts})

    assert (done.returncode, done.stdout) == (0, "7\n")


def test_a_file_runs_in_one_session(cluster, tmp_path):
    file = tmp_path / "etl.sql"
    file.write_bytes(
        b"\xef\xbb\xbf-- the night's job; with a semicolon\n"
        b"create database if not exists cli_night; use cli_night;\n"
        b"create table if not exists t (s string); set request_pool=root.night;\n"
        b"insert overwrite t values ('a;b'), ('${var:day}'); -- done;\n"
        b"select s from t order by s; select current_database()"
    )

    done = ran("-i", cluster.hosts, "--var=day=7", "-B", "-f", str(file))

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == ["7", "a;b", "cli_night"]
    assert "Modified 2 row(s)" in done.stderr


def test_a_script_comes_from_a_pipe(cluster):
    done = ran("-i", cluster.hosts, "-B", "--quiet", "-", stdin="select 1;\nselect 2;\n")

    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n2\n", "")


def test_delimited_lines_have_a_header_on_request(cluster):
    done = ran(
        "-i", cluster.hosts, "-B", "--print_header", "--output_delimiter=,", "-e",
        "select 1 as a, 'x,\"y' as b, cast(null as int) as c, true as d",
    )  # fmt: skip

    assert done.stdout == 'a,b,c,d\n1,"x,""y",NULL,true\n'


def test_text_is_utf8_even_where_the_locale_is_not(cluster):
    done = ran("-i", cluster.hosts, "-Be", "select 'ü 世界'", environment={"LC_ALL": "C"})

    assert (done.returncode, done.stdout) == (0, "ü 世界\n")


def test_the_database_and_the_options_hold_from_the_first_statement(cluster):
    ran("-i", cluster.hosts, "-e", "create database if not exists cli_first")

    done = ran(
        "-i", cluster.hosts, "-d", "cli_first", "-Q", "mt_dop=3", "-B", "--quiet",
        "-e", "select current_database(); set",
    )  # fmt: skip

    assert done.stdout.startswith("cli_first\n")
    assert "MT_DOP\t3" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-d", "typo"], "-d: Query "),
        (["-d", "typo", "-c"], "AnalysisException: Database does not exist: typo"),
        (["-Q", "MEM_LIMTI=2g"], "-Q MEM_LIMTI: "),
    ],
)
def test_a_database_or_query_option_that_is_none_is_a_failure(words, told, cluster):
    done = ran("-i", cluster.hosts, *words, "-Be", "select 1")

    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr


@pytest.mark.parametrize("sql", ["", ";", "quit", "-- nothing", "set live_progress=true;"])
def test_a_script_without_a_statement_goes_well_where_a_coordinator_answers(sql, cluster):
    typo = ran("-i", cluster.hosts, "-d", "typo", "-q", sql)

    assert ran("-i", cluster.hosts, "-q", sql).returncode == 0
    assert (typo.returncode, "Database does not exist: typo" in typo.stderr) == (1, True)


def test_the_query_and_where_to_watch_it_are_told_on_request(cluster):
    told = ran("-i", cluster.hosts, "-V", "-Be", "select 1").stderr

    query = re.search(r"Query id: ([0-9a-f]{16}:[0-9a-f]{16})\n", told)[1]
    assert re.search(rf"monitored at: http://\S+/query_plan\?query_id={query}\n", told)
    assert re.search(r"Query submitted at: \d{4}-.* \(Coordinator: http://\S+\)\n", told)


def test_profiles_are_written_where_they_are_asked_for(cluster, tmp_path):
    file = tmp_path / "profiles"
    here = ran("-i", cluster.hosts, "-p", "-Be", "select 1; select 2")
    there = ran("-i", cluster.hosts, "-p", "--profile_output", str(file), "-Be", "select 1")

    assert here.stdout.count("Query Runtime Profile:\nQuery (id=") == 2
    assert there.stdout == "1\n"
    assert file.read_text().startswith("Query Runtime Profile:\nQuery (id=")


def test_an_empty_user_is_nobody_and_not_the_one_of_the_system(cluster):
    told = [
        ran("-i", cluster.hosts, "-p", user, "-Be", "select 1").stdout
        for user in ("--user=", "--user=ada")
    ]

    users = [re.search(r"^ *Connected User: (.*)$", profile, re.MULTILINE)[1] for profile in told]
    assert users == ["anonymous", "ada"]


def test_numbers_are_written_as_asked_for(cluster):
    sql = "select cast(1.5 as double), 2"

    assert ran("-i", cluster.hosts, "--hs2_fp=.3f", "-Be", sql).stdout == "1.500\t2\n"


UNREACHABLE = [
    (["-i", "no.such.host.invalid"], "could not be resolved"),
    (["-i", "127.15.0.9:1"], "127.15.0.9:1 could not be reached ("),
    (
        ["-i", "BINARY", "--protocol=hs2-http"],
        "the port speaks HiveServer2 without SASL: --protocol=hs2",
    ),
    (["-i", "BINARY", "--ssl"], "without SASL and no TLS: no --ssl"),
    (["-i", "SILENT"], "check names and ports (21050, with --protocol=hs2-http 28000)"),
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("words", "told"), UNREACHABLE)
def test_why_nobody_answers_is_reported_long_before_the_deadline(words, told, cluster):
    """The line comes while the program still tries, or at its end where trying cannot help."""
    with nobody_home() as (silent, _):
        places = {"BINARY": cluster.hosts, "SILENT": silent}
        words = [places.get(word, word) for word in words]
        with started(*words, "--deadline=600", "-e", "select 1") as process:
            assert any(told in line for line in iter(process.stderr.readline, ""))


def test_a_failed_statement_ends_the_run_with_1(cluster):
    done = ran("-i", cluster.hosts, "-B", "-e", "select 1;\nselect * from nowhere;\nselect 3")

    assert (done.returncode, done.stdout) == (1, "1\n")
    assert "impala-connect: statement 2 of 3 (-e, line 2): " in done.stderr
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_c_statements_that_fail_are_ignored(cluster):
    done = ran("-i", cluster.hosts, "-B", "-c", "-e", "select 1; select * from nowhere; select 3")

    assert (done.returncode, done.stdout) == (0, "1\n3\n")
    assert "impala-connect: 1 of 3 statements failed\n" in done.stderr


def test_a_script_survives_its_coordinator(cluster, until):
    with started(
        "-i", cluster.hosts, "-d", "default", "-B",
        "-e", "set mt_dop=3; select 1; select sleep(2501); select 2; set",
    ) as process:  # fmt: skip
        home = serving(cluster, "select sleep(2501)", until)
        home.kill()
        out, err = process.communicate(timeout=LIMIT)

    assert process.returncode == 0, err
    assert out.splitlines()[:3] == ["1", "true", "2"]
    assert "MT_DOP\t3" in out
    (line,) = [line for line in err.splitlines() if line.startswith("impala-connect")]
    assert line.startswith(f"impala-connect: {home.address} stopped answering (")
    assert "; went on at 127.0.0." in line


def test_a_write_whose_coordinator_died_is_not_run_again_and_the_user_is_told(cluster, until):
    sql = "create table cli_lost as select sleep(30402) as x"

    with started("-i", cluster.hosts, "-e", f"{sql}; select 2") as process:
        serving(cluster, sql, until).kill()
        out, err = process.communicate(timeout=LIMIT)

    assert (process.returncode, out) == (1, "")
    assert "It may have run" in err
    assert "idempotent=" not in err  # which is for programs
    assert cluster.executions(sql) == 1


def test_a_dead_coordinator_in_the_list_costs_a_line_and_not_the_run(cluster):
    cluster[0].kill()
    statuses, told = set(), ""
    for _ in range(3):
        done = ran("-i", cluster.hosts, "--policy", "ordered", "-Be", "select 1")
        statuses.add((done.returncode, done.stdout))
        told += done.stderr

    assert statuses == {(0, "1\n")}
    assert f"impala-connect: {cluster[0].address} could not be reached (" in told


def test_when_nobody_is_left_every_attempt_is_reported_and_the_file_is_kept(cluster, tmp_path):
    kept = tmp_path / "out"
    kept.write_text("of yesterday")
    for coordinator in cluster:
        coordinator.kill()

    done = ran("-i", cluster.hosts, "--deadline", "1", "-o", str(kept), "-e", "select 1")

    assert (done.returncode, done.stdout, kept.read_text()) == (1, "", "of yesterday")
    assert all(coordinator.address in done.stderr for coordinator in cluster)
    assert "Traceback" not in done.stderr


ENDS = [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.mark.parametrize(("number", "status"), ENDS)
def test_an_interrupted_statement_is_cancelled_on_its_server(cluster, until, number, status):
    sql = f"select sleep({30_500 + number})"

    with started("-i", cluster.hosts, "-e", f"{sql}; select 2") as process:
        serving(cluster, sql, until)
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT)

    assert (process.returncode, out) == (status, "")
    assert err == (
        "impala-connect: Cancelling Query: interrupted; its coordinator was asked to cancel the"
        " statement\n"
    )
    until(lambda: cluster.executions(sql, mode="cancelled") == 1)
    until(lambda: not any(coordinator.sessions for coordinator in cluster))


@pytest.mark.parametrize(("number", "status"), ENDS)
def test_a_signal_ends_the_program_also_while_a_password_is_asked_for(
    number, status, tmp_path, until
):
    begun = tmp_path / "begun"
    command = f"sh -c 'touch {begun}; exec sleep 600'"
    words = ("-l", "--auth_creds_ok_in_clear", "--ldap_password_cmd", command)
    with started("-i", "127.0.0.1:1", *words, "-e", "select 1") as process:
        until(begun.exists)
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT)

    assert (process.returncode, out, err.strip()) == (status, "", "")


def test_a_loop_of_a_shell_ends_with_ctrl_c(cluster, until):
    """As with every program that the signal itself has ended, and not with a mere status of 130."""
    sql = "select sleep(30801)"
    loop = f'for n in 1 2; do "$@"; echo "went on after $n"; done; exec {PROGRAM} --version'
    command = ("/bin/bash", "-c", loop, "bash", PROGRAM, "-i", cluster.hosts, "-e", sql)
    with terminal(*command) as (_, screen):
        serving(cluster, sql, until)
        os.write(screen, b"\x03")
        shown = read_to_end(screen)

    assert "asked to cancel" in shown
    assert "went on" not in shown


def test_ctrl_c_does_not_wait_for_a_coordinator_that_hangs(cluster, until):
    sql = "select sleep(30601)"

    with started("-i", cluster.hosts, "--deadline", "600", "-e", sql) as process:
        home = serving(cluster, sql, until)
        home.hang()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT)

    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_these_tests_pass_where_the_parent_ignores_a_signal(number):
    name = f"{__file__}::test_an_interrupted_statement_is_cancelled_on_its_server"
    tool = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        f"[{number:d}-",
        name,
    ]

    done = subprocess.run(
        ["sh", "-c", f'trap "" {number:d}; exec "$@"', "sh", *tool],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_ctrl_c_on_a_terminal_reaches_the_statement(cluster, until):
    sql = "select sleep(30701)"

    with terminal(PROGRAM, "-i", cluster.hosts, "-e", sql) as (process, screen):
        serving(cluster, sql, until)
        os.write(screen, b"\x03")
        shown = read_to_end(screen)
        process.wait(timeout=LIMIT)

    assert process.returncode == -signal.SIGINT
    assert "interrupted; its coordinator was asked to cancel" in shown
    until(lambda: cluster.executions(sql, mode="cancelled") == 1)


def test_when_the_reader_goes_away_the_statement_is_closed_without_a_word(cluster, until):
    many(cluster)
    with started("-i", cluster.hosts, "-B", "--quiet", "-e", MANY) as process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=LIMIT)

    assert (process.returncode, err) == (141, "")
    until(lambda: not any(coordinator.queries for coordinator in cluster))


def test_a_result_that_breaks_off_says_after_how_many_rows(cluster):
    many(cluster)
    with started("-i", cluster.hosts, "-B", "-e", MANY) as process:
        first = process.stdout.readline()
        for coordinator in cluster:
            if coordinator.queries:
                coordinator.kill()
        rows = len((first + process.stdout.read()).splitlines())
        err = process.stderr.read()
        process.wait(timeout=LIMIT)

    assert process.returncode == 1
    assert f"impala-connect: the result is incomplete: it ends after {rows} row(s)\n" in err
    assert "Traceback" not in err


def test_a_result_of_any_size_needs_no_more_memory(cluster, tmp_path):
    many(cluster)
    peaks = []
    for rows in (10_000, 200_000):
        out = tmp_path / str(rows)
        peaks.append(
            peak_memory("-i", cluster.hosts, "-B", "-o", str(out), "-e", f"{MANY} limit {rows}")
        )
        with out.open() as lines:
            assert sum(1 for _ in lines) == rows

    # 40 MB of text more, and far more than that as Python's strings.
    assert peaks[1] - peaks[0] < 15 * MEBIBYTE


def test_a_file_gets_results_and_nothing_else(cluster, tmp_path):
    out = tmp_path / "out"
    out.write_text("of yesterday, and longer than what comes now")

    done = ran("-i", cluster.hosts, "-B", "-o", str(out), "-e", "select 1; select 2")

    assert (done.returncode, done.stdout, out.read_text()) == (0, "", "1\n2\n")


def test_a_file_is_kept_when_the_first_statement_is_wrong(cluster, tmp_path):
    out = tmp_path / "out"
    out.write_text("of yesterday")

    done = ran("-i", cluster.hosts, "-o", str(out), "-e", "select * from nowhere; select 1")

    assert (done.returncode, out.read_text()) == (1, "of yesterday")


def test_a_query_becomes_a_file_of_parquet(cluster, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="the extra arrow is not installed")
    out = tmp_path / "x.parquet"
    values = (
        "select cast(7 as tinyint) as i, cast(0.5 as float) as f, 'ü' as s, true as b,"
        " cast('2026-01-31 10:20:30.123456' as timestamp) as t, cast(1.10 as decimal(9,2)) as d,"
        " cast('0001-01-01' as date) as a"
    )

    done = ran(
        "-i", cluster.hosts, "-o", str(out), "-e",
        f"create table if not exists cli_none (i int); {values} union all"
        " select null, null, null, null, null, null, null order by i",
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Table has been created.\n" in done.stderr
    table = pq.read_table(out)
    assert [str(field.type) for field in table.schema] == [
        *("int8", "float", "string", "bool"),
        *("timestamp[ns]", "decimal128(9, 2)", "date32[day]"),
    ]
    assert table.slice(0, 1).cast(table.schema).to_pylist()[0]["d"] == Decimal("1.10")
    assert table["t"].cast("int64").to_pylist() == [1769854830123456000, None]
    assert table["s"].to_pylist() == ["ü", None]


def test_years_that_nanoseconds_do_not_reach_need_another_unit(cluster, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="the extra arrow is not installed")
    out = tmp_path / "x.parquet"
    words = ("-i", cluster.hosts, "-o", str(out))
    words += ("-e", "select cast('9999-12-31 23:59:59' as timestamp) as t")

    refused = ran(*words)
    done = ran(*words, "--timestamp_unit=us")

    assert (refused.returncode, done.returncode) == (1, 0)
    assert "column t has a value that is no timestamp[ns]" in refused.stderr
    assert "need --timestamp_unit=us\n" in refused.stderr
    assert pq.read_table(out)["t"].to_pylist() == [datetime(9999, 12, 31, 23, 59, 59)]  # noqa: DTZ001


def test_a_disk_that_is_full_under_parquet_leaves_the_file_of_yesterday(cluster, tmp_path):
    pytest.importorskip("pyarrow", reason="the extra arrow is not installed")
    many(cluster)
    out = tmp_path / "x.parquet"
    out.write_text("of yesterday")
    sql = "select row_number() over (order by a.n) as n from cli_many a, cli_many b"
    limited = f"ulimit -f 64; exec {PROGRAM} -i {cluster.hosts} -o {out} -e '{sql}'"

    done = subprocess.run(
        ["sh", "-c", limited],
        capture_output=True, text=True, env=ENVIRONMENT, timeout=LIMIT, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr == "impala-connect: the result cannot be written: File too large\n"
    assert (out.read_text(), [*tmp_path.iterdir()]) == ("of yesterday", [out])


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_reported_and_ends_the_run(cluster, unbuffered):
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PROGRAM, "-i", cluster.hosts, "-e", "select 1; select 2"],
            stdout=full, stderr=subprocess.PIPE, text=True, env=environment, timeout=LIMIT, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr == "impala-connect: the result cannot be written: No space left on device\n"


def test_a_variable_of_the_environment_that_nobody_knows_is_a_warning(cluster):
    done = ran("-i", cluster.hosts, "-Be", "select 1", environment={"IMPALA_HA_DEADLIN": "1"})

    assert (done.returncode, done.stdout) == (0, "1\n")
    (line,) = [line for line in done.stderr.splitlines() if "IMPALA_HA_DEADLIN" in line]
    assert line.startswith("impala-connect: warning: ")


MISUSED = [
    ["-e", "select 1", "-f", "x.sql"],
    ["-i", "a", "b", "-e", "select 1"],
    ["-i", "http://127.0.0.1:21050", "-e", "select 1"],
    ["-e", b"select '\xff'"],
    ["-e", "select 'open"],
    ["-e", "select ${var:x}"],
    ["-f", "/no/such/file.sql"],
    ["-f", "BROKEN"],
    ["-o", "/", "-e", "select 1"],
    ["-e", "select 1", "--var", "x"],
    ["-e", "select 1", "-Q", "x"],
    ["-e", "select 1", "-B", "--output_delimiter", "||"],
    ["-e", "select 1", "--querry", "x"],
    ["-e", "select 1", "--policy", "fastest"],
    ["-e", "select 1", "-l"],
    ["-e", "select 1", "-k", "-l"],
    ["-e", "select 1", "--ca_cert", "/no/such/ca.pem"],
]


@pytest.mark.parametrize("words", MISUSED, ids=str)
def test_what_cannot_work_is_reported_in_one_line_and_opens_nothing(words, tmp_path):
    broken = tmp_path / "broken.sql"
    broken.write_bytes(b"select 1;\nselect '\xff'")
    kept = tmp_path / "kept"
    kept.write_text("of yesterday")
    words = [str(broken) if word == "BROKEN" else word for word in words]
    output = [] if "-o" in words else ["-o", str(kept)]

    with nobody_home() as (hosts, visitors):
        done = ran("-i", hosts, *output, *words)
        knocks = visitors()

    assert (done.returncode, done.stdout, knocks) == (2, "", 0)
    assert done.stderr.startswith("impala-connect: ")
    assert done.stderr.count("\n") == 1
    assert kept.read_text() == "of yesterday"


def test_hosts_that_cannot_be_are_all_reported_at_once():
    done = ran("-i", "a:99999,b:x,c,c", "-e", "select 1")

    assert done.returncode == 2
    assert all(word in done.stderr for word in ("99999", "x", "c"))


def test_a_password_is_asked_for_on_a_terminal_and_shown_nowhere(guarded):
    with terminal(
        PROGRAM,
        "-i",
        guarded.hosts,
        "-l",
        "-u",
        "ada",
        "--auth_creds_ok_in_clear",
        "-V",
        "-Be",
        "select 8",
    ) as (process, screen):
        shown = read_until(screen, "LDAP password of ada: ")
        os.write(screen, b"geheim\n")
        shown += read_to_end(screen)
        process.wait(timeout=LIMIT)

    assert process.returncode == 0, shown
    assert "8\r\n" in shown
    assert "geheim" not in shown


def test_a_wrong_password_is_tried_once_and_shown_nowhere(guarded):
    done = ran(
        "-i", guarded.hosts, "-l", "-u", "ada", "--auth_creds_ok_in_clear",
        "--ldap_password_cmd", "echo falsch", "-V", "-e", "select 1",
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("Attempt:") == 1
    assert "falsch" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_a_closed_stream_stops_nothing_that_does_not_need_it(closed, cluster):
    done = subprocess.run(
        ["sh", "-c", f'"$0" "$@" {closed}', PROGRAM, "-i", cluster.hosts, "-Be", "select 1"],
        stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, timeout=LIMIT, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "1\n")


def test_a_script_may_have_commands_of_the_shell(cluster, tmp_path):
    inner, profiles = tmp_path / "inner.sql", tmp_path / "profiles"
    inner.write_text("select 'inner';")
    done = ran(
        "-i", cluster.hosts, "-V", "-e",
        "set mem_limit=1g; set var:x=7; set; select 1 as one; profile; summary;"
        f"set profile_output={profiles}; profile; set vertical=true; select ${{var:x}} as x;"
        f"source {inner}; version; unset vertical; unset var:x",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "\tMEM_LIMIT: 1g\n" in done.stdout
    assert "\tMT_DOP: []\n" in done.stdout
    assert "Shell Options\n\tLIVE_PROGRESS: False\n" in done.stdout
    assert "Variables:\n\tX: 7\n" in done.stdout
    assert done.stdout.count("Query Runtime Profile:\n") == 1
    assert profiles.read_text().count("Query Runtime Profile:\n") == 1
    assert re.search(r"\| 00:\w+ +\| 1 ", done.stdout)
    assert "\nx: 7\n" in done.stdout
    assert "inner" in done.stdout
    assert "Server version: impalad" in done.stdout
    assert "Unsetting variable X" in done.stdout


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("profile", "No previous query available to profile"),
        ("summary", "Could not retrieve summary: no previous query."),
        ("select 1; summary first", "Invalid value for query attempt display mode: 'first'"),
        ("set write_delimited=true; set output_format=json", "contradict each other"),
    ],
)
def test_a_command_that_cannot_be_done_is_a_failure(sql, told, cluster):
    done = ran("-i", cluster.hosts, "-e", sql)

    assert (done.returncode, told in done.stderr) == (1, True), done.stderr


RETRIED = "select 'retried' as x"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("profile", ["Query Runtime Profile:", "Query Status: OK"]),
        ("profile latest", ["Query Runtime Profile:", "Query Status: OK"]),
        ("profile original", ["Query Runtime Profile:", "Query Status: LOST"]),
        (
            "profile ALL",
            [
                "Query Runtime Profile:",
                "Query Status: OK",
                "Failed Query Runtime Profile(s):",
                "Query Status: LOST",
            ],
        ),
        ("summary", ["00:QUERY"]),
        ("summary original", ["00:QUERY"]),
        ("summary all", ["Query Summary:", "00:QUERY", "Failed Query Summary:", "00:QUERY"]),
    ],
)
def test_of_a_query_that_impala_ran_again_each_attempt_is_shown(command, shown, cluster):
    lost = "Failed due to unreachable impalad(s): executor:27000"
    for coordinator in cluster:
        coordinator.fail_next(lost, at="status")

    done = ran("-i", cluster.hosts, "-Be", f"set retry_failed_queries=1; {RETRIED}; {command}")

    heads = r"^(?:Failed )?Query (?:Runtime Profile|Summary)\S*:$|Query Status: .*|00:QUERY"
    out = re.sub(r"Query \S+ failed:\s+", "", done.stdout.replace(lost, "LOST"))
    assert out.startswith("retried\n")
    assert re.findall(heads, out, re.MULTILINE) == shown


def test_of_a_query_that_ran_once_there_is_no_other_attempt(cluster):
    done = ran("-i", cluster.hosts, "-Be", "select 1; summary original; profile all")

    assert "No failed summary found\n" in done.stdout
    assert (done.stdout.count("Query Status: OK"), "Failed Query" in done.stdout) == (1, False)


def test_rows_are_json_on_request(cluster):
    done = ran(
        "-i", cluster.hosts, "--output_format=json", "-e",
        "select 1 as a, 1.50 as a, true as c, cast(null as string) as d",
    )  # fmt: skip

    assert done.stdout == '{"a": 1, "a_2": "1.50", "c": true, "d": null}\n'


def test_metadata_is_loaded_anew_on_request(cluster):
    done = ran("-i", cluster.hosts, "-r", "-V", "-Be", "select 1")

    assert (done.returncode, done.stdout) == (0, "1\n")
    assert "Query: INVALIDATE METADATA\n" in done.stderr


def test_a_profile_says_where_to_go_and_what_others_files_say_counts_where_it_is_silent(
    cluster, tmp_path
):
    """The environment has hosts that nobody is at, and the file of impala-shell, too."""
    folder = tmp_path / "impala-ha"
    folder.mkdir()
    folder.joinpath("config.toml").write_text(
        f'[default]\nhost = "{cluster.hosts}"\n[typo]\nhsot = "a"\n'
    )
    tmp_path.joinpath(".impalarc").write_text(
        "[impala]\nimpalad=127.0.0.1:1\ndelimited=true\nno_such=1\n"
        "[impala.query_options]\nmt_dop=3\n"
    )
    everywhere = tmp_path / "impalarc"
    everywhere.write_text("[impala]\nprint_header=true\ndelimited=false\n")
    environment = {
        "XDG_CONFIG_HOME": str(tmp_path),
        "HOME": str(tmp_path),
        "IMPALA_HA_HOSTS": "127.0.0.1:2",
        "IMPALA_SHELL_GLOBAL_CONFIG_FILE": str(everywhere),
    }

    done = ran("-e", "select 1 as one; set", environment=environment)
    assert (done.returncode, done.stdout[:6]) == (0, "one\n1\n")
    assert "MT_DOP\t3" in done.stdout
    assert "Ignoring unrecognized config option: 'no_such'" in done.stderr
    done = ran("--profile=typo", "-e", "select 1", environment=environment)
    assert done.returncode == 2
    assert "config.toml, line 4: hsot is no option: did you mean host?" in done.stderr


def test_a_shell_completes_options(tmp_path):
    words = {"COMP_WORDS": "impala-connect --output_f", "COMP_CWORD": "1"}

    done = ran(environment={**words, "_IMPALA_CONNECT_COMPLETE": "bash_complete"})

    assert done.stdout.split() == ["plain,--output_file", "plain,--output_format"]


def test_the_help_and_the_version_need_no_server():
    helped, versioned = ran("--help"), ran("-v")

    assert (helped.returncode, versioned.returncode) == (0, 0)
    assert "--ldap_password_cmd" in helped.stdout
    assert versioned.stdout.startswith("impala-connect ")


@pytest.fixture(scope="module")
def guarded():
    """Two coordinators that want a password."""
    with LocalCluster(2, auth="PLAIN", users={"ada": "geheim"}) as cluster:
        yield cluster


MANY = "select repeat('x', 200) as x from cli_many a, cli_many b"


def many(cluster):
    """A table whose cross join has a million rows."""
    ten = ", ".join(f"({n})" for n in range(10))
    done = ran(
        "-i", cluster.hosts, "--quiet", "-e",
        "create table if not exists cli_ten (n int);"
        f"insert overwrite cli_ten values {ten};"
        "create table if not exists cli_many (n int);"
        "insert overwrite cli_many select a.n from cli_ten a, cli_ten b, cli_ten c",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def ran(*words, stdin="", environment=None):
    return subprocess.run(
        [PROGRAM, *words],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env={**ENVIRONMENT, **(environment or {})},
        timeout=LIMIT,
        check=False,
    )


@contextmanager
def started(*words):
    process = subprocess.Popen(
        [PROGRAM, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=ENVIRONMENT,
    )
    with ended(process):
        yield process


@contextmanager
def terminal(*command):
    """A program on a terminal of its own, and the other end of that."""
    screen, line = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_THE_TERMINAL, *command],
        stdin=line,
        stdout=line,
        stderr=line,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    os.close(line)
    try:
        with ended(process):
            yield process, screen
    finally:
        os.close(screen)


@contextmanager
def ended(process):
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=LIMIT)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def read_until(screen, text):
    shown = ""
    while text not in shown:
        shown += os.read(screen, 4096).decode()
    return shown


def read_to_end(screen):
    shown = b""
    while True:
        try:
            more = os.read(screen, 4096)
        except OSError:  # Linux says so when the last one has left the terminal
            more = b""
        if not more:
            return shown.decode()
        shown += more


def serving(cluster, sql, until):
    """The coordinator that runs *sql*, once one does."""
    until(lambda: cluster.executions(sql) > 0)
    return next(coordinator for coordinator in cluster if coordinator.executions(sql))


def peak_memory(*words):
    """The most memory that the program had, in KiB."""
    process = os.posix_spawn(PROGRAM, [PROGRAM, "--quiet", *words], ENVIRONMENT)
    _, status, usage = os.wait4(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return usage.ru_maxrss


@contextmanager
def nobody_home():
    """A port that is open and answers nobody; and how many have knocked."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.setblocking(False)

        def visitors():
            count = 0
            while True:
                try:
                    door.accept()[0].close()
                except BlockingIOError:
                    return count
                count += 1

        yield f"127.0.0.1:{door.getsockname()[1]}", visitors
