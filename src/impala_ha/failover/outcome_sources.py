"""
Sources of a statement's outcome: the operation itself, and Impala's tables of queries.

None of them picks a coordinator or changes its health.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from impala._thrift_gen.TCLIService.ttypes import TGetOperationStatusReq, TOperationState
from impala.hiveserver2 import err_if_rpc_not_ok

from impala_ha.core.clock import Clock
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.model import Coordinator
from impala_ha.core.remote import Row
from impala_ha.errors import Outcome
from impala_ha.hs2.connector import Driver
from impala_ha.hs2.polling import rows
from impala_ha.sql.scanner import TokenType, scan

from .statement_ref import StatementRef

_STATES = {
    "FINISHED": Outcome.DONE,
    "EXCEPTION": Outcome.FAILED,
    "ERROR": Outcome.FAILED,
    "CREATED": Outcome.RUNNING,
    "COMPILED": Outcome.RUNNING,
    "INITIALIZED": Outcome.RUNNING,
    "PENDING": Outcome.RUNNING,
    "RUNNING": Outcome.RUNNING,
}


class Until:
    """
    A clock on which no sleep goes beyond *end*.

    Args:
        clock: The clock itself.
        end: When all must be done.
    """

    def __init__(self, clock: Clock, end: float):
        self.clock = clock
        self.end = end

    def now(self) -> float:
        """Seconds, as the clock itself."""
        return self.clock.now()

    def sleep(self, seconds: float) -> None:
        """Let *seconds* go by, or what is left."""
        self.clock.sleep(max(0.0, min(seconds, self.left)))

    @property
    def left(self) -> float:
        """Seconds that are left; 0 or less if none are."""
        return self.end - self.clock.now()

    def share(self, parts: int) -> Until:
        """The first of *parts* equal parts of what is left."""
        return Until(self.clock, self.clock.now() + self.left / parts)


def meaning(states: Iterable[object]) -> Outcome:
    """The outcome of a statement with these *states* of Impala's; RUNNING if any runs."""
    found = {_STATES.get(str(state), Outcome.UNKNOWN) for state in states}
    if Outcome.RUNNING in found:
        return Outcome.RUNNING
    return found.pop() if len(found) == 1 else Outcome.UNKNOWN


def call(ref: StatementRef, driver: Driver, until: Until, name: str, request: object) -> Any:
    """The answer of the coordinator, None if there is none, or only an error."""
    if until.left <= 0:
        return None
    try:
        service = driver.connect(ref.coordinator, ref.user, until.left)
        try:
            answer = getattr(service.client, name)(request)
            err_if_rpc_not_ok(answer)
        finally:
            service.client.transport.close()
    except Exception as error:
        if from_signal_handler(error):
            raise
        return None  # of the caller's functions, perhaps: then it is no source
    return answer


def handle(ref: StatementRef, driver: Driver, until: Until) -> Outcome:
    """Ask for the operation itself, through a new connection to its coordinator."""
    if ref.operation is None:
        return Outcome.UNKNOWN
    request = TGetOperationStatusReq(operationHandle=ref.operation)
    answer = call(ref, driver, until, "GetOperationStatus", request)
    if answer is None:
        return Outcome.UNKNOWN
    state = TOperationState._VALUES_TO_NAMES.get(answer.operationState, "")  # noqa: SLF001 - thrift's own
    return meaning([state.removesuffix("_STATE")])


def tables(
    ref: StatementRef, driver: Driver, coordinators: list[Coordinator], until: Until
) -> Outcome:
    """
    Query Impala's tables of queries on the first of *coordinators* that can.

    Without a tag the session and the text must do; they do not where an earlier statement of the
    session, whose id is not known, may have had the same text.
    """
    if ref.query_id is None and ref.tag is None and ref.unnamed:
        return Outcome.UNKNOWN
    asked = _TABLES.format(where=_where(ref))
    for position, coordinator in enumerate(coordinators):
        share = until.share(len(coordinators) - position)
        if share.left <= 0:
            break
        found = _rows(asked, ref.user, driver, coordinator, share)
        if found is not None:
            return meaning(state for (state, *_) in found)
    return Outcome.UNKNOWN


def _rows(
    text: str, user: str, driver: Driver, coordinator: Coordinator, until: Until
) -> list[Row] | None:
    """What *coordinator* answers to a query, None if it does not."""
    try:
        service = driver.connect(coordinator, user, until.left)
        try:
            session = service.open_session(user, {})
            found = rows(session, text, until)
            session.close()
        finally:
            service.client.transport.close()
    except Exception as error:
        if from_signal_handler(error):
            raise
        return None  # it has no such tables, perhaps: then it is no source
    return found


_TABLES = (
    "SELECT query_state FROM sys.impala_query_log WHERE {where} "
    "UNION ALL SELECT query_state FROM sys.impala_query_live WHERE {where}"
)


def _where(ref: StatementRef) -> str:
    if ref.query_id is not None:
        return f"query_id = '{ref.query_id}'"
    where = f"session_id = '{ref.session_id}'"
    if ref.tag is not None:
        marked = f"LIKE '%{ref.tag}%'"
        where += f" AND (query_opts_config {marked} OR `sql` {marked})"
        if _has_no_parts(ref.text):
            return where
    text = ref.text.replace("\\", "\\\\").replace("'", "\\'")
    where += f" AND `sql` = '{text}'"
    if ref.known:
        known = ", ".join(f"'{query_id}'" for query_id in ref.known)
        where += f" AND query_id NOT IN ({known})"
    return where


def _has_no_parts(text: str) -> bool:
    """
    Does Impala certainly run *text* in one piece?

    ``COMPUTE STATS``, ``LOAD DATA`` and ``ALTER TABLE`` run statements of their own, with the same
    options, so with the same tag (Impala's child-query.cc).  These may be in the log where the
    whole is not: its coordinator died.
    """
    codes = (token.text for token in scan(text) if token.type is TokenType.CODE)
    words = next((code.split() for code in codes if code.strip()), [""])
    return words[0].lower() in _WHOLE


_WHOLE = frozenset({"create", "delete", "insert", "merge", "update", "upsert", "with"})
