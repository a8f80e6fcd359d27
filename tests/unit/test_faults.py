"""What each failure means: one real message of Impala, Thrift or the system for every row."""

import re
import socket
import ssl
from http.client import BadStatusLine, IncompleteRead

import pytest
from impala.error import HiveServer2Error, HttpError, OperationalError, ProgrammingError
from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TApplicationException
from thrift.transport.TTransport import TTransportException

from impala_ha._faults import FAULTS, Fault, Phase, judge, words
from impala_ha._kerberos_errors import GSSError
from impala_ha._refusal import Refused

SHUTDOWN = (
    "Server is being shut down: shutdown grace period left: 1m59s, deadline left: 59m59s, "
    "queries registered on coordinator: 1, queries executing: 0, fragment instances: 0."
)
POOL = "Rejected query from pool root.etl: "
ADMISSION = "Admission for query exceeded timeout 60000ms in pool root.etl. Queued reason: "

#: What Impala says: text, how far the call had come, what it means.
SAID = [
    (SHUTDOWN, Phase.OPEN, Fault.DRAINING),
    (SHUTDOWN, Phase.SENT, Fault.DRAINING),
    (
        (
            "This Impala daemon is not ready to accept user requests. "
            "Status: Waiting for catalog update from the StateStore."
        ),
        Phase.SENT,
        Fault.NOT_READY,
    ),
    (
        ADMISSION + "Coordinator not registered with the statestore. Additional Details: none",
        Phase.RUNNING,
        Fault.NOT_READY,
    ),
    (
        ADMISSION + "The coordinator no longer exists: a:27000 Additional Details: none",
        Phase.RUNNING,
        Fault.NOT_READY,
    ),
    ("Number of sessions for user etl exceeds coordinator limit 4", Phase.OPEN, Fault.FULL),
    ("Invalid session id: 8a4b1c:9d2e3f", Phase.SENT, Fault.SESSION_GONE),
    (
        (
            "Client session expired due to more than 60s of inactivity "
            "(last activity was at: 2024-05-01 10:11:12)."
        ),
        Phase.SENT,
        Fault.SESSION_GONE,
    ),
    ("Session is closed", Phase.SENT, Fault.SESSION_GONE),
    ("Session has been closed, ignoring query.", Phase.SENT, Fault.SESSION_GONE),
    ("Session expired due to inactivity", Phase.RUNNING, Fault.RESULT_GONE),
    ("Session closed because it has no active connections", Phase.FETCH, Fault.RESULT_GONE),
    ("Invalid SessionHandle: SessionHandle [1f]", Phase.SENT, Fault.SESSION_GONE),
    ("Session closed", Phase.SENT, Fault.RESULT_GONE),
    ("Session is closed", Phase.FETCH, Fault.RESULT_GONE),
    ("Session has been closed, ignoring query.", Phase.RUNNING, Fault.RESULT_GONE),
    (
        (
            "Client session expired due to more than 60s of inactivity "
            "(last activity was at: 2024-05-01 10:11:12)."
        ),
        Phase.RUNNING,
        Fault.RESULT_GONE,
    ),
    ("Invalid SessionHandle: SessionHandle [1f]", Phase.FETCH, Fault.RESULT_GONE),
    ("Invalid session id: 8a4b1c:9d2e3f", Phase.FETCH, Fault.RESULT_GONE),
    ("Invalid or unknown query handle: 8a4b1c:9d2e3f.", Phase.RUNNING, Fault.RESULT_GONE),
    ("Invalid query handle: 8a4b1c:9d2e3f", Phase.FETCH, Fault.RESULT_GONE),
    ("Query id 8a4b1c:9d2e3f not found.", Phase.FETCH, Fault.RESULT_GONE),
    ("Invalid OperationHandle: OperationHandle [1f]", Phase.RUNNING, Fault.RESULT_GONE),
    (POOL + "queue full, limit=1, num_queued=1.", Phase.RUNNING, Fault.BUSY),
    (
        ADMISSION + "Not enough aggregate memory available Additional Details: none",
        Phase.RUNNING,
        Fault.BUSY,
    ),
    (
        "current per-user load 5 for user 'etl' is at or above the user limit 5 in pool 'root.etl'",
        Phase.RUNNING,
        Fault.BUSY,
    ),
    ("Failed to admit query after waiting 60s and retrying 3 times.", Phase.RUNNING, Fault.BUSY),
    ("AdmitQuery rpc failed: Remote error", Phase.RUNNING, Fault.BUSY),
    ("GetQueryStatus rpc failed: Remote error", Phase.RUNNING, Fault.BUSY),
    ("Cannot schedule query: no registered backends available.", Phase.RUNNING, Fault.BUSY),
    ("Couldn't open transport for catalog:26000 (Connection refused)", Phase.SENT, Fault.BUSY),
    (
        "Request for Catalog service is rejected since catalogd c:26000 is in standby mode",
        Phase.SENT,
        Fault.BUSY,
    ),
    ("Failed due to unreachable impalad(s): x:27000, y:27000", Phase.RUNNING, Fault.EXECUTORS),
    ("Cancelled due to unreachable impalad(s): x:27000", Phase.FETCH, Fault.EXECUTORS),
    (
        "Exec() rpc failed: Network error: Client connection negotiation",
        Phase.RUNNING,
        Fault.EXECUTORS,
    ),
    (
        (
            "Query 8a:9d cancelled due to unresponsive backend: x:27000 has not sent a report in "
            "1200000ms (max allowed lag is 1200000ms)"
        ),
        Phase.RUNNING,
        Fault.EXECUTORS,
    ),
    (
        (
            "Failed to get minimum memory reservation of 8.00 MB on daemon x:27000 for query 8a:9d "
            "due to following error: Memory is likely oversubscribed."
        ),
        Phase.RUNNING,
        Fault.EXECUTORS,
    ),
    (
        "RPC recv timed out: dest address: catalog:26000, rpc: N6impala19TExecDdl",
        Phase.SENT,
        Fault.EXECUTORS,
    ),
    (
        (
            "RPC Error: Client for catalog:26000 hit an unexpected exception: No more data to read., "
            "type: apache::thrift::transport::TTransportException, rpc: x, send: done"
        ),
        Phase.SENT,
        Fault.EXECUTORS,
    ),
    ("RPC client failed to connect: Couldn't reach catalog:26000", Phase.SENT, Fault.EXECUTORS),
    # The user's own mistakes, and what was meant to end.
    ("AnalysisException: Could not resolve table reference: 't'", Phase.SENT, Fault.QUERY),
    ("AnalysisException: Table does not exist: db.t", Phase.SENT, Fault.QUERY),
    ("ParseException: Syntax error in line 1:\nselec 1\n^", Phase.SENT, Fault.QUERY),
    (
        "AuthorizationException: User 'etl' does not have privileges to execute 'INSERT' on: d.t",
        Phase.SENT,
        Fault.QUERY,
    ),
    # Acting for somebody else.
    ("User 'a' is not authorized to delegate to 'b'.", Phase.OPEN, Fault.DENIED),
    (
        "User 'a' is not authorized to delegate to 'b'. User/group delegation is disabled.",
        Phase.OPEN,
        Fault.DENIED,
    ),
    ("Unable to delegate using empty doAs username.", Phase.OPEN, Fault.DENIED),
    (
        "Cannot set 'impala.doas.user' configuration property when 'doAs' query parameter is set.",
        Phase.OPEN,
        Fault.DENIED,
    ),
    ("User is not authorized.", Phase.OPEN, Fault.DENIED),
    ("User is not authorized.", Phase.SENT, Fault.QUERY),
    ("Failed to validate proxy privilege of a for b", Phase.OPEN, Fault.DENIED),
    (POOL + "disabled by requests limit set to 0", Phase.RUNNING, Fault.QUERY),
    (POOL + "request memory needed 9 GB is greater than pool max mem", Phase.RUNNING, Fault.QUERY),
    ("Memory limit exceeded: Could not allocate 8.00 MB", Phase.RUNNING, Fault.QUERY),
    ("Query 8a:9d expired due to client inactivity (timeout is 5s)", Phase.FETCH, Fault.QUERY),
    ("Cancelled", Phase.RUNNING, Fault.QUERY),
    ("UDF ERROR: Decimal expression overflowed", Phase.FETCH, Fault.QUERY),
]


