"""One query of a session: planned, run in a thread of its own, fetched, cancelled, closed."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

from pocket_impala.coordinator.contract import ImpalaError
from pocket_impala.coordinator.progress import Progress, QueryState
from pocket_impala.coordinator.read_ahead import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pocket_impala.coordinator.contract import Job
    from pocket_impala.coordinator.faults import PlannedError
    from pocket_impala.coordinator.handles import Handle
    from pocket_impala.coordinator.journal import Journal
    from pocket_impala.coordinator.registry import Session

CANCELLED = "Cancelled"
_FINISHED = "finished"


class Query:
    """One accepted statement.

    Args:
        handle: Its name.
        sql: Its text.
        session: Whose it is.
        job: The planned work.
        journal: Where its fate is written down; None for what is no statement.
        tell: Puts an error into the words that a client reads.

    Attributes:
        progress: Where it stands, and what went wrong.
        rows_fetched: How many rows were handed out.
        database: The database that was current when it was planned.
        options: The query options that hold for it, by upper-case name.
        started_at: Seconds since the epoch.
        ended_at: Seconds since the epoch; None while it runs.
        admitted: Whether admission control let it begin.
        failed_attempt: The one before, if it was run again (RETRY_FAILED_QUERIES).
    """

    def __init__(
        self,
        handle: Handle,
        sql: str,
        session: Session,
        job: Job,
        *,
        journal: Journal | None,
        tell: Callable[[str], str],
    ) -> None:
        self.handle = handle
        self.sql = sql
        self.session = session
        self.job = job
        self.rows_fetched = 0
        self.options: Mapping[str, str] = {}
        self.started_at = time.time()
        self.ended_at: float | None = None
        self.admitted = False
        self.failed_attempt: Query | None = None
        self.database = session.state.database
        self._journal = journal
        self._rows = ReadAhead(job)
        self._tell = tell
        self.progress = Progress(tell)
        self._lock = threading.Lock()
        self._fetching = threading.Lock()
        self._working = False
        self._closed = False
        self._drained = False

    @property
    def is_metadata(self) -> bool:
        """Whether it is no statement, but what a metadata call returned."""
        return self._journal is None

    @property
    def has_result_set(self) -> bool:
        """Whether there is something to fetch."""
        return bool(self.job.columns)

    @property
    def drained(self) -> bool:
        """Whether it has nothing left to hand out."""
        if self.has_result_set:
            return self._drained
        return self.progress.state is QueryState.FINISHED

    def start(self, planned: PlannedError | None) -> None:
        """Begin the work, which is to end with the error *planned*, if there is one."""
        self._note("accepted")
        with self._lock:
            if self._closed:
                return
            self._working = True
        self.progress.begin()
        name = f"query-{self.handle}"
        threading.Thread(target=self._work, args=(planned,), name=name, daemon=True).start()

    def retry(self, text: str) -> None:
        """Be the next attempt, after one that failed with *text* and did nothing."""
        failed = Query(self.handle, self.sql, self.session, self.job, journal=None, tell=self._tell)
        failed.admitted, failed.options, failed.ended_at = True, self.options, time.time()
        failed.progress.fail(text)
        self.failed_attempt = failed

    def fetch(self, rows: int) -> tuple[int, list[Sequence[object]], bool]:
        """Hand out at most *rows* next rows; to be called when the wait is over.

        Returns:
            The number of the first row, the values of each column, and whether more may follow.

        Raises:
            ImpalaError: The query has failed, or fails now.
        """
        with self._fetching:
            offset = self.rows_fetched
            if self.progress.error:
                raise ImpalaError(self.progress.error)
            try:
                columns, more = self._rows.take(rows)
            except ImpalaError as error:
                self.progress.fail(str(error))
                raise ImpalaError(self.progress.error) from error
            self.rows_fetched += len(columns[0]) if columns else 0
            self._drained = not more
            return offset, columns, more

    def cancel(self) -> None:
        """Stop the work.  A query that has handed out everything stays as it is."""
        if self.drained:
            return
        # What has no rows to hand out is over when it has finished.
        self.progress.cancel(CANCELLED, finished=self.has_result_set)
        self.job.cancel()

    def close(self, why: str = CANCELLED) -> None:
        """Stop the work, for *why*, and let go of what it holds.  May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            working = self._working
        if working:
            # The working thread sees that it is closed, and tidies up.
            self.progress.cancel(why, finished=False)
            self.job.cancel()
        else:
            self._let_go()

    def _work(self, planned: PlannedError | None) -> None:
        outcome = "failed"
        try:
            outcome = self._run(planned)
        except ImpalaError as error:
            outcome = "cancelled" if str(error) == CANCELLED else "failed"
            self.progress.fail(str(error))
        except Exception as error:  # noqa: BLE001  # a defect must reach the client as a text
            traceback.print_exc(file=sys.stderr)
            self.progress.fail(f"InternalException: {error}")
        if outcome != _FINISHED:
            self._note(outcome)
        with self._lock:
            self.ended_at = time.time()
            self._working = False
            closed = self._closed
        if closed:
            self._let_go()

    def _run(self, planned: PlannedError | None) -> str:
        if planned is None or planned.ran:
            self.admitted = True
            self._note("started")
            self.job.run()
            self._rows.fill()
        if planned is not None:
            self.progress.fail(planned.text, exact=planned.exact)
            return "failed"
        done = self.progress.finish(lambda: self._note(_FINISHED))
        return _FINISHED if done else "cancelled"

    def _let_go(self) -> None:
        with self._fetching:
            self._rows.drop()
            self.job.close()

    def _note(self, event: str) -> None:
        if self._journal is not None:
            self._journal.write(event, str(self.handle), self.sql)
