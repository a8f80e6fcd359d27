"""
impyla's operation, on a connection that may break under it.

Rows are counted: FetchResults may not be asked twice unless the server starts where we stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impala._thrift_gen.ImpalaService.ttypes import (
    TCloseImpalaOperationReq,
    TGetExecSummaryReq,
    TGetRuntimeProfileReq,
)
from impala._thrift_gen.RuntimeProfile.ttypes import TRuntimeProfileFormat
from impala._thrift_gen.TCLIService.ttypes import (
    TCloseOperationReq,
    TColumnDesc,
    TFetchOrientation,
    TFetchResultsReq,
    TGetLogReq,
    TGetOperationStatusReq,
    TGetOperationStatusResp,
    TGetResultSetMetadataReq,
    TOperationState,
    TRowSet,
    TStatusCode,
    TTypeId,
)
from impala.hiveserver2 import Batch, Operation
from thrift.protocol.TProtocol import TProtocolException

from impala_ha.core.faults import CallFailed, Phase, RowsLost
from impala_ha.core.interruption import suppress
from impala_ha.core.remote import ColumnDescription, OperationHandle, RemoteStatus, Rows, Schema

from .batch import ColumnBatch, values_of
from .client import FEW
from .reply import REFUSED, Reply
from .rpc import RedactedRPC, ask_again

if TYPE_CHECKING:
    from .service import ResumableSession

_ABOUT = {
    "GetOperationStatus": TGetOperationStatusReq,
    "GetResultSetMetadata": TGetResultSetMetadataReq,
    "GetLog": TGetLogReq,
    "CloseOperation": TCloseOperationReq,
    "CloseImpalaOperation": TCloseImpalaOperationReq,
}


class ResumableOperation(RedactedRPC, Operation):  # type: ignore[misc]  # impyla is not typed
    """
    impyla's operation, which counts its rows, and asks several questions at once.

    Attributes:
        complete: Whether all rows have come: Impala said that there are no more. (Hive and Spark
            always say so.)
        batch_rows: How many rows to ask for next, going by the bytes of the last ones.
        writes: Whether rows that it changes are counted when it is closed.
        failure: Why the server has dropped it: a fetch that fails ends it there. None while it has
            not.
    """

    def __init__(self, session: ResumableSession, handle: OperationHandle, retries: int):
        super().__init__(session, handle, retries=retries)
        self._rows = 0
        self._connection = self.client.connections
        self._ahead: dict[str, Reply] = {}
        self._log: Reply | None = None
        self.complete = False
        self.batch_rows = FEW
        self.writes = False
        self.failure: str | None = None

    def _rpc(self, func_name: str, request: Any, _: bool = False) -> Any:
        answer = ask_again(super()._rpc, self.session.service, func_name, request)
        if func_name == "FetchResults" and not request.fetchType and answer.results:
            self._count(answer.results)
            self.complete = self.session.service.impala and answer.hasMoreRows is False
        return answer

    def _execute(self, func_name: str, request: Any, _: bool = False) -> Any:
        ahead = self._ahead.pop(func_name, None)
        if ahead is None or ahead.lost:
            return self.client.call(func_name, request)
        return ahead.get()

    # Several questions at once.

    def ask_ahead(self, *names: str, max_rows: int = 0) -> None:
        """
        Ask the questions *names* in one flight; whoever asks one then is given its reply.

        Nothing is asked where the transport takes one call at a time, or is broken: then each is
        asked in its turn.

        Args:
            names: Methods of HiveServer2 that take an operation.
            max_rows: Of FetchResults.
        """
        if not self.client.pipelined or self.client.broken is not None:
            return
        calls = [(name, _ABOUT[name](operationHandle=self.handle)) for name in names]
        if max_rows:
            request = TFetchResultsReq(self.handle, TFetchOrientation.FETCH_NEXT, max_rows)
            calls.append(("FetchResults", request))
        if self._ahead:
            asked = {name for name, reply in self._ahead.items() if not reply.lost}
            calls = [call for call in calls if call[0] not in asked]
        if not calls:
            return
        with suppress(CallFailed):
            self._ahead |= {reply.name: reply for reply in self.client.flight(*calls)}

    def settle(self) -> None:
        """Take into memory what was asked ahead, so that nothing is on its way."""
        phase = self.client.phase
        with suppress(CallFailed):  # whoever asks is told
            for reply in reversed(self._ahead.values()):  # the last one has the others read before
                if not reply.lost:
                    reply.get()
        self.client.phase = phase
        rows = self._ahead.get("FetchResults")
        if rows is not None and rows.came and rows.get().status.statusCode in REFUSED:
            self.failure = rows.get().status.errorMessage or ""

    def status_by_rows(self) -> RemoteStatus | None:
        """
        What the rows that were asked for ahead show of the statement; None: nothing.

        Since Impala 3.4 FetchResults waits for them (FETCH_ROWS_TIMEOUT_MS).
        """
        self.settle()
        rows = self._ahead.get("FetchResults")
        if rows is None or rows.lost:
            return None
        if self.failure is not None:
            return self.get_state()
        if rows.get().status.statusCode == TStatusCode.STILL_EXECUTING_STATUS:
            del self._ahead["FetchResults"]
            return None
        status: RemoteStatus = TGetOperationStatusResp(
            operationState=TOperationState.FINISHED_STATE, hasResultSet=True
        )
        return status

    def get_state(self) -> RemoteStatus:
        """Where it stands; a server that has dropped it does not know any more."""
        status: RemoteStatus
        if self.failure is None:
            status = super().get_state()
        else:
            status = TGetOperationStatusResp(
                operationState=TOperationState.ERROR_STATE,
                errorMessage=self.failure,
                hasResultSet=True,
            )
        return status

    def get_status(self) -> str:
        """The name of its state."""
        return state_name(self.get_state().operationState)

    def get_profile(
        self, profile_format: int = TRuntimeProfileFormat.STRING, *, failed: bool = False
    ) -> Any:
        """Its profile; with *failed* that of the attempt before, if Impala ran it once more."""
        if not failed:
            return super().get_profile(profile_format)
        request = TGetRuntimeProfileReq(self.handle, self.session.handle, profile_format, True)
        return next(iter(self._rpc("GetRuntimeProfile", request, True).failed_profiles or ()), None)

    def get_summary(self, *, failed: bool = False) -> Any:
        """What each operator took; with *failed* in the attempt before, as of `get_profile`."""
        if not failed:
            return super().get_summary()
        request = TGetExecSummaryReq(self.handle, self.session.handle, True)
        return next(iter(self._rpc("GetExecSummary", request, True).failed_summaries or ()), None)

    def get_log(self, *of_hive: int) -> str:
        """Messages of the server about it; empty where they were asked for ahead and were lost."""
        if self.failure is not None:
            return self.failure
        if self._log is None:
            return str(super().get_log(*of_hive))
        with suppress(CallFailed):
            return self._log.get().log or ""
        return ""

    @property
    def all_ahead(self) -> bool:
        """Were all rows asked for ahead, and have they come?"""
        rows = self._ahead.get("FetchResults")
        return (
            self.session.service.impala
            and rows is not None
            and rows.came
            and self.failure is None
            and rows.get().hasMoreRows is False
        )

    def close(self) -> Any:
        """Close it; rows that it changed are counted, if it is one that *writes*."""
        if self.failure is not None:
            return None
        if self.writes:
            return super().close()
        return self._rpc("CloseOperation", TCloseOperationReq(operationHandle=self.handle))

    def close_ahead(self) -> bool:
        """
        Have it closed, and wait for nothing: all of its rows are here.

        Returns:
            Whether that was possible; else it is to be closed in the usual way.
        """
        self._ahead = {}
        self.ask_ahead("GetLog", "CloseOperation")
        self._log = self._ahead.pop("GetLog", None)
        return self.closing

    @property
    def closing(self) -> bool:
        """Was it closed by `close_ahead`, so that its log is had without the server?"""
        return self._log is not None

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

    def get_result_schema(self) -> Schema | None:
        """The columns; one of a type that HiveServer2 did not have yet is a string."""
        if not self.has_result_set:
            return None
        request = TGetResultSetMetadataReq(operationHandle=self.handle)
        answer = self._rpc("GetResultSetMetadata", request, True)
        return [_described(column) for column in answer.schema.columns]

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
            text = f"the server went on with row {first}, and row {self._rows} was expected"
            if self.client.connections != self._connection:
                raise RowsLost(text)
            raise self._wrong(text)
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


def state_name(state: int | None) -> str:
    """What HiveServer2 calls *state*; later versions of Hive have more than impyla knows."""
    return str(TOperationState._VALUES_TO_NAMES.get(state, f"state {state}"))  # noqa: SLF001


def _described(column: TColumnDesc) -> ColumnDescription:
    entry = column.typeDesc.types[0].primitiveEntry
    kind = TTypeId._VALUES_TO_NAMES.get(entry.type) if entry else None  # noqa: SLF001
    name = (kind or "STRING_TYPE").split("_")[0]
    precision = scale = None
    if name == "DECIMAL":
        sizes = entry.typeQualifiers.qualifiers
        precision, scale = sizes["precision"].i32Value, sizes["scale"].i32Value
    return column.columnName, name, None, None, precision, scale, None


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