@pytest.mark.parametrize("wrapped", ["{}", "Query 1:2 failed:\n{}\n"], ids=["bare", "wrapped"])
@pytest.mark.parametrize("kind", [HiveServer2Error, OperationalError])
@pytest.mark.parametrize(("text", "phase", "fault"), SAID, ids=[text[:40] for text, *_ in SAID])
def test_what_impala_says(text, phase, fault, kind, wrapped):
    """Since 4.5 an error that has a query carries its id in front."""
    assert fault is judge(kind(wrapped.format(text)), phase)


def http(code, retry_after=0.0):
    return Refused(code, "Gateway", b"secret page", {}, "https://a:28000/cliservice", retry_after)


def transport(kind, text):
    return TTransportException(kind, text)


def alert(reason):
    """As thrift tells it: the words are in what it keeps beside its own."""
    inner = ssl.SSLError(1, f"[SSL: {reason}] {reason.lower()} (_ssl.c:2580)")
    return TTransportException(message="unexpected exception", inner=inner)


EOF = TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes")
REFUSED = TTransportException(
    TTransportException.NOT_OPEN, "Could not connect to any of [('127.0.0.1', 21050)]"
)
UNTRUSTED = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")

#: What happens on the way: exception, how far the call had come, what it means.
HAPPENED = [
    (http(401), Phase.OPEN, Fault.DENIED),
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
    (http(404), Phase.OPEN, Fault.MISMATCH),
    (http(404), Phase.SENT, Fault.MISMATCH),
    (http(404), Phase.RUNNING, Fault.LOST),
    (http(200), Phase.OPEN, Fault.MISMATCH),
    (http(200), Phase.SENT, Fault.LOST),
    (EOF, Phase.LOGIN, Fault.UNREACHABLE),
    (EOF, Phase.OPEN, Fault.UNREACHABLE),
    (EOF, Phase.SENT, Fault.LOST),
    (EOF, Phase.FETCH, Fault.LOST),
    (EOF, Phase.CLOSE, Fault.LOST),
    (REFUSED, Phase.CONNECT, Fault.UNREACHABLE),
    (transport(TTransportException.TIMED_OUT, "read timeout"), Phase.OPEN, Fault.UNREACHABLE),
    (transport(TTransportException.TIMED_OUT, "read timeout"), Phase.RUNNING, Fault.LOST),
    (ConnectionRefusedError(111, "Connection refused"), Phase.CONNECT, Fault.UNREACHABLE),
    (socket.gaierror(-2, "Name or service not known"), Phase.CONNECT, Fault.UNREACHABLE),
    (TimeoutError("timed out"), Phase.CONNECT, Fault.UNREACHABLE),
    (ConnectionResetError(104, "Connection reset by peer"), Phase.UNSENT, Fault.UNREACHABLE),
    (ConnectionResetError(104, "Connection reset by peer"), Phase.SENT, Fault.LOST),
    (BrokenPipeError(32, "Broken pipe"), Phase.SENT, Fault.LOST),
    (EOFError(), Phase.FETCH, Fault.LOST),
    (TProtocolException(TProtocolException.BAD_VERSION, "No"), Phase.OPEN, Fault.UNREACHABLE),
    (TProtocolException(TProtocolException.SIZE_LIMIT, "Length"), Phase.FETCH, Fault.LOST),
    (TApplicationException(TApplicationException.INTERNAL_ERROR, "x"), Phase.SENT, Fault.LOST),
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
    (alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), Phase.OPEN, Fault.DENIED),
    (alert("TLSV1_ALERT_UNKNOWN_CA"), Phase.LOGIN, Fault.DENIED),
    (alert("SSLV3_ALERT_BAD_CERTIFICATE"), Phase.CONNECT, Fault.DENIED),
    (alert("SSLV3_ALERT_CERTIFICATE_EXPIRED"), Phase.OPEN, Fault.DENIED),
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
        Fault.DENIED,
    ),
    (
        transport(TTransportException.NOT_OPEN, "Bad status: 4 (b'Expecting START status')"),
        Phase.LOGIN,
        Fault.DENIED,
    ),
    (
        transport(TTransportException.NOT_OPEN, "Bad status: 3 (b'Error validating the login')"),
        Phase.LOGIN,
        Fault.DENIED,
    ),
    (
        transport(TTransportException.NOT_OPEN, "Could not start SASL: b'No worthy mechs found'"),
        Phase.LOGIN,
        Fault.DENIED,
    ),
    (transport(TTransportException.NOT_OPEN, "Bad SASL result: x"), Phase.LOGIN, Fault.DENIED),
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
        Fault.MISNAMED,
    ),
    (GSSError("Message stream modified"), Phase.LOGIN, Fault.DENIED),
]


