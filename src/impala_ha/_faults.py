"""
From an exception to what it means.

`FAULTS` is read from the top, the first row that fits wins.  To teach the library a new error,
add a row (and its real message to the cases of ``tests/unit/test_faults.py``).  Impala answers
nearly everything with one status code and one SQLSTATE, so the text decides; since 4.5 it is
prefixed with ``Query <id> failed:``, so a pattern is looked for anywhere in the text.

Two questions decide every retry: can another try help, and may the first one have run?
"""

from __future__ import annotations

import enum
import re
from http.client import HTTPException
from typing import NamedTuple

from impala.error import Error, HttpError
from thrift.Thrift import TException
from thrift.transport.TTransport import TTransportException


class Phase(enum.Enum):
    """
    How far a call had come when it failed.

    The type of an exception does not tell it (impyla says "Could not connect" for a statement
    that was in flight), so the driver writes it down.
    """

    TICKET = "getting a Kerberos ticket"
    CONNECT = "connecting"
    LOGIN = "authenticating"
    OPEN = "opening the session"
    UNSENT = "before the statement was sent"
    SENT = "after the statement was sent"
    RUNNING = "while the statement ran"
    FETCH = "fetching rows"
    CLOSE = "closing"

    @property
    def sent(self) -> bool:
        """Had the server been given the statement?"""
        return self in _SENT


_SENT = frozenset({Phase.SENT, Phase.RUNNING, Phase.FETCH, Phase.CLOSE})
_ACCEPTED = _SENT - {Phase.SENT}
_ALWAYS = frozenset(Phase) - {Phase.TICKET}  # in which a coordinator has a part
_UNSENT = _ALWAYS - _SENT
_TICKET = frozenset({Phase.TICKET})
_GIVEN = frozenset({Phase.SENT})
_LOGIN = frozenset({Phase.LOGIN})
_OPENING = frozenset({Phase.CONNECT, Phase.LOGIN, Phase.OPEN})


class Fault(enum.Enum):
    """
    What a failure means for the caller, the coordinator and the link.

    Attributes:
        label: In words, after the name of the coordinator.
        retry: Can another try help?
        ran: May the statement have run?
        blames: Does it speak against the coordinator?
        leaves: Is the next try better made on another coordinator?
    """

    UNREACHABLE = ("could not be reached", True, False, True, True)
    LOST = ("stopped answering", True, True, True, True)
    DRAINING = ("is shutting down", True, False, True, True)
    NOT_READY = ("is not ready for statements", True, False, True, True)
    SESSION_GONE = ("no longer knows the session", True, False, False, False)
    RESULT_GONE = ("no longer knows the statement", True, True, False, False)
    FULL = ("has no room for another session", True, False, False, True)
    BUSY = ("has no room for the statement", True, False, False, False)
    LATER = ("is behind a gateway that says: later", True, True, False, False)
    EXECUTORS = ("lost an executor or the catalog", True, True, False, False)
    STALE = ("has not heard of our own change yet", True, False, False, False)
    MISNAMED = ("is not known to Kerberos by its name", True, False, False, True)
    UNTRUSTED = ("showed a certificate that is not trusted", True, False, False, True)
    MISMATCH = ("does not speak HiveServer2 in this form", True, False, False, True)
    DENIED = ("did not accept who you are", False, False, False, False)
    QUERY = ("refused the statement", False, False, False, False)
    UNKNOWN = ("failed in an unknown way", False, True, False, False)

    def __init__(self, label: str, retry: bool, ran: bool, blames: bool, leaves: bool):
        self.label = label
        self.retry = retry
        self.ran = ran
        self.blames = blames
        self.leaves = leaves

    @property
    def lasting(self) -> bool:
        """Would the same coordinator say the same a moment later, so that once is enough?"""
        return self in (Fault.MISNAMED, Fault.UNTRUSTED, Fault.MISMATCH)


class Row(NamedTuple):
    """One line of the table: an error of *types* whose text has *pattern*, in one of *phases*."""

    types: tuple[type[BaseException], ...]
    pattern: str
    phases: frozenset[Phase]
    fault: Fault


_TRANSPORT = (TException, OSError, EOFError, HTTPException)
_ANY = (Exception,)

