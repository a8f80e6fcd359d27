"""
Who can tell what became of a statement whose coordinator was lost.

Each witness says what it saw, and no more: a coordinator that was started anew knows nothing of
the time before, and a page of queries has no sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from impala._thrift_gen.TCLIService.ttypes import (
    TCloseSessionReq,
    TGetInfoReq,
    TGetInfoType,
    TGetOperationStatusReq,
    TOperationState,
)
from impala.hiveserver2 import err_if_rpc_not_ok

from . import errors
from ._clock import Clock
from ._driver import Driver
from ._model import Coordinator
from ._polling import rows
from .errors import Outcome

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


_OVER = 0.001  # seconds; what is left when nothing is, for time-outs must be more than 0
Left = Callable[[], float]  # seconds that are left, at least `_OVER`


def until(clock: Clock, end: float) -> Left:
    """What is left until *end*, for a witness who is asked in several steps."""
    return lambda: max(_OVER, end - clock.now())


@dataclass(frozen=True, slots=True)
class Question:
    """
    What is known of the statement.

    Attributes:
        text: As it was sent.
        tag: What it was marked with; None if it was not.
        coordinator: Where.
        user: Whose session.
        session: Its HS2 session.
        operation: Its handle, None if the server's answer was lost.
        session_id: As Impala prints it.
        query_id: As Impala prints it; None without a handle.
        known: Ids of earlier statements with the same text in the same session.
    """

    text: str
    tag: str | None
    coordinator: Coordinator
    user: str
    session: Any
    operation: Any
    session_id: str
    query_id: str | None
    known: tuple[str, ...] = ()


def handle(question: Question, driver: Driver, left: Left) -> Outcome:
    """Ask for the operation itself, through a new connection to its coordinator."""
    if question.operation is None:
        return Outcome.UNKNOWN
    request = TGetOperationStatusReq(operationHandle=question.operation)
    answer = _ask(question, driver, left, "GetOperationStatus", request)
    if answer is None:
        return Outcome.UNKNOWN
    state = TOperationState._VALUES_TO_NAMES[answer.operationState]  # noqa: SLF001 - thrift's own
    return _STATES.get(state.removesuffix("_STATE"), Outcome.UNKNOWN)


def page(question: Question, driver: Driver, left: Left) -> Outcome:
    """
    Look at the coordinator's page of queries, if it has been there all the time.

    The page does not tell sessions apart: without an id the statement is known by its mark, which
    its profile shows; without a mark the page can only say that nobody sent such a text. Where it
    is not there the session is closed before the second look, so that a request that is still on
    its way cannot start the statement behind our back.
    """
    address = (question.session.config or {}).get("http_addr")
    about = TGetInfoReq(
        sessionHandle=question.session.handle, infoType=TGetInfoType.CLI_SERVER_NAME
    )
    if not address or _ask(question, driver, left, "GetInfo", about) is None:
        return Outcome.UNKNOWN
    seen = _seen(question, address, left)
    if seen is not Outcome.NEVER_SEEN:
        return seen
    closing = TCloseSessionReq(sessionHandle=question.session.handle)
    if _ask(question, driver, left, "CloseSession", closing) is None:
        return Outcome.UNKNOWN
    return _seen(question, address, left)


def _ask(question: Question, driver: Driver, left: Left, name: str, request: Any) -> Any:
    """The coordinator's answer, None if it gives none or does not know what is meant."""
    try:
        service = driver.connect(question.coordinator, question.user, left())
        try:
            answer = getattr(service.client, name)(request)
            err_if_rpc_not_ok(answer)
        finally:
            service.client.wire.close()
    except errors.Error:
        return None
    return answer


def _seen(question: Question, address: str, left: Left) -> Outcome:
    shown = _page(address, left)
    if shown is None:
        return Outcome.UNKNOWN
    ended = shown.get("completed_queries", [])
    doubtful = False
    for row in [*shown.get("in_flight_queries", []), *ended]:
        if left() <= _OVER:
            return Outcome.UNKNOWN  # a page may show two hundred, each with a profile to look at
        it_is = _is_meant(question, row, address, left)
        if it_is:
            return _STATES.get(str(row.get("state")), Outcome.UNKNOWN)
        doubtful |= it_is is None
    whole = len(ended) < int(shown.get("completed_log_size") or 0)
    return Outcome.NEVER_SEEN if whole and not doubtful else Outcome.UNKNOWN


def _is_meant(question: Question, row: dict[str, Any], address: str, left: Left) -> bool | None:
    """Is *row* of the page our statement?  None where that cannot be told."""
    if question.query_id is not None:
        return row.get("query_id") == question.query_id
    if not _may_be(question.text, str(row.get("stmt"))):
        return False
    if question.tag is None:
        return None
    profile = _get(f"{address}/query_profile_plain_text?query_id={row.get('query_id')}", left)
    if profile is None or b"Sql Statement" not in profile:
        return None
    return question.tag.encode() in profile


def _may_be(text: str, shown: str) -> bool:
    """Is *shown*, which the page may have cut, *text*?"""
    return shown == text or (shown.endswith("...") and text.startswith(shown[:-3]))


def _page(address: str, left: Left) -> dict[str, Any] | None:
    import json  # noqa: PLC0415 - hardly ever needed

    found = _get(f"{address}/queries?json", left)
    try:
        shown = None if found is None else json.loads(found)
    except ValueError:
        return None
    return shown if isinstance(shown, dict) else None


def _get(page: str, left: Left) -> bytes | None:
    from urllib.request import ProxyHandler, build_opener  # noqa: PLC0415 - hardly ever needed

    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"http://{page}", timeout=left()) as answer:
            return answer.read()  # type: ignore[no-any-return]  # urllib says Any
    except (OSError, ValueError):
        return None


def tables(
    question: Question, driver: Driver, clock: Clock, coordinator: Coordinator, seconds: float
) -> Outcome | None:
    """
    Ask *coordinator* for ``sys.impala_query_log`` and ``sys.impala_query_live``.

    Returns:
        None where it gave no answer, so that another one may be asked.
    """
    asked = _TABLES.format(where=_where(question))
    try:
        link = driver.open(coordinator, question.user, {}, seconds)
        try:
            with link.within(seconds):
                found = rows(link.session(question.user, {}), asked, clock)
        finally:
            link.close()
    except errors.OperationalError:
        return None
    except errors.Error:  # it has no such tables, and neither have the others
        return Outcome.UNKNOWN
    if len(found) != 1:
        return Outcome.UNKNOWN
    return _STATES.get(str(found[0][0]), Outcome.UNKNOWN)


_TABLES = (
    "SELECT query_state FROM sys.impala_query_log WHERE {where} "
    "UNION ALL SELECT query_state FROM sys.impala_query_live WHERE {where}"
)


def _where(question: Question) -> str:
    if question.query_id is not None:
        return f"query_id = '{question.query_id}'"
    where = f"session_id = '{question.session_id}'"
    if question.tag is not None:
        marked = f"LIKE '%{question.tag}%'"
        return f"{where} AND (query_opts_config {marked} OR `sql` {marked})"
    text = question.text.replace("\\", "\\\\").replace("'", "\\'")
    where += f" AND `sql` = '{text}'"
    if question.known:
        known = ", ".join(f"'{query_id}'" for query_id in question.known)
        where += f" AND query_id NOT IN ({known})"
    return where
