"""What each failure means: one real message of Impala, Thrift or the system for every row."""

import socket
import ssl
from http.client import BadStatusLine, IncompleteRead

import pytest
from impala.error import HiveServer2Error, HttpError, OperationalError, ProgrammingError
from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TApplicationException
from thrift.transport.TTransport import TTransportException

from impala_ha.core.fault_rules import FAULT_RULES, TICKET_REJECTED, classify, find_rule
from impala_ha.core.faults import CredentialKind, Fault, LoginFailure, Phase, RowsLost
from impala_ha.core.kerberos_errors import GSSError, PrincipalMismatch
from impala_ha.core.login_throttle import LoginBlocked
from impala_ha.net.http_status import HTTPStatusError

ID = "8a4b1c0000000000:9d2e3f0000000000"
DOWN = (
    "Server is being shut down: shutdown grace period left: 1m59s, deadline left: 59m59s, "
    "queries registered on coordinator: 1, queries executing: 0, fragment instances: 0."
)
POOL = "Rejected query from pool root.etl: "
QUEUED = "Admission for query exceeded timeout 60000ms in pool root.etl. Queued reason: "
EXPIRED = (
    "Client session expired due to more than 60s of inactivity "
    "(last activity was at: 2024-05-01 10:11:12)."
)
CATALOG = "Couldn't open transport for catalog:26000 (connect() failed: Connection refused)"
MISMATCH = "The user authorized on the connection 'a' does not match the session username 'b'"
THREAD = "Failed to create thread {} in category {}: Resource temporarily unavailable"
LOCAL = "org.apache.impala.catalog.local."

FIRST, AFTER = {Phase.SENT}, {Phase.RUNNING, Phase.FETCH, Phase.CLOSE}
BEFORE = {Phase.OPEN, Phase.PING}

