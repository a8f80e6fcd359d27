"""How far a call had come when it failed, what a failure can mean, and what a rule says of it."""

from __future__ import annotations

import enum
from typing import NamedTuple


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
    PING = "asking whether the session is alive"
    UNSENT = "before the statement was sent"
    SENT = "after the statement was sent"
    RUNNING = "while the statement ran"
    FETCH = "fetching rows"
    CLOSE = "closing"

    @property
    def sent(self) -> bool:
        """Had the server been given the statement?"""
        return self in SENT


SENT = frozenset({Phase.SENT, Phase.RUNNING, Phase.FETCH, Phase.CLOSE})
BEFORE = frozenset({Phase.OPEN, Phase.PING})  # answers that are about no statement
FIRST = frozenset({Phase.SENT})  # the first answer to ExecuteStatement or a metadata call
AFTER = SENT - FIRST  # the handle is known


class Fault(enum.Enum):
    """
    What a failure means for the caller, the coordinator and the link.

    Attributes:
        label: In words, after the name of the coordinator.
        retry: Can another try help?
        ran: May the statement have run, once it was sent?
        blames: Does it speak against the coordinator?
        leaves: Is the next try better made on another coordinator?
    """

    UNREACHABLE = ("could not be reached", True, False, True, True)
    LOST = ("stopped answering", True, True, True, True)
    DRAINING = ("is shutting down", True, False, True, True)
    NOT_READY = ("is not ready for statements", True, False, True, True)
    NOT_REGISTERED = ("is not registered with the statestore", True, False, False, True)
    SESSION_GONE = ("no longer knows the session", True, False, False, False)
    RESULT_GONE = ("no longer knows the statement", True, True, False, False)
    FULL = ("has no room for another session", True, False, False, True)
    BUSY = ("has no room for the statement", True, False, False, False)
    LATER = ("is behind a gateway that says: later", True, True, False, False)
    CATALOG = ("cannot reach the catalog", True, False, False, False)
    METADATA = ("could not load the metadata of a table", True, False, False, False)
    EXECUTORS = ("could not finish the statement", True, True, False, False)
    STALE = ("has not heard of our own change yet", True, False, False, False)
    UNRESOLVED = ("could not be resolved", True, False, True, True)
    MISNAMED = ("is not known to Kerberos by its name", True, False, False, True)
    NO_TICKET = ("has no service ticket here", True, False, False, True)
    NO_KDC = ("could not be asked without a KDC,", True, False, False, False)
    UNTRUSTED = ("did not prove who it is", True, False, False, True)
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
        return self in _LASTING

    @property
    def counted(self) -> bool:
        """Is it tried a few times only (`Retry.runs`), and not until the deadline?"""
        return self.ran or self is Fault.METADATA


_LASTING = frozenset(
    {Fault.UNRESOLVED, Fault.MISNAMED, Fault.NO_TICKET, Fault.UNTRUSTED, Fault.MISMATCH}
)
#: What a coordinator says that is there and well; told in its own words once the tries are over.
SAID = frozenset(
    {
        Fault.BUSY,
        Fault.NOT_REGISTERED,
        Fault.CATALOG,
        Fault.METADATA,
        Fault.EXECUTORS,
        Fault.STALE,
    }
)


class FaultRule(NamedTuple):
    """
    One rule of the table.

    Attributes:
        name: Of the rule; the docs and the tests know it by this.
        types: Of the error.
        where: The phases in which it counts.
        text: The whole text, as a regular expression.
        fault: What it means.
        prefixes: How many ``Query <id> failed:`` lines may stand before the text.
    """

    name: str
    types: tuple[type[BaseException], ...]
    where: frozenset[Phase]
    text: str
    fault: Fault
    prefixes: int = 9
