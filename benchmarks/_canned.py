"""
A server that answers prebuilt bytes, so that nearly nothing but the client is measured.

    with Canned() as server:            # a process of its own
        connect(server.host, server.port)

It speaks HiveServer2 without SASL, answers each call within some ten microseconds, and has one
result, which it gives to each statement but INSERT and ``SET ALL``, with which impala-shell begins:
`rows` rows in batches of `batch`, by default one row with the number 1.  A statement runs for as
long as the milliseconds of a ``sleep(50)`` in its text say.  Until then FetchResults waits, and
GetOperationStatus answers RUNNING: at once or, as since Impala 4.5, when the statement has ended or
LONG_POLLING_TIME_MS is over.  The server counts the flights that came: how often a client waited
for an answer.
"""

from __future__ import annotations

import random
import re
import socket
import struct
import time
from typing import Any

from _shared import Program, parser, serve
from impala._thrift_gen.ImpalaService import ttypes as impala
from impala._thrift_gen.TCLIService import TCLIService
from impala._thrift_gen.TCLIService import ttypes as hs2
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.Thrift import TMessageType
from thrift.transport.TTransport import TMemoryBuffer

HEAD = b"\x80\x01\x00\x01"  # version and type of a strict call
_SLEEP, _POLL = re.compile(rb"sleep\(([\d.]+)"), re.compile(rb"(?s)LONG_POLLING_TIME_MS....(\d+)")
OK = hs2.TStatus(statusCode=hs2.TStatusCode.SUCCESS_STATUS)
RUNNING = b"running"
_DIFFERENT = 16  # batches; they differ in what is NULL
_FIRST = 0x0123456789ABCDEF
_MARK = struct.pack(">q", _FIRST)
_SETTING = (b"MEM_LIMIT", b"0", b"REGULAR")
VERSIONS = {
    "3.3": [],
    "4.4": ["FETCH_ROWS_TIMEOUT_MS"],
    "4.5": ["FETCH_ROWS_TIMEOUT_MS", "LONG_POLLING_TIME_MS"],
}
TYPES = {
    "number": hs2.TTypeId.BIGINT_TYPE,
    "ratio": hs2.TTypeId.DOUBLE_TYPE,
    "name": hs2.TTypeId.STRING_TYPE,
    "moment": hs2.TTypeId.TIMESTAMP_TYPE,
    "price": hs2.TTypeId.DECIMAL_TYPE,
    "flag": hs2.TTypeId.BOOLEAN_TYPE,
}


class Canned(Program):
    """The server, in a process of its own."""

    def __init__(
        self,
        rows: int = 1,
        batch: int = 10_240,
        columns: str = "number",
        *,
        version: str = "4.5",
    ):
        """
        Args:
            rows: Of the result.
            batch: Rows of one answer to FetchResults.
            columns: Names out of `TYPES`, with commas; one in twenty values is NULL where there
                is more than one column.
            version: One of `VERSIONS`: what OpenSession says that Impala knows.
        """
        super().__init__(__file__, rows, batch, columns, version)

    def flights(self) -> int:
        """How many flights have come since it was asked last."""
        return int(self.ask())


def answer(name: str, result: Any) -> bytes:
    """A reply to the method *name*; its number, the last four bytes of the head, is 0."""
    buffer = TMemoryBuffer()
    protocol = TBinaryProtocolAccelerated(buffer)
    protocol.writeMessageBegin(name, TMessageType.REPLY, 0)
    result.write(protocol)
    return bytes(buffer.getvalue())


def column(name: str, values: int, nulls: bytes) -> hs2.TColumn:
    """*values* values of one column, always the same ones."""
    dice = random.Random(name)
    whole = [dice.randrange(-(2**60), 2**60) for _ in range(values)] if values > 1 else [1] * values
    if name == "number":
        return hs2.TColumn(i64Val=hs2.TI64Column(whole, nulls))
    if name == "ratio":
        return hs2.TColumn(doubleVal=hs2.TDoubleColumn([one / 7 for one in whole], nulls))
    if name == "flag":
        return hs2.TColumn(boolVal=hs2.TBoolColumn([one % 2 == 1 for one in whole], nulls))
    text = {
        "name": lambda one: f"customer number {one % 10**6}",
        "moment": lambda one: (
            f"{2000 + one % 25}-{1 + one % 12:02}-{1 + one % 28:02} "
            f"{one % 24:02}:{one % 60:02}:{one // 60 % 60:02}.{one % 10**9:09}"
        ),
        "price": lambda one: f"{one % 10**9}.{one % 10**4:04}",
    }[name]
    return hs2.TColumn(stringVal=hs2.TStringColumn([text(one).encode() for one in whole], nulls))