#: What Impala says: by rule, where it counts, how many prefixes it may have there, and real texts.
SAID = {
    "shutdown": (BEFORE | FIRST, 0, [DOWN, "Server is being shut down"]),
    "shutdown of a child query": (AFTER, 2, [DOWN]),
    "session limit": (
        BEFORE,
        0,
        ["Number of sessions for user etl exceeds coordinator limit 4"],
    ),
    "not allowed to delegate": (
        BEFORE,
        0,
        [
            "User 'a' is not authorized to delegate to 'b'.",
            "User 'a' is not authorized to delegate to 'b'. User/group delegation is disabled.",
            "Unable to delegate using empty proxy username.",
            "Unable to delegate using empty doAs username.",
            (
                "Cannot set 'impala.doas.user' configuration property when 'doAs' query parameter is "
                "set."
            ),
            "User is not authorized.",
            "Failed to validate proxy privilege of a for b",
        ],
    ),
    "another user's session": (BEFORE | FIRST, 0, [MISMATCH]),
    "session gone": (
        BEFORE | FIRST,
        0,
        [
            f"Invalid session id: {ID}",
            "Invalid session ID",
            EXPIRED,
            "Session is closed",
            "Invalid SessionHandle: SessionHandle [1f]",
        ],
    ),
    "session closed before planning": (FIRST, 1, ["Session has been closed, ignoring query."]),
    "not ready": (
        FIRST,
        0,
        [
            (
                "AnalysisException: This Impala daemon is not ready to accept user requests. "
                "Status: Waiting for catalog update from the StateStore."
            ),
        ],
    ),
    "no thread to start": (
        FIRST,
        1,
        [
            THREAD.format("async-exec-thread", "query-exec-state"),
            THREAD.format("async_exec_thread_", "impala-server"),
        ],
    ),
    "catalog away while planning": (
        FIRST,
        1,
        [
            (
                f"InternalException: Error requesting prioritized load: {CATALOG}\n"
                "Error making an RPC call to Catalog server."
            ),
            "LocalCatalogException: Unable to load database names\nCAUSED BY: TException: x",
            f"RuntimeException: {LOCAL}LocalCatalogException: Could not load table names",
            "InconsistentMetadataFetchException: Fetching of Table failed. Could not find it",
            f"RuntimeException: {LOCAL}InconsistentMetadataFetchException: Catalog object changed",
        ],
    ),
    "metadata not loaded": (
        FIRST,
        1,
        [
            (
                "AnalysisException: Failed to load metadata for table: 'd.t'\nCAUSED BY: "
                f"TableLoadingException: d.t\nCAUSED BY: TException: {CATALOG}"
            )
        ],
    ),
    "coordinator not registered": (
        FIRST | AFTER,
        2,
        [
            QUEUED + "Coordinator not registered with the statestore.",
            QUEUED + "Coordinator not registered with the statestore. Additional Details: none",
            POOL + "The coordinator no longer exists: a:27000",
        ],
    ),
    "queue full": (
        FIRST | AFTER,
        2,
        [
            POOL + "queue full, limit=1, num_queued=1.",
            POOL + "current per-user load 5 for user 'etl' is at or above the user limit 5 in pool",
            POOL + "current per-group load 5 for user 'etl' in group 'g' is at or above the limit",
            POOL + "Admission rejected due to memory pressure in admissiond. x",
            POOL + "Error during scheduling: Cannot schedule query: no registered backends "
            "available.",
            "Cannot schedule query: no registered backends available.",
        ],
    ),
    "queue time-out": (
        FIRST | AFTER,
        2,
        [
            QUEUED + "number of running queries 1 is at or over limit 1.",
            QUEUED + "Not enough aggregate memory available Additional Details: none",
        ],
    ),
    "admissiond away": (
        FIRST | AFTER,
        2,
        [
            "Failed to admit query after waiting 60s and retrying 3 times.",
            "AdmitQuery rpc failed: Remote error: Runtime error",
            "GetQueryStatus rpc failed: Remote error: Runtime error",
        ],
    ),
    "statement gone": (
        AFTER,
        2,
        [
            f"Invalid session id: {ID}",
            EXPIRED,
            "Session is closed",
            "Session has been closed, ignoring query.",
            "Session expired due to inactivity",
            "Session closed",
            "Session closed because it has no active connections",
            MISMATCH,
            f"Invalid query handle: {ID}",
            "Invalid or unknown query handle",
            f"Query id {ID} not found.",
            "Invalid OperationHandle: OperationHandle [1f]",
            "Invalid SessionHandle: SessionHandle [1f]",
        ],
    ),
    "session closed meanwhile": (FIRST, 2, ["Session closed"]),
    "no thread to wait with": (FIRST, 2, [THREAD.format("wait-thread", "query-exec-state")]),
    "executors": (
        FIRST | AFTER,
        2,
        [
            "Failed due to unreachable impalad(s): x:27000, y:27000",
            "Cancelled due to unreachable impalad(s): x:27000",
            "Exec() rpc failed: Network error: Client connection negotiation",
            "ExecFInstances RPC to x:27000,y:27000 failed",
            f"ExecQueryFInstances rpc query_id={ID} failed: Couldn't open transport for x:22000",
            "RPC from x:27000 to y:27000 failed\nNetwork error",
            "Query execution failure caused by local disk IO fatal error on backend: x:27000.",
            f"Query {ID} cancelled due to unresponsive backend: x:27000 has not sent a report",
            f"Sender {ID} timed out waiting for receiver fragment instance: {ID}, dest node: 3",
            "TransmitData() to x:27000 failed: Network error",
            "EndDataStream() to x:27000 failed: Network error",
            (
                "Failed to get minimum memory reservation of 8.00 MB on daemon x:27000 for query 8a:9d "
                "due to following error: Memory is likely oversubscribed."
            ),
        ],
    ),
    "storage": (
        FIRST | AFTER,
        2,
        [
            "Disk I/O error on x:27000: Failed to open HDFS file",
            "Error(s) moving partition files. First error (of 2) was: x",
            "Error(s) deleting partition directories. First error (of 2) was: x",
            "Kudu error(s) reported, first error: Already present",
        ],
    ),
    "catalog away at the end": (
        FIRST | AFTER,
        2,
        [
            CATALOG,
            f"RPC client failed to connect: {CATALOG}",
            (
                "RPC Error: Client for catalog:26000 hit an unexpected exception: No more data to "
                "read., type: apache::thrift::transport::TTransportException, rpc: x, send: done"
            ),
            "RPC recv timed out: dest address: catalog:26000, rpc: N6impala19TExecDdl",
            "Request for Catalog service is rejected since catalogd c:26000 is in standby mode",
            "Client has incompatible protocol version V2 conflicting with catalogd's version V1",
        ],
    ),
}
#: What is the user's own, or was meant to end, wherever it comes.
HIS = [
    "AnalysisException: Could not resolve table reference: 't'",
    "AnalysisException: Table does not exist: db.t",
    "ParseException: Syntax error in line 1:\nselec 1\n^",
    "ParseException: Not a valid query: x",
    "AuthorizationException: User 'etl' does not have privileges to execute 'INSERT' on: d.t",
    POOL + "disabled by requests limit set to 0",
    POOL + "request memory needed 9 GB is greater than pool max mem",
    "Memory limit exceeded: Could not allocate 8.00 MB",
    f"Query {ID} expired due to client inactivity (timeout is 5s)",
    f"Query {ID} expired due to execution time limit of 5s",
    "Cancelled",
    "UDF ERROR: Decimal expression overflowed",
    "CatalogException: Table already exists: d.t",
    "ImpalaRuntimeException: Error making 'createTable' RPC to Hive Metastore: ",
    "InternalException: Couldn't open transport for catalog:26000 (connect() failed: x)",
]
TEXTS = [(rule, text) for rule, (_, _, texts) in SAID.items() for text in texts]


