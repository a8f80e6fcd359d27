"""
A statement on its way, and how it gets to another coordinator.

What a cursor was given is its errand.  While nobody has seen its result, and running it twice is
harmless, it may be given again (`_course`); once it has ended, a coordinator that fails in the
closing spoils nothing (`_close_finished_operation`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from threading import get_ident
from typing import Any

from impala.hiveserver2 import HiveServer2Cursor
from thrift.Thrift import TException

from impala_ha import errors
from impala_ha.core import logs
from impala_ha.core.fault_rules import classify
from impala_ha.core.faults import Fault
from impala_ha.core.interruption import from_signal_handler
from impala_ha.failover.attempts import Call, doubtful_faults
from impala_ha.failover.statement_ref import StatementRef
from impala_ha.hs2.link import Link
from impala_ha.hs2.polling import rows
from impala_ha.sql import plan
from impala_ha.sql.statement import Effect, Statement

from .cursor_session import Got, Home, Sent, printed_id


@dataclass(slots=True)
class Errand:
    """
    What the cursor was given to do, kept so that it can be done elsewhere.

    Attributes:
        submit: Sends it in the session of the cursor it is handed and notes the operation there.
        statement: What it does.
        freely: Whether it may be done again although it may still be under way: it reads, or the
            caller said that it is idempotent.
        accepted: Whether a server took it.
        begun: Whether rows of its result were handed out.
        refs: What is known of each try in which it may have run.
    """

    submit: Callable[[Execution], None]
    statement: Statement
    freely: bool = False
    accepted: bool = False
    begun: bool = False
    refs: list[StatementRef] = field(default_factory=list)


class Execution(Home):
    """The moving parts of `Cursor`."""

    _errand: Errand | None = None

    def _course(self, operation: str, work: Callable[[], Got]) -> Got:
        """Do *work* on the errand's operation; give it to a server first if none has it."""
        errand = self._errand
        if errand is None:
            raise errors.ProgrammingError(f"{operation}: nothing was executed")
        call = self._call(operation, errand)
        anew = not errand.accepted
        if anew:
            self._failover.renew(self, self._first())
        if not anew and (self._home is None or not self._home.usable()):
            if not errand.freely or not call.again:
                raise self._lost(call, errand)
            anew = True

        def attempt(link: Link) -> Got:
            nonlocal anew
            if anew:
                self._submit(link, errand)
            anew = True  # another try means from the start
            return work()

        try:
            return self._run(call, attempt, lambda: self._stay if anew else self._home)
        except BaseException as error:
            if isinstance(error, errors.OutcomeUnknown):
                self._leave_alone(errand, error)
            if not errand.accepted:
                self._errand = None  # or a fetch that follows would send it once more
            raise

    @property
    def _stay(self) -> Link | None:
        """The home, where it takes no more sessions but goes on with ours; None elsewhere."""
        home = self._home
        return home if home is not None and home.full and home.usable() else None

    def _call(self, operation: str, errand: Errand) -> Call:
        """What the loop must know of a call on *errand*."""
        statement = errand.statement
        writes = statement.effect is not Effect.READ
        finished = errand.begun or (errand.accepted and self._last_operation_finished)
        return Call(
            operation,
            idempotent=errand.freely,
            again=not (errand.begun or (finished and writes)),
            writes=writes,
            doubtful=doubtful_faults(statement.kind),
            finished=finished and (errand.begun or writes),
            proof=not errand.accepted,
            admitted=self._was_admitted if writes else None,
            fence=None if finished or not writes else partial(self._fence, errand),
        )

    def _was_admitted(self) -> bool:
        """
        Does its profile show that the last statement was admitted?

        A function of the user's may fail with any words, those of admission control too (Impala
        leaves out "UDF ERROR:" where it fails with constant arguments: be/src/exprs/
        scalar-expr-evaluator.cc).  The profile's line is admission-controller.cc's.
        """
        try:
            profile = self._last_operation.get_profile()
        except (errors.Error, TException) as error:
            if from_signal_handler(error):
                raise
            return False
        return re.search(r"(?m)^\s*Admission result: Admitted", str(profile)) is not None

    def _fence(self, errand: Errand, link: Link, again: bool) -> bool:
        """
        After a try in which *errand*, a write, may have run: is it over, and harmless once more?

        What still runs is ended only where it would be harmless to run it again.

        Args:
            errand: What was lost.
            link: Where.
            again: Whether another try could follow.
        """
        session = self.session
        errand.refs.append(self._statement_ref(link))
        if errand.freely:
            return False  # it is repeated in any case, and what it left behind ended then
        if self._home is link:
            self._home = None  # the next session is not to end this one
        if again and self._is_harmless(errand) and self._is_over(link, session):
            errand.accepted = False
            return True
        link.release(session)
        return False

    def _is_harmless(self, errand: Errand) -> bool:
        """Would running *errand* once more change nothing?  Another coordinator's plan tells."""
        if errand.statement.effect is Effect.IDEMPOTENT:
            return True
        if not errand.statement.replaces:
            return False
        text, trail = self._last_operation_string, self._trail

        def explain(link: Link) -> str:
            self._settle(link)
            asked = f"EXPLAIN {text}"
            found = rows(self.session, asked, self._failover.cluster.clock, plan.LEVEL)
            return "\n".join(str(line) for (line,) in found)

        try:
            told = self._run(Call("explain"), explain)
        except errors.Error as error:
            if from_signal_handler(error):
                raise
            return False
        finally:
            self._trail = trail
        if not plan.may_run_again(told, text or "", errand.statement, self._wanted.database):
            return False
        errand.statement = replace(errand.statement, effect=Effect.IDEMPOTENT, replaces=False)
        return True

    def _leave_alone(self, errand: Errand, unknown: errors.OutcomeUnknown) -> None:
        """Let *unknown* be resolved, and keep out of the session: ending it would end that."""
        left, self._home = self._home, None
        if left is not None:
            left.release(self.session)
        refs = tuple(errand.refs)
        if not refs:
            return
        cluster, driver = self._failover.cluster, self._failover.driver

        def resolver(timeout: float) -> errors.Outcome:
            try:
                from impala_ha.failover.outcome import resolve  # noqa: PLC0415 - hardly ever needed
            except (ImportError, OSError):  # the package was replaced, or no file can be opened
                return errors.Outcome.UNKNOWN
            return resolve(refs, cluster, driver, timeout)

        unknown.resolver = resolver
        last = refs[-1]
        unknown.identify(last.session_id, last.query_id, last.tag)

    def _lost(self, call: Call, errand: Errand | None) -> errors.FailoverError:
        """The home was lost by an earlier call: say what that means for this one."""
        why = self._home.client.broken if self._home else None
        where = f"coordinator {self._home.coordinator}" if self._home else "the session"
        kind = errors.ResultLost if call.finished else errors.OutcomeUnknown
        told = errors.make_error(
            kind, f"{call.operation} failed: {where} was lost before: {why}", why
        )
        if errand is not None and isinstance(told, errors.OutcomeUnknown):
            self._leave_alone(errand, told)
        return told

    def _submit(self, link: Link, errand: Errand) -> None:
        self._discard()
        self._settle(link)
        link.check()
        self._submitted += 1
        errand.submit(self)
        self._taken.append(printed_id(self._last_operation.handle.operationId))
        self._last_operation_active = True
        errand.accepted = True

    def _send(self, text: str, overlay: dict[str, Any] | None, mark: Any) -> None:
        """Send a statement, and note what is needed to ask for it later."""
        self._last_operation_string = text
        if mark is not None:
            text, overlay, tag = mark.add_to(text, overlay, self._wanted, self.session.config or {})
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

        The statement is done and its rows are here, so a coordinator that fails now costs only the
        log and the count of rows.
        """
        self._last_operation_finished = True
        try:
            HiveServer2Cursor._close_finished_operation(self)  # noqa: SLF001
        except errors.InterfaceError:
            raise
        except errors.Error as error:
            self._last_operation_active = False
            home = self._home
            if home is None or from_signal_handler(error):
                raise
            if not home.broken and classify(error, home.phase) is Fault.QUERY:
                raise
            self._failover.driver.redact(error)
            why = str(error)  # a record may be kept: a traceback in it would keep sockets open
            logs.warning("%s was lost after the statement was done: %s", home.coordinator, why)

    def _wait_to_finish(self) -> None:
        if self._last_operation_finished:
            return
        if self._inside != get_ident():
            self._check_open()
            with self._failover.exclusive:
                if self._errand is not None:  # ibis waits before it has executed anything
                    self._course("wait", self._wait_to_finish)
            return
        self._await(self._last_operation)
        self._last_operation_finished = True


def given(submit: Callable[[Execution], None], text: str, idempotent: bool | None) -> Errand:
    """What to do with *text*, whose effect the caller may know better."""
    statement = Statement.parse(text)
    if idempotent is False:
        statement = replace(statement, effect=Effect.WRITE, replaces=False)
    return Errand(submit, statement, freely=idempotent or statement.effect is Effect.READ)
