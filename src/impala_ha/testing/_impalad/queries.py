"""One query of a session: planned, run in a thread of its own, fetched, cancelled, closed.

    INITIALIZED --> RUNNING --> FINISHED
                       |           |
                       +--> ERROR <+     (a failure, a cancel; there is no other way out)

FINISHED means that rows can be fetched, as in Impala.  Of everything that can go wrong the first
error is kept.
"""

from __future__ import annotations

import enum
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

from impala_ha.testing._impalad.contract import ImpalaError
from impala_ha.testing._impalad.read_ahead import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from impala_ha.testing._impalad.contract import Job
    from impala_ha.testing._impalad.faults import PlannedError
    from impala_ha.testing._impalad.handles import Handle
    from impala_ha.testing._impalad.journal import Journal
    from impala_ha.testing._impalad.registry import Session

_CANCELLED = "Cancelled"


class QueryState(enum.Enum):
    """Where a query stands."""

    INITIALIZED = enum.auto()
    RUNNING = enum.auto()
    FINISHED = enum.auto()
    ERROR = enum.auto()


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
        error: What went wrong, as Impala says it; "" while nothing did.
        rows_fetched: How many rows were handed out.
        database: The database that was current when it was planned.
        options: The query options that hold for it, by upper-case name.
        started_at: Seconds since the epoch.
        ended_at: Seconds since the epoch; None while it runs.
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
        self.error = ""
        self.rows_fetched = 0
        self.options: Mapping[str, str] = {}
        self.started_at = time.time()
        self.ended_at: float | None = None
        self.database = session.state.database
        self._journal = journal
        self._rows = ReadAhead(job)
        self._tell = tell
        self._state = QueryState.INITIALIZED
        self._changed = threading.Condition()
        self._fetching = threading.Lock()
        self._working = False
        self._closed = False
        self._drained = False

    @property
    def state(self) -> QueryState:
        """Where it stands."""
        return self._state

    @property
    def has_result_set(self) -> bool:
        """Whether there is something to fetch."""
        return bool(self.job.columns)

    def start(self, planned: PlannedError | None) -> None:
        """Begin the work.

        Args:
            planned: The error it is to end with by order of a test.
        """
        self._note("accepted")
        with self._changed:
            if self._closed:
                return
            self._state = QueryState.RUNNING
            self._working = True
        work = threading.Thread(
            target=self._work, args=(planned,), name=f"query-{self.handle}", daemon=True
        )
        work.start()

    def wait(self, seconds: float | None) -> bool:
        """Wait until it is FINISHED or ERROR, at most *seconds*; return whether it is."""
        done = {QueryState.FINISHED, QueryState.ERROR}
        with self._changed:
            return self._changed.wait_for(lambda: self._state in done, seconds)

    def fetch(self, rows: int) -> tuple[int, list[Sequence[object]], bool]:
        """Hand out the next rows; to be called when `wait` said yes.

        Args:
            rows: How many at most.

        Returns:
            The number of the first row, the values of each column, and whether more may follow.

        Raises:
            ImpalaError: The query has failed, or fails now.
        """
        with self._fetching:
            offset = self.rows_fetched
            if self.error:
                raise ImpalaError(self.error)
            try:
                columns, more = self._rows.take(rows)
            except ImpalaError as error:
                self.fail(str(error))
                raise ImpalaError(self.error) from error
            self.rows_fetched += len(columns[0]) if columns else 0
            self._drained = not more
            return offset, columns, more

    def fail(self, text: str, *, exact: bool = False) -> None:
        """Let it be in ERROR, unless it is already.

        Args:
            text: What went wrong.
            exact: Whether clients read just that, without the query id in front.
        """
        with self._changed:
            if self._state is not QueryState.ERROR:
                self.error = text if exact else self._tell(text)
                self._state = QueryState.ERROR
            self._changed.notify_all()

    def cancel(self) -> None:
        """Stop the work.  A query that has handed out everything stays as it is."""
        if self._drained:
            return
        self.fail(_CANCELLED)
        self.job.cancel()

    def close(self) -> None:
        """Stop the work and let go of what it holds.  May be called twice."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            working = self._working
        if working:
            # The working thread sees that it is closed, and tidies up.
            self.fail(_CANCELLED)
            self.job.cancel()
        else:
            with self._fetching:
                self.job.close()

    def _work(self, planned: PlannedError | None) -> None:
        outcome = "failed"
        try:
            if planned is None or planned.ran:
                self._note("started")
                self.job.run()
                self._rows.fill()
            if planned is None:
                outcome = self._finish()
            else:
                self.fail(planned.text, exact=planned.exact)
        except ImpalaError as error:
            outcome = "cancelled" if str(error) == _CANCELLED else "failed"
            self.fail(str(error))
        except Exception as error:  # noqa: BLE001  # a defect must reach the client as a text
            traceback.print_exc(file=sys.stderr)
            self.fail(f"InternalException: {error}")
        if outcome != "finished":
            self._note(outcome)
        with self._changed:
            self.ended_at = time.time()
            self._working = False
            closed = self._closed
        if closed:
            self.job.close()

    def _finish(self) -> str:
        with self._changed:
            if self._state is not QueryState.RUNNING:
                return "cancelled"
            # The journal must say so before the client can know.
            self._note("finished")
            self._state = QueryState.FINISHED
            self._changed.notify_all()
            return "finished"

    def _note(self, event: str) -> None:
        if self._journal is not None:
            self._journal.write(event, str(self.handle), self.sql)
