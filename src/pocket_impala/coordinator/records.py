"""What a coordinator remembers of a statement once its handle is closed.

The web page and the tables of workload management show the same record, in their own words.  A
statement that did not plan has one too: Impala gives it a query id before it looks at the text.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pocket_impala.coordinator.progress import QueryState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pocket_impala.coordinator.handles import Handle
    from pocket_impala.coordinator.queries import Query
    from pocket_impala.coordinator.registry import Session

# Impala keeps two states of a query; pages and tables show the older of the two.
_STATES = {
    QueryState.INITIALIZED: "CREATED",
    QueryState.RUNNING: "RUNNING",
    QueryState.FINISHED: "FINISHED",
    QueryState.ERROR: "EXCEPTION",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One statement as it stood at some moment.

    Attributes:
        query_id: As Impala writes it.
        session_id: As Impala writes it.
        user: Whose rights counted.
        connected_user: Who authenticated.
        database: The database that was current.
        sql: The text.
        kind: ``"QUERY"``, ``"DML"``, ``"DDL"``, ``"SET"``; ``"UNKNOWN"`` when it did not plan.
        state: ``"CREATED"``, ``"RUNNING"``, ``"FINISHED"`` or ``"EXCEPTION"``.
        error: What went wrong; ``""`` while nothing did.
        options: The query options that were set, by upper-case name.
        started_at: Seconds since the epoch.
        ended_at: Seconds since the epoch; None while it runs.
        rows_fetched: How many rows were handed out.
        waiting: Whether it only waits to be closed.
        is_metadata: Whether it is no statement, but what a metadata call returned.
    """

    query_id: str
    session_id: str
    user: str
    connected_user: str
    database: str
    sql: str
    kind: str
    state: str
    started_at: float
    error: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    ended_at: float | None = None
    rows_fetched: int = 0
    waiting: bool = False
    is_metadata: bool = False

    @property
    def seconds(self) -> float:
        """How long it took, or has taken until now."""
        end = time.time() if self.ended_at is None else self.ended_at
        return max(0.0, end - self.started_at)


def record_of(query: Query, *, closed: bool = False) -> Record:
    """Tell where *query* stands; one that was *closed* is over, whatever its thread still does."""
    state = query.progress.state
    ended_at = query.ended_at
    if closed and ended_at is None:
        ended_at = time.time()
    return Record(
        query_id=str(query.handle),
        session_id=str(query.session.handle),
        user=query.session.state.user,
        connected_user=query.session.connected_user,
        database=query.database,
        sql=query.sql,
        kind=query.job.kind,
        state=_STATES[state],
        error=query.progress.error,
        options=dict(query.options),
        started_at=query.started_at,
        ended_at=ended_at,
        rows_fetched=query.rows_fetched,
        waiting=state is QueryState.ERROR or query.drained,
        is_metadata=query.is_metadata,
    )


def record_of_unplanned(
    handle: Handle, session: Session, sql: str, error: str, options: Mapping[str, str]
) -> Record:
    """Tell of a statement that was refused before it was a query."""
    now = time.time()
    return Record(
        query_id=str(handle),
        session_id=str(session.handle),
        user=session.state.user,
        connected_user=session.connected_user,
        database=session.state.database,
        sql=sql,
        kind="UNKNOWN",
        state="EXCEPTION",
        error=error,
        options=options,
        started_at=now,
        ended_at=now,
        waiting=True,
    )
