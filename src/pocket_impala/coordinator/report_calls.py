"""The calls that ask about a query: its log, its profile, its summary; also of a closed one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impala._thrift_gen.TCLIService import ttypes as t

from pocket_impala.coordinator import handles
from pocket_impala.coordinator.contract import ImpalaError
from pocket_impala.coordinator.profile import profile_answer, summary_answer
from pocket_impala.coordinator.progress import QueryState
from pocket_impala.coordinator.replies import done

if TYPE_CHECKING:
    from pocket_impala.coordinator.impalad import Connection, Impalad
    from pocket_impala.coordinator.queries import Query


class ReportCalls:
    """GetLog, GetRuntimeProfile and GetExecSummary."""

    def __init__(self, impalad: Impalad) -> None:
        self._impalad = impalad

    def GetLog(self, req: Any, connection: Connection) -> Any:  # noqa: ARG002, N802  # Thrift's name
        """Tell how far an open query is, and what went wrong."""
        query = self._impalad.registry.query(handles.from_thrift(req.operationHandle.operationId))
        log = ""
        if query.job.kind in {"QUERY", "DML"}:
            parts = int(query.progress.state is QueryState.FINISHED)
            log = f"Query {query.handle}: {100 * parts}% Complete ({parts} out of 1)\n"
        return t.TGetLogResp(status=done(), log=log + query.progress.error)

    def GetRuntimeProfile(self, req: Any, connection: Connection) -> Any:  # noqa: N802
        """Tell everything about a query."""
        return profile_answer(self._find(req, connection), self._impalad, req)

    def GetExecSummary(self, req: Any, connection: Connection) -> Any:  # noqa: N802
        """Tell what each node of the plan did."""
        return summary_answer(self._find(req, connection), req)

    def _find(self, req: Any, connection: Connection) -> Query:
        registry = self._impalad.registry
        session = handles.from_thrift(req.sessionHandle.sessionId)
        registry.session(session, connection.number, connection.user)
        handle = handles.from_thrift(req.operationHandle.operationId)
        query = registry.query_or_past(handle)
        if query is None or not query.handle.fits(handle):
            raise ImpalaError(f"Query id {handle} not found.")
        return query
