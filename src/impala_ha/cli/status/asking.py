"""Does a coordinator answer now?  It is opened as `connect()` opens it, and told good-bye."""

from __future__ import annotations

from dataclasses import dataclass

from impala_ha import errors
from impala_ha.cli.doctor.context import Context, PasswordRefusal
from impala_ha.cli.doctor.queries import version
from impala_ha.core import logs
from impala_ha.core.fault_rules import classify, error_text
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.core.model import Coordinator


@dataclass(frozen=True, slots=True)
class Answer:
    """
    How a coordinator answered.

    Attributes:
        seconds: From its TCP connection to its answer to OpenSession; None if there was none.
        version: As it tells it; empty if it does not.
        why: What its failure means; empty if it answered.
        error: How far it had come and what was said; empty if it answered.
    """

    seconds: float | None = None
    version: str = ""
    why: str = ""
    error: str = ""


def ask(context: Context, coordinator: Coordinator) -> Answer:
    """Open a session, ask for the version and close it."""
    clock, limit = context.clock, context.options.connect_timeout
    start = clock.now()
    try:
        link = context.open(coordinator)
        if isinstance(link, PasswordRefusal):
            return Answer(why="was not asked", error=f"{link.coordinator} refused the password")
        took = clock.now() - start
        try:
            session = link.session(context.user, context.configuration)
            with link.deadline(limit):
                return Answer(took, version(session))
        finally:
            link.close()
    except errors.Error as error:
        phase = error.phase if isinstance(error, CallFailed) else Phase.OPEN
        cause = error.__cause__ or error
        fault = classify(cause, phase, credential=context.driver.credential)
        context.driver.redact(error)
        text = f"{phase.value}: {logs.brief(error_text(cause))}"
        return Answer(why=fault.label, error=text)
