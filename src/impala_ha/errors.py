"""
What can go wrong, as PEP 249 sees it.

The classes of PEP 249 are impyla's own, so code that already catches
``impala.error.OperationalError`` keeps working.  The leaves below are ours::

    InterfaceError
    `-- ConfigurationError      connect() was told something that cannot be
    OperationalError
    |-- AuthenticationFailed    who you are was not accepted
    |-- CoordinatorLost         the coordinator failed under this call
    |   `-- OutcomeUnknown      ... and the statement may have run
    |-- NoCoordinatorLeft       every attempt was spent
    `-- ResultLost              rows were already handed out, the rest is gone

An error of ours that stands for one of Thrift's, impyla's or the system's is an instance of that
class as well (`tell` builds such a class), has it as its ``__cause__`` and keeps its text: code
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
    ``connect()`` was told something that cannot be; nothing was opened.

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


class Told(OperationalError):  # type: ignore[misc]  # impyla is not typed
    """
    What the errors of failing over share.

    Attributes:
        attempts: What was tried, in order; the last one is why this was raised.
    """

    attempts: tuple[Attempt, ...] = ()
    made_of: ClassVar[tuple[type[Told], type[BaseException]] | None] = None  # see `tell`

    @property
    def coordinator(self) -> Coordinator | None:
        """Where the last attempt was made, None if there was none."""
        return self.attempts[-1].coordinator if self.attempts else None

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[object, ...]:
        kind, stood_for = self.made_of or (type(self), None)
        plain: dict[str, object] = {
            n: v for n, v in vars(self).items() if isinstance(v, (str, int, type(None)))
        }
        plain["attempts"] = tuple(attempt.portable() for attempt in self.attempts)
        return _rebuilt, (kind, stood_for, self.args, plain)


class AuthenticationFailed(Told):
    """
    Who you are was not accepted, or could not be shown.

    A password that was refused is shown to nobody else, for accounts are locked; where nothing is
    lost by it (a ticket), the others were asked as well, and refused it too.
    """


class CoordinatorLost(Told):
    """The coordinator failed under this call; the statement has not run, or was a read."""


class Outcome(enum.Enum):
    """
    What became of a statement.

    FAILED does not mean that nothing changed: an INSERT may fail when its files are already in
    their place, Kudu keeps the rows that were written before an error, and a failed CREATE TABLE
    AS SELECT leaves the table.
    """

    DONE = "it ran to its end"
    FAILED = "it failed or was cancelled, perhaps after it had changed something"
    RUNNING = "it still runs"
    NEVER_SEEN = "the coordinator never got it, and cannot get it any more"
    UNKNOWN = "nobody could tell"


class OutcomeUnknown(CoordinatorLost):
    """
    The coordinator failed after the statement was sent: it may have run, or may still run.

    It was not run again.  Find out (count the rows, look at the coordinator's ``/queries`` page),
    then repeat it if need be.

    Attributes:
        phase: How far it had come.
        session_id: Of the session it was sent in, as Impala prints it; None if that is not known.
        query_id: Of the statement, as Impala prints it; None where the server's answer was lost.
        statement_tag: What it was marked with (see the option of that name); None if it was not.
    """

    session_id: str | None = None
    query_id: str | None = None
    statement_tag: str | None = None
    resolver: Callable[[float], Outcome] | None = None  # not carried by pickle

    def resolve(self, timeout: float = 30.0) -> Outcome:
        """
        Ask what became of the statement.

        The old coordinator is asked for the operation and for its page of queries, and any
        coordinator for `sys.impala_query_log` and `sys.impala_query_live`, whatever is to be
        had. None is probed or ejected for its answer. A statement that is seen to run is
        waited for, not ended. Where the coordinator certainly has not seen it, its session is
        closed before a second look, so that it cannot be seen later.

        The page can tell only if it is served without TLS and without a login, at the address
        that Impala gives to its clients. Hive and Spark have none.

        Args:
            timeout: Seconds for all of it, name look-up and slow answers included.

        Returns:
            DONE, FAILED (it may have changed something all the same), RUNNING (at the end of
            *timeout*), NEVER_SEEN, or UNKNOWN where nobody could tell (and always after the error
            came out of a pickle). Of several tries that may have run, one that is DONE counts
            first, then one that is RUNNING, then one that nobody could tell of.
        """
        return Outcome.UNKNOWN if self.resolver is None else self.resolver(timeout)

    @property
    def phase(self) -> Phase | None:
        """How far the last attempt had come."""
        return self.attempts[-1].phase if self.attempts else None

    def identify(
        self, session_id: str | None, query_id: str | None, statement_tag: str | None
    ) -> None:
        """Add what the server calls session and statement, to the text as well."""
        self.session_id, self.query_id = session_id, query_id
        self.statement_tag = statement_tag
        known = [
            ("Session id", session_id),
            ("query id", query_id),
            ("statement tag", statement_tag),
        ]
        told = ", ".join(f"{name} {value}" for name, value in known if value)
        if told:
            self.args = (f"{self}\n{told}.",)


class ResultLost(Told):
    """The coordinator failed after rows were handed out; the rest of the result is gone."""


class NoCoordinatorLeft(Told):
    """Every attempt was spent."""


def shorten(error: BaseException) -> None:
    """
    Take what lies below the caller's frame out of the traceback of *error*.

    Whoever reads that a statement has a syntax error looks for the line of that statement, not
    for the twenty lines of drivers below it.  What an error stands for keeps its own traceback.
    """
    caught = error.__traceback__
    assert caught is not None  # the caller's
    caught.tb_next = None


Spoken = TypeVar("Spoken", bound=Told)


def tell(
    kind: type[Spoken],
    text: str,
    cause: BaseException | None = None,
    attempts: Iterable[Attempt] = (),
) -> Spoken:
    """An error of *kind* that is also what *cause* is, and has it as its cause."""
    made = _standing_for(kind, type(cause)) if isinstance(cause, _STOOD_FOR) else kind
    error = _born(made, (text,))
    if cause is not None and made is not kind:
        error.__dict__.update(vars(cause))  # type, inner, code, http_headers: what callers look at
    error.attempts = tuple(attempts)
    error.__cause__ = cause
    return error


_STOOD_FOR = (TException, RPCError, OSError, EOFError)
_MADE: dict[tuple[type[Told], type[BaseException]], type[Told]] = {}


def _standing_for(kind: type[Spoken], other: type[BaseException]) -> type[Spoken]:
    """A class that is both; *kind* alone where Python cannot build it."""
    key = (kind, other)
    if key not in _MADE:
        _MADE[key] = _make(kind, other)
    return cast("type[Spoken]", _MADE[key])


def _make(kind: type[Told], other: type[BaseException]) -> type[Told]:
    if issubclass(kind, other) or issubclass(other, kind):
        return kind
    try:
        made = type(
            kind.__name__,
            (kind, other),
            {"__module__": kind.__module__, "__doc__": kind.__doc__, "made_of": (kind, other)},
        )
    except TypeError:  # two layouts that do not fit together
        return kind
    return cast("type[Told]", made)


def _born(made: type[Spoken], args: tuple[object, ...]) -> Spoken:
    """An instance: the other class's ``__init__`` has arguments of its own and is left out."""
    error = made.__new__(made, *args)
    BaseException.__init__(error, *args)
    return error


def _rebuilt(
    kind: type[Told],
    stood_for: type[BaseException] | None,
    args: tuple[object, ...],
    state: dict[str, object],
) -> Told:
    """What pickle calls."""
    error = _born(_standing_for(kind, stood_for) if stood_for else kind, args)
    error.__dict__.update(state)
    return error
