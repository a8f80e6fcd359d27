"""
Replies to calls that were sent together: a flight.

HiveServer2 answers the calls of a connection one after the other, in order, so that several may be
on their way; what is gained is a round trip for each but the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impala._thrift_gen.TCLIService.ttypes import TStatusCode
from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TApplicationException

from impala_ha.core.faults import CallFailed, Phase

from .phases import before, during

if TYPE_CHECKING:
    from .client import Client


class Reply:
    """
    The reply to a call of a flight, which is read when it is asked for.

    Attributes:
        name: The method.
        request: What was asked.
        came: Whether it was read.
        lost: Whether it cannot come any more: its connection is gone.
    """

    __slots__ = ("_client", "_error", "_got", "came", "lost", "name", "number", "request")

    def __init__(self, client: Client, name: str, number: int, request: object):
        self._client = client
        self.name = name
        self.number = number
        self.request = request
        self.came = self.lost = False
        self._got: Any = None
        self._error: TApplicationException | None = None

    def get(self) -> Any:
        """
        The reply; the earlier ones of the connection are read before it.

        Raises:
            CallFailed: The connection was lost before it came.
            TApplicationException: The server does not have the method.
        """
        if self.lost:
            gone = ConnectionResetError("the connection was lost before the reply came")
            raise CallFailed(during(self.name), gone)
        if not self.came:
            self._client.receive(self)
        if self._error is not None:
            raise self._error
        return self._got

    def read(self) -> None:
        """Read it: it is the next on the connection."""
        try:
            self._got = self._client.read_reply(self.name, self.number, self.request)
        except TApplicationException as error:
            if error.type != TApplicationException.UNKNOWN_METHOD:
                raise
            self._error = error
        self.came = True


def checked(name: str, answer: Any) -> Any:
    """
    *answer* to the method *name*, if it has what the call was made for.

    Raises:
        TProtocolException: It has not, though it says that all went well.
    """
    missing = ""
    if answer.status is None:
        missing = "status"
    elif answer.status.statusCode in REFUSED:
        return answer
    elif name == "OpenSession":
        missing = "" if answer.sessionHandle and answer.sessionHandle.sessionId else "handle"
    elif before(name) is Phase.UNSENT:
        missing = "" if answer.operationHandle and answer.operationHandle.operationId else "handle"
    elif name == "GetOperationStatus":
        missing = "" if answer.operationState is not None else "state"
    elif name == "GetResultSetMetadata":
        missing = "" if answer.schema and answer.schema.columns is not None else "schema"
    if missing:
        text = f"the reply to {name} has no {missing}"
        raise TProtocolException(TProtocolException.INVALID_DATA, text)
    return answer


REFUSED = frozenset({TStatusCode.ERROR_STATUS, TStatusCode.INVALID_HANDLE_STATUS})
