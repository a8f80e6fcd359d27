"""How every answer says "done" or "no".

Impala uses one status code and one SQLSTATE for nearly every refusal; the text is all that tells
them apart.
"""

from __future__ import annotations

from typing import Any

from impala._thrift_gen.ImpalaService import ttypes as impala
from impala._thrift_gen.TCLIService import ttypes as t

GENERAL_ERROR = "HY000"
NOT_IMPLEMENTED = "HYC00"


def done() -> t.TStatus:
    """Return the status of success."""
    return t.TStatus(statusCode=t.TStatusCode.SUCCESS_STATUS)


def still_executing() -> t.TStatus:
    """Return the status of a fetch that came before the rows."""
    return t.TStatus(statusCode=t.TStatusCode.STILL_EXECUTING_STATUS)


def refused(text: str, sql_state: str = GENERAL_ERROR) -> t.TStatus:
    """Return the status of a refusal."""
    return t.TStatus(statusCode=t.TStatusCode.ERROR_STATUS, sqlState=sql_state, errorMessage=text)


def refusal(rpc: str, text: str, sql_state: str = GENERAL_ERROR) -> Any:
    """Make the answer of *rpc* that says no.

    Clients in Java refuse an answer whose required fields are not set, so these are set even here.
    """
    status = refused(text, sql_state)
    if rpc == "OpenSession":
        return t.TOpenSessionResp(
            status=status,
            serverProtocolVersion=t.TProtocolVersion.HIVE_CLI_SERVICE_PROTOCOL_V6,
        )
    if rpc == "GetInfo":
        return t.TGetInfoResp(status=status, infoValue=t.TGetInfoValue(stringValue=""))
    if rpc == "GetOperationStatus":
        return t.TGetOperationStatusResp(
            status=status, operationState=t.TOperationState.ERROR_STATE
        )
    if rpc == "GetLog":
        return t.TGetLogResp(status=status, log="")
    module = t if hasattr(t, f"T{rpc}Resp") else impala
    return getattr(module, f"T{rpc}Resp")(status=status)
