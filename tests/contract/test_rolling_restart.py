"""
Fifty clients read and write while every coordinator is drained, killed and restarted in turn.

Three times around: first each coordinator is given the time to become empty, then it is killed
with statements on it, and then it is killed all of a sudden: answers to statements that it took
get lost, and the blow falls while it runs a write.  A read never fails and never lies; a write is
done once, or its caller is told that nobody knows.  A long run is
``SOAK_SECONDS=600 pytest -s <this file>``.

The sudden turn is what catches a client that gives a write once more when its coordinator was
lost: that write has begun on two of them.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

import impala_ha
from impala_ha import OutcomeUnknown
from impala_ha.testing import LocalCluster

pytestmark = [
    pytest.mark.slow(30),
    pytest.mark.servers,
    pytest.mark.timeout(120 + int(os.environ.get("SOAK_SECONDS", "0"))),
]

CLIENTS = 50
PAUSE = 1.2  # seconds between two statements of a client, at most
STEP = 30  # statements that are let through before the next blow
WRITING = 0.3  # seconds that a write takes
LOST = 6  # answers to statements that get lost before a sudden kill
TURNS = ("patient", "impatient", "sudden")
SEED = int(os.environ.get("SOAK_SEED", "0"))
SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "0"))


@dataclass
class Client:
    """
    One client with a connection of its own, and what it was told.

    Attributes:
        number: Which one; its rows carry it.
        done: Numbers of the writes that returned.
        unknown: Numbers of those whose outcome was said to be unknown.
        errors: What else was raised.
        lies: Answers that cannot be.
        statements: How many ended.
        moved: How many needed more than one attempt.
        longest: Seconds of the longest.
    """

    number: int
    done: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)
    statements: int = 0
    moved: int = 0
    longest: float = 0.0

    def work(self, hosts, stop):
        """Read and write until *stop*."""
        chance = random.Random(SEED * CLIENTS + self.number)
        with _connect(hosts) as connection, connection.cursor() as cursor:
            while not stop.wait(chance.uniform(0, PAUSE)):
                began = time.monotonic()
                chance.choice((self._write, self._count, self._compute))(cursor)
                self.longest = max(self.longest, time.monotonic() - began)
                self.moved += len(cursor.attempts) > 1
                self.statements += 1

    def _write(self, cursor):
        number = len(self.done) + len(self.unknown) + len(self.errors)
        try:
            cursor.execute(self.insert(number))
        except OutcomeUnknown:
            self.unknown.add(number)
        except Exception as error:  # noqa: BLE001 - the test says what it was
            self.errors.append(f"write {number}: {error!r}")
        else:
            self.done.add(number)

    def _count(self, cursor):
        """Its own rows: at least those that are done, at most those that may be."""
        rows = self._read(cursor, f"SELECT count(*) FROM rolling WHERE client = {self.number}")
        least, most = len(self.done), len(self.done | self.unknown)
        if rows and not least <= rows[0][0] <= most:
            self.lies.append(f"{rows[0][0]} rows, not {least} to {most}")

    def _compute(self, cursor):
        sql = "SELECT x * 2 FROM (SELECT 1 AS x UNION ALL SELECT 2) v ORDER BY x"
        rows = self._read(cursor, sql)
        if rows and rows != [(2,), (4,)]:
            self.lies.append(f"{rows} is not two rows, 2 and 4")

    def _read(self, cursor, sql):
        try:
            cursor.execute(sql)
            return cursor.fetchall()
        except Exception as error:  # noqa: BLE001 - the test says what it was
            self.errors.append(f"{sql}: {error!r}")
            return None

    def insert(self, number):
        """The text of one write, which no other write has."""
        slow = f"IF(sleep({WRITING * 1000:.0f}), {number}, {number})"
        return f"INSERT INTO rolling SELECT {self.number}, {slow}"


class Crowd:
    """All clients together, each in a thread."""

    def __init__(self, cluster):
        self.clients = [Client(number) for number in range(CLIENTS)]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=client.work, args=(cluster.hosts, self._stop))
            for client in self.clients
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads), "a client hangs"

    @property
    def statements(self):
        """How many statements have ended so far."""
        return sum(client.statements for client in self.clients)

    def go_on(self, until, most=20.0):
        """Return when the crowd has got some more statements through."""
        enough = self.statements + STEP
        until(lambda: self.statements >= enough, most)


@pytest.fixture(scope="module")
def trio():
    with LocalCluster(3) as cluster:
        yield cluster


def _connect(hosts):
    return impala_ha.connect(hosts, timeout=5, connect_timeout=3, probe_after=2, deadline=20)


def test_a_rolling_restart_fails_no_read_and_runs_no_write_twice(trio, until, capsys):
    with _connect(trio.hosts) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE rolling (client INT, number INT)")
    began = time.monotonic()
    with Crowd(trio) as crowd:
        turn = sudden = 0
        while turn < len(TURNS) or time.monotonic() - began < SOAK_SECONDS:
            for coordinator in trio:
                sudden += _restart(coordinator, crowd, until, TURNS[turn % len(TURNS)])
            turn += 1
    with capsys.disabled():
        sys.stdout.write(_table(trio, crowd, turn, time.monotonic() - began))

    assert [] == [error for client in crowd.clients for error in client.errors]
    assert [] == [lie for client in crowd.clients for lie in client.lies]
    _check_executions(trio, crowd)
    _check_rows(trio, crowd)
    unknown = sum(len(client.unknown) for client in crowd.clients)
    assert sudden <= unknown, "or no blow fell while a write ran, and this test shows nothing"
    until(lambda: not any(one.connections for one in trio))


def _restart(coordinator, crowd, until, how):
    """Make it go and come back; say how many writes have certainly been hit."""
    if how == "sudden":
        _lose_answers(coordinator, crowd, until)
        until(lambda: _has_just_begun_a_write(coordinator), 20)
    else:
        coordinator.drain()
        crowd.go_on(until)
        if how == "patient":
            until(lambda: coordinator.sessions == [], 20)
    coordinator.kill()
    crowd.go_on(until)
    coordinator.restart()
    return how == "sudden"


def _lose_answers(coordinator, crowd, until):
    """Cut connections when the statement was taken, and before its caller hears of it."""
    before = coordinator.cut_count
    for number in range(LOST):
        coordinator.cut("ExecuteStatement:response", 0, ("fin", "rst")[number % 2])
    crowd.go_on(until)
    until(lambda: coordinator.cut_count == before + LOST, 20)


def _has_just_begun_a_write(coordinator):
    """So that it is still running when the kill comes."""
    begun = {}
    for event in coordinator.journal():
        if event.sql.startswith("INSERT"):
            begun.pop(event.sql, None)
            if event.event == "started":
                begun[event.sql] = event.time
    return any(time.time() - at < WRITING / 2 for at in begun.values())


def _executions(trio):
    return Counter(event.sql for event in trio.journal() if event.event == "started")


def _check_executions(trio, crowd):
    ran = _executions(trio)
    for client in crowd.clients:
        for number in client.done:
            assert 1 == ran[client.insert(number)], f"{client.insert(number)} was told to be done"
        for number in client.unknown:
            assert ran[client.insert(number)] <= 1, f"{client.insert(number)} ran twice"


def _check_rows(trio, crowd):
    with _connect(trio.hosts) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT client, number FROM rolling")
        rows = Counter(cursor.fetchall())
    done = {(client.number, number) for client in crowd.clients for number in client.done}
    unknown = {(client.number, number) for client in crowd.clients for number in client.unknown}

    assert 1 == max(rows.values()), "a row is there twice"
    assert done <= rows.keys() <= done | unknown


def _table(trio, crowd, turns, seconds):
    def total(name):
        values = [getattr(client, name) for client in crowd.clients]
        return sum(value if isinstance(value, int) else len(value) for value in values)

    ran = _executions(trio)
    inserts = {client.insert(n) for client in crowd.clients for n in client.done | client.unknown}
    return (
        f"\nrolling restart: {CLIENTS} clients, 3 coordinators, {turns} turns, "
        f"{seconds:.0f} s, SOAK_SEED={SEED}\n"
        f"  statements             {crowd.statements:6}\n"
        f"  took several attempts  {total('moved'):6}\n"
        f"  writes done            {total('done'):6}\n"
        f"  writes told unknown    {total('unknown'):6}\n"
        f"  writes run twice       {sum(ran[sql] > 1 for sql in inserts):6}\n"
        f"  errors                 {total('errors'):6}\n"
        f"  longest wait, s        {max(client.longest for client in crowd.clients):6.2f}\n"
    )
