"""
A statement of a cursor: what is sent, how far it is, and whether it may be sent elsewhere.

Until the first row is fetched it may be submitted again, if running it twice is harmless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from impala_ha.core.model import Coordinator
from impala_ha.core.remote import RemoteOperation
from impala_ha.failover.statement_ref import StatementRef
from impala_ha.hs2.link import Link
from impala_ha.options.options import Options
from impala_ha.sql.session_state import Session
from impala_ha.sql.statement import Effect, Statement
from impala_ha.sql.tag import StatementTag, identified

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
        statement_tag: The tag to send with it, where the server takes one; None for none.
        program: What the program is known by, where it has no tag; empty: nothing.
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
        reported: Whether the program was told that its outcome is unknown.
        request_id: What its requests over HTTP are known by.
        web_address: Of the web pages of the last coordinator; empty if it has none.
    """

    text: str
    statement: Statement
    options: dict[str, object] | None = None
    idempotent: bool = True
    statement_tag: StatementTag | None = None
    program: str = ""
    operation: RemoteOperation | None = None
    accepted: bool = False
    fetched: bool = False
    wait: float = 0.0
    ahead: bool = False
    sent: str = ""
    tag: str | None = None
    refs: list[StatementRef] = field(default_factory=list)
    coordinator: Coordinator | None = None
    reported: bool = False
    request_id: str = ""
    web_address: str = ""

    @property
    def query_id(self) -> str | None:
        """As Impala prints it; None while no server has accepted it."""
        return printed_id(self.operation.handle.operationId) if self.operation else None

    @property
    def writes(self) -> bool:
        """Is it more than a read?"""
        return self.statement.effect is not Effect.READ

    def submit(self, session: CursorSession) -> RemoteOperation:
        """Send it in *session*; impyla's operation of it."""
        self.operation, self.sent, self.tag = None, self.text, None
        if session.link is not None:
            self.coordinator = session.link.coordinator
            self.web_address = session.link.web_address
        offered = session.handle.config or {}
        options = self._with_waits(session.wanted, offered)
        if self.statement_tag is not None:
            self.sent, options, self.tag = self.statement_tag.add_to(
                self.text, options, session.wanted, offered
            )
        elif self.program:
            options = identified(options, session.wanted, offered, self.program)
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
        waits = dict.fromkeys({*known} - own, str(max(1, int(self.wait * 1000))))
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
            query_id=self.query_id,
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
    text: str,
    options: dict[str, object] | None,
    idempotent: bool | None,
    wanted: Options,
    program: str = "",
) -> Execution:
    """
    The execution of *text*, with *options* for it alone, as those of the connection want it.

    *program* is what the statement is known by on the server; empty: nothing.
    """
    statement = Statement.parse(text)
    if idempotent is False:
        statement = replace(statement, effect=Effect.WRITE, replaces=False)
    wait = 0.0
    if not (statement.setting or _SET.match(text)):  # which are done at once; SET shows what is set
        wait = min([_WAIT, *(each / 2 for each in (wanted.timeout, wanted.probe_after) if each)])
    if statement.effect is Effect.READ:
        return Execution(text, statement, options, program=program, wait=wait)
    if wanted.sync_ddl:
        options = {"SYNC_DDL": "true", **(options or {})}
    tag = None
    if wanted.statement_tag != "none":
        tag = StatementTag(wanted.statement_tag == "comment", program)
    return Execution(text, statement, options, bool(idempotent), tag, program, wait=wait)
