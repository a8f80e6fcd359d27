"""
impyla's service, session and operation, on connections that may break under them.

Since Impala 3.3 a session outlives its socket by 15 minutes, and its statements run on.  So when
a connection breaks (it does not when the coordinator is silent) and the coordinator can be
reached, a question that may be asked twice is asked again on a new connection, with the same
handles: a two-hour INSERT survives a network that blinked, and is polled to its end.  Where the
server does not know them any more it says so, and the table of faults decides.

Rows are counted: FetchResults may not be asked twice unless the server starts where we stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from impala._thrift_gen.TCLIService.ttypes import (
    TExecuteStatementReq,
    TFetchOrientation,
    TGetInfoReq,
    TGetInfoType,
    TOpenSessionReq,
    TProtocolVersion,
    TRowSet,
)
from impala.hiveserver2 import (
    Batch,
    HS2Service,
    HS2Session,
    Operation,
    ThriftRPC,
    err_if_rpc_not_ok,
)
from impala.hiveserver2 import log as _impylas_log
from thrift.protocol.TProtocol import TProtocolException
from thrift.transport.TTransport import TTransportException

from impala_ha.core.coroutine import Coroutine, run
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.core.remote import OperationHandle, Rows, Schema
from impala_ha.net.http_status import HTTPStatusError

from .batch import ColumnBatch, values_of
from .client import FEW, Client, ConnectionClosed

Got = TypeVar("Got")

_PROTOCOL = TProtocolVersion.HIVE_CLI_SERVICE_PROTOCOL_V6  # as impyla

_ASKED_AGAIN = (
    *("GetOperationStatus", "GetResultSetMetadata", "FetchResults"),
    *("GetLog", "GetRuntimeProfile", "GetExecSummary"),
)


class _RedactedRPC(ThriftRPC):  # type: ignore[misc]  # impyla is not typed
    """impyla's calls, whose responses are logged without secrets."""

    def _log_response(self, kind: str, response: object) -> None:
        if _impylas_log.isEnabledFor(logging.DEBUG):
            _impylas_log.debug("%s: resp=%s", kind, self.client.redact(str(response)))


class Service(_RedactedRPC, HS2Service):  # type: ignore[misc]  # impyla is not typed
    """
    impyla's service on one connection.

    Attributes:
        impala: Whether the server is Impala, which tells its web address since 2.7.
        reconnect: Connects the client anew to the same coordinator, within the seconds it is given,
            and says whether it could.
        pause: Waits before a question is asked once more that a gateway turned away, given how
            long that was waited for already; says how long that is then, 0 for long enough.
    """

    def __init__(self, client: Client, reconnect: Callable[[float], bool] | None = None):
        super().__init__(client, retries=1)
        self.impala = False
        self.reconnect = reconnect
        self.pause: Callable[[HTTPStatusError, float], float] | None = None

    def open_session(
        self, user: str, configuration: Mapping[str, str] | None = None
    ) -> ResumableSession:
        """Open a session."""
        return run(self.opening_session(user, configuration or {}))

    def opening_session(
        self, user: str, configuration: Mapping[str, str]
    ) -> Coroutine[ResumableSession]:
        """`open_session`, which can be left while it waits for the answer."""
        request = TOpenSessionReq(
            client_protocol=_PROTOCOL, username=user, configuration=dict(configuration)
        )
        self._log_request("OpenSession", request)
        answer = yield from self.client.opening_session(request)
        self._log_response("OpenSession", answer)
        err_if_rpc_not_ok(answer)
        config = answer.configuration
        self.impala = "http_addr" in (config or {})
        version = answer.serverProtocolVersion
        return ResumableSession(self, answer.sessionHandle, config, version, retries=1)

    def try_reconnect(self, limit: float = float("inf")) -> bool:
        """
        Connect anew, within *limit* seconds, if that can help.

        It cannot with Hive, whose sessions end with their connection, nor where the coordinator
        is silent, nor once the connection was closed.
        """
        why = self.client.broken
        if (
            self.reconnect is None
            or not self.impala
            or silent(why)
            or isinstance(why, ConnectionClosed)
        ):
            return False
        if not self.reconnect(limit):
            self.reconnect = None  # it was asked once; the next call need not wait for it
            return False
        return True


def silent(error: BaseException | None) -> bool:
    """Did nothing come in time?"""
    if isinstance(error, TTransportException):
        return bool(error.type == TTransportException.TIMED_OUT)
    return isinstance(error, TimeoutError)


def _ask(ask: Callable[[str, object], Got], service: Service, name: str, request: object) -> Got:
    """Ask, and once more on a new connection where that is harmless."""
    if name not in _ASKED_AGAIN:
        return ask(name, request)
    if service.client.broken is not None:
        service.try_reconnect()
    try:
        return ask(name, request)
    except CallFailed as error:
        if isinstance(error.__cause__, HTTPStatusError):
            return _ask_later(ask, service, name, request, error)
        if not service.try_reconnect():
            raise
    return ask(name, request)


def _is_later(error: CallFailed) -> bool:
    return isinstance(error.__cause__, HTTPStatusError) and error.__cause__.passing


