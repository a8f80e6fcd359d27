"""
Random texts of Impala at random calls of three coordinators, under threads that read and write.

Texts come whole in their place, whole in another's, or quoted, and the statement that is told of
has run or has not, except where Impala's source says that only one of them can be.  Afterwards the
journals are asked how often each write has begun: never twice, and as its caller was told.  A long
run is ``SOAK_SECONDS=600 SOAK_SEED=7 pytest -s <this file>``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest
from impala.error import HiveServer2Error, OperationalError

import impala_ha
from impala_ha import Coordinator, OutcomeUnknown, State
from impala_ha.testing import LocalCluster
from impala_texts import ERROR, FETCH, ID, OPEN, PLACES, STATUS, SUBMIT, TEXTS

SECONDS = float(os.environ.get("SOAK_SECONDS", "4"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
CLIENTS = 4
DEADLINE = 3.0
PAUSE = 0.01  # seconds between two texts
AT = {OPEN: "open", SUBMIT: "execute", ERROR: "status", STATUS: "GetOperationStatus"}
AT[FETCH] = "fetch"
QUOTED = [
    "ParseException: Syntax error in line 1:\nselec '{}'\n^\nEncountered: IDENTIFIER\n",
    "AnalysisException: Could not resolve column/field reference: '{}'\n",
    "UDF ERROR: {}",
    f"Query {ID} failed:\nUDF ERROR: {{}}\n",
    "Memory limit exceeded: Could not allocate 8.00 MB\n{}",
]
DONE, UNKNOWN, OWN, NONE = "done", "outcome unknown", "the server's error", "none of them"
COUNTS = {DONE: {1}, UNKNOWN: {0, 1}, OWN: {0, 1}, NONE: {0}}

pytestmark = [
    pytest.mark.slow(10),
    pytest.mark.servers,
    pytest.mark.timeout(int(2 * SECONDS) + 180),
]


@dataclass
class Told:
    """What the caller of one statement was told."""

    sql: str
    kind: str
    how: str
    error: Exception | None
    attempts: int
    took: float


@dataclass
class Client:
    """One thread with connections of its own."""

    members: impala_ha.Cluster
    rng: random.Random
    numbers: itertools.count
    until: float
    told: list[Told] = field(default_factory=list)

    def run(self):
        while time.monotonic() < self.until:
            with contextlib.suppress(impala_ha.Error):  # told in opening: no statement was given
                self._connected()

    def _connected(self):
        options = {"deadline": DEADLINE, "timeout": 5, "connect_timeout": 5, "hedge_after": 0}
        with impala_ha.connect(self.members, **options) as connection:
            for _ in range(10):
                with connection.cursor() as cursor:
                    for _ in range(3):
                        self.told.append(self._give(cursor))

    def _give(self, cursor):
        number, kind = next(self.numbers), self.rng.choice(["read", "write", "write", "harmless"])
        sql = {
            "read": f"SELECT {number}, 'soak'",
            "write": f"INSERT INTO soak VALUES ({number})",
            "harmless": f"INSERT OVERWRITE soak_{number % 7} VALUES ({number})",
        }[kind]
        began, how, error = time.monotonic(), DONE, None
        try:
            cursor.execute(sql)
            if kind == "read":
                assert cursor.fetchall() == [(number, "soak")]
        except OutcomeUnknown as unknown:
            how, error = UNKNOWN, unknown
        except (HiveServer2Error, OperationalError) as own:
            plain = type(own) in {HiveServer2Error, OperationalError}
            how, error = OWN if plain else NONE, own
        except impala_ha.Error as other:
            how, error = NONE, other
        return Told(sql, kind, how, error, len(cursor.attempts), time.monotonic() - began)


def throw(local, rng, *, quoted):
    """Let one coordinator say one text in one place, the next time that it is asked there."""
    text, place = rng.choice(TEXTS), rng.choice(PLACES)
    if quoted:
        said = rng.choice(QUOTED).format(text.text)
        ran = rng.random() < 0.5
    else:
        if rng.random() < 0.7:
            place = rng.choice(sorted(text.places))
        meant = text.at.get(place)
        prefixes = rng.randint(0, meant.prefixes if meant else 2)
        said = f"Query {ID} failed:\n" * prefixes + text.text
        sure = place == SUBMIT and meant is not None and meant.not_run
        ran = not sure and rng.random() < 0.5
    rng.choice(local).fail_next(said, AT[place], ran=ran)


@pytest.fixture(scope="module")
def _local():
    with LocalCluster(3) as cluster:
        with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE soak (i INT)")
            for number in range(7):
                cursor.execute(f"CREATE TABLE soak_{number} (i INT)")
        yield cluster


@pytest.fixture
def local(_local):
    yield _local
    _local.heal()


NUMBERS = itertools.count(1)


def soak(local, *, quoted):
    """Play, and return the cluster that the clients shared and what they were told."""
    members = impala_ha.Cluster(
        [Coordinator(one.host, one.port) for one in local], rng=random.Random(SEED)
    )
    rng, until = random.Random(SEED), time.monotonic() + SECONDS
    clients = [
        Client(members, random.Random(SEED + number), NUMBERS, until) for number in range(CLIENTS)
    ]
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    over = threading.Event()
    while time.monotonic() < until:
        throw(local, rng, quoted=quoted)
        over.wait(PAUSE)
    local.heal()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a call did not end"
    return members, [told for client in clients for told in client.told]


def check(local, told):
    """Each write began as often as its caller was told."""
    begun = Counter(event.sql for event in local.journal() if event.event == "started")
    wrong = []
    for one in told:
        if one.kind == "write" and begun[one.sql] not in COUNTS[one.how]:
            wrong.append((begun[one.sql], one))
        if one.kind == "harmless" and one.how == DONE and not begun[one.sql]:
            wrong.append((0, one))
        if one.kind == "harmless" and one.how == NONE and begun[one.sql]:
            wrong.append((begun[one.sql], one))
    assert not wrong, "\n".join(f"ran {times} times: {one}" for times, one in wrong)
    with impala_ha.connect(local.hosts) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT i, count(*) FROM soak GROUP BY i")
        rows = dict(cursor.fetchall())
    for one in told:
        if one.kind == "write":
            there = rows.get(int(one.sql.partition("(")[2].rstrip(")")), 0)
            assert there <= begun[one.sql], one
            assert there or one.how != DONE, one


def show(told, capsys):
    with capsys.disabled():
        counts = Counter(f"{one.kind} {one.how}" for one in told)
        sys.stdout.write(f"\n{len(told)} statements: {dict(sorted(counts.items()))}\n")


def test_no_text_makes_a_write_run_twice_or_its_caller_be_told_wrongly(local, capsys):
    _, told = soak(local, quoted=False)

    show(told, capsys)
    check(local, told)
    assert max(one.attempts for one in told) <= 60
    assert {DONE, UNKNOWN, OWN} <= {one.how for one in told}


def test_no_quoted_text_moves_anybody_or_repeats_anything(local, capsys):
    members, told = soak(local, quoted=True)

    show(told, capsys)
    check(local, told)
    assert [State.HEALTHY] * 3 == [one.state for one in members.snapshot()]
    assert {DONE, OWN} == {one.how for one in told}
    assert {1} == {one.attempts for one in told}
