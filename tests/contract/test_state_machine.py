"""
Random faults against three coordinators, random clients, and an honest model beside them.

Hypothesis plays: it kills, hangs, mutes, saturates, drains, stalls and cuts, between calls and in
the middle of them, while two connections with two cursors each write, read, change their session,
poll, close and forget.  In half of the games one coordinator is spared, and then everything that
may be repeated must succeed; in the other half everything may fail, in our words.

A failure tells its story, which is worth more than a replay: time is part of these games.  A long
run from another seed is ``SOAK_SECONDS=1800 SOAK_SEED=7 pytest -s <this file>``.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import pytest
from honest import WRONG, Calls, Harm, Table
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

import impala_ha
from impala_ha import OutcomeUnknown, ResultLost
from impala_ha.testing import LocalCluster

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
GAMES = 4  # in one round, on one cluster
STEPS = 50
PATIENCE = 12.0  # seconds after which a game goes on in peace
ROWS = 40

pytestmark = [pytest.mark.slow(60), pytest.mark.servers, pytest.mark.timeout(int(SECONDS) + 300)]

WHO = st.integers(0, 2)
DESK = st.integers(0, 1)
PEN = st.integers(0, 1)
BYTE = st.sampled_from([0, 1, 20, 10**8])
HOW = st.sampled_from(["fin", "rst"])
PHASES = [
    "connect",
    *(
        f"{rpc}:{direction}"
        for rpc in (
            "OpenSession",
            "ExecuteStatement",
            "GetOperationStatus",
            "GetResultSetMetadata",
            "FetchResults",
            "CloseImpalaOperation",
            "CloseOperation",
            "CloseSession",
        )
        for direction in ("request", "response")
    ),
]


@dataclass
class Pen:
    """
    A cursor, and what is known of its session.

    Attributes:
        cursor: The cursor.
        database: Where it may be.
        memory: What its MEM_LIMIT may be.
        pending: The row that it is about to write, if it does not wait for it.
        given: How many rows of a result were handed out; None without one.
    """

    cursor: object
    database: set[str] = field(default_factory=lambda: {"default"})
    memory: set[str] = field(default_factory=lambda: {"0"})
    pending: int | None = None
    given: int | None = None


@dataclass
class Desk:
    """A connection with its cursors."""

    connection: object
    pens: dict[int, Pen] = field(default_factory=dict)


class Score:
    """What all games together came to."""

    def __init__(self):
        self.games = self.calls = self.done = self.unknown = self.undone = 0
        self.longest = 0.0
        self.errors = Counter()
        self.harm = Counter()

    def add(self, harm, calls, table):
        """Count one game."""
        self.harm += harm.count
        self.games += 1
        self.calls += calls.count
        self.longest = max(self.longest, calls.longest)
        self.errors += calls.errors
        self.done += len(table.done)
        self.unknown += len(table.unknown)
        self.undone += len(table.undone)

    def __str__(self):
        return (
            f"  games                  {self.games:6}\n"
            f"  calls                  {self.calls:6}\n"
            f"  writes done            {self.done:6}\n"
            f"  writes never known     {self.unknown:6}\n"
            f"  writes not done        {self.undone:6}\n"
            f"  longest call, s        {self.longest:6.2f}\n"
            + "".join(f"  {name:22} {n:6}\n" for name, n in sorted(self.harm.items()))
            + "".join(f"  {name:22} {n:6}\n" for name, n in sorted(self.errors.items()))
        )


class Game(RuleBasedStateMachine):
    """
    One game.  What may be drawn never depends on what the servers did, or hypothesis could not
    tell two games apart.
    """

    cluster: LocalCluster
    score: Score
    tables: list[Table]
    round: int

    @initialize(spared=st.sampled_from([None, 0, 1, 2]), seed=st.integers(0, 99))
    def begin(self, spared, seed):
        self.harm = Harm(self.cluster, spared)
        self.calls = Calls(self.harm, strict=spared is not None)
        self.calls.note(f"round {self.round}, spared: {spared}")
        self.table = Table(f"default.game_{len(self.tables)}")
        self.tables.append(self.table)
        _prepare(self.cluster, self.table)
        coordinators = [impala_ha.Coordinator(one.host, one.port) for one in self.cluster]
        self.members = impala_ha.Cluster(coordinators, rng=random.Random(seed))
        self.desks = {}
        gc.collect()
        self.threads = threading.active_count()
        self.files = _files()
        self.end = time.monotonic() + PATIENCE

    # What is done to the coordinators.

    @rule(which=WHO, how=st.sampled_from(sorted(WRONG)), after=st.sampled_from([None, 0, 2, 8, 20]))
    def harm_one(self, which, how, after):
        self.calls.settle()
        if not self.harm.may(which, how) or which in self.harm.now:
            return
        if after is None:
            self.harm.strike(which, how)
        else:
            self.calls.meanwhile(after / 1000, lambda: self.harm.strike(which, how))
        self.calls.note(f"{how} {which} {'now' if after is None else f'{after} ms into a call'}")

    @rule(which=WHO)
    def mend_one(self, which):
        self.calls.settle()
        self.calls.note(f"mend {which}")
        self.harm.mend(which)

    @rule()
    def mend_all(self):
        self.calls.settle()
        self.calls.note("mend all")
        self.harm.heal()

    @rule(
        which=WHO,
        phase=st.sampled_from(PHASES),
        byte=BYTE,
        how=HOW,
    )
    def cut(self, which, phase, byte, how):
        self.calls.settle()
        if self.harm.may(which, "cut") and self.harm.reaches(which):
            self.calls.note(f"cut {which} at byte {byte} of {phase} by {how}")
            self.harm.cut(which, phase, byte, how)

    @rule(which=WHO)
    def lose_sessions(self, which):
        self.calls.settle()
        if self.harm.reaches(which):
            self.calls.note(f"{which} loses its sessions")
            self.cluster[which].lose_sessions()

    @rule(which=WHO)
    def disconnect(self, which):
        self.calls.settle()
        if self.harm.reaches(which):
            self.calls.note(f"{which} hangs up")
            self.harm.disconnect(which)

    @rule(how=st.sampled_from(sorted(WRONG)))
    def harm_all(self, how):
        self.calls.settle()
        for which in range(3):
            if self.harm.may(which, how) and which not in self.harm.now:
                self.calls.note(f"{how} {which} now")
                self.harm.strike(which, how)

    # What is done to a client in the middle of a call.

    @rule(
        at=DESK,
        which=PEN,
        how=st.sampled_from(sorted(WRONG)),
        after=st.sampled_from([0, 1, 3, 6, 10, 20]),
        what=st.sampled_from(["write", "write", "read", "write_and_go_on", "read_on", "poll"]),
    )
    def under_fire(self, at, which, how, after, what):
        home = self._home(at, which)
        if home is not None:
            self.harm_one(home, how, after)
            getattr(self, what)(at=at, which=which, **({"size": 5} if what == "read_on" else {}))

    @rule(
        at=DESK,
        which=PEN,
        cut=st.tuples(st.sampled_from(PHASES[3:]), BYTE, HOW),
        what=st.sampled_from(["write", "write", "read", "write_and_go_on", "poll", "ping"]),
    )
    def cut_off(self, at, which, cut, what):
        home = self._home(at, which)
        if home is not None:
            self.cut(home, *cut)
            getattr(self, what)(at=at, which=which)

    @rule(at=DESK, which=PEN, byte=BYTE, how=HOW, what=st.sampled_from(["write", "read"]))
    def lose_the_answer(self, at, which, byte, how, what):
        """The statement runs, and nobody hears that it was taken: the trap of every retry."""
        home = self._home(at, which)
        if home is not None:
            self.cut(home, "ExecuteStatement:response", byte, how)
            getattr(self, what)(at=at, which=which)

    # What the clients do.

    @rule(at=DESK, which=PEN)
    def write(self, at, which):
        pen = self._free_pen(at, which)
        if pen is not None:
            number = self.table.next()
            sql = self.table.insert(number)
            _, error = self._call(at, which, sql, lambda: pen.cursor.execute(sql), OutcomeUnknown)
            self.table.told(number, error)

    @rule(at=DESK, which=PEN)
    def write_and_go_on(self, at, which):
        pen = self._free_pen(at, which)
        if pen is not None:
            number = self.table.next()
            sql = self.table.insert(number)
            _, error = self._call(
                at, which, f"async {sql}", lambda: pen.cursor.execute_async(sql), OutcomeUnknown
            )
            if error is None:
                self.table.unknown.add(number)
                pen.pending = number
            else:
                self.table.told(number, error)

    @rule(at=DESK, which=PEN)
    def poll(self, at, which):
        pen = self._known_pen(at, which)
        if pen is None or pen.pending is None:
            self.write_and_go_on(at, which)
            return
        number, pen.pending = pen.pending, None
        self._call(at, which, f"poll {number}", lambda: _wait(pen.cursor), OutcomeUnknown)
        state, error = self._call(
            at, which, "status", pen.cursor.status, OutcomeUnknown, ResultLost
        )
        if error is None and state == "FINISHED_STATE" and number in self.table.unknown:
            self.table.unknown.remove(number)
            self.table.done.add(number)

    @rule(at=DESK, which=PEN)
    def read(self, at, which):
        pen = self._free_pen(at, which)
        if pen is not None:
            sql = f"SELECT id FROM {self.table.name}"
            rows, error = self._call(at, which, sql, lambda: _all(pen.cursor, sql))
            if error is None:
                wrong = self.table.wrong_rows([row[0] for row in rows])
                assert not wrong, self.calls.tell(wrong)

    @rule(at=DESK, which=PEN, database=st.sampled_from(["default", "elsewhere"]))
    def use(self, at, which, database):
        pen = self._free_pen(at, which)
        if pen is not None:
            sql = f"USE {database}"
            _, error = self._call(at, which, sql, lambda: pen.cursor.execute(sql))
            pen.database = {database} if error is None else pen.database | {database}

    @rule(at=DESK, which=PEN, memory=st.sampled_from(["1g", "2g"]))
    def set_option(self, at, which, memory):
        pen = self._free_pen(at, which)
        if pen is not None:
            sql = f"SET MEM_LIMIT={memory}"
            _, error = self._call(at, which, sql, lambda: pen.cursor.execute(sql))
            pen.memory = {memory} if error is None else pen.memory | {memory}

    @rule(at=DESK, which=PEN)
    def look_at_session(self, at, which):
        pen = self._free_pen(at, which)
        if pen is None:
            return
        sql = "SELECT current_database()"
        rows, error = self._call(at, which, sql, lambda: _all(pen.cursor, sql))
        if error is None:
            assert rows[0][0] in pen.database, self.calls.tell(f"in {rows}, not {pen.database}")
            pen.database = {rows[0][0]}
        rows, error = self._call(at, which, "SET ALL", lambda: _all(pen.cursor, "SET ALL"))
        if error is None:
            memory = {row[0]: row[1] for row in rows}["MEM_LIMIT"]
            assert memory in pen.memory, self.calls.tell(f"{memory!r}, not {pen.memory}")
            pen.memory = {memory}

    @rule(at=DESK, which=PEN, size=st.sampled_from([1, 7, 100]))
    def begin_to_read(self, at, which, size):
        pen = self._free_pen(at, which)
        if pen is not None:
            pen.cursor.arraysize = size
            sql = "SELECT n FROM default.numbers ORDER BY n"
            _, error = self._call(at, which, sql, lambda: pen.cursor.execute(sql))
            pen.given = 0 if error is None else None

    @rule(at=DESK, which=PEN, size=st.sampled_from([1, 5, 1000]))
    def read_on(self, at, which, size):
        pen = self._known_pen(at, which)
        if pen is None or pen.given is None:
            self.begin_to_read(at, which, size)
            return
        allowed = [ResultLost] if pen.given else []
        rows, error = self._call(
            at, which, f"fetchmany({size})", lambda: pen.cursor.fetchmany(size), *allowed
        )
        if error is not None:
            pen.given = None
            return
        expected = [(n,) for n in range(pen.given, min(pen.given + size, ROWS))]
        assert expected == rows, self.calls.tell(f"{rows} came, and {expected} was next")
        pen.given += len(rows)

    @rule(at=DESK, which=PEN)
    def ping(self, at, which):
        pen = self._free_pen(at, which)
        if pen is not None:
            alive, _ = self._call(at, which, "ping", pen.cursor.ping)
            assert alive or self.harm.spared is None, self.calls.tell("nobody answered")

    @rule(
        at=DESK,
        which=PEN,
        what=st.sampled_from(
            [
                "close the cursor",
                "forget the cursor",
                "close the connection",
                "forget the connection",
            ]
        ),
    )
    def end(self, at, which, what):
        pen = self._known_pen(at, which)
        if pen is None:
            return
        if what == "close the cursor":
            self._call(at, which, what, pen.cursor.close)
        elif what == "close the connection":
            self._call(at, which, what, self.desks[at].connection.close)
        else:
            self.calls.note(f"{at}.{which} {what}")
        if "cursor" in what:
            del self.desks[at].pens[which]
        else:
            del self.desks[at]
        del pen
        if what == "forget the connection":
            self.harm.forgotten()
        gc.collect()

    # What is true at any time, and at the end.

    @invariant()
    def nothing_ran_twice(self):
        wrong = self.table.wrong_executions(self.cluster)
        assert not wrong, self.calls.tell("; ".join(wrong))

    def teardown(self):
        if not hasattr(self, "calls"):
            return
        self.calls.settle()
        self.calls.note("the end: mend all")
        self.harm.heal()
        for at, desk in self.desks.items():
            self._call(at, "", "close the connection", desk.connection.close)
        self.desks.clear()
        self._wait("threads", lambda: threading.active_count() <= self.threads)
        gc.collect()  # once no thread that opens a link holds the connection any more
        self._wait("files", lambda: not self._new_files())
        self._wait("connections", lambda: not any(one.connections for one in self.cluster))
        self._wait("sessions", lambda: not self.harm.left_over())
        for one in self.cluster:
            one.lose_sessions()
        wrong = self.table.wrong_rows(_rows(self.cluster, self.table))
        assert not wrong, self.calls.tell(wrong)
        self.nothing_ran_twice()
        self.score.add(self.harm, self.calls, self.table)

    def _wait(self, what, true):
        end = time.monotonic() + 10
        while not true():
            if time.monotonic() > end:
                left = (threading.enumerate(), self._new_files(), self.harm.left_over())
                raise AssertionError(self.calls.tell(f"{what} are left: {left}"))
            time.sleep(0.01)

    def _new_files(self):
        return _files().items() - self.files.items()

    # The way to a cursor.

    def _home(self, at, which):
        """Which coordinator the cursor is at."""
        pen = self._known_pen(at, which) or self._free_pen(at, which)
        where = pen.cursor.coordinator if pen is not None else None
        for one in self.cluster:
            if where is not None and (one.host, one.port) == (where.host, where.port):
                return one.index
        return None

    def _call(self, at, which, doing, work, *allowed):
        if time.monotonic() > self.end:
            self.calls.settle()
            self.harm.heal()
        return self.calls.make(f"{at}.{which} {doing}", work, *allowed)

    def _known_pen(self, at, which):
        return self.desks[at].pens.get(which) if at in self.desks else None

    def _free_pen(self, at, which):
        """A cursor for a new statement; None if it could not be had."""
        if at not in self.desks:
            connection, error = self._call(at, "", "connect", self._connect)
            if error is not None:
                return None
            self.desks[at] = Desk(connection)
        desk = self.desks[at]
        if which not in desk.pens:
            cursor, error = self._call(at, which, "cursor", desk.connection.cursor)
            if error is not None:
                return None
            desk.pens[which] = Pen(cursor)
        pen = desk.pens[which]
        pen.pending = pen.given = None  # a new statement puts an end to what was open
        return pen

    def _connect(self):
        deadline = 4 if self.harm.spared is None else 10
        return impala_ha.connect(
            self.members, timeout=3, connect_timeout=1.5, probe_after=1, deadline=deadline
        )


def _all(cursor, sql):
    cursor.execute(sql)
    return cursor.fetchall()


def _wait(cursor):
    end = time.monotonic() + 20
    while cursor.is_executing():
        assert time.monotonic() < end, "a small INSERT runs for ever"
        time.sleep(0.005)


def _files():
    """Open files and sockets of this process, by number."""
    found = {}
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            found[file.name] = str(file.readlink())
    return found


def _prepare(cluster, table):
    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table.name} (id INT)")


def _rows(cluster, table):
    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        return [row[0] for row in _all(cursor, f"SELECT id FROM {table.name}")]


def _furnish(cluster):
    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE elsewhere")
        cursor.execute("CREATE TABLE numbers (n INT)")
        values = ", ".join(f"({n})" for n in range(ROWS))
        cursor.execute(f"INSERT INTO numbers VALUES {values}")


def _play(seed, score):
    """One round: some games on a new cluster; what was told must be true after the last too."""
    with LocalCluster(3) as cluster:
        _furnish(cluster)
        tables = []
        machine = type(
            "Game", (Game,), {"cluster": cluster, "score": score, "tables": tables, "round": seed}
        )
        run_state_machine_as_test(
            hypothesis.seed(seed)(machine),
            settings=hypothesis.settings(
                max_examples=GAMES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[hypothesis.Phase.generate],  # to shrink would take hours
                suppress_health_check=list(hypothesis.HealthCheck),
            ),
        )
        for table in tables:
            assert "" == table.wrong_rows(_rows(cluster, table))
            assert [] == table.wrong_executions(cluster)


def test_no_game_finds_a_lie_a_leak_or_a_wait_without_end(capsys):
    score, began = Score(), time.monotonic()
    with capsys.disabled():
        try:
            for seed in itertools.count(SEED):
                sys.stdout.write("\nstate machine, SOAK_SEED=" if seed == SEED else ", ")
                sys.stdout.write(str(seed))
                sys.stdout.flush()
                _play(seed, score)
                if time.monotonic() - began > SECONDS:
                    break
        finally:  # what was played until then counts, and the last seed is the one to play again
            sys.stdout.write(f"\n{score}")
