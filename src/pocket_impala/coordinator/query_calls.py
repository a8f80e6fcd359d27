"""The calls that a statement goes through: execute, status, metadata, fetch, cancel, close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impala._thrift_gen.ImpalaService import ttypes as impala
from impala._thrift_gen.TCLIService import ttypes as t

from pocket_impala.coordinator import handles
from pocket_impala.coordinator.contract import Column, ImpalaError
from pocket_impala.coordinator.encode import encode_rows, encode_schema
from pocket_impala.coordinator.progress import QueryState
from pocket_impala.coordinator.queries import Query
from pocket_impala.coordinator.records import record_of_unplanned
from pocket_impala.coordinator.replies import (
    GENERAL_ERROR,
    NOT_IMPLEMENTED,
    done,
    refusal,
    still_executing,
)

if TYPE_CHECKING:
    from pocket_impala.coordinator.impalad import Connection, Impalad

_STATES = {
    QueryState.INITIALIZED: t.TOperationState.INITIALIZED_STATE,
    QueryState.RUNNING: t.TOperationState.RUNNING_STATE,
    QueryState.FINISHED: t.TOperationState.FINISHED_STATE,
    QueryState.ERROR: t.TOperationState.ERROR_STATE,
}
_FETCH_TIMEOUT_MS = 10_000
_LOG = 1
_LOG_COLUMNS = (Column("Log", "string"),)
_LOST_EXECUTORS = "Failed due to unreachable impalad(s): "
_NO_RESTART = "Restarting of fetch requires enabling of query result caching."


class QueryCalls:
    """ExecuteStatement and the calls on what it returned."""

    def __init__(self, impalad: Impalad) -> None:
        self._impalad = impalad

    def ExecuteStatement(self, req: Any, connection: Connection) -> Any:  # noqa: N802  # Thrift's name
        """Plan a statement here and now; its work begins after the answer, in another thread."""
        self._impalad.check_not_draining()
        registry, journal = self._impalad.registry, self._impalad.journal
        session_handle = handles.from_thrift(req.sessionHandle.sessionId)
        session = registry.session(session_handle, connection.number, connection.user)
        journal.write("received", "", req.statement)
        handle = handles.new_query(session.handle)
        tell = self._impalad.error_formatter(handle)
        options = {**session.state.options, **_upper(req.confOverlay or {})}
        try:
            job = self._impalad.engine.plan(req.statement, session.state, req.confOverlay or {})
        except ImpalaError as error:
            told = tell(str(error))
            unplanned = record_of_unplanned(handle, session, req.statement, told, options)
            self._impalad.archive.add(unplanned)
            raise ImpalaError(told) from error
        query = Query(handle, req.statement, session, job, journal=journal, tell=tell)
        query.options = options
        registry.add_query(query)
        # USE and SET are done within the call, without admission: the next statement must see them.
        within = not job.columns and job.kind in {"DDL", "SET"}
        planned = None if within else self._impalad.faults.take_error("status")
        if planned is not None and _is_retried(query, planned.text):
            query.retry(planned.text)
            planned = None
        query.start(planned)
        if within:
            query.progress.wait(None)
            if query.progress.error:
                registry.close_query(query)
                raise ImpalaError(query.progress.error)
        return t.TExecuteStatementResp(status=done(), operationHandle=operation_handle(query))

    def GetOperationStatus(self, req: Any, connection: Connection) -> Any:  # noqa: ARG002, N802
        """Tell where a query stands; that it failed is no failure of this call."""
        query = self._query(req)
        query.progress.wait(_option(query, "LONG_POLLING_TIME_MS", 0) / 1000)
        answer = t.TGetOperationStatusResp(
            status=done(),
            operationState=_STATES[query.progress.state],
            hasResultSet=query.has_result_set,
        )
        if query.progress.state is QueryState.ERROR:
            answer.sqlState, answer.errorMessage = GENERAL_ERROR, query.progress.error
        return answer

    def GetResultSetMetadata(self, req: Any, connection: Connection) -> Any:  # noqa: ARG002, N802
        """Tell the columns of a result."""
        query = self._query(req)
        answer = t.TGetResultSetMetadataResp(status=done())
        if query.has_result_set:
            answer.schema = encode_schema(query.job.columns)
        return answer

    def FetchResults(self, req: Any, connection: Connection) -> Any:  # noqa: ARG002, N802
        """Hand out rows.  A fetch that fails ends the query: its handle is unknown afterwards."""
        first, forward = t.TFetchOrientation.FETCH_FIRST, t.TFetchOrientation.FETCH_NEXT
        if req.orientation not in {None, first, forward}:
            return refusal("FetchResults", "Unsupported operation", NOT_IMPLEMENTED)
        query = self._query(req)
        if req.fetchType == _LOG:
            # Hive's JDBC driver asks for the log in this way; the rows are not for it.
            return t.TFetchResultsResp(
                status=done(), hasMoreRows=False, results=encode_rows(0, _LOG_COLUMNS, [])
            )
        if req.orientation == first:
            raise ImpalaError(self._impalad.error_formatter(query.handle)(_NO_RESTART))
        limit = _option(query, "FETCH_ROWS_TIMEOUT_MS", _FETCH_TIMEOUT_MS) / 1000
        if not query.progress.wait(limit):
            return t.TFetchResultsResp(status=still_executing(), hasMoreRows=True)
        rows = req.maxRows if req.maxRows and req.maxRows > 0 else 1024
        try:
            offset, values, more = query.fetch(rows)
        except ImpalaError:
            self._impalad.registry.close_query(query)
            raise
        return t.TFetchResultsResp(
            status=done(),
            hasMoreRows=more,
            results=encode_rows(offset, query.job.columns, values),
        )

    def CancelOperation(self, req: Any, connection: Connection) -> Any:  # noqa: ARG002, N802
        """Stop a query; its handle stays, and says ``Cancelled``."""
        self._query(req).cancel()
        return t.TCancelOperationResp(status=done())

    def CloseOperation(self, req: Any, connection: Connection) -> Any:  # noqa: ARG002, N802
        """Close a query."""
        self._impalad.registry.close_query(self._query(req))
        return t.TCloseOperationResp(status=done())

    def CloseImpalaOperation(self, req: Any, connection: Connection) -> Any:  # noqa: ARG002, N802
        """Close a query and tell, this once, how many rows it changed."""
        query = self._query(req)
        changed = query.job.modified_rows if query.progress.state is QueryState.FINISHED else None
        self._impalad.registry.close_query(query)
        answer = impala.TCloseImpalaOperationResp(status=done())
        if changed is not None:
            answer.dml_result = impala.TDmlResult(rows_modified=dict(changed), num_row_errors=0)
        return answer

    def _query(self, req: Any) -> Query:
        handle = handles.from_thrift(req.operationHandle.operationId)
        return self._impalad.registry.query(handle)


def operation_handle(query: Query) -> t.TOperationHandle:
    """Return the handle of *query* as it goes over the wire."""
    return t.TOperationHandle(
        operationId=query.handle.to_thrift(),
        operationType=t.TOperationType.EXECUTE_STATEMENT,
        hasResultSet=query.has_result_set,
    )


def _is_retried(query: Query, failure: str) -> bool:
    """Does Impala itself run a query again that failed so?  One that reads, on lost executors."""
    wanted = query.options.get("RETRY_FAILED_QUERIES", "").lower() in {"true", "1"}
    return wanted and query.job.kind == "QUERY" and failure.startswith(_LOST_EXECUTORS)


def _upper(options: dict[str, str]) -> dict[str, str]:
    return {name.upper(): value for name, value in options.items()}


def _option(query: Query, name: str, default: int) -> int:
    value = query.options.get(name, "")
    return int(value) if value.isdigit() else default
