"""
The error to raise when no other try may follow.

Its text has one line per coordinator: number of tries, seconds, phase and text of the last failure;
then advice.  `FailoverError.attempts` has them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from impala_ha import errors
from impala_ha.core.faults import SERVER_ANSWERS, Fault
from impala_ha.core.model import Attempt, Coordinator

from .attempts import Call, History

_ADVICE_NOBODY = (
    "Check that the coordinators run and can be reached (name, port, TLS, authentication): "
    "`{doctor}` with the same options examines each."
)
_ADVICE_KDC = (
    "The coordinators are not at fault: look at the KDC (`kinit`, and `kvno` with the names above, "
    "ask it without this library; `{doctor}` with the same options examines all)."
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
_ADVICE_DENIED = (
    "No other coordinator was asked: check user, password, ticket and mechanism "
    "(`{doctor}` with the same options examines each)."
)

_ADVICE_REFUSED = (
    "Each coordinator that answered refused the login: check ticket, names and mechanism "
    "(`{doctor}` with the same options examines each)."
)


_NOBODY_LEFT = frozenset({errors.CoordinatorLost, errors.NoCoordinatorLeft})


def error_class(  # noqa: PLR0911 - one line a decision
    call: Call, attempt: Attempt, *, earlier: bool = False
) -> tuple[type[errors.FailoverError] | None, str]:
    """
    The class of error to raise if *attempt* is the last, and advice.

    None means the error itself, the server's or Python's.

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
    if fault is Fault.REFUSED:
        return errors.AuthenticationFailed, _ADVICE_REFUSED
    if fault is Fault.NO_KDC:
        return errors.NoCoordinatorLeft, _ADVICE_KDC
    if fault is not None and fault.permanent:
        return errors.NoCoordinatorLeft, _ADVICE_NOBODY
    if fault in SERVER_ANSWERS and own:
        return None, ""
    return errors.CoordinatorLost, ""


def final_error(call: Call, history: History) -> Exception:
    """The error to raise if the last attempt is the last."""
    last = history.attempts[-1]
    earlier = any(attempt.may_have_run for attempt in history.attempts[:-1])
    kind, advice = error_class(call, last, earlier=earlier)
    if advice is _ADVICE_REFUSED or (kind in _NOBODY_LEFT and history.refused):
        kind, advice = errors.NoCoordinatorLeft, _ADVICE_NOBODY
        if history.refused:
            kind, advice = errors.AuthenticationFailed, _ADVICE_REFUSED
    if kind is None:
        return cast("Exception", last.error)
    return errors.make_error(kind, _message(call, history, advice), last.error, history.attempts)


def deadline_error(call: Call, history: History) -> Exception:
    """The error to raise when the deadline ends the tries."""
    last = history.attempts[-1]
    if call.writes and history.may_have_run:
        return final_error(call, history)
    if last.fault in SERVER_ANSWERS and isinstance(last.error, errors.Error):
        return cast("Exception", last.error)
    advice = _ADVICE_KDC if last.fault is Fault.NO_KDC else _ADVICE_NOBODY
    text = _message(call, history, advice, ended=f", at its deadline of {history.limit:g} s")
    return errors.make_error(errors.NoCoordinatorLeft, text, last.error, history.attempts)


def interrupted_error(call: Call, history: History, error: Exception) -> Exception:
    """The error to raise when *error*, of something else than a coordinator, ends the tries."""
    text = _message(call, history, f"Then {type(error).__name__}: {error}\n{_ADVICE_AGAIN}")
    return errors.make_error(errors.OutcomeUnknown, text, error, history.attempts)


def doctor(coordinators: Iterable[Coordinator]) -> str:
    """The command that examines *coordinators*."""
    return f"impala-ha doctor -i {','.join(map(str, dict.fromkeys(coordinators)))}"


def by_coordinator(attempts: Iterable[Attempt]) -> Iterator[str]:
    """One line for each coordinator of *attempts*, which have failed."""
    found: dict[Coordinator, list[Attempt]] = {}
    for attempt in attempts:
        found.setdefault(attempt.coordinator, []).append(attempt)
    for where, tries in found.items():
        yield _line(where, tries)


def _line(where: Coordinator, tries: list[Attempt]) -> str:
    """Number of tries, seconds, the last failure, and the earlier ones."""
    *earlier, last = tries
    if not earlier:
        return last.summary
    others = dict.fromkeys(each.reason for each in earlier)
    others.pop(last.reason, None)
    before = f" (before: {', '.join(others)})" if others else ""
    seconds = last.since + last.elapsed - tries[0].since
    return f"{where} ({len(tries)} attempts in {seconds:.2f} s) {last.reason}: {last.text}{before}"


def _message(call: Call, history: History, advice: str, ended: str = "") -> str:
    """One line per coordinator, then advice."""
    lines = list(by_coordinator(history.attempts))
    if len(history.attempts) == 1 and not ended:
        lines = [f"{call.operation} failed: {lines[0]}"]
    else:
        times = f"after {_counted(len(history.attempts), 'attempt')}{ended}"
        lines = [f"{call.operation} failed {times}:", *(f"- {line}" for line in lines)]
    hints = dict.fromkeys(attempt.hint for attempt in history.attempts if attempt.hint)
    lines += [f"Hint: {hint}." for hint in hints]
    if advice:
        lines.append(advice.replace("{doctor}", doctor(history.tried)))
    return "\n".join(lines)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
