"""Asking again and again whether a statement has ended, as impyla does, on a clock of ours."""

from __future__ import annotations

from impala._thrift_gen.TCLIService.ttypes import TOperationState

from impala_ha.core.clock import Clock
from impala_ha.core.remote import RemoteOperation, RemoteSession, RemoteStatus, Row

_WORKING = frozenset(
    {
        TOperationState.INITIALIZED_STATE,
        TOperationState.PENDING_STATE,
        TOperationState.RUNNING_STATE,
    }
)
_AT_FIRST = 0.016  # seconds


def poll(operation: RemoteOperation, clock: Clock, max_rows: int = 0) -> RemoteStatus:
    """
    Wait until *operation* has ended, well or not.

    Args:
        operation: What was executed.
        clock: For the pauses.
        max_rows: How many of its rows to ask for at once; what has come by then is kept by
            *operation*. 0: none, as only a read whose server waits for rows may be asked.

    Returns:
        The last answer to GetOperationStatus, or what the rows say.
    """
    start, about = clock.now(), ["GetOperationStatus", "GetResultSetMetadata"]
    while True:
        asked = clock.now()
        if max_rows:
            operation.ask_ahead(*about, max_rows=max_rows)
            about = about[:1]
        answer = operation.get_state()
        if answer.operationState not in _WORKING:
            if max_rows:
                operation.settle()
            return answer
        if max_rows and (found := operation.status_by_rows()):
            return found
        now = clock.now()
        # Where the server polls for us (LONG_POLLING_TIME_MS), there is nothing to sleep.
        clock.sleep(max(0.0, _interval(now - start) - (now - asked)))


def rows(
    session: RemoteSession, text: str, clock: Clock, options: dict[str, str] | None = None
) -> list[Row]:
    """All rows of a small query of ours, with the query *options*."""
    operation = session.execute(text, options, run_async=True)
    poll(operation, clock)
    found: list[Row] = []
    while len(batch := operation.fetch()) or batch.expect_more_rows:
        found += batch.pop_many(len(batch))
    operation.close()
    return found


def _interval(elapsed: float) -> float:
    """
    Seconds between two polls: as impyla has them, but more often at first.

    On average a statement that has ended is noticed after half of it, which is to be at most 5 % of
    its time, or 5 ms.
    """
    if elapsed < _AT_FIRST:
        return max(0.0005, elapsed / 2)
    if elapsed < 1.0:
        return min(0.05, max(0.008, elapsed / 12.5))
    for within, seconds in ((10.0, 0.1), (60.0, 0.5)):
        if elapsed < within:
            return seconds
    return 1.0
