"""The demo: its verdict on made-up books, its picture, and one whole run on real processes."""

import io
import os
import random
import re
import socket
import subprocess
import sys
import threading

import pytest
from rich.console import Console

from impala_ha import CircuitBreaker, Cluster, Coordinator
from impala_ha.cli.demo.chaos import plan, run_actions
from impala_ha.cli.demo.data import READS, folder
from impala_ha.cli.demo.ledger import Entry, Ledger, Process, Result
from impala_ha.cli.demo.picture import Picture
from impala_ha.cli.demo.summary import summary
from impala_ha.cli.demo.verdict import sum_up
from impala_ha.testing import Event
from impala_ha.testing.fakes import FakeClock


def read(wait=0.1, result=Result.DONE, error=""):
    return Entry(1, "SELECT 1", None, result, "a:21050", 1.0, 1.0 + wait, error)


def insert(row, result=Result.DONE):
    return Entry(2, f"INSERT {row}", row, result, "a:21050", 1.0, 1.1)


def ran(*rows):
    return [Event(0.0, "a:21050", "started", "1:2", f"INSERT {row}") for row in rows]


def shown(renderable):
    console = Console(file=io.StringIO(), width=100)
    console.print(renderable)
    return console.file.getvalue()


class TestVerdict:
    def test_all_is_well_when_every_insert_ran_once(self):
        verdict = sum_up([read(), insert(7)], {}, ran(7), {7: 1})

        assert verdict.good
        assert (2, 1, 1) == (verdict.statements, verdict.inserts, verdict.counted)

    def test_a_plain_failure_is_a_failure(self):
        verdict = sum_up([read(result=Result.FAILED, error="no luck")], {}, [], {})

        assert not verdict.good
        assert "failed: SELECT 1: no luck" in shown(summary(verdict))

    def test_an_insert_that_the_servers_ran_twice_is_found(self):
        verdict = sum_up([insert(7)], {}, ran(7, 7), {7: 1})

        assert ("INSERT 7",) == verdict.twice
        assert not verdict.good
        assert "ran twice: INSERT 7" in shown(summary(verdict))

    def test_a_row_that_is_there_twice_is_found(self):
        assert ("INSERT 7",) == sum_up([insert(7)], {}, ran(7), {7: 2}).twice

    def test_an_insert_told_as_done_whose_row_is_missing_is_found(self):
        verdict = sum_up([insert(7)], {}, ran(7), {})

        assert ("INSERT 7",) == verdict.missing
        assert not verdict.good

    def test_told_as_unknown_is_counted_and_no_failure(self):
        entries = [insert(7, Result.UNKNOWN), insert(8, Result.UNKNOWN), insert(9, Result.UNKNOWN)]
        verdict = sum_up(entries, {7: True, 8: False, 9: False}, ran(7, 8), {7: 1, 8: 1})

        assert verdict.good
        assert (3, 1, 1) == (verdict.unknown, verdict.looked_up_done, verdict.done_later)
        assert "outcome unknown, looked up: 1 done, 2 not done" in shown(summary(verdict))

    def test_the_closing_line_does_not_say_that_nothing_failed_where_something_was_unknown(self):
        for unknown, words in (([8], "one INSERT was of"), ([8, 9], "2 INSERTs were of")):
            entries = [insert(7), *(insert(row, Result.UNKNOWN) for row in unknown)]
            closing = shown(summary(sum_up(entries, {8: False}, ran(7), {7: 1})))

            assert words in closing
            assert "no statement failed" not in closing
        assert "no statement failed" in shown(summary(sum_up([insert(7)], {}, ran(7), {7: 1})))

    def test_the_longest_wait_is_named(self):
        verdict = sum_up([read(0.1), read(2.5), read(0.2)], {}, [], {})

        assert 2.5 == pytest.approx(verdict.longest.wait)
        assert "2.50 s" in shown(summary(verdict))

    def test_a_run_without_statements_is_not_good(self):
        assert not sum_up([], {}, [], {}).good


