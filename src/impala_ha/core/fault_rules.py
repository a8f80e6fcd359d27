"""
From an exception to its fault: the table of faults.

The first rule of `FAULT_RULES` that fits decides.  A rule has three conditions: the types of the
error, the phases in which it may come (before a statement; in the first answer to it; after its
handle is known), and a pattern of the WHOLE text.  The texts of Impala are in `core.impala_rules`;
those of local libraries about opening a connection are matched anywhere in the text.

A failed login means something else with a ticket than with a password: see `LoginFailure`.
"""

from __future__ import annotations

import re
from http.client import HTTPException

from impala.error import Error, HttpError
from thrift.Thrift import TException
from thrift.transport.TTransport import TTransportException

from .faults import FIRST, SENT, CredentialKind, Fault, FaultRule, LoginFailure, Phase, RowsLost
from .impala_rules import ID, IMPALA_RULES
from .kerberos_errors import EXPIRED, NO_KDC, GSSError, PrincipalMismatch
from .login_throttle import LoginBlocked

_EVERYWHERE = frozenset(Phase) - {Phase.TICKET}  # where a coordinator takes part
_UNSENT = _EVERYWHERE - SENT
_TICKET = frozenset({Phase.TICKET})
_LOGIN = frozenset({Phase.LOGIN})
_OPENING = frozenset({Phase.CONNECT, Phase.LOGIN, Phase.OPEN})

_TRANSPORT = (TException, OSError, EOFError, HTTPException)
_ANY = (Exception,)
_MORE = r"[\s\S]*"

#: Our text for a coordinator that closes the connection after a ticket, and answers others.
TICKET_REJECTED = "the server hangs up on this ticket, and answers those who show none"


def _http(
    name: str, status: str, where: frozenset[Phase], fault: Fault | LoginFailure
) -> FaultRule:
    return FaultRule(name, (HttpError,), where, rf"HTTP code {status}{_MORE}", fault)


_LATER = r"503\b.*, retry after"
_HTTP = (
    _http("HTTP 401", r"401\b", _EVERYWHERE, LoginFailure.REJECTED),
    _http("HTTP 403", r"403\b", _OPENING | {Phase.PING}, LoginFailure.REJECTED),
    # by a gateway that inspects statements, perhaps
    _http("HTTP 403 to a statement", r"403\b", _EVERYWHERE, Fault.DENIED),
    _http("HTTP 407", r"407\b", _EVERYWHERE, LoginFailure.PROXY_LOGIN),
    _http("HTTP 413", r"413\b", FIRST, Fault.QUERY),
    _http("HTTP 429", r"429\b", _UNSENT | FIRST, LoginFailure.RETRY_LATER),
    _http("HTTP 503 retry later", _LATER, _UNSENT, LoginFailure.RETRY_LATER),
    _http("HTTP 503 retry later after sending", _LATER, FIRST, Fault.LATER),
    # 501 and 505 will not change
    _http("HTTP 5xx", r"(?:408|5(?!01|05))", _UNSENT, LoginFailure.GATEWAY_ERROR),
    _http("HTTP 4xx", r"(?!408)[34]", _UNSENT | FIRST, LoginFailure.PROTOCOL_MISMATCH),
    _http("HTTP other", "", _UNSENT, LoginFailure.PROTOCOL_MISMATCH),
    _http("HTTP failure after sending", "", SENT, Fault.LOST),
)

#: Errors of local libraries, before anything of the caller's was sent.
_OPEN = (
    FaultRule(
        "no key for the name",
        _ANY,
        _TICKET,
        _MORE + r"(?:S_PRINCIPAL_UNKNOWN|KDC_ERR_SERVICE|has no name)" + _MORE,
        Fault.MISNAMED,
    ),
    FaultRule(
        "no ticket for the service",
        _ANY,
        _TICKET,
        r"no ticket for \S+ in the credential cache, and none to ask the KDC with" + _MORE,
        Fault.NO_TICKET,
    ),
    FaultRule("no KDC", _ANY, _TICKET, rf"{_MORE}\((?:{'|'.join(NO_KDC)})\){_MORE}", Fault.NO_KDC),
    FaultRule("no ticket", _ANY, _TICKET, _MORE, Fault.DENIED),
    FaultRule(
        "wrong principal", (PrincipalMismatch,), _UNSENT, _MORE, LoginFailure.WRONG_PRINCIPAL
    ),
    FaultRule(
        "ticket expired",
        (GSSError,),
        _UNSENT,
        rf"{_MORE}\((?:{'|'.join(EXPIRED)})\){_MORE}",
        LoginFailure.TICKET_EXPIRED,
    ),
    FaultRule(
        "server not proven by Kerberos", (GSSError,), _UNSENT, _MORE, LoginFailure.SERVER_UNPROVEN
    ),
    FaultRule(
        "certificate",
        _ANY,
        _UNSENT,
        _MORE + r"(?:CERTIFICATE_VERIFY_FAILED|certificate verify failed)" + _MORE,
        Fault.UNTRUSTED,
    ),
    FaultRule(
        "client certificate",
        _ANY,
        _OPENING,
        _MORE + r"ALERT_(?:CERTIFICATE_|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA"
        r"|ACCESS_DENIED)" + _MORE,
        LoginFailure.CLIENT_CERTIFICATE,
    ),
    FaultRule(
        "TLS version",
        _ANY,
        _OPENING,
        _MORE + r"(?:ALERT_(?!INTERNAL_ERROR|BAD_RECORD_MAC)|UNRECOGNIZED_NAME|UNSUPPORTED_PROTOCOL"
        r"|NO_PROTOCOLS_AVAILABLE|KEY_TOO_SMALL)" + _MORE,
        Fault.MISMATCH,
    ),
    FaultRule(
        "login refused",
        _ANY,
        _LOGIN,
        _MORE + r"(?:Bad status: [34]\b|Bad SASL result|Could not start SASL"
        r"|Error validating the login|GSS initiate failed)" + _MORE,
        LoginFailure.REJECTED,
    ),
    FaultRule(
        "another protocol",
        _ANY,
        _OPENING,
        _MORE + r"(?:No protocol version header|Bad version in readMessageBegin"
        r"|(?:Invalid method name:? |Unknown function )'?OpenSession"
        r"|WRONG_VERSION_NUMBER|frame of \d+ bytes is longer|Bad status: \d|no HTTP answer)"
        + _MORE,
        LoginFailure.PROTOCOL_MISMATCH,
    ),
    FaultRule(
        "ticket rejected",
        _TRANSPORT,
        _LOGIN,
        rf"{TICKET_REJECTED}.*",
        LoginFailure.TICKET_REJECTED,
    ),
    FaultRule(
        "login time-out",
        _TRANSPORT,
        _LOGIN,
        r"(?:(?:read|write) timeout|timed out)" + _MORE,
        LoginFailure.TIMEOUT,
    ),
    FaultRule(
        "login end of file", _TRANSPORT, _LOGIN, r"TSocket read 0 bytes", LoginFailure.END_OF_FILE
    ),
    FaultRule("login reset", _TRANSPORT, _LOGIN, _MORE, LoginFailure.RESET),
)

