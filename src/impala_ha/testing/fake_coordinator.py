"""One impalad in memory: what a HiveServer2 answers, and what it is told to answer instead."""

from __future__ import annotations

import uuid
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from impala._thrift_gen.ImpalaService import ttypes as impala
from impala._thrift_gen.TCLIService import ttypes as hs2
from thrift.transport.TTransport import TTransportException

_OK = hs2.TStatus(statusCode=hs2.TStatusCode.SUCCESS_STATUS)


@dataclass(frozen=True, slots=True)
class Unsent:
    """A scripted failure that happens before anything was sent."""

    error: BaseException


@dataclass
class FakeCoordinator:
    """
    One impalad in memory.

    Attributes:
        name: Its host.
        down: Whether it refuses connections and breaks those it has.
        hung: Whether nobody can find out whether it still does what it was given.
        impala: Whether it shows itself as Impala (not as Hive).
        script: By RPC, what its next answers are: an exception is raised, `Unsent` before sending,
            a text is answered as the server's error, a function gets the request and answers; None
            is the usual answer.
        log: (RPC, request) in order.
        rows: What a SELECT gives.
    """

    name: str
    down: bool = False
    hung: bool = False
    impala: bool = True
    script: dict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))
    log: list[tuple[str, Any]] = field(default_factory=list)
    rows: list[str] = field(default_factory=lambda: ["one", "two"])
    sessions: dict[bytes, dict[str, str]] = field(default_factory=dict)
    results: dict[bytes, list[list[str]]] = field(default_factory=dict)

    def statements(self) -> list[str]:
        """The statements it was given, in order."""
        return [request.statement for rpc, request in self.log if rpc == "ExecuteStatement"]

    def count(self, rpc: str) -> int:
        """How often *rpc* was called."""
        return sum(name == rpc for name, _ in self.log)

    def answer(self, rpc: str, request: Any) -> Any:
        """What *rpc* gives."""
        self.log.append((rpc, request))
        steps = self.script[rpc]
        step = steps.popleft() if steps else None
        if isinstance(step, Unsent):
            raise step.error
        if isinstance(step, BaseException):
            raise step
        if self.down:
            raise TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes")
        if isinstance(step, str):
            error = hs2.TStatus(statusCode=hs2.TStatusCode.ERROR_STATUS, errorMessage=step)
            return SimpleNamespace(status=error)
        if callable(step):
            return step(request)
        usual: Callable[[Any], Any] = getattr(
            self, f"_{rpc}", lambda _: SimpleNamespace(status=_OK)
        )
        return usual(request)

    def _OpenSession(self, request: Any) -> Any:  # noqa: N802
        handle = _handle()
        self.sessions[handle.guid] = dict(request.configuration or {})
        told = {"http_addr": f"{self.name}:25000"} if self.impala else {}
        return hs2.TOpenSessionResp(
            status=_OK,
            serverProtocolVersion=5,
            sessionHandle=hs2.TSessionHandle(sessionId=handle),
            configuration=told,
        )

    def _GetInfo(self, request: Any) -> Any:  # noqa: N802
        version = request.infoType == hs2.TGetInfoType.CLI_DBMS_VER
        told = hs2.TGetInfoValue(stringValue="4.5.0-RELEASE" if version else "Impala")
        return hs2.TGetInfoResp(status=_OK, infoValue=told)

    def _CloseSession(self, request: Any) -> Any:  # noqa: N802
        self.sessions.pop(request.sessionHandle.sessionId.guid, None)
        return hs2.TCloseSessionResp(status=_OK)

    def _ExecuteStatement(self, request: Any) -> Any:  # noqa: N802
        rows = (
            request.statement.lstrip("( ").lower().startswith(("select", "with", "show", "explain"))
        )
        return self._operation(rows)

    def _GetTables(self, _: Any) -> Any:  # noqa: N802
        return self._operation(rows=True)

    _GetSchemas = _GetFunctions = _GetColumns = _GetTables

    def _operation(self, rows: bool) -> Any:
        handle = _handle()
        self.results[handle.guid] = [[row] for row in self.rows]
        return hs2.TExecuteStatementResp(
            status=_OK,
            operationHandle=hs2.TOperationHandle(
                operationId=handle, operationType=0, hasResultSet=rows
            ),
        )

    def _GetOperationStatus(self, request: Any) -> Any:  # noqa: N802
        return state(request)

    def _GetResultSetMetadata(self, _: Any) -> Any:  # noqa: N802
        entry = hs2.TPrimitiveTypeEntry(type=hs2.TTypeId.STRING_TYPE)
        described = hs2.TTypeDesc(types=[hs2.TTypeEntry(primitiveEntry=entry)])
        column = hs2.TColumnDesc(columnName="c", position=0, typeDesc=described)
        schema = hs2.TTableSchema(columns=[column])
        return hs2.TGetResultSetMetadataResp(status=_OK, schema=schema)

    def _FetchResults(self, request: Any) -> Any:  # noqa: N802
        left = self.results[request.operationHandle.operationId.guid]
        offset = len(self.rows) - len(left)
        values = [value.encode() for value in (left.pop(0) if left else [])]
        column = hs2.TColumn(stringVal=hs2.TStringColumn(values=values, nulls=b"\0"))
        rows = hs2.TRowSet(startRowOffset=offset, rows=[], columns=[column])
        return hs2.TFetchResultsResp(status=_OK, hasMoreRows=bool(left), results=rows)

    def _GetLog(self, _: Any) -> Any:  # noqa: N802
        return hs2.TGetLogResp(status=_OK, log="")

    def _CloseImpalaOperation(self, _: Any) -> Any:  # noqa: N802
        return impala.TCloseImpalaOperationResp(status=_OK)

    def _GetRuntimeProfile(self, _: Any) -> Any:  # noqa: N802
        return impala.TGetRuntimeProfileResp(status=_OK, profile="profile")

    def _GetExecSummary(self, _: Any) -> Any:  # noqa: N802
        return impala.TGetExecSummaryResp(status=_OK, summary=None)


def state(request: Any, name: str = "FINISHED_STATE", error: str | None = None) -> Any:
    """An answer to GetOperationStatus."""
    return hs2.TGetOperationStatusResp(
        status=_OK,
        operationState=hs2.TOperationState._NAMES_TO_VALUES[name],  # noqa: SLF001 - thrift's own
        errorMessage=error,
        hasResultSet=request.operationHandle.hasResultSet,
    )


def _handle() -> Any:
    return hs2.THandleIdentifier(guid=uuid.uuid4().bytes, secret=uuid.uuid4().bytes)
