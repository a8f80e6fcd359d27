"""
A statement on its way, and how it gets to another coordinator.

What a cursor was given is its errand.  While nobody has seen its result, and running it twice is
harmless, it may be given again (`_course`); once it has ended, a coordinator that fails in the
closing spoils nothing (`_close_finished_operation`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from impala.hiveserver2 import HiveServer2Cursor

from . import errors
from ._attempts import Call, Trail
from ._faults import judge
from ._home import GONE, Got, Home, Sent, printed_id
from ._link import Link
from ._polling import rows
from ._statement import Effect, Statement, reads_what_it_writes

_log = logging.getLogger("impala_ha")


@dataclass(slots=True)
class Errand:
    """
    What the cursor was given to do, kept so that it can be done elsewhere.

    Attributes:
        submit: Sends it in the session of the cursor it is handed and notes the operation there.
        statement: What it does.
        accepted: Whether a server took it.
        begun: Whether rows of its result were handed out.
    """

    submit: Callable[[Execution], None]
    statement: Statement
    accepted: bool = False
    begun: bool = False


class Execution(Home):
    """The moving parts of `Cursor`."""

    _errand: Errand | None = None

    def _course(self, operation: str, work: Callable[[], Got], trail: Trail | None = None) -> Got:
        """Do *work* on the errand's operation; give it to a server first if none has it."""
        errand = self._errand
        if errand is None:
            raise errors.ProgrammingError(f"{operation}: nothing was executed")
        call = self._call(operation, errand)
        anew = not errand.accepted
        if not anew and (self._home is None or not self._home.usable()):
            if not call.again:
                raise self._lost(call)
            anew = True

        def attempt(link: Link) -> Got:
            nonlocal anew
            if anew:
                self._submit(link, errand)
            anew = True  # another try means from the start
            return work()

        try:
            return self._run(call, attempt, lambda: self._stay if anew else self._home, trail)
        except BaseException as error:
            if not (isinstance(error, errors.OutcomeUnknown) and self._harmless(errand, error)):
                if not errand.accepted:
                    self._errand = None  # or a fetch that follows would send it once more
                raise
        errand.statement = replace(errand.statement, effect=Effect.HARMLESS, replaces=False)
        errand.accepted = False
        return self._course(operation, work, self._trail)

    @property
    def _stay(self) -> Link | None:
        """The home, where it takes no more sessions but goes on with ours; None elsewhere."""
        home = self._home
        return home if home is not None and home.full and home.usable() else None

    def _call(self, operation: str, errand: Errand) -> Call:
        """What the loop must know of a call on *errand*."""
        repeatable = errand.statement.repeatable
        finished = errand.begun or (errand.accepted and self._last_operation_finished)
        return Call(
            operation,
            repeatable=repeatable,
            again=not errand.begun and (repeatable or not errand.accepted),
            early=errand.statement.early,
            finished=finished and (errand.begun or not repeatable),
            proof=not errand.accepted,
        )

    def _harmless(self, errand: Errand, unknown: errors.OutcomeUnknown) -> bool:
        """
        Would running the lost *errand* again do no harm?  Another coordinator looks at its plan.

        What may still run at the old one is ended first.
        """
        if not errand.statement.replaces or errand.begun:
            return False
        lost, session, trail = unknown.attempts[-1].coordinator, self.session, self._trail
        text = self._last_operation_string

        def explain(link: Link) -> str:
            self._settle(link)
            found = rows(self.session, f"EXPLAIN {text}", self._failover.cluster.clock)
            return "\n".join(str(line) for (line,) in found)

        try:
            plan = self._run(Call("explain"), explain)
        except errors.Error:
            return False
        finally:
            self._trail = trail
        if reads_what_it_writes(plan):
            return False
        with suppress(Exception):
            self._failover.driver.end_elsewhere(lost, self._wanted.user, session)
        return True

    def _lost(self, call: Call) -> errors.Told:
        """The home was lost by an earlier call: say what that means for this one."""
        why = self._home.client.broken if self._home else None
        where = f"coordinator {self._home.coordinator}" if self._home else "the session"
        kind = errors.ResultLost if call.finished else errors.OutcomeUnknown
        return errors.tell(kind, f"{call.operation} failed: {where} was lost before: {why}", why)

    def _submit(self, link: Link, errand: Errand) -> None:
        self._discard()
        self._settle(link)
        link.check()
        errand.submit(self)
        taken = printed_id(self._last_operation.handle.operationId)
        self._taken.append((self._last_operation_string, taken))
        self._last_operation_active = True
        errand.accepted = True

    def _send(self, text: str, overlay: dict[str, Any] | None, mark: Any) -> None:
        """Send a statement, and note what is needed to ask for it later."""
        self._last_operation_string = text
        if mark is not None:
            text, overlay, tag = mark.put(text, overlay, self._wanted, self.session.config or {})
            self._sent = Sent(text, tag)
        else:
            self._sent = Sent(text)
        self._last_operation = self.session.execute(text, overlay, run_async=True)

    def _complete(self) -> None:
        """What impyla's ``execute`` does once the statement was sent."""
        self._wait_to_finish()
        if not self.has_result_set and self.close_finished_queries:
            self._close_finished_operation()

    def _close_finished_operation(self) -> None:
        """
        Close a statement that ran to its end.

        The statement is done and its rows are here, so a coordinator that fails now costs only
        the log and the count of rows.
        """
        try:
            HiveServer2Cursor._close_finished_operation(self)  # noqa: SLF001
        except errors.Error as error:
            self._last_operation_active = False
            home = self._home
            if home is None or not (home.broken or judge(error, home.phase) in GONE):
                raise
            why = str(error)  # a record may be kept: a traceback in it would keep sockets open
            _log.warning("%s was lost after the statement was done: %s", home.coordinator, why)

    def _wait_to_finish(self) -> None:
        if self._last_operation_finished:
            return
        if not self._inside:
            self._course("wait", self._wait_to_finish)
            return
        self._await(self._last_operation)
        self._last_operation_finished = True


def given(text: str, idempotent: bool | None) -> Statement:
    """What *text* does, where the caller may know better."""
    statement = Statement.parse(text)
    if idempotent is None:
        return statement
    effect = Effect.HARMLESS if idempotent else Effect.WRITE
    return replace(statement, effect=effect, replaces=False)
