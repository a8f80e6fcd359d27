"""`impala-connect` for a person: on a pseudo-terminal, against real coordinators."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import sysconfig
import termios
from contextlib import contextmanager
from pathlib import Path
from select import select

import pytest

pytest.importorskip("prompt_toolkit")
pytestmark = pytest.mark.slow(40)

PROGRAM = str(Path(sysconfig.get_path("scripts"), "impala-connect"))
LIMIT = 15
TAKE_THE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("IMPALA_")},
    "IMPALA_HA_SHARE_STATE": "0",
    "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody here tells where the cursor is
    "TERM": "xterm",
    "NO_COLOR": "1",
}
STEERING = re.compile(r"\x1b(?:\[[0-9;?]*[a-zA-Z]|[=>]|\][^\x07]*\x07)|\r")
READY = "\x1b[?2004h"  # what a prompt sends when it begins, and not when it is drawn again
CTRL_C, CTRL_D, TAB = "\x03", "\x04", "\t"


class Terminal:
    """The program on a terminal of its own, and what it has shown and nobody has seen yet."""

    def __init__(self, process, screen):
        self.process = process
        self._screen = screen
        self.shown = ""

    def type(self, text):
        os.write(self._screen, text.encode())

    def see(self, wanted, *typed):
        """Type, wait until *wanted* is shown, and return all that was shown since."""
        for text in typed:
            self.type(text)
        while (found := re.search(wanted, self.shown)) is None:
            more = self._read()
            assert more is not None, f"{wanted!r} was not shown: {self.shown[-2000:]!r}"
            self.shown += more
        seen, self.shown = self.shown[: found.end()], self.shown[found.end() :]
        return seen

    def _read(self):
        """What is new on the screen, without what steers it; None at the end."""
        if not select([self._screen], [], [], LIMIT)[0]:
            return None
        try:
            raw = os.read(self._screen, 65536).decode(errors="replace")
        except OSError:  # Linux says so when the last one has left the terminal
            return None
        return STEERING.sub("", raw.replace(READY, "<ready>"))

    def left(self):
        """Wait for its end; its exit status."""
        while self._read() is not None:
            pass
        return self.process.wait(timeout=LIMIT)


@contextmanager
def person(*words, home, lines=40, **environment):
    screen, line = pty.openpty()
    fcntl.ioctl(line, termios.TIOCSWINSZ, struct.pack("HHHH", lines, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_THE_TERMINAL, PROGRAM, *words],
        stdin=line,
        stdout=line,
        stderr=line,
        env={**ENVIRONMENT, "HOME": str(home), "XDG_STATE_HOME": str(home), **environment},
        start_new_session=True,
    )
    os.close(line)
    try:
        yield Terminal(process, screen)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=LIMIT)
        os.close(screen)


PROMPT = r"<ready>\[127\.0\.0\.\d:\d+\] (\w+)>"


def test_a_person_types_sql_up_to_a_semicolon_and_leaves_with_ctrl_d(cluster, tmp_path):
    with person("-i", cluster.hosts, home=tmp_path) as terminal:
        terminal.see(PROMPT)
        terminal.see(r"\n +>", "select 'one'\r")
        result = terminal.see(PROMPT, ", 'two';\r")
        terminal.type(CTRL_D)

        assert terminal.left() == 0
    assert "| one   | two   |" in result
    assert re.search(r"Fetched 1 row\(s\) in \d", result)


def test_what_is_wrong_leads_back_to_the_prompt(cluster, tmp_path):
    words = ("-i", cluster.hosts, "-d", "typo", "-Q", "mem_limti=2g")
    with person(*words, home=tmp_path) as terminal:
        begun = terminal.see(PROMPT)
        wrong = terminal.see(PROMPT, "selct 1;\r")
        unknown = terminal.see(PROMPT, "select ${var:x};\r")
        left = terminal.see(PROMPT, "select 'half\r", CTRL_C)
        right = terminal.see(PROMPT, "select 'right';\r")

    assert "Database does not exist: typo" in begun
    assert "-Q MEM_LIMTI: " in begun
    assert "ParseException" in wrong
    assert "unknown variable 'x'" in unknown
    assert "Exception" not in left
    assert "| right   |" in right


def test_tab_completes_tables_and_columns(cluster, tmp_path):
    with person("-i", cluster.hosts, home=tmp_path) as terminal:
        terminal.see(PROMPT)
        terminal.see(PROMPT, "create table if not exists completed (some_column int);\r")
        terminal.see("ted$", "select * from comple", TAB)
        terminal.see("olumn$", " where some_c", TAB)
        result = terminal.see(PROMPT, " is null;\r")

    assert "| some_column |" in result


def test_the_prompt_does_not_wait_for_names(cluster, tmp_path):
    """The coordinators accept nobody any more, and what is typed shows all the same."""
    with person("-i", cluster.hosts, home=tmp_path) as terminal:
        terminal.see(PROMPT)
        for coordinator in cluster:
            coordinator.mute()
        terminal.see("abandoned", "select * from nowh", TAB, "abandoned")
        left = terminal.see(PROMPT, CTRL_C)

    assert "Traceback" not in left


def test_ctrl_c_cancels_the_statement_and_not_the_shell(cluster, tmp_path, until):
    sql = "select sleep(31101)"
    with person("-i", cluster.hosts, home=tmp_path) as terminal:
        terminal.see(PROMPT)
        terminal.type(f"{sql};\r")
        until(lambda: cluster.executions(sql) > 0)
        terminal.see(r"interrupted; its coordinator was asked to cancel", CTRL_C)
        until(lambda: cluster.executions(sql, mode="cancelled") == 1)
        result = terminal.see(r"Fetched", "select 'alive';\r")

    assert "| alive   |" in result


def test_the_shell_goes_on_at_another_coordinator_with_its_database_and_options(cluster, tmp_path):
    with person("-i", cluster.hosts, "--no_pager", home=tmp_path) as terminal:
        terminal.see(PROMPT)
        terminal.see(PROMPT, "create database if not exists prompted;\r")
        terminal.see(r"<ready>\[\S+\] prompted>", "use prompted\r")
        shown = terminal.see(PROMPT, "set mt_dop=3\r")
        served = re.search(r"127\.0\.0\.\d:\d+", shown[::1].rsplit("[", 1)[1])[0]
        next(each for each in cluster if each.address == served).kill()

        result = terminal.see(PROMPT, "select current_database() as db;\r")
        options = terminal.see(PROMPT, "set;\r")

    assert re.search(rf"impala-connect: {served} .*; went on at 127\.0\.0\.\d", result)
    assert "| prompted |" in result
    assert served not in result.rsplit("[", 1)[1]
    assert "MT_DOP: 3\n" in options
    assert "Shell Options" in options


@pytest.mark.parametrize("shown", ["true", "false"])
def test_a_failover_in_the_middle_of_a_statement_is_a_line(shown, cluster, tmp_path, until):
    sql = f"select sleep(3100) as {shown}_"
    with person("-i", cluster.hosts, "--no_pager", home=tmp_path) as terminal:
        terminal.see(PROMPT)
        terminal.see(PROMPT, f"set live_progress={shown}; \r")
        terminal.type(f"{sql};\r")
        until(lambda: cluster.executions(sql) == 1)
        home = next(each for each in cluster if each.executions(sql))
        home.kill()
        result = terminal.see(PROMPT)

    assert result.count(f"impala-connect: {home.address} stopped answering (") == 1
    assert "| true" in result


def test_dead_coordinators_do_not_end_the_shell(cluster, tmp_path):
    words = ("-i", "127.0.0.1:1", "--deadline", "0.5")
    with person(*words, home=tmp_path) as terminal:
        begun = terminal.see(r"<ready>\[not connected\] default>")
        again = terminal.see(r"<ready>\[not connected\] default>", "select 1;\r")
        terminal.see(PROMPT, f"connect {cluster.hosts}\r")
        result = terminal.see(PROMPT, "select 'there';\r")

    assert "Connection refused" in begun
    assert "Connection refused" in again
    assert "| there   |" in result


def test_to_connect_in_vain_leaves_the_session_as_it_is(cluster, tmp_path):
    with person("-i", cluster.hosts, "--no_pager", "--deadline", "0.5", home=tmp_path) as terminal:
        terminal.see(PROMPT)
        terminal.see(PROMPT, "set mt_dop=3;\r")
        terminal.see(PROMPT, "select 7 as x;\r")
        refused = terminal.see(PROMPT, "connect 127.0.0.1:1\r")
        wrong = terminal.see(PROMPT, "connect a b\r")
        profile = terminal.see(PROMPT, "profile\r")
        terminal.see(PROMPT, "connect\r")
        result = terminal.see(PROMPT, "set;\r")

    assert "Connection refused" in refused
    assert "impala-connect: " in wrong
    assert "Sql Statement: select 7 as x" in profile
    assert "MT_DOP: 3" in result


def test_the_history_is_its_owners_alone_and_has_an_end(cluster, tmp_path):
    file = tmp_path / "impala-ha" / "history"
    words = ("-i", cluster.hosts, "--history_max", "2")
    for numbers in ((1, 2, 3), (4,)):
        with person(*words, home=tmp_path) as terminal:
            terminal.see(PROMPT)
            for number in numbers:
                terminal.see(PROMPT, f"select {number};\r")
            terminal.type("exit\r")
            terminal.left()

    assert file.read_text().splitlines() == ["select 3;", "exit", "select 4;", "exit"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_history_may_be_the_one_of_impala_shell(cluster, tmp_path):
    file = tmp_path / ".impalahistory"
    file.write_text("select 'old',_IMP_DELIM_7;\n")
    with person("-i", cluster.hosts, home=tmp_path, IMPALA_HISTFILE=str(file)) as terminal:
        terminal.see(PROMPT)
        again = terminal.see(PROMPT, "@-1\r")
        terminal.see("> ", "select 'new',\r")
        terminal.see(PROMPT, "8;\r")
        terminal.type("exit\r")
        terminal.left()

    assert "| old   | 7 |" in again
    assert file.read_text().splitlines() == [
        "select 'old',_IMP_DELIM_7;",
        "@-1",
        "select 'new',_IMP_DELIM_8;",
        "exit",
    ]


@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_what_is_no_file_keeps_no_history_and_is_left_as_it_is(kind, cluster, tmp_path):
    """As root an open(2) and a chmod(2) would spoil /dev/null for everybody."""
    place = Path(os.devnull)
    if kind == "pipe":
        place = tmp_path / "pipe"
        os.mkfifo(place, 0o640)
    before = place.stat()
    with person("-i", cluster.hosts, home=tmp_path, IMPALA_HISTFILE=str(place)) as terminal:
        terminal.see(PROMPT)
        terminal.see(PROMPT, "select 1;\r")

    assert place.stat().st_mode == before.st_mode


def test_there_is_no_history_where_none_is_wanted(cluster, tmp_path):
    with person("-i", cluster.hosts, "--history_max=0", home=tmp_path) as terminal:
        terminal.see(PROMPT)
        terminal.see(PROMPT, "select 1;\r")
        again = terminal.see(PROMPT, "@-1\r")

    assert "Rerunning select 1;" in again
    assert list(tmp_path.iterdir()) == []


def test_a_file_for_results_goes_on_after_a_failure_and_a_full_disk_ends_nothing(cluster, tmp_path):
    file = tmp_path / "out"
    with person("-i", cluster.hosts, "-B", home=tmp_path) as terminal:
        terminal.see(PROMPT)
        terminal.see(PROMPT, f"set output_file={file};\r")
        for sql in ("select 1", "select nothing", "select 2"):
            terminal.see(PROMPT, f"{sql};\r")
        terminal.see(PROMPT, "set output_file=/dev/full;\r")
        full = [terminal.see(PROMPT, "select 3;\r") for _ in range(2)]
        terminal.see(PROMPT, "unset output_file;\r")
        back = terminal.see(PROMPT, "select 'shown';\r")

    assert file.read_text() == "1\n2\n"
    assert ["the result cannot be written: No space left" in each for each in full] == [True, True]
    assert "\nshown\n" in back


def test_what_is_longer_than_the_screen_goes_by_pages(cluster, tmp_path):
    pager = {"PAGER": "sed s/^/paged:/"}
    with person("-i", cluster.hosts, home=tmp_path, lines=12, **pager) as terminal:
        terminal.see(PROMPT)
        short = terminal.see(PROMPT, "values (1);\r")
        long = terminal.see(PROMPT, "values " + ", ".join(f"({n})" for n in range(20)) + ";\r")
        terminal.see(PROMPT, "set pager=false\r")
        plain = terminal.see(PROMPT, "values " + ", ".join(f"({n})" for n in range(20)) + ";\r")

    assert "paged:" not in short
    assert "paged:| 19" in long
    assert "paged:" not in plain
    assert "Fetched 20 row(s)" in long


def test_how_far_a_statement_is_shows_while_it_runs_and_goes_away(cluster, tmp_path):
    with person("-i", cluster.hosts, "--live_summary", home=tmp_path) as terminal:
        terminal.see(PROMPT)
        terminal.see(r"Query .*%", "select sleep(2600), 'done';\r")
        terminal.see("Operator")
        result = terminal.see(PROMPT)
        quiet = terminal.see(
            PROMPT, "set live_progress=0; set live_summary=0; select sleep(1600);\r"
        )

    assert "| done" in result
    assert "Query" not in quiet


def test_a_signal_that_asks_to_end_ends_it(cluster, tmp_path):
    with person("-i", cluster.hosts, home=tmp_path) as terminal:
        terminal.see(PROMPT)
        terminal.process.send_signal(signal.SIGTERM)

        assert terminal.left() == 143


def test_without_its_package_the_prompt_says_what_to_type(cluster, tmp_path):
    hidden = tmp_path / "prompt_toolkit.py"
    hidden.write_text("raise ModuleNotFoundError('it is not here', name='prompt_toolkit')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with person("-i", cluster.hosts, home=tmp_path, PYTHONPATH=path) as terminal:
        told = terminal.see(r"'\n")

        assert terminal.left() == 2
    assert told == (
        "impala-connect: prompt_toolkit is not installed: pip install 'impala-ha[cli]'\n"
    )
