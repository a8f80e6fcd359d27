"""What the log says of coordinators: who is ejected and why, and who is back."""

from __future__ import annotations

from impala_ha.core import logs
from impala_ha.core.faults import Fault
from impala_ha.core.model import Attempt, Coordinator


def log_ejected(attempt: Attempt, seconds: float, options_key: str) -> None:
    """Log that a coordinator is ejected after *attempt*, for connections with those options."""
    coordinator = attempt.coordinator
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
