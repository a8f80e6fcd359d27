"""
One call's attempts: whether another may follow, and what the caller is told at the end.

The text of an error is its trail, one line an attempt: who was tried, for how long, how far it
came, what was said; and then what to do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from . import errors
from ._faults import Fault
from ._model import Attempt, Coordinator


@dataclass(frozen=True, slots=True)
class Call:
    """
    One call of the user, as far as the loop must know it.

    Attributes:
        operation: Its name.
        repeatable: Whether it may be done once more when it may have been done already.
        again: Whether it may be done once more at all (rows that were handed out forbid it).
        early: Whether part of it is done before admission, so that even BUSY may have run.
        finished: Whether the statement ran to its end before, so that only its result is at stake.
        proof: Whether success shows that the coordinator takes new work (a draining one still
            serves open results).
    """

    operation: str
    repeatable: bool = True
    again: bool = True
    early: bool = False
    finished: bool = False
    proof: bool = False

    def may_have_run(self, attempt: Attempt) -> bool:
        """May the statement have run in *attempt*?"""
        return attempt.may_have_run or (self.early and attempt.fault is Fault.BUSY)

    def may_follow(self, attempt: Attempt) -> bool:
        """May another try follow *attempt*?"""
        if attempt.fault is None or not attempt.fault.retry or not self.again:
            return False
        return self.repeatable or not self.may_have_run(attempt)


@dataclass(slots=True)
class Trail:
    """
    What one call has tried so far.

    Attributes:
        attempts: In order; the last one may be a success.
        deadline: When to stop, in seconds of the clock; counts from the first failure.
        over: Whether the last exception was none of the coordinator's doing.
    """

    attempts: list[Attempt] = field(default_factory=list)
    deadline: float = float("inf")
    over: bool = False

    @property
    def tried(self) -> list[Coordinator]:
        """Where, once for each try."""
        return [attempt.coordinator for attempt in self.attempts]

    @property
    def runs(self) -> int:
        """How many tries may have run the statement."""
        return sum(attempt.may_have_run for attempt in self.attempts)


_ADVICE_NOBODY = (
    "Check that the coordinators run and can be reached (name, port, TLS, authentication)."
)
_ADVICE_UNKNOWN = (
    "The statement was not run again. It may have run, or may still run: look at what it should "
    "have written, or at the coordinator's list of queries, before you repeat it. If repeating it "
    "is harmless, say so with execute(..., idempotent=True)."
)
_ADVICE_RESULT = "Execute the statement again to read its result from the start."
_ADVICE_DENIED = "No other coordinator was asked: check user, password, ticket and mechanism."


def told_as(  # noqa: PLR0911 - one line a verdict
    call: Call, attempt: Attempt
) -> tuple[type[errors.Told] | None, str]:
    """
    What the caller is told if *attempt* is the last: a class of ours with advice, or None.

    None means the words of the server (or of Python) as they are.
    """
    fault = attempt.fault
    own = attempt.error is None or isinstance(attempt.error, errors.Error)
    if fault is Fault.DENIED:
        return errors.AuthenticationFailed, _ADVICE_DENIED
    if fault is Fault.QUERY or (fault is Fault.UNKNOWN and not attempt.may_have_run):
        return None, ""
    if call.finished:
        return errors.ResultLost, _ADVICE_RESULT
    if not call.repeatable and call.may_have_run(attempt):
        return errors.OutcomeUnknown, _ADVICE_UNKNOWN
    if fault is not None and fault.lasting:
        return errors.NoCoordinatorLeft, _ADVICE_NOBODY
    if fault in _SAID and own:
        return None, ""
    return errors.CoordinatorLost, ""


_SAID = frozenset({Fault.BUSY, Fault.EXECUTORS, Fault.STALE})  # by a coordinator that is there


def spoken(call: Call, trail: Trail) -> Exception:
    """The error to raise if the last attempt is the last."""
    last = trail.attempts[-1]
    kind, advice = told_as(call, last)
    if kind is None:
        return cast("Exception", last.error)
    return errors.tell(kind, _told(call, trail, advice), last.error, trail.attempts)


def spent(call: Call, trail: Trail) -> Exception:
    """The error to raise when the deadline ends the tries."""
    last = trail.attempts[-1]
    if last.fault in _SAID and isinstance(last.error, errors.Error):
        return cast("Exception", last.error)
    text = _told(call, trail, _ADVICE_NOBODY)
    return errors.tell(errors.NoCoordinatorLeft, text, last.error, trail.attempts)


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
