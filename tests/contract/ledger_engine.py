"""An engine whose writes are lines in one file, which all coordinators share.

It stands in for the SQL engine where a statement must cost next to nothing and its effect must be
counted exactly: a write that runs twice is there twice.  The service in front of it, with its
sessions, handles and threads, is the real one.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections import Counter
from pathlib import Path

from pocket_impala.coordinator.contract import Column, ImpalaError

FILE = "ledger"
ROWS = [(1, "one"), (2, "two"), (3, "three")]

# An INSERT is under way while its client polls, so that a cut can come in between.
_INSERT_TAKES = 0.005


class LedgerJob:
    """One statement."""

    def __init__(self, kind, *, run, columns=(), rows=(), seconds=0.0):
        self.kind = kind
        self.columns = columns
        self.modified_rows = None
        self._run = run
        self._rows = rows
        self._seconds = seconds
        self._stop = threading.Event()

    def run(self):
        if self._stop.wait(self._seconds):
            raise ImpalaError("Cancelled")
        self._run()
        if self.kind == "DML":
            self.modified_rows = {"": 1}

    def cancel(self):
        self._stop.set()

    def fetch(self, rows):
        taken, self._rows = self._rows[:rows], self._rows[rows:]
        return [[row[index] for row in taken] for index in range(len(self.columns))]

    def close(self):
        pass


class LedgerEngine:
    """Statements by their first word."""

    def __init__(self, path):
        self._path = path
        self._path.touch()

    def plan(self, sql, session, overlay=None):
        word = sql.split(maxsplit=1)[0].upper()
        if word == "SET":
            name, value = re.fullmatch(r"SET (\w+)=(\w+)", sql).groups()
            return LedgerJob("SET", run=lambda: session.options.update({name: value}))
        if word == "SELECT":
            columns = [Column("i", "int"), Column("word", "string")]
            return LedgerJob("QUERY", run=lambda: None, columns=columns, rows=ROWS)

        def write():
            self._write(sql, session.options.get("MEM_LIMIT"))

        if word == "CREATE":
            columns = [Column("summary", "string")]
            return LedgerJob("DDL", run=write, columns=columns, rows=[("Table has been created.",)])
        return LedgerJob("DML", run=write, seconds=_INSERT_TAKES)

    def _write(self, sql, limit):
        """One line, with one write, so that no two processes mix theirs."""
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, json.dumps([sql, limit]).encode() + b"\n")
        finally:
            os.close(file)


def make_engine(warehouse, *, data, memory_limit):
    return LedgerEngine(Path(warehouse) / FILE)


class Ledger:
    """What ran, as far as it was read.

    Attributes:
        ran: How often each write ran.
        limits: The MEM_LIMIT under which it ran last.
    """

    def __init__(self, warehouse):
        self._path = Path(warehouse) / FILE
        self._read = 0
        self.ran = Counter()
        self.limits = {}

    def read(self):
        """Read on from where the last reading ended, while the cluster runs."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            sql, limit = json.loads(line)
            self.ran[sql] += 1
            self.limits[sql] = limit
