"""impyla's service and session, on connections that may break under them, see `hs2.rpc`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from impala._thrift_gen.TCLIService.ttypes import (
    TExecuteStatementReq,
    TGetInfoReq,
    TGetInfoType,
    TOpenSessionReq,
    TProtocolVersion,
)
from impala.hiveserver2 import HS2Service, HS2Session, err_if_rpc_not_ok
from thrift.transport.TTransport import TTransportException

from impala_ha.core.coroutine import Coroutine, run
from impala_ha.core.remote import OperationHandle
from impala_ha.net.http_status import HTTPStatusError

from .client import Client, ConnectionClosed
from .operation import ResumableOperation
from .rpc import RedactedRPC

_PROTOCOL = TProtocolVersion.HIVE_CLI_SERVICE_PROTOCOL_V6  # as impyla


class Service(RedactedRPC, HS2Service):  # type: ignore[misc]  # impyla is not typed
    """
    impyla's service on one connection.

    Attributes:
        impala: Whether the server is Impala, which tells its web address since 2.7.
        reconnect: Connects the client anew to the same coordinator, within the seconds it is given,
            and says whether it could.
        pause: Waits before a question is asked once more that a gateway turned away, given how
            long that was waited for already; says how long that is then, 0 for long enough.
    """

    def __init__(self, client: Client):
        super().__init__(client, retries=1)
        self.impala = False
        self.reconnect: Callable[[float], bool] | None = None
        self.pause: Callable[[HTTPStatusError, float], float] | None = None

    def open_session(
        self, user: str, configuration: Mapping[str, str] | None = None
    ) -> ResumableSession:
        """Open a session."""
        return run(self.opening_session(user, configuration or {}))

    def opening_session(
        self, user: str, configuration: Mapping[str, str]
    ) -> Coroutine[ResumableSession]:
        """`open_session`, which can be left while it waits for the reply."""
        request = TOpenSessionReq(
            client_protocol=_PROTOCOL, username=user, configuration=dict(configuration)
        )
        self._log_request("OpenSession", request)
        answer = yield from self.client.opening_session(request)
        self._log_response("OpenSession", answer)
        err_if_rpc_not_ok(answer)
        config, version = answer.configuration, answer.serverProtocolVersion
        self.impala = "http_addr" in (config or {})
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


class ResumableSession(RedactedRPC, HS2Session):  # type: ignore[misc]  # impyla is not typed
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

    def get_info(self, kind: int = TGetInfoType.CLI_SERVER_NAME) -> str:
        """
        Ask for the server's name, or another *kind* of information.

        It raises what comes in the way, which impyla's `ping` hides.
        """
        answer = self._rpc("GetInfo", TGetInfoReq(self.handle, kind))
        return answer.infoValue.stringValue or ""

    def _get_operation(self, handle: OperationHandle) -> ResumableOperation:
        return ResumableOperation(self, handle, retries=1)
