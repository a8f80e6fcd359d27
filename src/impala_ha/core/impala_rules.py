r"""
The error texts of Impala, and what they prove: its part of the table of faults.

Impala uses one status code and one SQLSTATE for nearly everything, so the text must decide.  It
also quotes statements in its errors, so a text that merely contains another one is no match:
patterns are anchored at both ends, and end with ``[\s\S]*`` where Impala adds lines of details.

Since 4.5 Impala puts ``Query <id> failed:`` lines in front.  They are removed and counted: one is
of the statement itself, a second one of a child query (of COMPUTE STATS, LOAD DATA or ALTER TABLE
.. CONVERT TO ICEBERG), and so is the first one where the text comes only before a query has an id.

Once a statement has a handle, only a rejection by admission control shows that it has not run:
UpdateCatalog comes after the rows were written.  ``tests/impala_texts.py`` has each text with its
place in Impala's source.
"""

from __future__ import annotations

from impala.error import Error, OperationalError

from .faults import AFTER, BEFORE, FIRST, Fault, FaultRule

_ANSWER = (Error,)
_STATE = (OperationalError,)  # of GetOperationStatus with ERROR_STATE

ID = r"[0-9a-f]+:[0-9a-f]+"
_MORE = r"[\s\S]*"  # the rest of the line, and details
_DOWN = r"Server is being shut down(?:: .*)?"
_NO_SESSION = (
    r"Invalid session (?:id: .*|ID(?::.*)?)|Session is closed"
    r"|Client session expired due to more than .* of inactivity \(last activity was at: .*\)\."
    r"|Invalid SessionHandle: SessionHandle \[.*\]"  # Hive and Spark
)
_POOL = r"Rejected query from pool [^\n:]+: "
_QUEUED = r"Admission for query exceeded timeout \d+ms in pool [^\n]+?\. Queued reason: "
_LOCAL = r"(?:RuntimeException: org\.apache\.impala\.catalog\.local\.)?"

