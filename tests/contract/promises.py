"""What the tests of our promises share: give a statement, note what its caller was told."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from dataclasses import dataclass, field

import impala_ha
from impala_ha import OutcomeUnknown

DONE, UNKNOWN, FAILED = "done", "outcome unknown", "failed"

NUMBERS = itertools.count(1)


@dataclass
class Told:
    """
    What a caller was told of one statement.

    Attributes:
        sql: Its text, which no other test gives.
        write: Whether it changes data.
        how: Of the statement: `DONE`, `UNKNOWN` or `FAILED`.
        rows: Its result; None if that was lost.
        error: What was raised.
    """

    sql: str
    write: bool
    how: str = DONE
    rows: list | None = field(default_factory=list)
    error: Exception | None = None

    def agrees_with(self, executions):
        """Is it true, given how often the server began to run it?"""
        if not self.write:
            return self.how != DONE or executions > 0
        return executions in {DONE: {1}, UNKNOWN: {0, 1}, FAILED: {0}}[self.how]

    def __str__(self):
        return f"{self.sql!r} was told to be {self.how} ({self.error!r})"


def connect(cluster, **options):
    """A connection whose first choice is the first coordinator, with a memory of its own."""
    coordinators = [impala_ha.Coordinator(one.host, one.port) for one in cluster]
    options = {"timeout": 5, "connect_timeout": 5, "deadline": 20, **options}
    return impala_ha.connect(impala_ha.Cluster(coordinators, policy="ordered"), **options)


def give(cursor, sql, *, write):
    """Run one statement to its end, with its result."""
    told = Told(sql, write)
    try:
        cursor.execute(sql)
    except OutcomeUnknown as error:
        told.how, told.error = UNKNOWN, error
    except impala_ha.Error as error:
        told.how, told.error = FAILED, error
    else:
        try:
            told.rows = cursor.fetchall() if cursor.has_result_set else []
        except impala_ha.Error as error:
            told.rows, told.error = None, error
    return told


def insert():
    """A write whose row tells whether it ran."""
    return f"INSERT INTO promises VALUES ({next(NUMBERS)})", True


def create():
    """A write that fails when it runs twice."""
    return f"CREATE TABLE made_{next(NUMBERS)} (i INT)", True


def create_as():
    """A write with a result and a row."""
    return f"CREATE TABLE made_{next(NUMBERS)} AS SELECT 1 AS i", True


def select():
    """A read with three rows."""
    number = next(NUMBERS)
    return f"SELECT i, {number} FROM three ORDER BY i", False


def use():
    """A change of the session."""
    return "USE elsewhere", False


def set_option():
    """Another change of the session."""
    return "SET MEM_LIMIT=1g", False


class Ledger:
    """Everything that was told, to be compared with what the servers did: at once, and later."""

    def __init__(self, cluster):
        self._cluster = cluster
        self.all = []
        with connect(cluster) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE promises (i INT)")
            cursor.execute("CREATE TABLE three (i INT)")
            cursor.execute("INSERT INTO three VALUES (1), (2), (3)")
            cursor.execute("CREATE DATABASE elsewhere")

    def note(self, told):
        """Write it down, and compare it with the servers."""
        self.all.append(told)
        executions = self._cluster.executions(told.sql)
        assert told.agrees_with(executions), f"{told}, and ran {executions} times"

    def check_again(self):
        """What was told must still be true; so must the rows that the writes left."""
        journal = self._cluster.journal()
        executions = Counter(event.sql for event in journal if event.event == "started")
        for told in self.all:
            ran = executions[told.sql]
            assert told.agrees_with(ran), f"{told}, and ran {ran} times in the end"
        with connect(self._cluster) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT i, count(*) FROM promises GROUP BY i")
            there = dict(cursor.fetchall())
            for told in self.all:
                if told.sql.startswith("INSERT INTO promises"):
                    number = int(told.sql.rpartition("(")[2].rstrip(")"))
                    assert told.agrees_with(there.get(number, 0)), f"{told}, and left {there}"


def at_peace(cluster):
    """Is nothing open on any coordinator that lives?"""
    return not any(one.sessions or one.connections for one in cluster if one.pid is not None)


@contextlib.contextmanager
def healed(cluster):
    """Heal and forget everything at the end."""
    try:
        yield
    finally:
        for coordinator in cluster:
            coordinator.heal()
            coordinator.lose_sessions()
            coordinator.disconnect()