FAULT_RULES: tuple[FaultRule, ...] = (
    FaultRule("secret withheld", (LoginBlocked,), _EVERYWHERE, _MORE, Fault.DENIED),
    FaultRule("rows lost", (RowsLost,), SENT, _MORE, Fault.ROWS_LOST),
    *IMPALA_RULES,
    *_HTTP,
    FaultRule("any other answer", (Error,), _EVERYWHERE, _MORE, Fault.QUERY),
    *_OPEN,
    FaultRule(
        "no such host",
        _TRANSPORT,
        _UNSENT,
        # EAI_NONAME and EAI_NODATA of Linux and of macOS; EAI_AGAIN may pass.
        r"failed to resolve sockaddr for .*: (?:\[Errno (?:-2|-5|8|7)\]|encoding with 'idna')"
        + _MORE,
        Fault.UNRESOLVED,
    ),
    FaultRule("connection failed", _TRANSPORT, _UNSENT, _MORE, Fault.UNREACHABLE),
    FaultRule("connection lost", (*_TRANSPORT, GSSError), SENT, _MORE, Fault.LOST),
)


def classify(
    error: BaseException,
    phase: Phase,
    *,
    credential: CredentialKind = CredentialKind.NONE,
    may_lag: bool = False,
) -> Fault:
    """
    What *error* means.

    Args:
        error: What was raised.
        phase: How far the call had come.
        credential: What the caller logs in with.
        may_lag: Whether the caller changed a table a moment ago through another coordinator, and
            this one may not know it yet.
    """
    rule = find_rule(error, phase, may_lag=may_lag)
    return Fault.UNKNOWN if rule is None else rule.means(credential)


def refused_before_login(error: BaseException) -> bool:
    """Was the connection refused for our client certificate, before a login was read?"""
    rule = find_rule(error, Phase.LOGIN)
    return rule is not None and rule.fault is LoginFailure.CLIENT_CERTIFICATE


def find_rule(error: BaseException, phase: Phase, *, may_lag: bool = False) -> FaultRule | None:
    """The rule of the table that fits *error* in *phase*; None if there is none."""
    text, prefixes = _without_prefixes(error_text(error))
    for rule in FAULT_RULES:
        if rule.fault is Fault.STALE and not may_lag:
            continue
        if phase not in rule.where or prefixes > rule.prefixes or not isinstance(error, rule.types):
            continue
        if re.fullmatch(rule.text, text):
            return rule
    return None


def error_text(error: BaseException) -> str:
    """The text of *error*, with that of its ``inner``: "unexpected exception" says little."""
    inner = getattr(error, "inner", None)
    text = str(error) or type(error).__name__
    return text if inner is None or str(inner) in text else f"{text}: {inner}"


def is_late(error: BaseException | None) -> bool:
    """Is *error* a time-out of ours?"""
    inner = getattr(error, "inner", None)
    if isinstance(inner, TimeoutError) or isinstance(error, TimeoutError):
        return True
    kind = getattr(error, "type", None)
    # A socket whose probes had no answer is lost, and not late; see `Socket.read`.
    return kind == TTransportException.TIMED_OUT and "probes" not in str(error)


def _without_prefixes(text: str) -> tuple[str, int]:
    """*text* without the ``Query <id> failed:`` lines, and how many there were."""
    found = re.match(rf"(?:Query {ID} failed:\n)*", text)
    assert found is not None  # it matches nothing, if need be
    return text[found.end() :].rstrip("\n"), found[0].count("\n")


def is_end_of_file(error: BaseException) -> bool:
    """Did the server close the connection?"""
    return isinstance(error, TTransportException) and error.type == TTransportException.END_OF_FILE