def _ask_later(
    ask: Callable[[str, object], Got],
    service: Service,
    name: str,
    request: object,
    error: CallFailed,
) -> Got:
    """Ask until the gateway lets it through: what it hides may well go on."""
    waited = 0.0
    while _is_later(error) and service.pause is not None:
        waited = service.pause(error.__cause__, waited)  # type: ignore[arg-type]
        if not waited or not service.try_reconnect():
            break
        try:
            return ask(name, request)
        except CallFailed as another:
            error = another
    raise error


class ResumableSession(_RedactedRPC, HS2Session):  # type: ignore[misc]  # impyla is not typed
    """impyla's session, whose operations are ours."""

    def execute(
        self,
        statement: str,
        configuration: Mapping[str, object] | None = None,
        run_async: bool = False,
    ) -> ResumableOperation:
        """Send *statement*, with the query options *configuration* for it alone."""
        request = TExecuteStatementReq(self.handle, statement, configuration, run_async)
        return self._get_operation(self._rpc("ExecuteStatement", request).operationHandle)

    def get_info(self) -> None:
        """Ask for the server's name, and raise what comes in the way: impyla's `ping` hides it."""
        self._rpc("GetInfo", TGetInfoReq(self.handle, TGetInfoType.CLI_SERVER_NAME))

    def _get_operation(self, handle: OperationHandle) -> ResumableOperation:
        return ResumableOperation(self, handle, retries=1)


class ResumableOperation(_RedactedRPC, Operation):  # type: ignore[misc]  # impyla is not typed
    """
    impyla's operation, which counts its rows.

    Attributes:
        complete: Whether all rows have come: Impala said that there are no more. (Hive and Spark
            always say so.)
        batch_rows: How many rows to ask for next, going by the bytes of the last ones.
    """

    def __init__(self, session: ResumableSession, handle: OperationHandle, retries: int):
        super().__init__(session, handle, retries=retries)
        self._rows = 0
        self.complete = False
        self.batch_rows = FEW

    def _rpc(self, func_name: str, request: Any, safe_to_retry: bool = False) -> Any:
        def ask(name: str, question: object) -> Any:
            return Operation._rpc(self, name, question, safe_to_retry)  # noqa: SLF001

        answer = _ask(ask, self.session.service, func_name, request)
        if func_name == "FetchResults" and not request.fetchType and answer.results:
            self._count(answer.results)
            self.complete = self.session.service.impala and answer.hasMoreRows is False
        return answer

    def fetch(
        self,
        schema: Schema | None = None,
        max_rows: int = 1024,
        orientation: int = TFetchOrientation.FETCH_NEXT,
        **how: bool,
    ) -> Rows:
        """The next batch of rows; the server is not asked for more than there are."""
        if self.complete and orientation == TFetchOrientation.FETCH_NEXT:
            nothing: Rows = Batch()
            nothing.expect_more_rows = False
            return nothing
        rows: Rows = super().fetch(schema, max_rows, orientation, **how)
        return rows

    def _wrap_results(
        self, results: TRowSet | None, expect_more_rows: bool, schema: Schema, **how: bool
    ) -> Rows:
        rows: Rows
        try:
            if self.is_columnar:
                rows = ColumnBatch(results, expect_more_rows, schema, **how)
            else:
                rows = super()._wrap_results(results, expect_more_rows, schema, **how)
        except (IndexError, AttributeError, ValueError) as slip:
            failed = self._wrong(f"the rows do not fit their description: {slip}", slip)
            raise failed from failed.__cause__
        return rows

    def _count(self, results: TRowSet) -> None:
        first = results.startRowOffset
        if self.session.service.impala and first != self._rows:
            raise self._wrong(
                f"the server went on with row {first}, and row {self._rows} was expected"
            )
        heights = _heights(results)
        if len(heights) > 1:
            raise self._wrong(f"the columns have {sorted(heights)} rows")
        self._rows += max(heights)
        self.batch_rows = _next_batch(results, max(heights)) or self.batch_rows

    def _wrong(self, text: str, slip: Exception | None = None) -> CallFailed:
        """What the server sent is no answer: nothing that follows on this connection can be one."""
        error = TProtocolException(TProtocolException.INVALID_DATA, text)
        error.__cause__ = slip
        self.client.invalidate(error)
        return CallFailed(Phase.FETCH, error)


def _next_batch(results: TRowSet, height: int) -> int | None:
    """
    Rows of which an answer has 4 MiB, by those of *results*; None if that has none.

    Impala limits rows and not bytes, and keeps a whole answer in memory (be/src/exec/
    buffered-plan-root-sink.h: 102,400 rows at most).
    """
    if not height or not results.columns:
        return None
    size = 0.0
    for column in results.columns:
        values = values_of(column)[1].values
        if isinstance(values, list) and isinstance(values[0], bytes):
            some = values[:: height // _SAMPLE + 1]
            size += sum(map(len, some)) / len(some)
        else:
            size += 8
    return min(_MOST_ROWS, max(FEW, int(_ANSWER / max(1.0, size))))


_ANSWER, _MOST_ROWS = 2**22, 102_400  # bytes, rows
_SAMPLE = 64  # values whose length stands for the others


def _heights(results: TRowSet) -> set[int]:
    """How many rows the columns of a TRowSet have: one number, if all is well."""
    if not results.columns:
        return {len(results.rows or ())}
    return {
        next((len(kind.values) for kind in vars(column).values() if kind is not None), 0)
        for column in results.columns
    }