def prefixed(text, times):
    return f"Query {ID} failed:\n" * times + text + "\n" * (1 + times)


def found(text, phase, kind=HiveServer2Error, **more):
    rule = find_rule(kind(text), phase, **more)
    return rule.name if rule else None


@pytest.mark.parametrize(("rule", "text"), TEXTS, ids=[f"{r}-{t[:40]}" for r, t in TEXTS])
def test_what_impala_says(rule, text):
    """Where a text counts, and how many lines with a query's id may stand before it."""
    where, prefixes, _ = SAID[rule]
    server = set(Phase) - {Phase.TICKET}

    assert where == {phase for phase in server if found(text, phase) == rule}
    assert where == {phase for phase in server if found(text, phase, OperationalError) == rule}
    for phase in where:
        for times in range(4):
            expected = times <= prefixes or prefixes == 2
            assert expected is (found(prefixed(text, times), phase) == rule)


@pytest.mark.parametrize("text", [text for _, text in TEXTS])
@pytest.mark.parametrize(
    "quoted",
    [
        "ParseException: Syntax error in line 1:\nselec '{}'\n^\nEncountered: IDENTIFIER",
        "AnalysisException: Could not resolve column/field reference: '{}'",
        "AuthorizationException: User '{}' does not have privileges to execute 'SELECT' on: d.t",
        "UDF ERROR: {}",
        "Memory limit exceeded\n{}",
        " {}",
        "x {}",
    ],
    ids=["syntax", "analysis", "authorization", "udf", "detail", "blank", "inside"],
)
def test_a_text_that_holds_another_is_not_that_other(text, quoted):
    """A statement can have Impala quote what it likes."""
    holding = quoted.format(text)

    for phase in set(Phase) - {Phase.TICKET}:
        assert "any other answer" == found(holding, phase)
        assert "any other answer" == found(holding, phase, OperationalError)


@pytest.mark.parametrize("text", HIS)
def test_what_no_other_try_can_help_is_the_users(text):
    for phase in set(Phase) - {Phase.TICKET}:
        assert Fault.QUERY is classify(HiveServer2Error(prefixed(text, 1)), phase)


@pytest.mark.parametrize("text", [DOWN, f"Invalid session id: {ID}", "Session is closed"])
def test_a_prefix_before_a_text_that_has_no_query_is_a_child_querys(text):
    """ALTER TABLE .. CONVERT TO ICEBERG has begun by then."""
    assert Fault.EXECUTORS is classify(HiveServer2Error(prefixed(text, 1)), Phase.SENT)


def test_an_unknown_handle_is_admissions_in_the_state_and_the_statements_in_an_answer():
    """Where admissiond was started anew the statement has not been started."""
    text = f"Invalid or unknown query handle: {ID}.\n"

    assert Fault.BUSY is classify(OperationalError(text), Phase.RUNNING)
    assert Fault.RESULT_GONE is classify(HiveServer2Error(text), Phase.RUNNING)


def http(code, retry_after=0.0):
    return HTTPStatusError(
        code, "Gateway", b"secret page", {}, "https://a:28000/cliservice", retry_after
    )


def transport(kind, text):
    return TTransportException(kind, text)


def unresolved(why):
    text = f"failed to resolve sockaddr for coord:21050: {why}"
    return TTransportException(TTransportException.NOT_OPEN, text)


