"""What the log says of coordinators: who is ejected and why, who is back, who found it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from impala_ha.core import logs
from impala_ha.core.faults import Fault
from impala_ha.core.model import Attempt, Coordinator


class News(NamedTuple):
    """
    What another process has found.

    Attributes:
        coordinator: About whom.
        options_key: For connections with those options; empty: for all.
        ejected_for: Seconds until its ejection ends; None if it is back.
        reason: Why it is ejected.
    """

    coordinator: Coordinator
    options_key: str
    ejected_for: float | None
    reason: str


def log_ejected(attempt: Attempt, seconds: float) -> None:
    """Log that a coordinator is ejected after *attempt*."""
    coordinator, options_key = attempt.coordinator, attempt.table_key
    state = "draining" if attempt.fault is Fault.DRAINING else "ejected"
    about = {"coordinator": coordinator, "state": state, "options": options_key}
    whose = f" for connections with {options_key}" if options_key else ""
    why = f"{attempt.reason}: {logs.brief(attempt.text)}"
    text = "%s is ejected for %.1f s%s: it %s"
    logs.warning(text, coordinator, seconds, whose, why, extra=about)


def log_recovery(coordinator: Coordinator) -> None:
    """Log that *coordinator* is well again."""
    about = {"coordinator": coordinator, "state": "healthy"}
    logs.info("%s is back", coordinator, extra=about)


def log_news(news: Iterable[News]) -> None:
    """Log what other processes have found."""
    for coordinator, options_key, seconds, reason in news:
        whose = f" for connections with {options_key}" if options_key else ""
        about = {"coordinator": coordinator, "state": "healthy", "options": options_key}
        if seconds is None:
            text = "%s is back%s: another process of this machine found it"
            logs.info(text, coordinator, whose, extra=about)
        else:
            about["state"] = "draining" if reason == Fault.DRAINING.label else "ejected"
            text = "%s is ejected for %.1f s%s: another process of this machine found that it %s"
            logs.warning(text, coordinator, max(0.0, seconds), whose, reason, extra=about)
