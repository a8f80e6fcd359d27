"""
One call's attempts: whether another may follow, and what the caller is told at the end.

The text of an error is its trail, one line an attempt: who was tried, for how long, how far it
came, what was said; and then what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from . import errors
from ._faults import AFTER, SAID, Fault, Phase
from ._model import Attempt, Coordinator
from ._statement import Kind

if TYPE_CHECKING:
    from ._link import Link


@dataclass(frozen=True, slots=True)
class Call:
    """
    One call of the user, as far as the loop must know it.

    Attributes:
        operation: Its name.
        repeatable: Whether it may be done once more when it may have been done already, and may
            even still be under way: it reads, or the caller said so.
        again: Whether it may be done once more at all (rows that were handed out forbid it).
        writes: Whether it is more than a read, so that it matters whether it has run.
        doubtful: Faults that show of other statements that they have not run, and not of this one
            (see `doubtful_faults`).
        finished: Whether the statement ran to its end before, so that only its result is at stake.
        proof: Whether success shows that the coordinator takes new work (a draining one still
            serves open results).
        admitted: Is called where admission control seems to have turned away a write that had been
            accepted; says whether it has run after all, and somebody else made up these words.
        fence: Is called after an attempt in which a write may have run, with the link and whether
            another try could follow; says whether it is certainly over and may be done once more.
    """

    operation: str
    repeatable: bool = True
    again: bool = True
    writes: bool = False
    doubtful: frozenset[Fault] = frozenset()
    finished: bool = False
    proof: bool = False
    admitted: Callable[[], bool] | None = field(default=None, compare=False)
    fence: Callable[[Link, bool], bool] | None = field(default=None, compare=False)

    def doubts(self, fault: Fault | None, phase: Phase) -> bool:
        """May the statement have run, although *fault* says of others that they have not?"""
        if fault in self.doubtful:
            return True
        return fault in _ADMISSION and phase in AFTER and bool(self.admitted and self.admitted())

    def may_follow(self, attempt: Attempt) -> bool:
        """May another try follow *attempt*?"""
        if attempt.fault is None or not attempt.fault.retry or not self.again:
            return False
        return self.repeatable or attempt.ended or not attempt.may_have_run


_ADMISSION = frozenset({Fault.BUSY, Fault.NOT_REGISTERED})
_PLANNING = frozenset({Fault.CATALOG})
_REFUSED = frozenset({Fault.DRAINING, Fault.SESSION_GONE, Fault.NOT_READY})
_UNRESOLVED = frozenset({Fault.METADATA, Fault.STALE})
_DOUBTFUL = {
    Kind.CTAS: _ADMISSION | _PLANNING,
    Kind.LOAD: _ADMISSION | _PLANNING,
    Kind.CONVERT: _ADMISSION | _PLANNING | _REFUSED | _UNRESOLVED,
    Kind.DDL: _PLANNING,
    Kind.COMPUTE_STATS: _PLANNING,
    Kind.OTHER: _ADMISSION | _PLANNING,
}


def doubtful_faults(kind: Kind) -> frozenset[Fault]:
    """
    Faults that do not show that a statement of that *kind* has not run, though they do of others.

    CREATE TABLE AS SELECT makes its table, and LOAD DATA moves its files, before admission.
    Impala up to 4.0 executes DDL inside ExecuteStatement, where its first answer may come after
    the metastore was changed.  ALTER TABLE .. CONVERT TO ICEBERG is always executed there, by
    child queries that meet what every query meets.
    """
    return _DOUBTFUL.get(kind, frozenset())


@dataclass(slots=True)
class Trail:
    """
    What one call has tried so far.

    Attributes:
        attempts: In order; the last one may be a success.
        deadline: When to stop, in seconds of the clock; counts from the first failure.
        error: What is raised if the last attempt is the last; None before the first failure.
        stopped: Whether another thread closed what this is about.
    """

    attempts: list[Attempt] = field(default_factory=list)
    deadline: float = float("inf")
    error: Exception | None = None
    stopped: bool = False

    @property
    def tried(self) -> list[Coordinator]:
        """Where, once for each try."""
        return [attempt.coordinator for attempt in self.attempts]

    @property
    def counted(self) -> int:
        """How many tries count against `Retry.runs`."""
        return sum(a.may_have_run or (a.fault or Fault.QUERY).counted for a in self.attempts)

    @property
    def may_have_run(self) -> bool:
        """May the statement have run in one of them?"""
        return any(attempt.may_have_run for attempt in self.attempts)


_ADVICE_NOBODY = (
    "Check that the coordinators run and can be reached (name, port, TLS, authentication)."
)
_ADVICE_UNKNOWN = (
    "The statement was not run again. It may have run, or may still run: look at what it should "
    "have written, or at the coordinator's list of queries, before you repeat it. If repeating it "
    "is harmless, say so with execute(..., idempotent=True)."
)
_ADVICE_AGAIN = (
    "It may have run in more than one of these attempts, or may still run: look at what it should "
    "have written before you repeat it."
)
_ADVICE_RESULT = "Execute the statement again to read its result from the start."
_ADVICE_DENIED = "No other coordinator was asked: check user, password, ticket and mechanism."


def told_as(  # noqa: PLR0911 - one line a decision
    call: Call, attempt: Attempt, *, earlier: bool = False
) -> tuple[type[errors.Told] | None, str]:
    """
    What the caller is told if *attempt* is the last: a class of ours with advice, or None.

    None means the words of the server (or of Python) as they are.

    Args:
        call: What is known of the call.
        attempt: The last one.
        earlier: Whether the statement may have run in an attempt before it.
    """
    fault = attempt.fault
    own = attempt.error is None or isinstance(attempt.error, errors.Error)
    if call.writes and not call.finished and (earlier or attempt.may_have_run):
        return errors.OutcomeUnknown, _ADVICE_AGAIN if earlier else _ADVICE_UNKNOWN
    if fault is Fault.DENIED:
        return errors.AuthenticationFailed, _ADVICE_DENIED
    if fault is Fault.QUERY or (fault is Fault.UNKNOWN and not attempt.may_have_run):
        return None, ""
    if call.finished:
        return errors.ResultLost, _ADVICE_RESULT
    if fault is not None and fault.lasting:
        return errors.NoCoordinatorLeft, _ADVICE_NOBODY
    if fault in SAID and own:
        return None, ""
    return errors.CoordinatorLost, ""


def final_error(call: Call, trail: Trail) -> Exception:
    """The error to raise if the last attempt is the last."""
    last = trail.attempts[-1]
    earlier = any(attempt.may_have_run for attempt in trail.attempts[:-1])
    kind, advice = told_as(call, last, earlier=earlier)
    if kind is None:
        return cast("Exception", last.error)
    return errors.tell(kind, _told(call, trail, advice), last.error, trail.attempts)


def deadline_error(call: Call, trail: Trail) -> Exception:
    """The error to raise when the deadline ends the tries."""
    last = trail.attempts[-1]
    if call.writes and trail.may_have_run:
        return final_error(call, trail)
    if last.fault in SAID and isinstance(last.error, errors.Error):
        return cast("Exception", last.error)
    text = _told(call, trail, _ADVICE_NOBODY)
    return errors.tell(errors.NoCoordinatorLeft, text, last.error, trail.attempts)


def interrupted_error(call: Call, trail: Trail, error: Exception) -> Exception:
    """The error to raise when *error*, of something else than a coordinator, ends the tries."""
    text = _told(call, trail, f"Then {type(error).__name__}: {error}\n{_ADVICE_AGAIN}")
    return errors.tell(errors.OutcomeUnknown, text, error, trail.attempts)


def _told(call: Call, trail: Trail, advice: str) -> str:
    """One line an attempt, then what to do."""
    last = trail.attempts[-1]
    if len(trail.attempts) == 1:
        lines = [f"{call.operation} failed: {str(last).partition(' ')[2]}"]
    else:
        lines = [f"{call.operation} failed after {len(trail.attempts)} attempts:"]
        lines += _listed(trail.attempts)
    hints = dict.fromkeys(attempt.hint for attempt in trail.attempts if attempt.hint)
    lines += [f"Hint: {hint}." for hint in hints]
    return "\n".join([*lines, advice] if advice else lines)


def _listed(attempts: list[Attempt], first: int = 6, last: int = 3) -> list[str]:
    """One line an attempt; of many, those in the middle are counted."""
    lines = [f"- {attempt}" for attempt in attempts]
    left_out = len(lines) - first - last
    if left_out > 1:
        lines[first:-last] = [f"- ... {left_out} more attempts ..."]
    return lines