@pytest.mark.parametrize(
    ("error", "phase", "fault"),
    HAPPENED,
    ids=[f"{type(e).__name__}-{p.name}" for e, p, _ in HAPPENED],
)
def test_what_happens_on_the_way(error, phase, fault):
    assert fault is judge(error, phase)


def test_a_closed_socket_after_a_password_means_that_it_was_wrong():
    """Impala answers a wrong password with an end of file and not a word."""
    assert Fault.DENIED is judge(EOF, Phase.LOGIN, password=True)


@pytest.mark.parametrize(
    ("error", "phase"),
    [(REFUSED, Phase.LOGIN), (EOF, Phase.OPEN), (ConnectionResetError(), Phase.LOGIN)],
)
def test_a_password_does_not_turn_other_failures_into_a_refusal(error, phase):
    assert Fault.UNREACHABLE is judge(error, phase, password=True)


def test_kerberos_says_no_with_an_error_of_its_own():
    """The class is known by its name, for the package is optional."""

    class GSSError(Exception):
        pass

    class BadTicketError(GSSError):
        pass

    assert Fault.DENIED is judge(BadTicketError("no credentials"), Phase.LOGIN)
    assert Fault.UNKNOWN is judge(BadTicketError("no credentials"), Phase.SENT)


def test_every_row_of_the_table_has_a_real_message():
    """A row that no case reaches could be wrong, or gone, and nobody would notice."""
    cases = [(HiveServer2Error(text), phase) for text, phase, _ in SAID]
    cases += [(error, phase) for error, phase, _ in HAPPENED]

    reached = {_row(error, phase) for error, phase in cases}

    assert set(FAULTS) == reached - {None}