def alert(reason):
    """As thrift tells it: the words are in what it keeps beside its own."""
    inner = ssl.SSLError(1, f"[SSL: {reason}] {reason.lower()} (_ssl.c:2580)")
    return TTransportException(message="unexpected exception", inner=inner)


EOF = TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes")
REFUSED = TTransportException(
    TTransportException.NOT_OPEN, "Could not connect to any of [('127.0.0.1', 21050)]"
)
NO_METHOD = TApplicationException(
    TApplicationException.UNKNOWN_METHOD, "Invalid method name: 'OpenSession'"
)
UNTRUSTED = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")

#: What happens on the way: exception, how far the call had come, what it means.
HAPPENED = [
    (
        LoginBlocked("this password was shown to a:21050 at 09:00:00 ..."),
        Phase.CONNECT,
        Fault.DENIED,
    ),
    (
        RowsLost("the server went on with row 2, and row 0 was expected"),
        Phase.FETCH,
        Fault.ROWS_LOST,
    ),
    (http(401), Phase.OPEN, Fault.REFUSED),
    (http(403), Phase.OPEN, Fault.REFUSED),
    (http(403), Phase.SENT, Fault.DENIED),
    (http(429), Phase.SENT, Fault.BUSY),
    (http(502), Phase.OPEN, Fault.UNREACHABLE),
    (http(407), Phase.CONNECT, Fault.DENIED),
    (http(408), Phase.SENT, Fault.LOST),
    (http(413), Phase.SENT, Fault.QUERY),
    (http(413), Phase.OPEN, Fault.MISMATCH),
    (http(429), Phase.OPEN, Fault.BUSY),
    (http(429), Phase.RUNNING, Fault.LOST),
    (http(503), Phase.UNSENT, Fault.UNREACHABLE),
    (http(503), Phase.SENT, Fault.LOST),
    (http(503, 2.0), Phase.OPEN, Fault.BUSY),
    (http(503, 2.0), Phase.SENT, Fault.LATER),
    (http(503, 2.0), Phase.RUNNING, Fault.LOST),
    (http(504), Phase.RUNNING, Fault.LOST),
    (http(302), Phase.OPEN, Fault.MISMATCH),
    (http(501), Phase.OPEN, Fault.MISMATCH),
    (http(505), Phase.OPEN, Fault.MISMATCH),
    (http(501), Phase.SENT, Fault.LOST),
    (http(404), Phase.OPEN, Fault.MISMATCH),
    (http(404), Phase.SENT, Fault.MISMATCH),
    (http(404), Phase.RUNNING, Fault.LOST),
    (http(200), Phase.OPEN, Fault.MISMATCH),
    (http(200), Phase.SENT, Fault.LOST),
    (EOF, Phase.LOGIN, Fault.UNREACHABLE),
    (EOF, Phase.OPEN, Fault.UNREACHABLE),
    (transport(TTransportException.TIMED_OUT, "read timeout"), Phase.LOGIN, Fault.UNREACHABLE),
    (ConnectionResetError(104, "Connection reset by peer"), Phase.LOGIN, Fault.UNREACHABLE),
    (transport(TTransportException.END_OF_FILE, TICKET_REJECTED), Phase.LOGIN, Fault.REFUSED),
    (EOF, Phase.SENT, Fault.LOST),
    (EOF, Phase.FETCH, Fault.LOST),
    (EOF, Phase.CLOSE, Fault.LOST),
    (REFUSED, Phase.CONNECT, Fault.UNREACHABLE),
    (transport(TTransportException.TIMED_OUT, "read timeout"), Phase.OPEN, Fault.UNREACHABLE),
    (transport(TTransportException.TIMED_OUT, "read timeout"), Phase.RUNNING, Fault.LOST),
    (ConnectionRefusedError(111, "Connection refused"), Phase.CONNECT, Fault.UNREACHABLE),
    (socket.gaierror(-2, "Name or service not known"), Phase.CONNECT, Fault.UNREACHABLE),
    (unresolved("[Errno -2] Name or service not known"), Phase.CONNECT, Fault.UNRESOLVED),
    (unresolved("[Errno -5] No address associated with hostname"), Phase.OPEN, Fault.UNRESOLVED),
    (unresolved("[Errno 8] nodename nor servname provided"), Phase.CONNECT, Fault.UNRESOLVED),
    (unresolved("encoding with 'idna' codec failed"), Phase.CONNECT, Fault.UNRESOLVED),
    (unresolved("[Errno -3] Temporary failure"), Phase.CONNECT, Fault.UNREACHABLE),
    (unresolved("[Errno -4] Non-recoverable failure"), Phase.CONNECT, Fault.UNREACHABLE),
    (unresolved("the name service did not answer"), Phase.CONNECT, Fault.UNREACHABLE),
    (TimeoutError("timed out"), Phase.CONNECT, Fault.UNREACHABLE),
    (ConnectionResetError(104, "Connection reset by peer"), Phase.UNSENT, Fault.UNREACHABLE),
    (ConnectionResetError(104, "Connection reset by peer"), Phase.SENT, Fault.LOST),
    (BrokenPipeError(32, "Broken pipe"), Phase.SENT, Fault.LOST),
    (EOFError(), Phase.FETCH, Fault.LOST),
    (TProtocolException(TProtocolException.BAD_VERSION, "No"), Phase.OPEN, Fault.UNREACHABLE),
    (TProtocolException(TProtocolException.SIZE_LIMIT, "Length"), Phase.FETCH, Fault.LOST),
    (TApplicationException(TApplicationException.INTERNAL_ERROR, "x"), Phase.SENT, Fault.LOST),
    (NO_METHOD, Phase.OPEN, Fault.MISMATCH),
    (NO_METHOD, Phase.SENT, Fault.LOST),
    (
        TApplicationException(1, "Unknown function OpenSession"),
        Phase.OPEN,
        Fault.MISMATCH,
    ),
    (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong"), Phase.CONNECT, Fault.MISMATCH),
    (
        TProtocolException(TProtocolException.BAD_VERSION, "No protocol version header"),
        Phase.OPEN,
        Fault.MISMATCH,
    ),
    (
        transport(TTransportException.SIZE_LIMIT, "a frame of 1414811695 bytes is longer than"),
        Phase.LOGIN,
        Fault.MISMATCH,
    ),
    (UNTRUSTED, Phase.CONNECT, Fault.UNTRUSTED),
    (alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), Phase.OPEN, Fault.REFUSED),
    (alert("TLSV1_ALERT_UNKNOWN_CA"), Phase.LOGIN, Fault.REFUSED),
    (alert("SSLV3_ALERT_BAD_CERTIFICATE"), Phase.CONNECT, Fault.REFUSED),
    (alert("SSLV3_ALERT_CERTIFICATE_EXPIRED"), Phase.OPEN, Fault.REFUSED),
    (alert("TLSV1_ALERT_UNKNOWN_CA"), Phase.RUNNING, Fault.LOST),
    (alert("TLSV1_ALERT_PROTOCOL_VERSION"), Phase.CONNECT, Fault.MISMATCH),
    (alert("SSLV3_ALERT_HANDSHAKE_FAILURE"), Phase.CONNECT, Fault.MISMATCH),
    (alert("UNSUPPORTED_PROTOCOL"), Phase.CONNECT, Fault.MISMATCH),
    (alert("NO_PROTOCOLS_AVAILABLE"), Phase.CONNECT, Fault.MISMATCH),
    (alert("TLSV1_UNRECOGNIZED_NAME"), Phase.CONNECT, Fault.MISMATCH),
    (alert("DH_KEY_TOO_SMALL"), Phase.CONNECT, Fault.MISMATCH),
    (alert("TLSV1_ALERT_INTERNAL_ERROR"), Phase.CONNECT, Fault.UNREACHABLE),
    (alert("SSLV3_ALERT_BAD_RECORD_MAC"), Phase.SENT, Fault.LOST),
    (
        ssl.SSLCertVerificationError(1, "certificate verify failed: Hostname mismatch"),
        Phase.CONNECT,
        Fault.UNTRUSTED,
    ),
    (
        TProtocolException(TProtocolException.BAD_VERSION, "Bad version in readMessageBegin: -2"),
        Phase.OPEN,
        Fault.MISMATCH,
    ),
    (
        transport(TTransportException.NOT_OPEN, f"to any: {UNTRUSTED}"),
        Phase.CONNECT,
        Fault.UNTRUSTED,
    ),
    (
        transport(TTransportException.NOT_OPEN, "Bad status: 3 (b'Unsupported mechanism type X')"),
        Phase.LOGIN,
        Fault.REFUSED,
    ),
    (
        transport(TTransportException.NOT_OPEN, "Bad status: 4 (b'Expecting START status')"),
        Phase.LOGIN,
        Fault.REFUSED,
    ),
    (
        transport(TTransportException.NOT_OPEN, "Bad status: 3 (b'Error validating the login')"),
        Phase.LOGIN,
        Fault.REFUSED,
    ),
    (
        transport(TTransportException.NOT_OPEN, "Could not start SASL: b'No worthy mechs found'"),
        Phase.LOGIN,
        Fault.REFUSED,
    ),
    (transport(TTransportException.NOT_OPEN, "Bad SASL result: x"), Phase.LOGIN, Fault.REFUSED),
    (
        transport(TTransportException.NOT_OPEN, "Bad status: 80 (b'P/1.1 400')"),
        Phase.LOGIN,
        Fault.MISMATCH,
    ),
    (AttributeError("'NoneType' object has no attribute 'recv'"), Phase.SENT, Fault.UNKNOWN),
    (KeyError("x"), Phase.OPEN, Fault.UNKNOWN),
    (IncompleteRead(b""), Phase.OPEN, Fault.UNREACHABLE),
    (BadStatusLine("x"), Phase.SENT, Fault.LOST),
    (HttpError(500, "Internal Server Error", b"", {}), Phase.SENT, Fault.LOST),
    (HttpError(404, "Not Found", b"", {}), Phase.OPEN, Fault.MISMATCH),
    (
        TProtocolException(1, "no HTTP answer: it begins with b'\\x15\\x03'"),
        Phase.OPEN,
        Fault.MISMATCH,
    ),
    (RuntimeError("?"), Phase.CONNECT, Fault.UNKNOWN),
    # What Kerberos says, before a coordinator is touched: `GSSError` has its words and its name.
    (
        GSSError(
            "Server impala/a@LAB.TEST not found in Kerberos database "
            "(KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN), asking for impala/a"
        ),
        Phase.TICKET,
        Fault.MISNAMED,
    ),
    (
        GSSError("Credentials for server have been revoked (KRB5KDC_ERR_SERVICE_REVOKED)"),
        Phase.TICKET,
        Fault.MISNAMED,
    ),
    (
        GSSError("10.0.0.1 has no name ([Errno -2] Name or service not known)"),
        Phase.TICKET,
        Fault.MISNAMED,
    ),
    (
        GSSError(
            "no ticket for impala/a in the credential cache, and none to ask the KDC with: "
            "Matching credential not found (filename: /tmp/cc) (KRB5_CC_NOTFOUND), asking for "
            "impala/a"
        ),
        Phase.TICKET,
        Fault.NO_TICKET,
    ),
    (
        GSSError(
            "Cannot contact any KDC for realm 'LAB.TEST' (KRB5_KDC_UNREACH), asking for impala/a"
        ),
        Phase.TICKET,
        Fault.NO_KDC,
    ),
    (
        GSSError(
            "Cannot resolve network address for KDC in requested realm (KRB5_REALM_CANT_RESOLVE), "
            "asking for impala/a"
        ),
        Phase.TICKET,
        Fault.NO_KDC,
    ),
    (
        GSSError(
            "A service is not available that is required to process the request "
            "(KRB5KDC_ERR_SVC_UNAVAILABLE), asking for impala/a"
        ),
        Phase.TICKET,
        Fault.NO_KDC,
    ),
    (
        GSSError("Generic error (see e-text) (KRB5KRB_ERR_GENERIC), asking for impala/a"),
        Phase.TICKET,
        Fault.NO_KDC,
    ),
    (
        GSSError(
            "No Kerberos credentials available (default cache: FILE:/tmp/krb5cc_0) "
            "(KRB5_CC_NOTFOUND), asking for impala/a"
        ),
        Phase.TICKET,
        Fault.DENIED,
    ),
    (
        GSSError("Client 'etl@LAB.TEST' not found in Kerberos database (KRB5KDC_ERR_C_PRIN...)"),
        Phase.TICKET,
        Fault.DENIED,
    ),
    (
        transport(TTransportException.NOT_OPEN, "Bad status: 3 (b'GSS initiate failed')"),
        Phase.LOGIN,
        Fault.REFUSED,
    ),
    (PrincipalMismatch("the ticket is one of bob@X, ..."), Phase.LOGIN, Fault.DENIED),
    (GSSError("Ticket expired (KRB5KRB_AP_ERR_TKT_EXPIRED), asking"), Phase.LOGIN, Fault.DENIED),
    *[
        (GSSError("the server did not prove who it is: Message modified"), phase, fault)
        for phase, fault in [
            (Phase.LOGIN, Fault.UNTRUSTED),
            (Phase.OPEN, Fault.UNTRUSTED),
            (Phase.UNSENT, Fault.UNTRUSTED),
            (Phase.RUNNING, Fault.LOST),
        ]
    ],
]