FAULTS: tuple[Row, ...] = (
    # What Impala says.
    Row((Error,), r"Server is being shut down", _ALWAYS, Fault.DRAINING),
    Row(
        (Error,),
        r"not ready to accept user requests|Coordinator not registered with the statestore"
        r"|The coordinator no longer exists",
        _ALWAYS,
        Fault.NOT_READY,
    ),
    Row((Error,), r"Number of sessions for user .* exceeds coordinator limit", _ALWAYS, Fault.FULL),
    Row((Error,), r"(?:^|\n)Session closed(?! because)", _SENT, Fault.RESULT_GONE),
    Row(
        (Error,),
        r"Invalid session id|Client session expired|Session expired|Session is closed"
        r"|Session has been closed|Session closed because|Invalid SessionHandle",
        _ACCEPTED,
        Fault.RESULT_GONE,
    ),
    Row(
        (Error,),
        r"Invalid session id|Client session expired|Session expired|Session is closed"
        r"|Session has been closed|Session closed because|Invalid SessionHandle",
        _ALWAYS,
        Fault.SESSION_GONE,
    ),
    Row(
        (Error,),
        r"Invalid (?:or unknown )?query handle|Query id \S+ not found|Invalid OperationHandle",
        _SENT,
        Fault.RESULT_GONE,
    ),
    Row(
        (Error,),
        r"Rejected query from pool .*: queue full|Admission for query exceeded timeout"
        r"|current per-user load|Failed to admit query after|no registered backends available"
        r"|AdmitQuery rpc failed|GetQueryStatus rpc failed"
        r"|Couldn't open transport for|is in standby mode",
        _ALWAYS,
        Fault.BUSY,
    ),
    Row(
        (Error,),
        r"unreachable impalad|Exec\(\) rpc failed|cancelled due to unresponsive backend"
        r"|Failed to get minimum memory reservation|RPC recv timed out|RPC Error: Client for"
        r"|RPC client failed to connect",
        _ALWAYS,
        Fault.EXECUTORS,
    ),
    Row(
        (Error,),
        r"Could not resolve (?:table|path|database) reference|(?:Table|Database) does not exist",
        _ALWAYS,
        Fault.STALE,
    ),
    Row(
        (Error,),
        r"is not authorized to delegate to|Unable to delegate using empty"
        r"|Cannot set 'impala\.doas\.user'|Failed to validate proxy privilege",
        _ALWAYS,
        Fault.DENIED,
    ),
    Row((Error,), r"(?:^|\n)User is not authorized\.", _OPENING, Fault.DENIED),
    # What a gateway in front of hs2-http says.
    Row((HttpError,), r"HTTP code 40[137]", _ALWAYS, Fault.DENIED),
    Row((HttpError,), r"HTTP code 413", _GIVEN, Fault.QUERY),
    Row((HttpError,), r"HTTP code 429", _UNSENT | _GIVEN, Fault.BUSY),
    Row((HttpError,), r"HTTP code 503.*, retry after", _UNSENT, Fault.BUSY),
    Row((HttpError,), r"HTTP code 503.*, retry after", _GIVEN, Fault.LATER),
    Row((HttpError,), r"HTTP code (?:408|5)", _UNSENT, Fault.UNREACHABLE),
    Row((HttpError,), r"HTTP code (?!408)[34]", _UNSENT | _GIVEN, Fault.MISMATCH),
    Row((HttpError,), r"HTTP code", _UNSENT, Fault.MISMATCH),
    Row((HttpError,), r"HTTP code", _SENT, Fault.LOST),
    Row((Error,), r"", _ALWAYS, Fault.QUERY),
    # What Kerberos says, before the coordinator is spoken to and when it is.
    Row(_ANY, r"S_PRINCIPAL_UNKNOWN|KDC_ERR_SERVICE|has no name", _TICKET, Fault.MISNAMED),
    Row(_ANY, r"", _TICKET, Fault.DENIED),
    Row(_ANY, r"GSS initiate failed", _LOGIN, Fault.MISNAMED),
    # What happens on the way.
    Row(_ANY, r"CERTIFICATE_VERIFY_FAILED|certificate verify failed", _UNSENT, Fault.UNTRUSTED),
    Row(
        _ANY,
        r"ALERT_(?:CERTIFICATE_|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)",
        _OPENING,
        Fault.DENIED,
    ),
    Row(
        _ANY,
        r"ALERT_(?!INTERNAL_ERROR|BAD_RECORD_MAC)|UNRECOGNIZED_NAME|UNSUPPORTED_PROTOCOL"
        r"|NO_PROTOCOLS_AVAILABLE|KEY_TOO_SMALL",
        _OPENING,
        Fault.MISMATCH,
    ),
    Row(
        _ANY,
        r"Bad status: [34]\b|Bad SASL result|Could not start SASL|Error validating the login",
        _LOGIN,
        Fault.DENIED,
    ),
    Row(
        _ANY,
        r"No protocol version header|Bad version in readMessageBegin|WRONG_VERSION_NUMBER"
        r"|frame of \d+ bytes is longer|Bad status: \d|no HTTP answer",
        _OPENING,
        Fault.MISMATCH,
    ),
    Row(_TRANSPORT, r"", _UNSENT, Fault.UNREACHABLE),
    Row(_TRANSPORT, r"", _SENT, Fault.LOST),
)


def judge(
    error: BaseException, phase: Phase, *, password: bool = False, lagging: bool = False
) -> Fault:
    """
    Say what *error* means.

    Args:
        error: What was raised.
        phase: How far the call had come.
        password: Whether a password had been sent: Impala answers a wrong one by closing the
            socket without a word, which otherwise looks like a coordinator that died.
        lagging: Whether the caller changed something a moment ago on another coordinator, of
            which this one may not have heard yet.
    """
    if phase is Phase.LOGIN and _is_gss(error):
        return Fault.DENIED
    if password and phase is Phase.LOGIN and _is_end_of_file(error):
        return Fault.DENIED
    text = words(error)
    for row in FAULTS:
        if row.fault is Fault.STALE and not lagging:
            continue
        if phase in row.phases and isinstance(error, row.types) and re.search(row.pattern, text):
            return row.fault
    return Fault.UNKNOWN


def words(error: BaseException) -> str:
    """What *error* says, and what thrift keeps beside it: "unexpected exception" says little."""
    inner = getattr(error, "inner", None)
    text = str(error) or type(error).__name__
    return text if inner is None or str(inner) in text else f"{text}: {inner}"


def _is_end_of_file(error: BaseException) -> bool:
    return isinstance(error, TTransportException) and error.type == TTransportException.END_OF_FILE


def _is_gss(error: BaseException) -> bool:
    """`kerberos.GSSError` without importing the optional package."""
    return any(kind.__name__ == "GSSError" for kind in type(error).__mro__)
