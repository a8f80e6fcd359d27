"""
What a thread of the demo does: jobs of a few statements, each job on a connection of its own.

It is the program that an ETL engineer would write.  Of failing over it knows one thing: an INSERT
may end as `OutcomeUnknown`, and then it looks at the table before it goes on.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from impala_ha import connect
from impala_ha.cli.demo.ledger import Entry, Ledger, Result
from impala_ha.errors import Error, OutcomeUnknown

CREATE = "CREATE TABLE demo_arrivals (id BIGINT, thread INT, note STRING)"
INSERT = "INSERT INTO demo_arrivals VALUES ({row}, {thread}, 'parcel {row}')"
LOOK_UP = "SELECT count(*) FROM demo_arrivals WHERE id = {row}"
COUNT = "SELECT id, count(*) FROM demo_arrivals GROUP BY id"
#: A read is given 2 seconds, so that a coordinator that hangs is noticed; the demo is short.
OPTIONS: dict[str, Any] = {
    "timeout": 2.0,
    "connect_timeout": 2.0,
    "deadline": 15.0,
    "eject_for": 1.5,
    "eject_most": 3.0,
}
_JOB = 12  # statements on one connection
_INSERTS = 0.35  # their share
_PAUSE = (0.02, 0.12)  # seconds between two statements
_ROWS_OF_A_THREAD = 1_000_000


@dataclass(slots=True)
class Worker:
    """
    One thread.

    Attributes:
        number: From 1.
        hosts: As `connect` takes them.
        reads: The queries it may ask.
        ledger: Where it writes down what happened.
        over: Set when it is to stop.
        rng: Its chance.
    """

    number: int
    hosts: str
    reads: Sequence[str]
    ledger: Ledger
    over: threading.Event
    rng: random.Random
    _row: int = field(default=0, init=False)

    def run(self) -> None:
        """Do jobs until it is over."""
        while not self.over.is_set():
            began = self.ledger.begin(self.number, "connect", "")
            try:
                with connect(self.hosts, **OPTIONS) as connection, connection.cursor() as cursor:
                    for _ in range(_JOB):
                        self._statement(cursor)
                        if self.over.wait(self.rng.uniform(*_PAUSE)):
                            break
            except Error as error:
                self._failed("connect", None, began, error)

    def _statement(self, cursor: Any) -> None:
        """Run one statement."""
        if self.rng.random() >= _INSERTS:
            self._call(cursor, self.rng.choice(self.reads), None)
            return
        self._row += 1
        row = self.number * _ROWS_OF_A_THREAD + self._row
        self._call(cursor, INSERT.format(row=row, thread=self.number), row)

    def _call(self, cursor: Any, sql: str, row: int | None) -> None:
        home = str(cursor.coordinator or "")
        began = self.ledger.begin(self.number, sql, home)
        try:
            cursor.execute(sql)
            if cursor.has_result_set:
                cursor.fetchall()
        except OutcomeUnknown as error:
            where = str(error.coordinator)
            self._end(sql, row, began, Result.UNKNOWN, where)
            assert row is not None, "only a write ends so"
            self._look_up(cursor, row, where)
            return
        except Error as error:
            self._failed(sql, row, began, error)
            return
        where = str(cursor.coordinator)
        entry = self._end(sql, row, began, Result.DONE, where)
        if where != home:
            verb = sql.partition(" ")[0]
            self.ledger.log(
                f"thread {self.number}: {verb} went on at {where}"
                f"{f' instead of {home}' if home else ''}, after {entry.wait:.2f} s"
            )

    def _look_up(self, cursor: Any, row: int, where: str) -> None:
        """Ask the table whether the row of an INSERT is there."""
        sql = LOOK_UP.format(row=row)
        began = self.ledger.begin(self.number, sql, "")
        try:
            cursor.execute(sql)
            done = cursor.fetchall()[0][0] > 0
        except Error as error:
            self._failed(sql, None, began, error)
            return
        self._end(sql, None, began, Result.DONE, str(cursor.coordinator))
        self.ledger.look_up(row, done=done)
        self.ledger.log(
            f"thread {self.number}: INSERT of {row} at {where} ended as OutcomeUnknown; "
            f"looked it up: {'done' if done else 'not done'}"
        )

    def _end(self, sql: str, row: int | None, began: float, result: Result, where: str) -> Entry:
        entry = Entry(self.number, sql, row, result, where, began, self.ledger.now())
        self.ledger.end(entry)
        return entry

    def _failed(self, sql: str, row: int | None, began: float, error: Error) -> None:
        now = self.ledger.now()
        self.ledger.end(Entry(self.number, sql, row, Result.FAILED, "", began, now, str(error)))
        line = str(error).partition("\n")[0]
        self.ledger.log(f"thread {self.number}: FAILED {sql}: {line}", bad=True)
