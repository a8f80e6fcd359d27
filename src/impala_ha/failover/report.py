"""What the calls of a connection have cost: `Connection.report`, for a file, and for observers."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from contextlib import suppress
from types import TracebackType

from impala_ha.core import logs, observers
from impala_ha.core.clock import Clock
from impala_ha.core.model import Attempt
from impala_ha.errors import OutcomeUnknown
from impala_ha.sql.summary import summarize
from impala_ha.sql.tag import program_and_job

from .attempts import Call, History

_MOST = 1000  # entries of a list; a connection may live for months


class Report:
    """
    What happened to the calls of one connection, as JSON has it.

    No text of a statement is in it, and none of an error: those may hold values.
    """

    def __init__(self, clock: Clock):
        self._clock = clock
        self._process = os.getpid()
        self._began, self._start = time.time(), clock.now()
        self._calls = self._statements = self._failed_calls = self._left_out = 0
        self._lost = 0.0
        self._attempts: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._failures: list[dict[str, object]] = []
        self._again: list[dict[str, object]] = []
        self._unknown: list[dict[str, object]] = []

    def add(self, call: Call, history: History, error: BaseException | None) -> None:
        """Count *call*, which has ended."""
        attempts = history.attempts
        self._calls += 1
        self._statements += bool(call.proof and call.text)
        for each in attempts:
            self._attempts[str(each.coordinator)] += 1
        failed = [each for each in attempts if each.fault is not None]
        self._failed_calls += error is not None
        if failed:
            self._add_failures(call, history, failed, error)

    def _add_failures(
        self, call: Call, history: History, failed: list[Attempt], error: BaseException | None
    ) -> None:
        last = history.attempts[-1]
        lost = last.since + (last.elapsed if last.fault is not None else 0.0)
        self._lost += lost
        about = {
            "operation": call.operation,
            "statement": str(summarize(call.text)) or None,
            "tag": call.tag,
            "query_id": call.query_id,
        }
        for each in failed:
            self._failed[str(each.coordinator)] += 1
            self._keep(self._failures, {**about, **self._shown(each)})
        for each in failed:
            if call.text and each is not last and each.phase is not None and each.phase.sent:
                went_on = None if error is not None else str(last.coordinator)
                how = {"why": _why(call, each), "went_on_at": went_on, "seconds_lost": lost}
                self._keep(self._again, {**about, "lost": self._shown(each), **how})
        if isinstance(error, OutcomeUnknown):
            self._keep(self._unknown, {**about, **self._shown(last)})

    def _shown(self, attempt: Attempt) -> dict[str, object]:
        at = self._clock.now() - self._start - attempt.elapsed
        return {
            "coordinator": str(attempt.coordinator),
            "at": round(max(0.0, at), 3),
            "seconds": round(attempt.elapsed, 3),
            "fault": attempt.fault.name if attempt.fault is not None else None,
            "reason": attempt.reason,
        }

    def _keep(self, entries: list[dict[str, object]], entry: dict[str, object]) -> None:
        if len(entries) < _MOST:
            entries.append(entry)
        else:
            self._left_out += 1

    def shown(self) -> dict[str, object]:
        """What there is so far; see `Connection.report`."""
        return {
            "program": program_and_job(),
            "process": self._process,
            "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._began)),
            "seconds": round(self._clock.now() - self._start, 3),
            "calls": self._calls,
            "failed_calls": self._failed_calls,
            "statements": self._statements,
            "seconds_lost": round(self._lost, 3),
            "coordinators": {
                where: {"attempts": attempts, "failed": self._failed[where]}
                for where, attempts in self._attempts.items()
            },
            "failures": list(self._failures),
            "run_again": list(self._again),
            "outcome_unknown": list(self._unknown),
            "left_out": self._left_out,
        }

    def write(self, path: str) -> None:
        """Append it to the file *path*, as a line of JSON; in a forked child do nothing."""
        if os.getpid() != self._process:
            return
        line = json.dumps(self.shown()) + "\n"
        how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            # A pipe that nobody reads is an error, and is not waited for.
            file = os.open(path, how | os.O_NONBLOCK, 0o600)
            with suppress(OSError):
                os.write(file, line.encode())
            os.close(file)
        except OSError as error:
            logs.warning("the report cannot be written to %s: %s", path, error)


def _why(call: Call, attempt: Attempt) -> str:
    """Why a statement could be sent once more after *attempt*."""
    if not attempt.may_have_run:
        return "it had not run"
    if not call.writes:
        return "it reads"
    return "its first run was over" if attempt.ended else "it may run twice, as the caller said"


class Watch:
    """For a ``with`` block that is *call*: count it, and tell the observers of the process."""

    __slots__ = ("_call", "_history", "_report", "_watching")

    def __init__(self, report: Report, call: Call, history: History):
        self._report, self._call, self._history = report, call, history

    def __enter__(self) -> None:
        self._watching = observers.started(self._call)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._watching:
            observers.ended(self._watching, self._call, self._history.attempts, error)
        self._report.add(self._call, self._history, error)
