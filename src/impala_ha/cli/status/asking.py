"""
Does a coordinator answer now, and how loaded is it?

It is opened as `connect()` opens it, and told good-bye; then its web pages are read, as the policy
`least_loaded` reads them.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass

from impala_ha import errors
from impala_ha.auth.web_pages import RefusedLogin
from impala_ha.balancing.load_board import Due
from impala_ha.balancing.readings import Load
from impala_ha.cli.doctor.context import Context, PasswordRefusal
from impala_ha.cli.doctor.queries import version
from impala_ha.core import logs
from impala_ha.core.fault_rules import classify, error_text
from impala_ha.core.faults import CallFailed, Fault, Phase
from impala_ha.core.model import Coordinator
from impala_ha.failover.load import port_of, read_load

_PAGES_WITHIN = 1.0  # seconds for the web pages of a coordinator, and never longer than for itself


@dataclass(frozen=True, slots=True)
class Answer:
    """
    How a coordinator answered.

    Attributes:
        seconds: From its TCP connection to its answer to OpenSession; None if there was none.
        version: As it tells it; empty if it does not.
        why: What its failure means; empty if it answered.
        error: How far it had come and what was said; empty if it answered.
        draining: Whether it says that it shuts down.
        load: By its own web pages; None if they cannot be read.
        load_error: Why they cannot; empty if they can, or it did not answer.
    """

    seconds: float | None = None
    version: str = ""
    why: str = ""
    error: str = ""
    draining: bool = False
    load: Load | None = None
    load_error: str = ""


class LoadReader:
    """
    Reads the loads of coordinators, for many threads.

    A password is shown to one web server at a time, and to none once it was refused.
    """

    def __init__(self, context: Context):
        self._context = context
        self._in_turn = threading.Lock() if context.options.web_user else nullcontext()
        self._refused = False

    def read(self, where: Coordinator, told: str) -> tuple[Load | None, str]:
        """The load of one, whose web server is where it *told*; or why it is not known."""
        options, clock = self._context.options, self._context.clock
        port = options.web_port or port_of(told)
        limit = min(_PAGES_WITHIN, options.connect_timeout)
        with self._in_turn:
            if not port or self._refused:
                return None, "web_user was refused elsewhere" if port else "it tells no web server"
            try:
                load = read_load(options, clock, Due(where, port), limit)
            except Exception as error:  # noqa: BLE001 - without its load the line is still right
                self._refused = isinstance(error, RefusedLogin)
                return None, logs.brief(str(error))
        return load, "" if load else f"no /jsonmetrics of Impala on port {port}"


def ask(context: Context, loads: LoadReader, coordinator: Coordinator) -> Answer:
    """Open a session, ask for the version and close it; then read the load."""
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
                said = version(session)
        finally:
            link.close()
        return _with_load(took, said, *loads.read(coordinator, link.web_address))
    except errors.Error as error:
        phase = error.phase if isinstance(error, CallFailed) else Phase.OPEN
        cause = error.__cause__ or error
        fault = classify(cause, phase, credential=context.driver.credential)
        context.driver.redact(error)
        text = f"{phase.value}: {logs.brief(error_text(cause))}"
        return Answer(why=fault.label, error=text, draining=fault is Fault.DRAINING)


def _with_load(took: float, said: str, load: Load | None, load_error: str) -> Answer:
    draining = load is not None and load.quiescing
    return Answer(took, said, draining=draining, load=load, load_error=load_error)
