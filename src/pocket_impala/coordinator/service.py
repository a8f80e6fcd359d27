"""The handler of all calls: every call comes in here, and the faults stand in it.

A call is read (a cut request is not done), waits while the coordinator is mute or slow, is done,
waits again when the coordinator fell mute meanwhile, and is answered (the answer may be cut: then
it was done all the same).  Everything that fails becomes an answer with a text, so nothing here
ends in a Thrift exception except a call that nobody knows.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any

from impala._thrift_gen.ImpalaService.ImpalaHiveServer2Service import Processor
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.transport.TTransport import TTransportException

from pocket_impala.coordinator import handles
from pocket_impala.coordinator.contract import ImpalaError
from pocket_impala.coordinator.metadata_calls import MetadataCalls
from pocket_impala.coordinator.query_calls import QueryCalls
from pocket_impala.coordinator.replies import refusal
from pocket_impala.coordinator.report_calls import ReportCalls
from pocket_impala.coordinator.session_calls import SessionCalls

if TYPE_CHECKING:
    from collections.abc import Callable

    from pocket_impala.coordinator.impalad import Connection, Impalad

# Thrift's own limit of 16 MB would refuse a cell or a statement that Impala takes.
_LONGEST_STRING = 2**31 - 1


class Service:
    """Serves the connections of one coordinator.

    Args:
        impalad: The coordinator.
    """

    def __init__(self, impalad: Impalad) -> None:
        self._impalad = impalad
        self._rooms = (
            SessionCalls(impalad),
            QueryCalls(impalad),
            ReportCalls(impalad),
            MetadataCalls(impalad),
        )

    def serve(self, connection: Connection) -> None:
        """Answer the calls of one connection until it ends."""
        wire, faults = connection.wire, self._impalad.faults
        # Strict, or the first bytes of something else would be the length of a name to wait for.
        protocol = TBinaryProtocolAccelerated(
            wire, strictRead=True, string_length_limit=_LONGEST_STRING
        )
        processor = Processor(_Handler(self, connection))

        def begin(rpc: str, _kind: int, _sequence: int) -> None:
            cut = faults.take_cut(f"{rpc}:request")
            if cut is not None:
                wire.cut_request(cut.byte, cut.how)

        processor.on_message_begin(begin)
        try:
            while True:
                wire.begin_message()
                faults.wait_while_mute()
                processor.process(protocol, protocol)
        except Exception:  # noqa: BLE001  # Thrift's decoder raises anything over what is no Thrift
            # What a call raises was answered; so the client hung up, was cut, or sent garbage.
            return
        finally:
            self._impalad.registry.connection_ended(connection.number)

    def call(self, rpc: str, req: Any, connection: Connection) -> Any:
        """Do one call."""
        faults = self._impalad.faults
        connection.wire.finish_request()
        faults.wait_while_mute()
        faults.wait_delay(rpc)
        answer = self._answer(rpc, req, connection)
        faults.wait_while_mute()
        cut = faults.take_cut(f"{rpc}:response")
        if cut is not None:
            connection.wire.cut_response(cut.byte, cut.how)
        return answer

    def _answer(self, rpc: str, req: Any, connection: Connection) -> Any:
        planned = self._impalad.faults.take_error(rpc)
        try:
            if planned is not None:
                if rpc == "FetchResults":
                    # A fetch that fails takes its query with it.
                    self._find("CloseOperation")(req, connection)
                elif rpc == "ExecuteStatement" and planned.ran:
                    # As Impala does DDL up to 4.0: inside the call, which fails after it was done.
                    self._run_whole(self._find(rpc)(req, connection))
                return refusal(rpc, planned.text)
            return self._find(rpc)(req, connection)
        except ImpalaError as error:
            return refusal(rpc, str(error))
        except TTransportException:
            raise
        except Exception as error:  # noqa: BLE001  # a defect must reach the client as a text
            traceback.print_exc(file=sys.stderr)
            return refusal(rpc, f"InternalException: {error}")

    def _run_whole(self, answer: Any) -> None:
        """Let the query that *answer* is about run to its end, and close it."""
        registry = self._impalad.registry
        query = registry.query(handles.from_thrift(answer.operationHandle.operationId))
        query.progress.wait(None)
        registry.close_query(query)

    def _find(self, rpc: str) -> Callable[[Any, Connection], Any]:
        for room in self._rooms:
            call = getattr(room, rpc, None)
            if call is not None:
                return call  # type: ignore[no-any-return]  # every public method of a room is a call
        raise ImpalaError(f"Not implemented: {rpc}")


class _Handler:
    """What Thrift's processor calls, for one connection: any name is a call."""

    def __init__(self, service: Service, connection: Connection) -> None:
        self._service = service
        self._connection = connection

    def __getattr__(self, rpc: str) -> Callable[[Any], Any]:
        return lambda req: self._service.call(rpc, req, self._connection)
