"""How far a call had come, what its failure can mean, how a login fails, what a rule is."""

from __future__ import annotations

import enum
from typing import NamedTuple

from impala_ha import errors


class Phase(enum.Enum):
    """
    How far a call had come when it failed.

    The type of an exception does not show it (impyla says "Could not connect" for a statement
    that was in flight), so the client keeps it.
    """

    TICKET = "getting a Kerberos ticket"
    CONNECT = "connecting"
    LOGIN = "authenticating"
    OPEN = "opening the session"
    PING = "asking whether the session is alive"
    UNSENT = "before the statement was sent"
    SENT = "after the statement was sent"
    RUNNING = "while the statement ran"
    FETCH = "fetching rows"
    CLOSE = "closing"

    @property
    def sent(self) -> bool:
        """Had the statement been sent?"""
        return self in SENT


SENT = frozenset({Phase.SENT, Phase.RUNNING, Phase.FETCH, Phase.CLOSE})
BEFORE = frozenset({Phase.OPEN, Phase.PING})  # answers that are about no statement
FIRST = frozenset({Phase.SENT})  # the first answer to ExecuteStatement or a metadata call
AFTER = SENT - FIRST  # the handle is known


class Fault(enum.Enum):
    """
    What a failure means for the caller, the coordinator and the connection.

    Attributes:
        label: In words, after the name of the coordinator.
        retry: Whether another try can help.
        may_have_run: Whether the statement may have run, once it was sent.
        counts_against_host: Whether it is a failure of the coordinator, for its circuit breaker.
        try_elsewhere: Whether the next try should be made on another coordinator.
    """

    UNREACHABLE = ("could not be reached", True, False, True, True)
    LOST = ("stopped answering", True, True, True, True)
    DRAINING = ("is shutting down", True, False, True, True)
    NOT_READY = ("is not ready for statements", True, False, True, True)
    NOT_REGISTERED = ("is not registered with the statestore", True, False, False, True)
    SESSION_GONE = ("no longer knows the session", True, False, False, False)
    RESULT_GONE = ("no longer knows the statement", True, True, False, False)
    ROWS_LOST = ("sent rows into a connection that broke", True, True, False, False)
    FULL = ("has reached its limit of sessions", True, False, False, True)
    BUSY = ("is too busy for the statement", True, False, False, False)
    LATER = ("is behind a gateway that asks to retry later", True, True, False, False)
    CATALOG = ("cannot reach the catalog", True, False, False, False)
    METADATA = ("could not load the metadata of a table", True, False, False, False)
    EXECUTORS = ("could not finish the statement", True, True, False, False)
    STALE = ("does not know our own change yet", True, False, False, False)
    UNRESOLVED = ("could not be resolved", True, False, True, True)
    MISNAMED = ("is not known to Kerberos by its name", True, False, False, True)
    NO_TICKET = ("has no service ticket here", True, False, False, True)
    NO_KDC = ("could not be asked without a KDC,", True, False, False, False)
    UNTRUSTED = ("did not prove who it is", True, False, False, True)
    MISMATCH = ("does not speak HiveServer2 in this form", True, False, False, True)
    REFUSED = ("refused the login", True, False, False, True)
    DENIED = ("denied access", False, False, False, False)
    QUERY = ("refused the statement", False, False, False, False)
    UNKNOWN = ("failed in an unknown way", False, True, False, False)

    def __init__(
        self,
        label: str,
        retry: bool,
        may_have_run: bool,
        counts_against_host: bool,
        try_elsewhere: bool,
    ):
        self.label = label
        self.retry = retry
        self.may_have_run = may_have_run
        self.counts_against_host = counts_against_host
        self.try_elsewhere = try_elsewhere

    @property
    def permanent(self) -> bool:
        """Would the same coordinator answer the same a moment later, so that one try is enough?"""
        return self in _PERMANENT

    @property
    def counted(self) -> bool:
        """Is it tried at most `Retry.runs` times, and not until the deadline?"""
        return self.may_have_run or self is Fault.METADATA


_PERMANENT = frozenset(
    {
        Fault.UNRESOLVED,
        Fault.MISNAMED,
        Fault.NO_TICKET,
        Fault.UNTRUSTED,
        Fault.MISMATCH,
        Fault.REFUSED,
    }
)
#: Answers of a healthy coordinator: after the last try the caller gets the text of the answer.
SERVER_ANSWERS = frozenset(
    {
        Fault.BUSY,
        Fault.NOT_REGISTERED,
        Fault.CATALOG,
        Fault.METADATA,
        Fault.EXECUTORS,
        Fault.STALE,
    }
)


