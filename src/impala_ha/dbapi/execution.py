"""
A statement of a cursor: what is sent, how far it is, and whether it may be sent elsewhere.

Until the first row is fetched it may be submitted again, if running it twice is harmless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from thrift.Thrift import TException

from impala_ha import errors
from impala_ha.core.events import OutcomeLost
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.model import Coordinator
from impala_ha.core.remote import RemoteOperation
from impala_ha.failover.attempts import Call, SessionArguments, doubtful_faults
from impala_ha.failover.failover import Failover
from impala_ha.failover.statement_ref import StatementRef
from impala_ha.hs2.link import Link
from impala_ha.hs2.polling import rows
from impala_ha.options.options import Options
from impala_ha.sql import plan
from impala_ha.sql.session_state import Session
from impala_ha.sql.statement import Effect, Statement
from impala_ha.sql.tag import StatementTag

from .cursor_session import CursorSession, printed_id

_POLL, _FETCH = "LONG_POLLING_TIME_MS", "FETCH_ROWS_TIMEOUT_MS"
_NEVER = frozenset({None, "", "0"})  # what a server lists that does not wait for a statement's end
_WAIT = 1.0  # seconds: rows that come slowly are not held back for long
_SET = re.compile(r"(?i)\s*set\b")


@dataclass(slots=True)
class Execution:
    """
    One statement, kept so that it can be submitted elsewhere.

    Attributes:
        text: SQL with its values in it; empty for a metadata call.
        statement: What it does.
        options: The query options that go with it.
        idempotent: Whether it may run again although it may still be running: it reads, or the
            caller declared it idempotent.
        mark: The tag to send with it, where the server takes one; None for none.
        operation: impyla's operation of the last submit; None if there is no answer to it.
        accepted: Whether a server accepted it.
        fetched: Whether rows of its result were fetched, or are all here.
        wait: Seconds that the server may wait for its end, or for rows, before it answers; 0: as
            the server likes.
        ahead: Whether rows are asked for before it has ended: it may run again, and the server
            waits for them, though not for ever.
        sent: The text as it was sent.
        tag: The tag that was sent; None for none.
        refs: For each try in which it may have run, what `OutcomeUnknown.resolve` needs.
        coordinator: That of the last submit; None before.
        told: Whether the program was told that its outcome is unknown.
    """

    text: str
    statement: Statement
    options: dict[str, object] | None = None
    idempotent: bool = True
    mark: StatementTag | None = None
    operation: RemoteOperation | None = None
    accepted: bool = False
    fetched: bool = False
    wait: float = 0.0
    ahead: bool = False
    sent: str = ""
    tag: str | None = None
    refs: list[StatementRef] = field(default_factory=list)
    coordinator: Coordinator | None = None
    told: bool = False

    @property
    def writes(self) -> bool:
        """Is it more than a read?"""
        return self.statement.effect is not Effect.READ

    def submit(self, session: CursorSession) -> RemoteOperation:
        """Send it in *session*; impyla's operation of it."""
        self.operation, self.sent, self.tag = None, self.text, None
        self.coordinator = session.link.coordinator if session.link is not None else None
        offered = session.handle.config or {}
        options = self._with_waits(session.wanted, offered)
        if self.mark is not None:
            self.sent, options, self.tag = self.mark.add_to(
                self.text, options, session.wanted, offered
            )
        session.submitted += 1
        return self._accepted_as(
            session.handle.execute(self.sent, options, run_async=True), session
        )

    def _with_waits(self, wanted: Session, offered: Mapping[str, str]) -> dict[str, object] | None:
        """
        The query options, and those by which the server waits where we would ask again.

        They are sent where its answer to OpenSession has them (LONG_POLLING_TIME_MS since Impala
        4.5, FETCH_ROWS_TIMEOUT_MS since 3.4), and the caller has not set them.
        """
        self.ahead = False
        known = [name for name in (_POLL, _FETCH) if self.wait and name in offered]
        if not known:
            return self.options
        own = {name.upper() for name in (*(self.options or ()), *wanted.open_configuration())}
        waits = dict.fromkeys({*known} - own, str(int(self.wait * 1000)))
        if offered.get(_POLL) not in _NEVER:
            waits.pop(_POLL, None)
        if self.writes:
            waits.pop(_FETCH, None)
        self.ahead = _FETCH in waits
        return {**(self.options or {}), **waits}

    def _accepted_as(self, operation: RemoteOperation, session: CursorSession) -> RemoteOperation:
        session.statements.append(printed_id(operation.handle.operationId))
        operation.writes = self.writes
        self.operation, self.accepted = operation, True
        return operation

    def ref(self, session: CursorSession, link: Link) -> StatementRef:
        """What is known of the try in *session* on *link*."""
        handle = self.operation.handle if self.operation else None
        taken = tuple(session.statements)
        return StatementRef(
            text=self.sent,
            tag=self.tag,
            coordinator=link.coordinator,
            user=session.wanted.user,
            session=session.handle,
            operation=handle,
            session_id=printed_id(session.handle.handle.sessionId),
            query_id=printed_id(handle.operationId) if handle is not None else None,
            known=taken if handle is None else taken[:-1],
            unnamed=session.submitted - len(taken) - (handle is None),
        )


class MetadataExecution(Execution):
    """A metadata call of impyla's, which assigns its operation to the cursor."""

    __slots__ = ("_send",)

    def __init__(self, send: Callable[[], RemoteOperation]):
        """
        Args:
            send: Sends it; returns impyla's operation.
        """
        Execution.__init__(self, "", Statement(Effect.READ))
        self._send = send

    def submit(self, session: CursorSession) -> RemoteOperation:
        """Send it in *session*; impyla's operation of it."""
        self.operation = None
        session.submitted += 1
        assert session.link is not None
        self.ahead = session.link.impala  # it has ended when it is accepted
        return self._accepted_as(self._send(), session)


def prepare(
    text: str, options: dict[str, object] | None, idempotent: bool | None, wanted: Options
) -> Execution:
    """The execution of *text*, with *options* for it alone, as those of the connection want it."""
    statement = Statement.parse(text)
    if idempotent is False:
        statement = replace(statement, effect=Effect.WRITE, replaces=False)
    wait = 0.0
    if not (statement.setting or _SET.match(text)):  # which are done at once; SET shows what is set
        wait = min([_WAIT, *(each / 2 for each in (wanted.timeout, wanted.probe_after) if each)])
    if statement.effect is Effect.READ:
        return Execution(text, statement, options, wait=wait)
    if wanted.sync_ddl:
        options = {"SYNC_DDL": "true", **(options or {})}
    mark = None
    if wanted.statement_tag != "none":
        mark = StatementTag(wanted.statement_tag == "comment")
    return Execution(text, statement, options, bool(idempotent), mark, wait=wait)


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
        Does its profile show that the last statement was admitted?

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
            return False
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
        if self.execution is not None and not self.execution.told:
            self.execution.told = True
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
