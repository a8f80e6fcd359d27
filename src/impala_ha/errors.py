"""
The exceptions of PEP 249, and those of failing over.

The classes of PEP 249 are impyla's own, so code that already catches
``impala.error.OperationalError`` keeps working.  These subclasses are new::

    InterfaceError
    `-- ConfigurationError      arguments of connect() are invalid
    OperationalError
    |-- AuthenticationFailed    the login was refused
    |-- CoordinatorLost         the coordinator failed under this call
    |   `-- OutcomeUnknown      ... and the statement may have run
    |-- NoCoordinatorLeft       the deadline or the last attempt is over
    `-- ResultLost              some rows were fetched, the rest is lost

An error that was caused by one of Thrift's, impyla's or the system's is an instance of that class
as well (`make_error` builds such a class), has it as its ``__cause__`` and keeps its text: code
that catches ``TTransportException`` or looks for ``TSocket read 0 bytes`` goes on working.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from impala.error import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    RPCError,
    Warning,  # noqa: A004 - PEP 249 calls it so
)
from thrift.Thrift import TException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .core.faults import Phase
    from .core.model import Attempt, Coordinator

__all__ = [
    "AuthenticationFailed",
    "ConfigurationError",
    "CoordinatorLost",
    "DataError",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NoCoordinatorLeft",
    "NotSupportedError",
    "OperationalError",
    "Outcome",
    "OutcomeUnknown",
    "ProgrammingError",
    "ResultLost",
    "Warning",
]


def __dir__() -> list[str]:
    return __all__


class ConfigurationError(
    InterfaceError,  # type: ignore[misc]  # impyla is not typed
    NotSupportedError,  # type: ignore[misc]
    TypeError,
    ValueError,
):
    """
    Arguments of ``connect()`` are invalid; nothing was opened.

    impyla raises NotSupportedError, TypeError or ValueError for the same mistakes, one at a time.

    Attributes:
        problems: Every mistake of the call, one line each.
    """

    def __init__(self, problems: Iterable[str]):
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            text = self.problems[0]
        else:
            text = "\n".join(
                [f"{len(self.problems)} mistakes:", *(f"- {line}" for line in self.problems)]
            )
        super().__init__(text)

    def __reduce__(self) -> tuple[object, ...]:
        return ConfigurationError, (self.problems,)


class FailoverError(OperationalError):  # type: ignore[misc]  # impyla is not typed
    """
    The base of the errors of failing over.

    Attributes:
        attempts: All attempts, in order; the last one is why this was raised.
    """

    attempts: tuple[Attempt, ...] = ()
    #: See `make_error`.
    combined_of: ClassVar[tuple[type[FailoverError], type[BaseException]] | None] = None

    @property
    def coordinator(self) -> Coordinator | None:
        """The coordinator of the last attempt, None if there was none."""
        return self.attempts[-1].coordinator if self.attempts else None

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[object, ...]:
        kind, other = self.combined_of or (type(self), None)
        plain: dict[str, object] = {
            n: v for n, v in vars(self).items() if isinstance(v, (str, int, type(None)))
        }
        plain["attempts"] = tuple(attempt.portable() for attempt in self.attempts)
        return _rebuild, (kind, other, self.args, plain)


class AuthenticationFailed(FailoverError):
    """
    The login was refused, or could not be made (no ticket, no password).

    A refused password is not sent to another coordinator, because directories lock accounts. A
    Kerberos ticket was tried on the others as well, and they refused it too.
    """


class CoordinatorLost(FailoverError):
    """The coordinator failed during this call; the statement has not run, or was a read."""


class Outcome(enum.Enum):
    """
    What became of a statement.

    FAILED does not mean that nothing changed: an INSERT may fail after its files were moved, Kudu
    keeps the rows that were written before an error, and a failed CREATE TABLE AS SELECT leaves
    the table.
    """

    DONE = "it ran to its end"
    FAILED = "it failed or was cancelled, perhaps after it had changed something"
    RUNNING = "it still runs"
    NEVER_SEEN = "the coordinator never got it, and cannot get it any more"
    UNKNOWN = "no source knows it"


class OutcomeUnknown(CoordinatorLost):
    """
    The coordinator failed after the statement was sent: it may have run, or may still run.

    It was not run again.  Find out with `resolve()`, or count the rows; then repeat it if needed.

    Attributes:
        phase: How far it had come.
        session_id: Of its session, as Impala prints it; None if that is not known.
        query_id: Of the statement, as Impala prints it; None where the server's answer was lost.
        statement_tag: Its tag (see the option of that name); None if it has none.
    """

    session_id: str | None = None
    query_id: str | None = None
    statement_tag: str | None = None
    resolver: Callable[[float], Outcome] | None = None  # not carried by pickle

    def resolve(self, timeout: float = 30.0) -> Outcome:
        """
        Ask what became of the statement.

        Asks the old coordinator for the operation and for its page of queries, and any
        coordinator for `sys.impala_query_log` and `sys.impala_query_live`, as far as they are
        available. No answer ejects a coordinator. A statement that still runs is waited for, not
        cancelled. Where the coordinator certainly has not received it, its session is closed and
        the page is read again, so that it cannot start later.

        The page is read only if it is served without TLS and without a login, at the address
        that Impala gives to its clients. Hive and Spark have none.

        Args:
            timeout: Seconds for all of it, name look-up and slow answers included.

        Returns:
            DONE, FAILED (it may have changed something all the same), RUNNING (at the end of
            *timeout*), NEVER_SEEN, or UNKNOWN where no source knows it (and always after the error
            was pickled). Of several tries that may have run, one that is DONE counts first, then
            one that is RUNNING, then one that is UNKNOWN.
        """
        return Outcome.UNKNOWN if self.resolver is None else self.resolver(timeout)

    @property
    def phase(self) -> Phase | None:
        """How far the last attempt had come."""
        return self.attempts[-1].phase if self.attempts else None

    def identify(
        self, session_id: str | None, query_id: str | None, statement_tag: str | None
    ) -> None:
        """Add the ids of session and statement, to the text as well."""
        self.session_id, self.query_id = session_id, query_id
        self.statement_tag = statement_tag
        known = [
            ("Session id", session_id),
            ("query id", query_id),
            ("statement tag", statement_tag),
        ]
        ids = ", ".join(f"{name} {value}" for name, value in known if value)
        if ids:
            self.args = (f"{self}\n{ids}.",)


class ResultLost(FailoverError):
    """The coordinator failed after rows were fetched; the rest of the result is lost."""


class NoCoordinatorLeft(FailoverError):
    """No coordinator could do it before the deadline or the last attempt was over."""


def shorten(error: BaseException) -> None:
    """
    Remove the frames below the caller's from the traceback of *error*.

    Who reads of a syntax error looks for the line of that statement, not for the twenty frames of
    drivers below it.  The cause of *error* keeps its own traceback.
    """
    caught = error.__traceback__
    assert caught is not None  # the caller's
    caught.tb_next = None


ErrorT = TypeVar("ErrorT", bound=FailoverError)


def make_error(
    kind: type[ErrorT],
    text: str,
    cause: BaseException | None = None,
    attempts: Iterable[Attempt] = (),
) -> ErrorT:
    """An error of *kind* that is also of the class of *cause*, and has it as its ``__cause__``."""
    made = _combined(kind, type(cause)) if isinstance(cause, _COMBINABLE) else kind
    error = _instantiate(made, (text,))
    if cause is not None and made is not kind:
        error.__dict__.update(vars(cause))  # type, inner, code, http_headers: what callers look at
    error.attempts = tuple(attempts)
    error.__cause__ = cause
    return error


_COMBINABLE = (TException, RPCError, OSError, EOFError)
_COMBINED: dict[tuple[type[FailoverError], type[BaseException]], type[FailoverError]] = {}


def _combined(kind: type[ErrorT], other: type[BaseException]) -> type[ErrorT]:
    """A subclass of both; *kind* alone where Python cannot build it."""
    key = (kind, other)
    if key not in _COMBINED:
        _COMBINED[key] = _combine(kind, other)
    return cast("type[ErrorT]", _COMBINED[key])


def _combine(kind: type[FailoverError], other: type[BaseException]) -> type[FailoverError]:
    if issubclass(kind, other) or issubclass(other, kind):
        return kind
    try:
        made = type(
            kind.__name__,
            (kind, other),
            {"__module__": kind.__module__, "__doc__": kind.__doc__, "combined_of": (kind, other)},
        )
    except TypeError:  # the layouts of the two classes conflict
        return kind
    return cast("type[FailoverError]", made)


def _instantiate(made: type[ErrorT], args: tuple[object, ...]) -> ErrorT:
    """An instance: the other class's ``__init__`` has arguments of its own and is left out."""
    error = made.__new__(made, *args)
    BaseException.__init__(error, *args)
    return error


def _rebuild(
    kind: type[FailoverError],
    other: type[BaseException] | None,
    args: tuple[object, ...],
    state: dict[str, object],
) -> FailoverError:
    """What pickle calls."""
    error = _instantiate(_combined(kind, other) if other else kind, args)
    error.__dict__.update(state)
    return error