def _row(error, phase):
    for row in FAULTS:
        if (
            phase in row.phases
            and isinstance(error, row.types)
            and re.search(row.pattern, words(error))
        ):
            return row
    return None


def alternatives(pattern):
    """The parts of *pattern* between the bars that stand in no parentheses."""
    return re.split(r"\|(?![^()]*\))", pattern)


@pytest.mark.parametrize(
    ("row", "part"),
    [(row, part) for row in FAULTS for part in alternatives(row.pattern)],
    ids=lambda value: value if isinstance(value, str) else value.fault.name,
)
def test_every_text_that_is_looked_for_has_a_real_message(row, part):
    """Also the parts of a pattern: each stands for a message of its own."""
    cases = [(HiveServer2Error(text), phase) for text, phase, _ in SAID]
    cases += [(error, phase) for error, phase, _ in HAPPENED]

    assert any(
        phase in row.phases and isinstance(error, row.types) and re.search(part, words(error))
        for error, phase in cases
    )


def test_every_fault_is_one_of_the_cases():
    assert set(Fault) == {case[-1] for case in [*SAID, *HAPPENED]} | {Fault.STALE}


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

    assert judge(error, Phase.SENT, lagging=True) is Fault.STALE
    assert judge(error, Phase.SENT) is Fault.QUERY


def test_an_error_about_parameters_is_the_users():
    assert Fault.QUERY is judge(ProgrammingError("wrong number of bindings"), Phase.UNSENT)


def test_each_fault_answers_four_questions_and_has_words():
    for fault in Fault:
        assert fault.label
        answers = (fault.retry, fault.ran, fault.blames, fault.leaves)
        assert all(isinstance(answer, bool) for answer in answers)


def test_what_blames_a_coordinator_is_also_a_reason_to_leave_it():
    assert all(fault.leaves and fault.retry for fault in Fault if fault.blames)


@pytest.mark.parametrize("phase", Phase)
def test_a_statement_may_have_run_from_the_moment_it_was_sent(phase):
    sent = {Phase.SENT, Phase.RUNNING, Phase.FETCH, Phase.CLOSE}

    assert (phase in sent) is phase.sent