class CredentialKind(enum.Enum):
    """What a caller logs in with; what a failed login means depends on it."""

    NONE = "nothing"
    TICKET = "a Kerberos ticket"
    SECRET = "a password or token"  # noqa: S105 - not one

    @classmethod
    def by(cls, mechanism: str) -> CredentialKind:
        """What *mechanism*, one of `auth_mechanism`, logs in with."""
        return {"NOSASL": cls.NONE, "GSSAPI": cls.TICKET}.get(mechanism, cls.SECRET)


class LoginFailure(enum.Enum):
    """
    How a login failed: the table of logins, for the binary protocol and HTTP.

    A ticket is good for one login, so another coordinator may be asked with another one; a refused
    password is not sent to another coordinator, because directories lock accounts.  Impala refuses
    both with an end of file.

    Each has a label and what it means: without credentials (but perhaps a client certificate), with
    a Kerberos ticket, and with a password or token; or one fault for all of them.

    Attributes:
        label: In words.
    """

    TIMEOUT = ("no answer in time", Fault.UNREACHABLE)
    RESET = ("a reset, or an end of file over HTTP", Fault.UNREACHABLE)
    END_OF_FILE = (
        "an end of file in the binary protocol",
        Fault.UNREACHABLE,
        Fault.UNREACHABLE,
        Fault.DENIED,
    )
    TICKET_REJECTED = (
        "two ends of file, and it answers a login without credentials",
        None,
        Fault.REFUSED,
        None,
    )
    REJECTED = (
        "BAD or ERROR of SASL, 401 or 403 of HTTP",
        Fault.REFUSED,
        Fault.REFUSED,
        Fault.DENIED,
    )
    CLIENT_CERTIFICATE = ("an alert of TLS about the client's certificate", Fault.REFUSED)
    PROXY_LOGIN = ("407 of HTTP, from a proxy", Fault.DENIED)
    RETRY_LATER = ("429, or 503 with Retry-After, of HTTP", Fault.BUSY)
    GATEWAY_ERROR = ("408 or 5xx of HTTP", Fault.UNREACHABLE)
    PROTOCOL_MISMATCH = ("another status of HTTP, or another protocol", Fault.MISMATCH)
    TICKET_EXPIRED = ("the ticket has expired meanwhile", None, Fault.DENIED, None)
    SERVER_UNPROVEN = ("no proof of who the server is", None, Fault.UNTRUSTED, None)
    WRONG_PRINCIPAL = ("success, as another user than before", None, Fault.DENIED, None)

    def __init__(self, label: str, *faults: Fault | None):
        self.label = label
        each = faults if len(faults) > 1 else faults * len(CredentialKind)
        self._means = dict(zip(CredentialKind, each, strict=True))

    def means(self, credential: CredentialKind) -> Fault | None:
        """What it means after a login with *credential*; None where that cannot be."""
        return self._means[credential]


class FaultRule(NamedTuple):
    """
    One rule of the table.

    Attributes:
        name: Of the rule; the docs and the tests know it by this.
        types: Of the error.
        where: The phases in which it applies.
        text: The whole text, as a regular expression.
        fault: What it means; where that depends on the credentials, how the login failed.
        prefixes: How many ``Query <id> failed:`` lines may stand before the text.
    """

    name: str
    types: tuple[type[BaseException], ...]
    where: frozenset[Phase]
    text: str
    fault: Fault | LoginFailure
    prefixes: int = 9

    def means(self, credential: CredentialKind) -> Fault:
        """What it means after a login with *credential*."""
        if isinstance(self.fault, Fault):
            return self.fault
        return (
            self.fault.means(credential) or self.fault.means(CredentialKind.TICKET) or Fault.UNKNOWN
        )

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All that it may mean, in order."""
        if isinstance(self.fault, Fault):
            return (self.fault,)
        means = (self.fault.means(credential) for credential in CredentialKind)
        return tuple(dict.fromkeys(fault for fault in means if fault))


class CallFailed(errors.OperationalError):  # type: ignore[misc]  # impyla is not typed
    """
    A call without a complete reply; its cause is what Thrift, impyla or the system raised.

    Attributes:
        phase: How far the call had come.
    """

    def __init__(self, phase: Phase, cause: BaseException):
        super().__init__(str(cause) or type(cause).__name__)
        self.phase = phase
        self.__cause__ = cause


class RowsLost(errors.OperationalError):  # type: ignore[misc]  # impyla is not typed
    """Rows that the server sent have not come: their connection broke."""
