"""What the log and the program are told of the calls that fail over: that one waits, or went on."""

from __future__ import annotations

from impala_ha.core import logs
from impala_ha.core.events import Events, FailedOver

from .attempts import History
from .final_errors import by_coordinator


def log_wait(history: History, left: float, command: str) -> None:
    """Log that a call waits until a coordinator is back."""
    logs.warning(
        "%s waits for %.0f s at most, none is left that was not asked: %s (see `%s`)",
        history.attempts[-1].operation,
        max(0.0, left),
        "; ".join(map(logs.brief, by_coordinator(history.attempts))),
        command,
        extra={"state": "waiting", "attempts": tuple(a.portable() for a in history.attempts)},
    )


def log_recovery(history: History, now: float, events: Events) -> None:
    """Log that a call succeeded after failures, and tell *events* if it did so elsewhere."""
    *failed, last = history.attempts
    if not failed:
        return
    where = last.coordinator
    failing = max(0.0, now - last.elapsed - (history.deadline - history.limit))
    about = {"coordinator": where, "state": "moved", "attempt": last}
    logs.info("%s went on at %s after %.1f s", last.operation, where, failing, extra=about)
    for lost in [each.coordinator for each in failed if each.coordinator != where][-1:]:
        event = FailedOver(
            coordinator=where,
            seconds=failing,
            tag=last.tag,
            operation=last.operation,
            lost=lost,
        )
        events.tell(event)
