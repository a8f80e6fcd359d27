"""
A pytest plugin: impyla's own tests go through `impala_ha.connect`, in fair weather or in foul.

``SUITE_REPORT`` names the file that the outcomes are written to.  With ``SUITE_CLUSTER`` (the
directory of a running `LocalCluster`) the weather is foul.  Statements and first fetches of a
result are moments; just before every ``EVERY``-th moment the coordinator at which that cursor is
at home is killed (SIGKILL) or, every third time, stalled (SIGSTOP).  It stays so until two more
turns have come, so of three coordinators most of the time two are down and one is well.

A write that is in flight when its coordinator stalls honestly ends in OutcomeUnknown, which is an
answer that changes.  So a stall comes before reads alone, and a stalled coordinator is resumed
before a write of a cursor that is at home there; if a write's turn is a stall, it is a kill.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
from collections import Counter
from pathlib import Path

import impala.dbapi

import impala_ha
from impala_ha import Cursor
from impala_ha.sql.statement import Effect, Statement
from impala_ha.testing import LocalCluster

EVERY = 13

impala.dbapi.connect = impala_ha.connect


class Weather:
    """Who is down, and when the next one goes."""

    def __init__(self, cluster):
        self._cluster = {coordinator.address: coordinator for coordinator in cluster}
        self._down = {}
        self._kinds = itertools.cycle(["killed", "killed", "stalled"])
        self._moments = 0
        self.seen = Counter()

    def before(self, cursor, *, read):
        """Perhaps take the cursor's coordinator down."""
        home = str(cursor.coordinator)
        if not read and self._down.get(home) == "stalled":
            self._bring_back(home)
        self._moments += 1
        if self._moments % EVERY or home not in self._cluster or home in self._down:
            return
        kind = next(self._kinds)
        if kind == "stalled" and not read:
            kind = next(self._kinds)
        while len(self._down) > 1:
            self._bring_back(next(iter(self._down)))
        self._down[home] = kind
        self.seen[f"{kind} before a {'read' if read else 'write'}"] += 1
        if kind == "killed":
            self._cluster[home].kill()
        else:
            self._cluster[home].hang()

    def _bring_back(self, address):
        kind = self._down.pop(address)
        if kind == "killed":
            self._cluster[address].restart()
        else:
            self._cluster[address].resume()

    def clear(self):
        """Bring everybody back."""
        while self._down:
            self._bring_back(next(iter(self._down)))


def _before_statements(weather, name):
    original = getattr(Cursor, name)

    @functools.wraps(original)
    def method(self, operation, *args, **options):
        weather.before(self, read=Statement.parse(operation).effect is Effect.READ)
        return original(self, operation, *args, **options)

    setattr(Cursor, name, method)


def _before_fetches(weather, name):
    original = getattr(Cursor, name)

    @functools.wraps(original)
    def method(self, *args, **options):
        execution = self._execution
        if execution is not None and not execution.fetched and execution.idempotent:
            weather.before(self, read=True)
        return original(self, *args, **options)

    setattr(Cursor, name, method)


class Report:
    """Writes down how each test ended."""

    def __init__(self, path):
        self._path = Path(path)
        self._outcomes = {}
        self._reasons = {}
        self._weather = None
        if directory := os.environ.get("SUITE_CLUSTER"):
            self._weather = Weather(LocalCluster.attach(directory))
            for name in ("execute", "execute_async"):
                _before_statements(self._weather, name)
            for name in ("fetchone", "fetchmany", "fetchall", "fetchcolumnar"):
                _before_fetches(self._weather, name)

    def pytest_runtest_logreport(self, report):
        """A test passed if its call did, and neither its set-up nor its end failed."""
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[report.nodeid] = report.outcome
            self._reasons[report.nodeid] = str(report.longrepr or "")

    def pytest_sessionfinish(self):
        """Write it all down."""
        seen = {}
        if self._weather is not None:
            self._weather.clear()
            seen = dict(self._weather.seen)
        told = {"outcomes": self._outcomes, "reasons": self._reasons, "faults": seen}
        self._path.write_text(json.dumps(told), encoding="utf-8")


def pytest_configure(config):
    """Take part in the run."""
    config.pluginmanager.register(Report(os.environ["SUITE_REPORT"]), "through_impala_ha.report")