IMPALA_RULES = (
    FaultRule("shutdown", _ANSWER, BEFORE | FIRST, _DOWN, Fault.DRAINING, 0),
    FaultRule("shutdown of a child query", _ANSWER, FIRST | AFTER, _DOWN + _MORE, Fault.EXECUTORS),
    FaultRule(
        "session limit",
        _ANSWER,
        BEFORE,
        r"Number of sessions for user .* exceeds coordinator limit \d+",
        Fault.FULL,
        0,
    ),
    FaultRule(
        "not allowed to delegate",
        _ANSWER,
        BEFORE,
        r"User '.*' is not authorized to delegate to '.*'\."
        r"(?: User/group delegation is disabled\.)?"
        r"|Unable to delegate using empty (?:proxy|doAs) username\."
        r"|Cannot set 'impala\.doas\.user' configuration property .*|User is not authorized\."
        r"|Failed to validate proxy privilege.*" + _MORE,
        Fault.DENIED,
        0,
    ),
    FaultRule(
        "another user's session",
        _ANSWER,
        BEFORE | FIRST,
        r"The user authorized on the connection '.*' does not match the session username '.*'",
        Fault.DENIED,
        0,
    ),
    FaultRule("session gone", _ANSWER, BEFORE | FIRST, _NO_SESSION, Fault.SESSION_GONE, 0),
    FaultRule(
        "session closed before planning",
        _ANSWER,
        FIRST,
        r"Session has been closed, ignoring query\.",
        Fault.SESSION_GONE,
        1,
    ),
    FaultRule("session gone for a child query", _ANSWER, FIRST, _NO_SESSION, Fault.EXECUTORS),
    FaultRule(
        "not ready",
        _ANSWER,
        FIRST,
        r"(?:AnalysisException: )?This Impala daemon is not ready to accept user requests\. "
        r"Status: Waiting for catalog update from the StateStore\.",
        Fault.NOT_READY,
        0,
    ),
    FaultRule(
        "no thread to start",
        _ANSWER,
        FIRST,
        r"Failed to create thread (?:async-exec-thread in category query-exec-state"
        r"|async_exec_thread_\S* in category impala-server): .*",
        Fault.NOT_READY,
        1,
    ),
    FaultRule(
        "catalog away while planning",
        _ANSWER,
        FIRST,
        r"InternalException: Error requesting prioritized load: "
        + _MORE
        + "|"
        + _LOCAL
        + r"(?:LocalCatalogException|InconsistentMetadataFetchException): "
        + _MORE,
        Fault.CATALOG,
        1,
    ),
    FaultRule(
        "metadata not loaded",
        _ANSWER,
        FIRST,
        r"AnalysisException: Failed to load metadata for table: '" + _MORE,
        Fault.METADATA,
        1,
    ),
    FaultRule(
        "table not known yet",
        _ANSWER,
        FIRST,
        r"AnalysisException: (?:Could not resolve (?:table|path|database) reference: '"
        r"|(?:Table|Database) does not exist: )" + _MORE,
        Fault.STALE,
        1,
    ),
    # Admission control: the statement has not started.  Before 3.0 in the first answer.
    FaultRule(
        "coordinator not registered",
        _ANSWER,
        FIRST | AFTER,
        _QUEUED
        + r"Coordinator not registered with the statestore\."
        + _MORE
        + "|"
        + _POOL
        + r"The coordinator no longer exists: "
        + _MORE,
        Fault.NOT_REGISTERED,
    ),
    FaultRule(
        "queue full",
        _ANSWER,
        FIRST | AFTER,
        _POOL + r"(?:queue full, limit=|current per-(?:user|group) load |Admission rejected due to "
        r"memory pressure in admissiond\.|Error during scheduling: Cannot schedule query: no "
        r"registered backends available\.)"
        + _MORE
        + r"|Cannot schedule query: no registered backends available\."
        + _MORE,
        Fault.BUSY,
    ),
    FaultRule("queue time-out", _ANSWER, FIRST | AFTER, _QUEUED + _MORE, Fault.BUSY),
    FaultRule(
        "admissiond away",
        _ANSWER,
        FIRST | AFTER,
        r"Failed to admit query after waiting \d+s and retrying \d+ times\."
        + _MORE
        + r"|(?:AdmitQuery|GetQueryStatus) rpc failed: "
        + _MORE,
        Fault.BUSY,
    ),
    FaultRule(
        "admissiond restarted",
        _STATE,
        AFTER,
        rf"Invalid or unknown query handle: {ID}\." + _MORE,
        Fault.BUSY,
    ),
    # At any time; the statement may have had some or all of its effects.
    FaultRule(
        "statement gone",
        _ANSWER,
        AFTER,
        _NO_SESSION + r"|Session has been closed, ignoring query\."
        r"|Session (?:expired due to inactivity|closed(?: because it has no active connections)?)"
        r"(?:\n" + _MORE + ")?"
        r"|The user authorized on the connection '.*' does not match the session username '.*'"
        rf"|Invalid (?:or unknown )?query handle(?:: {ID}\.?)?|Query id \S+ not found\."
        r"|Invalid OperationHandle: OperationHandle \[.*\]",
        Fault.RESULT_GONE,
    ),
    FaultRule("session closed meanwhile", _ANSWER, FIRST, "Session closed", Fault.RESULT_GONE),
    FaultRule(
        "no thread to wait with",
        _ANSWER,
        FIRST,
        r"Failed to create thread wait-thread in category query-exec-state: .*",
        Fault.EXECUTORS,
    ),
    FaultRule(
        "executors",
        _ANSWER,
        FIRST | AFTER,
        r"(?:(?:Failed|Cancelled) due to unreachable impalad\(s\): |Exec\(\) rpc failed: "
        r"|ExecFInstances RPC to \S+ failed|ExecQueryFInstances rpc query_id=\S+ failed: "
        rf"|RPC from \S+ to \S+ failed|Query {ID} cancelled due to unresponsive backend: "
        r"|Query execution failure caused by local disk IO fatal error on backend: "
        r"|Sender.* timed out waiting for receiver fragment instance: "
        r"|TransmitData\(\) to \S+ failed: |EndDataStream\(\) to \S+ "
        r"|Failed to get minimum memory reservation of .* on daemon )" + _MORE,
        Fault.EXECUTORS,
    ),
    FaultRule(
        "storage",
        _ANSWER,
        FIRST | AFTER,
        r"(?:Disk I/O error on \S+: |Error\(s\) (?:moving|deleting) .*"
        r"|Kudu error\(s\) reported, first error: )" + _MORE,
        Fault.EXECUTORS,
    ),
    FaultRule(
        "catalog away at the end",
        _ANSWER,
        FIRST | AFTER,
        r"(?:Couldn't open transport for |RPC client failed to connect: |RPC Error: Client for "
        r"|RPC recv timed out: |Request for Catalog service is rejected since catalogd "
        r"|Client has incompatible protocol version .* conflicting with catalogd's version )"
        + _MORE,
        Fault.EXECUTORS,
    ),
)