@pytest.mark.parametrize(
    ("error", "phase", "fault"),
    HAPPENED,
    ids=[f"{type(e).__name__}-{p.name}" for e, p, _ in HAPPENED],
)
def test_what_happens_on_the_way(error, phase, fault):
    assert fault is classify(error, phase)


#: Of each way in which a login ends an example, and what it means after nothing, a ticket, a secret.
SILENCE = transport(TTransportException.TIMED_OUT, "read timeout")
BAD = transport(TTransportException.NOT_OPEN, "Bad status: 3 (b'GSS initiate failed')")
ENDED = GSSError("The context has expired (GSS_S_CONTEXT_EXPIRED), asking for impala/a")
UNPROVEN = GSSError("the server did not prove who it is: it answered without a token")
LOGINS = [
    (LoginFailure.TIMEOUT, Phase.LOGIN, SILENCE, "UNREACHABLE", "UNREACHABLE", "UNREACHABLE"),
    (
        LoginFailure.RESET,
        Phase.LOGIN,
        ConnectionResetError(104, "Connection reset by peer"),
        "UNREACHABLE",
        "UNREACHABLE",
        "UNREACHABLE",
    ),
    (LoginFailure.END_OF_FILE, Phase.LOGIN, EOF, "UNREACHABLE", "UNREACHABLE", "DENIED"),
    (
        LoginFailure.TICKET_REJECTED,
        Phase.LOGIN,
        transport(TTransportException.END_OF_FILE, f"{TICKET_REJECTED} (TSocket read 0 bytes)"),
        None,
        "REFUSED",
        None,
    ),
    (LoginFailure.REJECTED, Phase.LOGIN, BAD, "REFUSED", "REFUSED", "DENIED"),
    (LoginFailure.REJECTED, Phase.OPEN, http(401), "REFUSED", "REFUSED", "DENIED"),
    (LoginFailure.REJECTED, Phase.OPEN, http(403), "REFUSED", "REFUSED", "DENIED"),
    (
        LoginFailure.CLIENT_CERTIFICATE,
        Phase.LOGIN,
        alert("TLSV1_ALERT_UNKNOWN_CA"),
        "REFUSED",
        "REFUSED",
        "REFUSED",
    ),
    (LoginFailure.PROXY_LOGIN, Phase.CONNECT, http(407), "DENIED", "DENIED", "DENIED"),
    (LoginFailure.RETRY_LATER, Phase.OPEN, http(429), "BUSY", "BUSY", "BUSY"),
    (LoginFailure.RETRY_LATER, Phase.OPEN, http(503, 2.0), "BUSY", "BUSY", "BUSY"),
    (
        LoginFailure.GATEWAY_ERROR,
        Phase.OPEN,
        http(502),
        "UNREACHABLE",
        "UNREACHABLE",
        "UNREACHABLE",
    ),
    (LoginFailure.PROTOCOL_MISMATCH, Phase.OPEN, http(404), "MISMATCH", "MISMATCH", "MISMATCH"),
    (LoginFailure.PROTOCOL_MISMATCH, Phase.OPEN, http(200), "MISMATCH", "MISMATCH", "MISMATCH"),
    (
        LoginFailure.PROTOCOL_MISMATCH,
        Phase.LOGIN,
        transport(TTransportException.NOT_OPEN, "Bad status: 77 (b'x')"),
        "MISMATCH",
        "MISMATCH",
        "MISMATCH",
    ),
    (LoginFailure.TICKET_EXPIRED, Phase.LOGIN, ENDED, None, "DENIED", None),
    (LoginFailure.SERVER_UNPROVEN, Phase.LOGIN, UNPROVEN, None, "UNTRUSTED", None),
    (LoginFailure.SERVER_UNPROVEN, Phase.OPEN, UNPROVEN, None, "UNTRUSTED", None),
    (LoginFailure.WRONG_PRINCIPAL, Phase.OPEN, PrincipalMismatch("bob"), None, "DENIED", None),
]


