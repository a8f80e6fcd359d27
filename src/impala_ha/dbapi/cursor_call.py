"""A call of a cursor, as the loop must know it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from thrift.Thrift import TException

from impala_ha import errors
from impala_ha.core.events import OutcomeLost
from impala_ha.core.forks import importing
from impala_ha.core.interruption import from_signal_handler
from impala_ha.failover.attempts import Call, SessionArguments, doubtful_faults
from impala_ha.failover.failover import Failover
from impala_ha.failover.statement_ref import StatementRef
from impala_ha.hs2.link import Link
from impala_ha.hs2.polling import rows
from impala_ha.sql import plan
from impala_ha.sql.statement import Effect

from .cursor_session import CursorSession
from .execution import Execution


@dataclass(slots=True)
class CursorCall(Call):
    """
    A call of a cursor: in its session, and perhaps on its statement.

    Attributes:
        failover: The loop.
        session: The cursor's.
        execution: Its statement, None where only the session is needed.
        submits: Whether the next try submits the statement.
        opens: Whether a try opens the session where it is not, if it submits nothing.
    """

    failover: Failover = field(kw_only=True)
    session: CursorSession = field(kw_only=True)
    execution: Execution | None = field(default=None, kw_only=True)
    submits: bool = field(default=False, kw_only=True)
    opens: bool = field(default=True, kw_only=True)

    @property
    def stopped(self) -> bool:
        """Has another thread closed the cursor?"""
        return self.session.stopped

    @property
    def tag(self) -> str | None:
        """The tag of the write that was sent; None for none."""
        return self.execution.tag if self.execution is not None else None

    @property
    def text(self) -> str:
        """The SQL of its statement, with the values in it; empty: it has none."""
        return self.execution.text if self.execution is not None else ""

    @property
    def database(self) -> str | None:
        """That of the session."""
        return self.session.wanted.database

    @property
    def query_id(self) -> str | None:
        """Of the statement, as Impala prints it; None while it is not known."""
        return self.execution.query_id if self.execution is not None else None

    @property
    def pinned_link(self) -> Link | None:
        """The statement's link; or the session's, if a new session could not be opened there."""
        return self.session.pinned_link if self.submits or self.opens else self.session.link

    @property
    def first_session(self) -> SessionArguments:
        """User and configuration of the session that opening a link makes."""
        return self.session.arguments

    def failed(self, error: Exception, link: Link) -> Exception:
        """Update the session after *error*, which a try on *link* raised; the error to classify."""
        return self.session.failed(error, link)

    def was_admitted(self) -> bool:
        """
        Was the last statement admitted, as its profile shows, or may it have been?

        A function of the user's may fail with any words, those of admission control too (Impala
        leaves out "UDF ERROR:" where it fails with constant arguments: be/src/exprs/
        scalar-expr-evaluator.cc).  The profile's line is admission-controller.cc's.
        """
        operation = self.execution.operation if self.execution is not None else None
        if operation is None or not self.writes:
            return False
        try:
            profile = operation.get_profile()
        except (errors.Error, TException) as error:
            if from_signal_handler(error):
                raise
            return True  # nobody knows
        return re.search(r"(?m)^\s*Admission result: Admitted", str(profile)) is not None

    def fence(self, link: Link, again: bool) -> bool:
        """
        After a try in which a write may have run: is it certainly over, and harmless once more?

        What still runs is ended only where it would be harmless to run it again.
        """
        execution, session = self.execution, self.session
        if execution is None or self.finished or not self.writes:
            return False
        handle = session.handle
        execution.refs.append(execution.ref(session, link))
        if execution.idempotent:
            return False  # it is repeated in any case, and the old session ended then
        if session.link is link:
            session.detach()  # the next session is not to end this one
        if again and self._is_harmless(execution) and session.close_confirmed(link, handle):
            execution.accepted = False
            return True
        link.release(handle)
        return False

    def _is_harmless(self, execution: Execution) -> bool:
        """Would running it once more change nothing?  If need be, by another coordinator's plan."""
        if execution.statement.effect is Effect.IDEMPOTENT:
            return True
        if not execution.statement.replaces:
            return False
        session, clock = self.session, self.failover.cluster.clock

        def explain(link: Link) -> str:
            session.ensure(link)
            found = rows(session.handle, f"EXPLAIN {execution.text}", clock, plan.LEVEL)
            return "\n".join(str(line) for (line,) in found)

        try:
            call = CursorCall("explain", failover=self.failover, session=session)
            shown = self.failover.run(call, explain)
        except errors.Error as error:
            if from_signal_handler(error):
                raise
            return False
        database = session.wanted.database
        if not plan.may_run_again(shown, execution.text, execution.statement, database):
            return False
        execution.statement = replace(execution.statement, effect=Effect.IDEMPOTENT, replaces=False)
        return True

    def leave_alone(self, unknown: errors.OutcomeUnknown) -> None:
        """Make *unknown* resolvable, and do not end the session: that would end the statement."""
        left = self.session.detach()
        if left is not None:
            left.release(self.session.handle)
        refs = tuple(self.execution.refs) if self.execution else ()
        if refs:
            self._make_resolvable(unknown, refs)
        if self.execution is not None and not self.execution.reported:
            self.execution.reported = True
            self._tell(unknown, self.execution)

    def _tell(self, unknown: errors.OutcomeUnknown, execution: Execution) -> None:
        """Tell the program of *unknown*."""
        where, seconds = execution.coordinator, 0.0
        if unknown.attempts:
            last = unknown.attempts[-1]
            where, seconds = last.coordinator, last.since + last.elapsed
        if where is not None:
            event = OutcomeLost(
                coordinator=where,
                seconds=seconds,
                tag=execution.tag,
                operation=self.operation,
                query_id=unknown.query_id,
            )
            self.failover.events.tell(event)

    def _make_resolvable(
        self, unknown: errors.OutcomeUnknown, refs: tuple[StatementRef, ...]
    ) -> None:
        cluster, driver = self.failover.cluster, self.failover.driver

        def resolver(timeout: float) -> errors.Outcome:
            try:
                with importing():
                    from impala_ha.failover.outcome import resolve  # noqa: PLC0415 - hardly ever needed
            except (ImportError, OSError):  # the package was replaced, or no file can be opened
                return errors.Outcome.UNKNOWN
            return resolve(refs, cluster, driver, timeout)

        unknown.resolver = resolver
        unknown.identify(refs[-1].session_id, refs[-1].query_id, refs[-1].tag)

    def lost_before(self) -> errors.FailoverError:
        """The error of this call, where an earlier one lost the session."""
        link = self.session.link
        why = link.client.broken if link else None
        where = f"coordinator {link.coordinator}" if link else "the session"
        kind = errors.ResultLost if self.finished else errors.OutcomeUnknown
        error = errors.make_error(
            kind, f"{self.operation} failed: {where} was lost before: {why}", why
        )
        if isinstance(error, errors.OutcomeUnknown):
            self.leave_alone(error)
        return error


def statement_call(
    operation: str,
    execution: Execution,
    session: CursorSession,
    failover: Failover,
    *,
    ended: bool,
) -> CursorCall:
    """A call on the statement of *execution*, which may have *ended* before."""
    writes = execution.writes
    finished = execution.fetched or (execution.accepted and ended)
    return CursorCall(
        operation,
        idempotent=execution.idempotent,
        again=not (execution.fetched or (finished and writes)),
        writes=writes,
        doubtful=doubtful_faults(execution.statement.kind),
        finished=finished and (execution.fetched or writes),
        proof=not execution.accepted,
        failover=failover,
        session=session,
        execution=execution,
        submits=not execution.accepted,
        opens=False,
    )