def described(name: str) -> hs2.TColumnDesc:
    """A column of the schema."""
    entry = hs2.TPrimitiveTypeEntry(type=TYPES[name])
    if name == "price":
        sizes = {"precision": hs2.TTypeQualifierValue(i32Value=18)}
        sizes["scale"] = hs2.TTypeQualifierValue(i32Value=4)
        entry.typeQualifiers = hs2.TTypeQualifiers(qualifiers=sizes)
    kind = hs2.TTypeDesc(types=[hs2.TTypeEntry(primitiveEntry=entry)])
    return hs2.TColumnDesc(columnName=name, typeDesc=kind, position=1)


def fetched(columns: list[hs2.TColumn], *, more: bool) -> bytes:
    """An answer to FetchResults, which begins with the row `_FIRST`."""
    results = hs2.TRowSet(startRowOffset=_FIRST, rows=[], columns=columns)
    got = hs2.TFetchResultsResp(status=OK, hasMoreRows=more, results=results)
    return answer("FetchResults", TCLIService.FetchResults_result(success=got))


def beginning(reply: bytes, first: int) -> bytes:
    """*reply*, which is to begin with the row *first*."""
    head, _, rest = reply.partition(_MARK)
    return head + struct.pack(">q", first) + rest


class Result:
    """*rows* rows: `_DIFFERENT` batches over and over, the last one, and an empty one."""

    def __init__(self, rows: int, batch: int, columns: list[str]):
        self.rows, self.batch = rows, batch
        self._dice = random.Random(1)
        self._share = 0.05 if len(columns) > 1 else 0.0
        full = min(_DIFFERENT, (rows - 1) // batch)
        self._full = [self._rows(batch, columns, more=True) for _ in range(full)]
        self._last = self._rows((rows - 1) % batch + 1, columns, more=False)
        self._end = self._rows(0, columns, more=False)  # impyla asks until it is given nothing

    def _rows(self, size: int, columns: list[str], *, more: bool) -> bytes:
        bits = (
            sum(1 << bit for bit in range(8) if self._dice.random() < self._share)
            for _ in range((size + 7) // 8)
        )
        nulls = bytes(bits)
        return fetched([column(name, size, nulls) for name in columns], more=more)

    def reply(self, number: int) -> bytes:
        """The answer to the call of that number, from 0."""
        first = number * self.batch
        if first >= self.rows:
            return beginning(self._end, self.rows)
        more = first + self.batch < self.rows
        return beginning(self._full[number % _DIFFERENT] if more else self._last, first)


def settings() -> dict[bytes, bytes]:
    """The answers about a ``SET ALL``, with which impala-shell begins."""
    rows = [hs2.TColumn(stringVal=hs2.TStringColumn([text], b"\0")) for text in _SETTING]
    schema = hs2.TTableSchema(columns=[described("name") for _ in _SETTING])
    about = hs2.TGetResultSetMetadataResp(status=OK, schema=schema)
    return {
        b"GetResultSetMetadata": answer("GetResultSetMetadata", _Result(about)),
        b"FetchResults": beginning(fetched(rows, more=False), 0),
    }


def answers(columns: list[str], version: str, *, rows: bool) -> dict[bytes, bytes]:
    """
    The replies to all other methods; `RUNNING` is one to GetOperationStatus.

    Args:
        columns: Of the result.
        version: One of `VERSIONS`.
        rows: Whether the statement has a result.
    """
    identifier = hs2.THandleIdentifier(guid=b"g" * 16, secret=b"s" * 16)
    operation = hs2.TOperationHandle(
        operationId=identifier,
        operationType=hs2.TOperationType.EXECUTE_STATEMENT,
        hasResultSet=rows,
    )
    options = dict.fromkeys(["http_addr", *VERSIONS[version]], "")
    replies = {
        "OpenSession": hs2.TOpenSessionResp(
            status=OK,
            serverProtocolVersion=hs2.TProtocolVersion.HIVE_CLI_SERVICE_PROTOCOL_V6,
            sessionHandle=hs2.TSessionHandle(sessionId=identifier),
            configuration=options | {f"OPTION_{number}": "0" for number in range(150)},
        ),
        "ExecuteStatement": hs2.TExecuteStatementResp(status=OK, operationHandle=operation),
        "GetOperationStatus": hs2.TGetOperationStatusResp(
            status=OK, operationState=hs2.TOperationState.FINISHED_STATE, hasResultSet=rows
        ),
        "GetResultSetMetadata": hs2.TGetResultSetMetadataResp(
            status=OK, schema=hs2.TTableSchema(columns=[described(name) for name in columns])
        ),
        "GetLog": hs2.TGetLogResp(status=OK, log=""),
        "CloseOperation": hs2.TCloseOperationResp(status=OK),
        "CloseImpalaOperation": impala.TCloseImpalaOperationResp(status=OK),
        "CloseSession": hs2.TCloseSessionResp(status=OK),
        "CancelOperation": hs2.TCancelOperationResp(status=OK),
        "PingImpalaHS2Service": impala.TPingImpalaHS2ServiceResp(
            status=OK, version="canned", webserver_address=""
        ),
        "GetInfo": hs2.TGetInfoResp(status=OK, infoValue=hs2.TGetInfoValue(stringValue="canned")),
    }
    found = {name.encode(): answer(name, _Result(reply)) for name, reply in replies.items()}
    running = hs2.TGetOperationStatusResp(
        status=OK, operationState=hs2.TOperationState.RUNNING_STATE, hasResultSet=rows
    )
    return found | {RUNNING: answer("GetOperationStatus", _Result(running))}


class _Result:
    """What a method returns: a struct whose field 0 is *success*."""

    def __init__(self, success: Any):
        self.success = success

    def write(self, protocol: Any) -> None:
        protocol.writeFieldBegin("success", 12, 0)
        self.success.write(protocol)
        protocol.writeFieldStop()


def milliseconds(pattern: re.Pattern[bytes], call: bytes) -> float:
    """Seconds that *call* asks for; 0 where it does not."""
    found = pattern.search(call)
    return float(found[1]) / 1000 if found else 0.0


class _Server:
    def __init__(self, rows: int, batch: int, columns: list[str], version: str):
        self.answers = answers(columns, version, rows=True)
        self.written = answers(columns, version, rows=False)
        self.result = Result(rows, batch, columns)
        self.settings = self.answers | settings()
        self.flights = 0

    def count(self) -> int:
        """How many flights came since the last time."""
        flights, self.flights = self.flights, 0
        return flights

    def serve(self, connection: socket.socket) -> None:
        statement = _Statement(self, b"")
        with connection:
            while flight := connection.recv(2**16):
                self.flights += 1
                replies = []
                for call in flight.split(HEAD)[1:]:
                    size = struct.unpack_from(">i", call)[0]
                    name, number = call[4 : 4 + size], call[4 + size : 8 + size]
                    if name == b"ExecuteStatement":
                        statement = _Statement(self, call)
                    reply = statement.reply(name)
                    replies += [reply[: 8 + size], number, reply[12 + size :]]
                connection.sendall(b"".join(replies))


class _Statement:
    def __init__(self, server: _Server, call: bytes):
        self.server = server
        self.ends = time.monotonic() + milliseconds(_SLEEP, call)
        self.poll = milliseconds(_POLL, call)
        self.answers = server.answers
        if b"insert" in call:
            self.answers = server.written
        elif b"set all" in call.lower():
            self.answers = server.settings
        self.fetches = 0

    def reply(self, name: bytes) -> bytes:
        """The prebuilt answer to a call, when it is time for it."""
        if name == b"GetOperationStatus":
            return self.answers[name if self.ended_within(self.poll) else RUNNING]
        if name != b"FetchResults" or name in self.answers:
            return self.answers[name]
        self.ended_within(10)  # what Impala gives a fetch: FETCH_ROWS_TIMEOUT_MS
        self.fetches += 1
        return self.server.result.reply(self.fetches - 1)

    def ended_within(self, seconds: float) -> bool:
        rest = self.ends - time.monotonic()
        if rest > 0 and seconds:
            time.sleep(min(rest, seconds))
        return rest <= seconds


def main() -> None:
    """Serve until standard input ends; each line there asks for the count of flights."""
    arguments = parser(__doc__)
    arguments.add_argument("rows", type=int)
    arguments.add_argument("batch", type=int)
    arguments.add_argument("columns")
    arguments.add_argument("version")
    given = arguments.parse_args()
    columns = given.columns.split(",")
    server = _Server(given.rows, given.batch, columns, given.version)
    serve(server.serve, server.count)


if __name__ == "__main__":
    main()