@pytest.mark.parametrize(
    ("end", "phase", "error", "faults"),
    [(end, phase, error, faults) for end, phase, error, *faults in LOGINS],
    ids=[f"{end.name}-{phase.name}-{number}" for number, (end, phase, *_) in enumerate(LOGINS)],
)
def test_what_a_failed_login_means_depends_on_what_was_shown(end, phase, error, faults):
    """A ticket is good for one login; a password that was refused is shown to nobody else."""
    rule = find_rule(error, phase)

    assert end is rule.fault
    assert faults == [(f and f.name) for f in map(end.means, CredentialKind)]
    for credential, fault in zip(CredentialKind, faults, strict=True):
        assert fault in {None, classify(error, phase, credential=credential).name}


def test_each_way_in_which_a_login_ends_has_an_example_and_a_rule():
    ends = {rule.fault for rule in FAULT_RULES if isinstance(rule.fault, LoginFailure)}

    assert set(LoginFailure) == {end for end, *_ in LOGINS} == ends


def test_nobody_is_denied_who_showed_nothing_that_could_be_spent():
    """But by a proxy, which is the same for all, and where the ticket is another's, or over."""
    denied = {end for end in LoginFailure if end.means(CredentialKind.TICKET) is Fault.DENIED}

    assert {
        LoginFailure.PROXY_LOGIN,
        LoginFailure.TICKET_EXPIRED,
        LoginFailure.WRONG_PRINCIPAL,
    } == denied