class TestPicture:
    def setup_method(self):
        self.clock = FakeClock()
        self.ledger = Ledger(self.clock.now)
        breaker = CircuitBreaker(jitter=0.0)
        self.cluster = Cluster(
            [Coordinator("a"), Coordinator("b")], clock=self.clock, breaker=breaker
        )
        self.picture = Picture(self.cluster, self.ledger, threads=2, seconds=18)

    def test_it_tells_who_was_killed_and_for_how_long_it_is_left_alone(self):
        self.picture.look()
        self.ledger.process("a:21050", Process.KILLED)
        self.cluster._state.members.failed(Coordinator("a"), self.clock.now())
        self.picture.look()
        self.clock.sleep(2)

        row = next(line for line in shown(self.picture).splitlines() if "a:21050" in line)
        assert "killed" in row
        assert "EJECTED for 2.0 s, tried in 3.0 s" in row

    def test_a_change_of_state_is_news(self):
        self.picture.look()
        self.cluster._state.members.failed(Coordinator("b"), self.clock.now())
        self.picture.look()
        self.cluster._state.members.succeeded(Coordinator("b"))
        self.picture.look()

        assert [
            "b:21050 is ejected",
            "b:21050 was tried and is healthy again",
        ] == [message.text for message in self.ledger.messages]

    def test_it_shows_what_a_thread_waits_for_and_how_long(self):
        self.ledger.begin(2, "SELECT 42", "b:21050")
        self.clock.sleep(1.5)

        row = next(line for line in shown(self.picture).splitlines() if "SELECT 42" in line)
        assert "b:21050" in row
        assert "1.50 s" in row

    def test_the_plain_lines_count_what_each_has_served(self):
        self.ledger.end(read())
        self.picture.look()

        assert "a:21050 has served 1 statements, HEALTHY for 0.0 s" == self.picture.lines()[0]


def test_the_deeds_end_with_everybody_running():
    class Victim:
        def __init__(self, address):
            self.address = address

        def __getattr__(self, action):
            return lambda: done.append((self.address, action))

    done = []
    ledger = Ledger(FakeClock().now)
    actions = plan([Victim("a"), Victim("b"), Victim("c")], random.Random(1))
    run_actions(actions, 0.0, ledger, threading.Event())

    (killed, _), (hung, _), *_ = done
    assert killed != hung
    assert [(killed, "kill"), (hung, "hang"), (killed, "restart"), (hung, "resume")] == done
    assert {Process.RUNNING} == set(ledger.processes.values())


def test_the_data_set_is_found_and_holds_the_tables_that_are_read():
    tables = {path.stem for path in folder().glob("*.csv")}

    assert tables
    for sql in READS:
        assert any(table in sql for table in tables | {"demo_arrivals"})


def test_a_whole_run_loses_nothing_and_leaves_no_process(tmp_path):
    """The programme of `make demo`, shortened: a kill, a hang, both back, and a verdict of 0."""
    done = subprocess.run(
        [sys.executable, "-c", "from impala_ha.cli.operator import main; raise SystemExit(main())",
         "demo", "--seconds", "7", "--seed", "11"],
        capture_output=True, text=True, timeout=90, check=False,
        env={**os.environ, "IMPALA_HA_SHARE_STATE": "1", "XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "" == done.stderr
    assert "SIGKILL" in done.stdout
    assert "SIGSTOP" in done.stdout
    assert "was started again" in done.stdout
    assert "goes on" in done.stdout
    assert "One coordinator was killed, one hung" in done.stdout
    assert "\x1b" not in done.stdout  # no terminal, no colours
    shares = re.findall(r"127\.0\.0\.\d:\d+ (\d+)\b", done.stdout.partition("connected then:")[2])
    assert ["3"] * 3 == shares
    hosts = {word for word in done.stdout.split() if word.startswith("127.0.0.")}
    assert not [host for host in hosts if listening(host.rstrip(","))]


def listening(address):
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return 0 == probe.connect_ex((host, int(port)))


@pytest.mark.parametrize("arguments", [["--seconds", "1"], ["--seed", "x"], ["--fast"]])
def test_wrong_usage_exits_with_2_and_starts_nothing(arguments):
    done = subprocess.run(
        [sys.executable, "-c", "from impala_ha.cli.operator import main; raise SystemExit(main())",
         "demo", *arguments],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip

    assert 2 == done.returncode
    assert "Starting" not in done.stdout
