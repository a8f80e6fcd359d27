"""
What Impala says when something fails, text by text, as its source has it (2.7 to 4.5 and master).

Each row says where a text may come, what may be done then, and whether it proves that the statement
has not run.  Sections: 4, the first answer to ExecuteStatement; 4x, the same after the statement
had begun; 5, shutdown that child queries met; 6, admission control; 7, catalogd; 8, executors,
limits, cancellation; 8o, OpenSession; 9, what a retry inside Impala adds.  `ROWS` counts them.

Paths in comments are of Impala's repository; below be/src/ where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

OPEN = "open"  # OpenSession
SUBMIT = "submit"  # the answer to ExecuteStatement itself: there is no handle
ERROR = "error"  # errorMessage of GetOperationStatus with ERROR_STATE
STATUS = "status"  # the status of GetOperationStatus, or of another call on the handle
FETCH = "fetch"  # the status of FetchResults
PLACES = (OPEN, SUBMIT, ERROR, STATUS, FETCH)

MOVE = "move"  # send it elsewhere, at once
WAIT = "wait"  # ask again later, here or elsewhere
SESSION = "session"  # a new session on the same coordinator, and again
UNKNOWN = "unknown"  # the outcome of a write is unknown, a read may be repeated
FINAL = "final"  # the caller's: the server's own error, after one attempt

ID = "8a4b1c09d2e3f001:9d2e3f0000000000"
CATALOGD = "catalogd-1.example.com:26000"
_REFUSED = f"Couldn't open transport for {CATALOGD} (connect() failed: Connection refused)"


@dataclass(frozen=True)
class Place:
    """
    What a text means in one place.

    Attributes:
        action: What to do.
        not_run: Whether it proves that the statement has not run (CREATE TABLE AS SELECT, LOAD
            DATA, ALTER TABLE .. CONVERT TO ICEBERG and, up to 4.0, DDL apart).
        prefixes: How many ``Query <id> failed:`` lines may stand before it there, since 4.5.
    """

    action: str
    not_run: bool = False
    prefixes: int = 0


@dataclass(frozen=True)
class ImpalaText:
    """
    One text.

    Attributes:
        key: ``"section row"``, and a variant where there are several.
        text: A real one, with the line feed that Impala puts at the end.
        at: What it means, by where it comes.
    """

    key: str
    text: str
    at: Mapping[str, Place]

    @property
    def row(self) -> str:
        """Section and row, without the variant."""
        return self.key.partition("/")[0]

    @property
    def section(self) -> str:
        """Of the facts that it is from."""
        return self.key.partition(" ")[0]

    @property
    def places(self) -> frozenset[str]:
        """Where it may come."""
        return frozenset(self.at)


def _first(action: str, prefixes: int = 0) -> dict[str, Place]:
    """In the first answer, where it proves that nothing has run."""
    return {SUBMIT: Place(action, not_run=True, prefixes=prefixes)}


def _later(action: str) -> dict[str, Place]:
    """Once a handle is known; of a child query there are two prefixes and more."""
    return {ERROR: Place(action, prefixes=2), FETCH: Place(action, prefixes=1)}


_QUEUED = {
    SUBMIT: Place(WAIT, not_run=True, prefixes=2),  # 2.12 and older; children
    ERROR: Place(WAIT, not_run=True, prefixes=2),
    FETCH: Place(WAIT, not_run=True, prefixes=1),
}
_LEFT = {place: Place(MOVE, not_run=True, prefixes=at.prefixes) for place, at in _QUEUED.items()}
_REJECTED = {
    place: Place(FINAL, not_run=True, prefixes=at.prefixes) for place, at in _QUEUED.items()
}
_ANYTIME = {
    SUBMIT: Place(UNKNOWN),
    ERROR: Place(UNKNOWN, prefixes=2),
    FETCH: Place(UNKNOWN, prefixes=1),
}
_HIS = {SUBMIT: Place(FINAL, not_run=True, prefixes=1), ERROR: Place(FINAL, prefixes=2)}
_CATALOGD = {SUBMIT: Place(UNKNOWN, prefixes=1), ERROR: Place(UNKNOWN, prefixes=2)}
_DOING = {SUBMIT: Place(FINAL, prefixes=1), **_later(FINAL)}
_OPENING = {OPEN: Place(FINAL, not_run=True)}

_DOWN = (
    "Server is being shut down: shutdown grace period left: 1m59s, deadline left: 59m59s, {}queries "
    "registered on coordinator: 1, queries executing: 0, fragment instances: 0."
)
_SHUTDOWN = {
    OPEN: Place(MOVE, not_run=True),
    SUBMIT: Place(MOVE, not_run=True),
    ERROR: Place(UNKNOWN, prefixes=2),
}
_SESSION = {**_first(SESSION), ERROR: Place(UNKNOWN, prefixes=2)}
_ITS_SESSION = {**_SESSION, STATUS: Place(UNKNOWN, prefixes=1), FETCH: Place(UNKNOWN, prefixes=1)}
_HANDLE = {STATUS: Place(UNKNOWN, prefixes=1), FETCH: Place(UNKNOWN, prefixes=1)}
_POOL = "Rejected query from pool root.etl: "
_TIMEOUT = "Admission for query exceeded timeout 60000ms in pool root.etl. Queued reason: "
_LOCAL = "org.apache.impala.catalog.local."
_SYNTAX = (
    "Syntax error in line 1:\nselec 1\n^\nEncountered: IDENTIFIER\nExpected: ALTER, COMMENT, CREATE"
    ", SELECT, WITH\n\nCAUSED BY: Exception: Syntax error"
)

#: ``"section row/variant"``, the text without its last line feed, what it means where.
_TABLE: tuple[tuple[str, str, Mapping[str, Place]], ...] = (
    # service/impala-server.cc: CheckNotShuttingDown; common/thrift/generate_error_codes.py.
    ("4 shutdown", _DOWN.format(""), _SHUTDOWN),
    ("4 shutdown/master", _DOWN.format("cancel deadline left: 59m29s, "), _SHUTDOWN),
    # service/impala-server.cc: GetSessionState.
    ("4 invalid session", f"Invalid session id: {ID}", _SESSION),
    ("4 invalid session/2.11", "Invalid session ID", _SESSION),
    (
        "4 session expired",
        (
            "Client session expired due to more than 3600s of inactivity (last activity was at: "
            "2026-11-29 07:59:02.123456)."
        ),
        _ITS_SESSION,
    ),
    ("4 session is closed", "Session is closed", _ITS_SESSION),
    (
        "4 session closed before planning",
        "Session has been closed, ignoring query.",
        _first(SESSION, 1),
    ),
    (
        "4 another user's session",
        "The user authorized on the connection 'bob' does not match the session username 'etl'",
        {**_first(FINAL), STATUS: Place(UNKNOWN, prefixes=1), FETCH: Place(UNKNOWN, prefixes=1)},
    ),
    (
        "4 malformed handle",
        "Malformed THandleIdentifier (guid size: 3, expected 16, secret size: 16, expected 16)",
        _first(FINAL),
    ),
    ("4 query option", "Invalid query option: no_such_option", _first(FINAL, 1)),
    (
        "4 query option/4.2",
        "Failed to parse query option 'mem_limit': invalid number 'lots'",
        _first(FINAL, 1),
    ),
    (
        "4 query option/cache",
        "Invalid value 'x' for 'impala.resultset.cache.size' option.",
        _first(FINAL),
    ),
    (
        "4 statement length",
        "Statement length of 17000000 bytes exceeds the maximum statement length (16777216 bytes)",
        _first(FINAL, 1),
    ),
    # fe/.../sql-parser.cup: getErrorMsg.
    ("4 syntax error", f"ParseException: {_SYNTAX}", _HIS),
    ("4 syntax error/3.1", f"AnalysisException: {_SYNTAX}", _HIS),
    (
        "4 syntax error/literal",
        "ParseException: Unmatched string literal in line 1:\nselect 'x\n       ^\n",
        _HIS,
    ),
    (
        "4 syntax error/number",
        "ParseException: Numeric overflow in line 1:\nselect 1e999\n       ^\n",
        _HIS,
    ),
    ("4 not a query", "ParseException: Not a valid query: rubbish", _first(FINAL, 1)),
    (
        "4 analysis",
        "AnalysisException: Could not resolve column/field reference: 'nosuch'",
        _HIS,
    ),
    (
        "4 analysis/unsupported",
        "UnsupportedFeatureException: FULL OUTER JOIN requires at least one equi-join predicate.",
        _HIS,
    ),
    (
        "4 analysis/cast",
        "SqlCastException: targetType=BIGINT type=VARCHAR(1)",
        _HIS,
    ),
    ("4 analysis/value", "InvalidValueException: Value 128 exceeds TINYINT", _HIS),
    # fe/.../analysis/Analyzer.java.
    ("4 not there", "AnalysisException: Could not resolve table reference: 'd.t'", _HIS),
    ("4 not there/path", "AnalysisException: Could not resolve path: 'd.t.c'", _HIS),
    ("4 not there/table", "AnalysisException: Table does not exist: d.t", _HIS),
    ("4 not there/database", "AnalysisException: Database does not exist: d", _HIS),
    (
        "4 metadata",
        (
            "AnalysisException: Failed to load metadata for table: 'd.t'\nCAUSED BY: "
            "TableLoadingException: Failed to load metadata for table: d.t\nCAUSED BY: "
            "NoSuchObjectException: hdfs:///d/t"
        ),
        _first(WAIT, 1),
    ),
    (
        "4 metadata/catalogd",
        (
            "AnalysisException: Failed to load metadata for table: 'd.t'\nCAUSED BY: "
            "TableLoadingException: Could not load table d.t from catalog\nCAUSED BY: TException: "
            f"org.apache.impala.common.InternalException: {_REFUSED}"
        ),
        _first(WAIT, 1),
    ),
    (
        "4 not ready",  # fe/.../service/Frontend.java of 2.10
        (
            "AnalysisException: This Impala daemon is not ready to accept user requests. Status: "
            "Waiting for catalog update from the StateStore."
        ),
        _first(MOVE),
    ),
    (
        "4 prioritized load",  # fe/.../service/FeSupport.java
        (
            f"InternalException: Error requesting prioritized load: {_REFUSED}\nError making an RPC "
            "call to Catalog server."
        ),
        _first(WAIT, 1),
    ),
    (
        "4 local catalog",  # fe/.../catalog/local/LocalCatalog.java
        (
            "LocalCatalogException: Unable to load database names\nCAUSED BY: TException: "
            f"org.apache.impala.common.InternalException: {_REFUSED}"
        ),
        _first(WAIT, 1),
    ),
    (
        "4 local catalog/tables",
        (
            "LocalCatalogException: Could not load table names for database 'd' from HMS\nCAUSED BY: "
            f"TException: org.apache.impala.common.InternalException: {_REFUSED}"
        ),
        _first(WAIT, 1),
    ),
    (
        "4 local catalog/master",
        (
            f"RuntimeException: {_LOCAL}LocalCatalogException: Unable to load database names\nCAUSED "
            f"BY: LocalCatalogException: Unable to load database names\nCAUSED BY: TException: x"
        ),
        _first(WAIT, 1),
    ),
    (
        "4 inconsistent metadata",
        "InconsistentMetadataFetchException: Fetching details for table d.t failed: it is missing",
        _first(WAIT, 1),
    ),
    (
        "4 inconsistent metadata/master",
        (
            f"RuntimeException: {_LOCAL}InconsistentMetadataFetchException: Catalogd is in standby "
            f"mode: Request for Catalog service is rejected since catalogd {CATALOGD} is in standby "
            "mode"
        ),
        _first(WAIT, 1),
    ),
    (
        "4 authorization",
        "AuthorizationException: User 'etl' does not have privileges to execute 'INSERT' on: d.t",
        _HIS,
    ),
    (
        "4 request pool",
        "AnalysisException: Request pool: root.etl does not exist",
        _first(FINAL, 1),
    ),
    (
        "4 request pool/groups",
        "AnalysisException: The query does not fit any executor group sets.",
        _first(FINAL, 1),
    ),
    (
        "4 planner",
        "TransactionException: Failed to open a transaction: metastore away",
        _first(FINAL, 1),
    ),
    ("4 planner/not implemented", "NotImplementedException: not yet", _first(FINAL, 1)),
    ("4 planner/cancelled", "UserCancelledException: Query cancelled", _first(FINAL, 1)),
    ("4 planner/state", "IllegalStateException: null", _first(FINAL, 1)),
    ("4 planner/null", "NullPointerException: null", _first(FINAL, 1)),
    (
        "4 no thread",  # service/client-request-state.cc
        (
            "Failed to create thread async-exec-thread in category query-exec-state: Could not create "
            "thread: Resource temporarily unavailable"
        ),
        _first(MOVE, 1),
    ),
    (
        "4 no thread/ddl",
        (
            "Failed to create thread async_exec_thread_ in category impala-server: Could not create "
            "thread: Resource temporarily unavailable"
        ),
        _first(MOVE, 1),
    ),
    # In the first answer, and after the start all the same.
    ("4x session closed", "Session closed", {SUBMIT: Place(UNKNOWN)}),
    (
        "4x no thread to wait",
        (
            "Failed to create thread wait-thread in category query-exec-state: Could not create "
            "thread: Resource temporarily unavailable"
        ),
        {SUBMIT: Place(UNKNOWN)},
    ),
    ("4x cancelled", "Cancelled", {SUBMIT: Place(FINAL, prefixes=1)}),
    # The server's own words: nobody repeats it, and nothing is said of what it may have done.
    ("4x catalogd", "CatalogException: Table already exists: d.t", _DOING),
    (
        "4x catalogd/metastore",
        (
            "ImpalaRuntimeException: Error making 'createTable' RPC to Hive Metastore: \nCAUSED BY: "
            "MetaException: timed out"
        ),
        _DOING,
    ),
    ("4x catalogd/table", "TableNotFoundException: Table does not exist: d.t", _DOING),
    (
        "4x catalogd/loading",
        "TableLoadingException: Failed to load metadata for table: d.t",
        _DOING,
    ),
    ("4x catalogd/internal", "InternalException: Error applying the catalog's update", _DOING),
    # service/child-query.cc.
    (
        "5 of a child",
        f"Query {ID} failed:\n" + _DOWN.format(""),
        {ERROR: Place(UNKNOWN, prefixes=1)},
    ),
    (
        "5 load into Iceberg",
        (
            "Failed to load data and failed to revert data movement, please check source and staging "
            f"directory under '/tmp/x', Query error: {_DOWN.format('')} HDFS error: No such file"
        ),
        {ERROR: Place(FINAL, prefixes=2)},
    ),
    # scheduling/admission-controller.cc.
    ("6 queue full", f"{_POOL}queue full, limit=200, num_queued=200.", _QUEUED),
    (
        "6 queue full/trivial",
        f"{_POOL}queue full, limit=2, num_queued=2.Is configured as 2 per host.",
        _QUEUED,
    ),
    ("6 never fits", f"{_POOL}disabled by requests limit set to 0", _REJECTED),
    ("6 never fits/pool", f"{_POOL}disabled by pool max mem resources set to 0", _REJECTED),
    (
        "6 never fits/memory",
        (
            f"{_POOL}request memory needed 9.00 GB is greater than pool max mem resources 4.00 GB "
            "(calculated as 4 backends each with 1.00 GB)\n\nUse the MEM_LIMIT query option."
        ),
        _REJECTED,
    ),
    (
        "6 never fits/reservation",
        (
            f"{_POOL}minimum memory reservation is greater than memory available to the query for "
            "buffer reservations. Memory reservation needed given the current plan: 98.00 MB."
        ),
        _REJECTED,
    ),
    (
        "6 never fits/slots",
        (
            f"{_POOL}number of admission control slots needed (32) on backend 'h:27000' is greater "
            "than total slots available 16."
        ),
        _REJECTED,
    ),
    (
        "6 never fits/threads",
        (
            f"{_POOL}thread reservation on backend 'h:27000' is greater than the "
            "THREAD_RESERVATION_LIMIT query option value: 9 > 1."
        ),
        _REJECTED,
    ),
    (
        "6 never fits/all threads",
        (
            f"{_POOL}sum of thread reservations across all 3 backends is greater than the "
            "THREAD_RESERVATION_AGGREGATE_LIMIT query option value: 9 > 1."
        ),
        _REJECTED,
    ),
    (
        "6 never fits/config",
        f"{_POOL}Invalid pool config: the min_query_mem_limit is greater than the max.",
        _REJECTED,
    ),
    (
        "6 user limit",
        (
            f"{_POOL}current per-user load 5 for user 'etl' is at or above the user limit 5 in pool "
            "'root.etl'"
        ),
        _QUEUED,
    ),
    (
        "6 user limit/wildcard",
        (
            f"{_POOL}current per-user load 5 for user 'etl' is at or above the wildcard limit 5 in "
            "pool 'root.etl'"
        ),
        _QUEUED,
    ),
    (
        "6 user limit/group",
        (
            f"{_POOL}current per-group load 5 for user 'etl' in group 'dev' is at or above the group "
            "limit 5 in pool 'root.etl'"
        ),
        _QUEUED,
    ),
    (
        "6 no executors",
        (
            f"{_POOL}Error during scheduling: Cannot schedule query: no registered backends "
            "available.\n"
        ),
        _QUEUED,
    ),
    (
        "6 no executors/3.2",
        "Cannot schedule query: no registered backends available.",
        _QUEUED,
    ),
    (
        "6 coordinator gone",
        f"{_POOL}The coordinator no longer exists: 1f2e3d4c5b6a7988:9d2e3f0000000001",
        _LEFT,
    ),
    (
        "6 memory pressure",
        f"{_POOL}Admission rejected due to memory pressure in admissiond. Memory used 9.00 GB",
        _QUEUED,
    ),
    (
        "6 memory pressure/no pool",
        (
            "Rejected query from pool N/A: Admission rejected due to memory pressure in admissiond. "
            "Memory used 9.00 GB"
        ),
        _QUEUED,
    ),
    (
        "6 time-out",
        (
            f"{_TIMEOUT}number of running queries 9 is at or over limit 9. Additional Details: Not "
            "Applicable"
        ),
        _QUEUED,
    ),
    (
        "6 time-out/queue",
        f"{_TIMEOUT}queue is not empty (size 4); queued queries run first",
        _QUEUED,
    ),
    (
        "6 time-out/executors",
        (
            f"{_TIMEOUT}Waiting for executors to start. Only DDL queries and queries scheduled only "
            "on the coordinator (either NUM_NODES set to 1 or when small query optimization is "
            "triggered) can currently run."
        ),
        _QUEUED,
    ),
    (
        "6 time-out/memory",
        (
            f"{_TIMEOUT}Not enough aggregate memory available in pool root.etl with max mem resources "
            "4.00 GB. Needed 2.00 GB but only 1.00 GB was available. Additional Details: x"
        ),
        _QUEUED,
    ),
    (
        "6 time-out/host",
        (
            f"{_TIMEOUT}Not enough memory available on host h:27000. Needed 2.00 GB but only 1.00 GB "
            "out of 8.00 GB was available."
        ),
        _QUEUED,
    ),
    (
        "6 time-out/slots",
        (
            f"{_TIMEOUT}Not enough admission control slots available on host h:27000. Needed 1 slots "
            "but 16/16 are already in use."
        ),
        _QUEUED,
    ),
    (
        "6 time-out/registered",
        (
            f"{_TIMEOUT}Coordinator not registered with the statestore. Additional Details: Not "
            "Applicable"
        ),
        _LEFT,
    ),
    (
        "6 admissiond away",  # scheduling/remote-admission-control-client.cc
        "Failed to admit query after waiting 60s and retrying 9 times.",
        _QUEUED,
    ),
    (
        "6 admissiond RPC",
        (
            "AdmitQuery rpc failed: Network error: Client connection negotiation failed: client "
            "connection to 10.0.0.9:29500: connect: Connection refused (error 111)"
        ),
        _QUEUED,
    ),
    (
        "6 admissiond RPC/status",
        "GetQueryStatus rpc failed: Timed out: GetQueryStatus RPC to 10.0.0.9:29500 timed out",
        _QUEUED,
    ),
    (
        "6 admissiond anew",
        f"Invalid or unknown query handle: {ID}.",
        {
            ERROR: Place(WAIT, not_run=True, prefixes=2),
            STATUS: Place(UNKNOWN, prefixes=1),
            FETCH: Place(UNKNOWN, prefixes=1),
        },
    ),
    ("6 cancelled in the queue", "Query already cancelled.", _later(FINAL)),
    (
        "6 denied",  # scheduling/request-pool-service.cc
        (
            "Request from user 'etl' with requested pool 'root.a' denied access to assigned pool "
            "'root.b'"
        ),
        _REJECTED,
    ),
    (
        "6 denied/no user",
        "User must be specified because -require_username=true.",
        _REJECTED,
    ),
    # rpc/thrift-client.cc, runtime/client-cache.h, catalog/catalog-server.cc.
    ("7 not opened", _REFUSED, _CATALOGD),
    ("7 opened again", f"RPC client failed to connect: {_REFUSED}", _CATALOGD),
    (
        "7 RPC error",
        (
            f"RPC Error: Client for {CATALOGD} hit an unexpected exception: No more data to read., "
            "type: N6apache6thrift9transport19TTransportExceptionE, rpc: "
            "N6impala23TUpdateCatalogResponseE, send: done"
        ),
        _CATALOGD,
    ),
    (
        "7 RPC error/not sent",
        (
            f"RPC Error: Client for {CATALOGD} hit an unexpected exception: write() send(): Broken "
            "pipe, type: N6apache6thrift9transport19TTransportExceptionE, rpc: "
            "N6impala16TDdlExecResponseE, send: not done"
        ),
        _CATALOGD,
    ),
    (
        "7 RPC time-out",
        f"RPC recv timed out: dest address: {CATALOGD}, rpc: N6impala16TDdlExecResponseE",
        _CATALOGD,
    ),
    (
        "7 standby",
        f"Request for Catalog service is rejected since catalogd {CATALOGD} is in standby mode",
        _CATALOGD,
    ),
    (
        "7 protocol",
        "Client has incompatible protocol version V1 conflicting with catalogd's version V2",
        _CATALOGD,
    ),
    (
        "7 words of catalogd",
        (
            "ImpalaRuntimeException: Error making 'alter_table' RPC to Hive Metastore: \nCAUSED BY: "
            f"TTransportException: {_REFUSED}"
        ),
        _DOING,
    ),
    # runtime/coordinator.cc, runtime/krpc-data-stream-sender.cc and others.
    ("8 unreachable", "Failed due to unreachable impalad(s): h1:27000, h2:27000", _ANYTIME),
    ("8 unreachable/3.0", "Cancelled due to unreachable impalad(s): h1:22000", _ANYTIME),
    (
        "8 exec",
        (
            "Exec() rpc failed: Network error: recv error from 10.0.0.4:27000: Connection reset by "
            "peer (error 104)"
        ),
        _ANYTIME,
    ),
    ("8 exec/4.0", "ExecFInstances RPC to 10.0.0.4:27000,10.0.0.5:27000 failed", _ANYTIME),
    (
        "8 exec/3.2",
        (
            f"ExecQueryFInstances rpc query_id={ID} failed: Couldn't open transport for h:22000 "
            "(connect() failed: Connection refused)"
        ),
        _ANYTIME,
    ),
    (
        "8 RPC between executors",
        "RPC from 10.0.0.4:27000 to 10.0.0.5:27000 failed\nTransmitData() to 10.0.0.5:27000 failed",
        _ANYTIME,
    ),
    (
        "8 local disk",
        (
            "Query execution failure caused by local disk IO fatal error on backend: h:27000.\nDisk "
            "I/O error on h:27000: open() failed for /scratch/x. The given path doesn't exist."
        ),
        _ANYTIME,
    ),
    (
        "8 unresponsive",
        (
            f"Query {ID} cancelled due to unresponsive backend: h:27000 has not sent a report in "
            "240100ms (max allowed lag is 240000ms)"
        ),
        _ANYTIME,
    ),
    (
        "8 streams",
        (
            "Sender 10.0.0.4:27000 timed out waiting for receiver fragment instance: "
            "8a4b1c09d2e3f001:9d2e3f0000000003, dest node: 2"
        ),
        _ANYTIME,
    ),
    (
        "8 streams/transmit",
        "TransmitData() to 10.0.0.5:27000 failed: Remote error: Service unavailable: x",
        _ANYTIME,
    ),
    ("8 streams/end", "EndDataStream() to 10.0.0.5:27000 failed: Timed out: x", _ANYTIME),
    (
        "8 reservation",
        (
            f"Failed to get minimum memory reservation of 98.00 MB on daemon h:27000 for query {ID} "
            "due to following error: Memory limit exceeded: Could not allocate memory\nMemory is "
            "likely oversubscribed. Reducing query concurrency may help."
        ),
        _ANYTIME,
    ),
    (
        "8 memory",
        (
            "Memory limit exceeded: Could not allocate 8.00 MB without exceeding limit.\nError "
            "occurred on backend h:27000 by fragment 8a4b1c09d2e3f001:9d2e3f0000000003\nMemory left "
            "in process limit: 1.00 GB"
        ),
        _later(FINAL),
    ),
    (
        "8 expired",
        f"Query {ID} expired due to client inactivity (timeout is 5m)",
        {**_later(FINAL), STATUS: Place(FINAL, prefixes=1)},
    ),
    ("8 expired/time", f"Query {ID} expired due to execution time limit of 10s", _later(FINAL)),
    ("8 expired/CPU", f"Query {ID} terminated due to CPU limit of 10s", _later(FINAL)),
    ("8 expired/bytes", f"Query {ID} terminated due to scan bytes limit of 1.00 GB", _later(FINAL)),
    (
        "8 expired/rows",
        (
            f"Query {ID} terminated due to rows produced limit of 10. Unset or increase "
            "NUM_ROWS_PRODUCED_LIMIT query option to produce more rows."
        ),
        _later(FINAL),
    ),
    (
        "8 expired/join rows",
        (
            f"Query {ID} terminated due to join rows produced exceeds the limit of 10 at node with "
            "id 2."
        ),
        _later(FINAL),
    ),
    (
        "8 session ended",
        "Session expired due to inactivity",
        {**_later(UNKNOWN), STATUS: Place(UNKNOWN, prefixes=1)},
    ),
    (
        "8 session ended/alone",
        "Session closed because it has no active connections",
        {**_later(UNKNOWN), STATUS: Place(UNKNOWN, prefixes=1)},
    ),
    (
        "8 session ended/closed",
        "Session closed",
        {**_later(UNKNOWN), STATUS: Place(UNKNOWN, prefixes=1)},
    ),
    ("8 cancelled", "Cancelled", _later(FINAL)),
    ("8 cancelled/in", "Cancelled in ScannerContext", _later(FINAL)),
    (
        "8 cancelled/page",
        "Cancelled from Impala's debug web interface by user: 'admin' at 2026-11-29 08:00:01",
        _later(FINAL),
    ),
    ("8 no such query/3.4", f"Invalid query handle: {ID}", _HANDLE),
    ("8 no such query/2.7", "Invalid or unknown query handle", _HANDLE),
    ("8 no such query/secret", f"Query id {ID} not found.", _HANDLE),
    ("8 kill query", "Could not find query on any coordinator.", _later(FINAL)),
    ("8 kill query/RPC", "KillQuery() RPC failed: Network error: x", _later(FINAL)),
    ("8 kill query/user", "User 'etl' is not authorized to kill the query.", _later(FINAL)),
    ("8 storage", "Disk I/O error on h:27000: Failed to write data to file: hdfs://n/x", _ANYTIME),
    (
        "8 storage/moving",
        (
            "Error(s) moving partition files. First error (of 2) was: Hdfs op (RENAME hdfs://n/x TO "
            "hdfs://n/y) failed, error was: hdfs://n/x\nError(5): Input/output error"
        ),
        _ANYTIME,
    ),
    (
        "8 storage/deleting",
        (
            "Error(s) deleting partition directories. First error (of 1) was: Hdfs op (DELETE "
            "hdfs://n/x) failed, error was: hdfs://n/x"
        ),
        _ANYTIME,
    ),
    (
        "8 storage/Kudu",
        "Kudu error(s) reported, first error: Timed out: Failed to write batch of 9 ops to tablet",
        _ANYTIME,
    ),
    ("8 function", "UDF ERROR: Decimal expression overflowed", _later(FINAL)),
    ("8 function/bare", "Cannot divide decimal by zero", _later(FINAL)),
    (
        "8 Hive function",
        (
            "UDF ERROR: Hive UDF path=hdfs://n/u.jar class=com.example.U failed due to: "
            "RuntimeException: no"
        ),
        _later(FINAL),
    ),
    (
        "8 scans",
        "File 'hdfs://n/t/part-0.parq' has an invalid Parquet version number: abcd",
        _later(FINAL),
    ),
    ("8 scans/row", "Error parsing row: file: hdfs://n/t/x.csv, before offset: 99", _later(FINAL)),
    (
        "8 scans/Parquet",
        "Parquet file 'hdfs://n/t/x' column 'c' contains an out of range timestamp.",
        _later(FINAL),
    ),
    (
        "8 scans/open",
        (
            "Failed to open HDFS file hdfs://n/t/x\nError(2): No such file or directory\nRoot cause: "
            "RemoteException: File does not exist: /t/x"
        ),
        _later(FINAL),
    ),
    (
        "8 scans/others' words",
        (
            "TableLoadingException: Failed to load metadata for table: d.t\nCAUSED BY: IOException: "
            "KeeperErrorCode = Session expired"
        ),
        _DOING,
    ),
    (
        "8 fetch anew",
        "Restarting of fetch requires enabling of query result caching.",
        {FETCH: Place(FINAL)},
    ),
    (
        "8 fetch anew/cache",
        (
            "The query result cache exceeded its limit of 10 rows. Restarting the fetch is not "
            "possible."
        ),
        {FETCH: Place(FINAL)},
    ),
    (
        "8 no rows",
        "Client tried to fetch rows on a query that produces no results.",
        {FETCH: Place(FINAL)},
    ),
    # service/impala-hs2-server.cc: OpenSession; service/impala-server.cc: AuthorizeProxyUser.
    (
        "8o sessions",
        "Number of sessions for user etl exceeds coordinator limit 4",
        {OPEN: Place(MOVE, not_run=True)},
    ),
    ("8o delegate", "User 'etl' is not authorized to delegate to 'bob'.", _OPENING),
    (
        "8o delegate/disabled",
        "User 'etl' is not authorized to delegate to 'bob'. User/group delegation is disabled.",
        _OPENING,
    ),
    ("8o empty name", "Unable to delegate using empty proxy username.", _OPENING),
    ("8o empty name/doAs", "Unable to delegate using empty doAs username.", _OPENING),
    (
        "8o doAs twice",
        "Cannot set 'impala.doas.user' configuration property when 'doAs' query parameter is set.",
        _OPENING,
    ),
    ("8o filter", "User is not authorized.", _OPENING),
    # service/query-driver.cc: lines below the error of a SELECT that Impala could not run again.
    (
        "9 rows were fetched",
        (
            "Failed due to unreachable impalad(s): h1:27000\nSkipping retry of query_id="
            f"{ID} because the client has already fetched some rows"
        ),
        _later(UNKNOWN),
    ),
    (
        "9 once",
        (
            "Failed due to unreachable impalad(s): h1:27000\nMax retry limit was hit. Query was "
            "retried 1 time(s)."
        ),
        _later(UNKNOWN),
    ),
    (
        "9 not again",
        (
            f"Exec() rpc failed: Network error: x\nFailed to retry query {ID}\nExec for new query "
            "with id 1f2e3d4c5b6a7988:9d2e3f0000000001 failed"
        ),
        _later(UNKNOWN),
    ),
    (
        "9 rejected",
        f"{_POOL}queue full, limit=1, num_queued=1.\nFailed to retry query {ID}",
        _QUEUED,
    ),
)

TEXTS = tuple(ImpalaText(key, f"{text}\n", at) for key, text, at in _TABLE)

#: How many rows each section has.
ROWS = {"4": 22, "4x": 4, "5": 2, "6": 12, "7": 7, "8": 19, "8o": 5, "9": 4}


def whole(text: str) -> Iterator[tuple[int, str]]:
    """*text* as it is whole: with 0, 1 and 2 prefixes, each of which adds a line feed."""
    for prefixes in range(3):
        yield prefixes, f"Query {ID} failed:\n" * prefixes + text + "\n" * prefixes