@pytest.mark.parametrize(
    ("error", "phase"),
    [(REFUSED, Phase.CONNECT), (EOF, Phase.OPEN), (ConnectionResetError(), Phase.LOGIN)],
)
def test_a_password_does_not_turn_other_failures_into_a_refusal(error, phase):
    assert Fault.UNREACHABLE is classify(error, phase, credential=CredentialKind.SECRET)


def test_every_rule_of_the_table_has_a_real_message():
    """A rule that no case reaches could be wrong, or gone, and nobody would notice."""
    reached = {find_rule(error, phase) for error, phase, _ in HAPPENED}
    reached = {rule.name for rule in reached if rule}
    reached |= SAID.keys() | {"any other answer"}
    reached |= {"session gone for a child query", "admissiond restarted", "table not known yet"}

    assert {rule.name for rule in FAULT_RULES} == reached


def test_each_rule_has_a_name_of_its_own():
    assert len({rule.name for rule in FAULT_RULES}) == len(FAULT_RULES)


def test_every_fault_is_one_of_the_cases():
    assert set(Fault) - {Fault.UNKNOWN} == {f for rule in FAULT_RULES for f in rule.faults}


@pytest.mark.parametrize(
    "text",
    [
        "AnalysisException: Could not resolve table reference: 't'",
        "AnalysisException: Table does not exist: db.t",
        "AnalysisException: Database does not exist: db",
    ],
)
def test_a_missing_table_may_be_news_that_has_not_come_through(text):
    error = HiveServer2Error(text)

    assert classify(error, Phase.SENT, may_lag=True) is Fault.STALE
    assert classify(error, Phase.SENT) is Fault.QUERY


def test_an_error_about_parameters_is_the_users():
    assert Fault.QUERY is classify(ProgrammingError("wrong number of bindings"), Phase.UNSENT)


def test_each_fault_answers_four_questions_and_has_words():
    for fault in Fault:
        assert fault.label
        answers = (fault.retry, fault.may_have_run, fault.counts_against_host, fault.try_elsewhere)
        assert all(isinstance(answer, bool) for answer in answers)


def test_what_blames_a_coordinator_is_also_a_reason_to_leave_it():
    assert all(fault.try_elsewhere and fault.retry for fault in Fault if fault.counts_against_host)


@pytest.mark.parametrize("phase", Phase)
def test_a_statement_may_have_run_from_the_moment_it_was_sent(phase):
    sent = {Phase.SENT, Phase.RUNNING, Phase.FETCH, Phase.CLOSE}

    assert (phase in sent) is phase.sent
