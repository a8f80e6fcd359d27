"""
Where a cursor is at home: the link on which its session was opened.

impyla's cursor is the base, and `Failover` the loop; this room brings them together.  When the
home is lost, or is not where the connection is any more, the session is opened anew, in one call
where the server is Impala, before the next statement.
"""

from __future__ import annotations

import struct
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from threading import get_ident
from typing import Any, NamedTuple, TypeVar

from impala._thrift_gen.TCLIService.ttypes import TOperationState
from impala.hiveserver2 import HiveServer2Cursor

from impala_ha import errors
from impala_ha.core.fault_rules import classify
from impala_ha.core.faults import CallFailed, Fault
from impala_ha.core.interruption import from_signal_handler, is_interrupt, suppress
from impala_ha.failover.attempts import CLOSED_MEANWHILE, Call, Trail
from impala_ha.failover.failover import Failover
from impala_ha.failover.statement_ref import StatementRef
from impala_ha.hs2.client import ConnectionClosed
from impala_ha.hs2.link import CLOSE_TIMEOUT, Link
from impala_ha.hs2.polling import poll
from impala_ha.options.settings import near
from impala_ha.sql.session_state import Session, is_no_query_option

Got = TypeVar("Got")

_GUID = struct.Struct("<QQ")
_FENCE = 5.0  # seconds for finding out whether a lost statement is certainly over
_REMEMBERED = 1000  # statements of a session, to tell one of unknown outcome from those before it
_NO_DATABASE = "Database does not exist"
_TOLD_LATER = frozenset({Fault.QUERY, Fault.CATALOG, Fault.METADATA})  # by the first statement
_SOME = 10  # options; who tells fewer does not tell all
GONE = frozenset({Fault.SESSION_GONE, Fault.RESULT_GONE})


class Sent(NamedTuple):
    """The last statement as it was sent, and its mark."""

    text: str = ""
    tag: str | None = None


class Home(HiveServer2Cursor):  # type: ignore[misc]  # impyla is not typed
    """The part of `Cursor` that has a session somewhere."""

    _closed = True  # until __init__ is through: impyla's __del__ asks

    def __init__(self, failover: Failover, session: Session, **options: Any):
        HiveServer2Cursor.__init__(self, None, **options)
        self.session: Any = None
        self._last_operation_finished: bool = False
        self._failover = failover
        self._wanted = session
        self._home: Link | None = None
        self._inside: int | None = None  # the thread whose call goes straight to impyla's method
        self._rows_failed: int | None = None
        self._sent = Sent()
        self._taken: deque[str] = deque(maxlen=_REMEMBERED)  # ids of the session's statements
        self._submitted = 0
        self._trail = Trail()
        # With a database impyla has executed USE by now, and knows its log.
        self._last_operation_log: str | None = "" if session.names_database else None
        with failover.exclusive:
            failover.cursors.add(self)
            failover.renew(self, self._first())
            self._run(Call("cursor", proof=True), self._begin)
            self._warn_of_what_was_dropped()

    def _begin(self, link: Link) -> None:
        """Open the session, and see whether its database is there: OpenSession takes any name."""
        self._settle(link)
        name, cluster = self._wanted.database, self._failover.cluster
        if not link.impala or name.lower() == "default" or cluster.has_database(name):
            return
        quoted = name.replace("`", "``")
        try:
            self.session.execute(f"USE `{quoted}`", run_async=True).close()
        except errors.Error as error:
            answered = not isinstance(error, CallFailed) and _NO_DATABASE not in str(error)
            if answered and classify(error, link.phase) in _TOLD_LATER:
                return
            link.close_later(self.session)
            self._home = None
            raise
        cluster.add_database(name)

    def _warn_of_what_was_dropped(self) -> None:
        """Impala drops options that it does not know in silence, and tells all that it has."""
        asked = {n: v for n, v in self._wanted.configuration.items() if not is_no_query_option(n)}
        told = {n.upper(): v for n, v in (self.session.config or {}).items()} if asked else {}
        if not self._failover.impala or len(told) < _SOME:
            return
        for name, value in asked.items():
            if told.get(name.upper()) or not str(value).strip():
                continue
            hint = f" with the value {value!r}"
            if name.upper() not in told:
                meant = near(name.upper(), told, 2)
                hint = (
                    f": did you mean {' or '.join(meant)}?" if meant else ", and has none so called"
                )
            text = f"the coordinator did not take the query option {name}{hint}"
            warnings.warn(text, UserWarning, stacklevel=4)

    def _run(
        self,
        call: Call,
        work: Callable[[Link], Got],
        home: Callable[[], Link | None] = lambda: None,
    ) -> Got:
        """Do *work* through the loop; what it calls on this cursor goes straight through."""
        before, self._trail = self._trail, Trail()
        trail = self._trail

        def at(link: Link) -> Got:
            if trail.stopped:
                raise errors.InterfaceError(CLOSED_MEANWHILE)
            try:
                return work(link)
            except errors.Error as error:
                if self._closed and not isinstance(error, CallFailed):
                    closed = ConnectionClosed(CLOSED_MEANWHILE)
                    raise CallFailed(link.phase, closed) from closed
                if self._home is link and classify(error, link.phase) in GONE:
                    self._home = None  # only this session; the link may carry others
                raise

        inside, self._inside = self._inside, get_ident()
        try:
            first = self._first()
            return self._failover.run(call, at, home=home, first=first, trail=trail)
        except BaseException as error:
            if is_interrupt(error):
                with suppress(Exception):
                    self._abandon()
            elif isinstance(error, errors.Error):
                errors.shorten(error)
            raise
        finally:
            self._inside = inside
            if not (call.proof or any(attempt.fault for attempt in trail.attempts)):
                self._trail = before  # a look at the result that went well tells nothing of it

    def _first(self) -> tuple[str, Mapping[str, str]]:
        """User and configuration of the session that opening a link makes."""
        wanted = self._wanted
        return (
            wanted.user,
            wanted.open_configuration() if self._failover.impala else wanted.configuration,
        )

    def reads(self, link: Link) -> bool:
        """Is something open on *link* that was not read to its end?"""
        if self._home is not link or not self._last_operation_active:
            return False
        return len(self._buffer) > 0 or not self._last_operation.complete

    def _is_over(self, link: Link, session: Any) -> bool:
        """End *session*, which was opened on *link*; is what ran in it certainly over?"""
        if link.client.forked:
            return False
        if not link.broken and link.close_confirmed(session):
            return True
        limit = min(_FENCE, self._failover.connect_timeout)
        try:
            return self._failover.driver.end_session(link, self._wanted.user, session, limit)
        except Exception as error:
            if from_signal_handler(error):
                raise
            return False  # of the caller's functions, perhaps: what was lost is to be told

    def _statement_ref(self, link: Link) -> StatementRef:
        """What to ask about the statement that was sent last, in the session on *link*."""
        session, operation = self.session, self._last_operation
        handle = operation.handle if operation else None
        taken = tuple(self._taken)
        earlier = taken if handle is None else taken[:-1]
        return StatementRef(
            text=self._sent.text,
            tag=self._sent.tag,
            coordinator=link.coordinator,
            user=self._wanted.user,
            session=session,
            operation=handle,
            session_id=printed_id(session.handle.sessionId),
            query_id=printed_id(handle.operationId) if handle is not None else None,
            known=earlier,
            unnamed=self._submitted - len(self._taken) - (handle is None),
        )

    def _settle(self, link: Link) -> None:
        """Open the session on *link* unless it is there already."""
        if self._home is link:
            return
        old, session = self._home, self.session
        self._taken.clear()
        self._submitted = 0
        wanted = self._wanted
        if link.impala:
            self.session = link.session(wanted.user, wanted.open_configuration())
        else:
            self.session = link.session(wanted.user, wanted.configuration)
            for text in wanted.replay():
                self._replay(text)
        self._home = link
        if old is not None:
            with suppress(Exception):
                self._end_old(old, session)

    def _end_old(self, old: Link, session: Any) -> None:
        """
        End what was left behind: a lost statement that runs on holds its place in the queue, and
        an open session delays the shutdown of a coordinator that drains.
        """
        if not old.broken:
            old.close_session(session)
        elif old.impala and not old.client.forked:
            user = self._wanted.user
            self._failover.driver.end_session(old, user, session, CLOSE_TIMEOUT / 2)

    def _replay(self, text: str) -> None:
        operation = self.session.execute(text, run_async=True)
        self._await(operation)
        operation.close()

    def _await(self, operation: Any) -> None:
        """Wait until *operation* has ended, on the cluster's clock."""
        answer = poll(operation, self._failover.cluster.clock)
        if answer.operationState == TOperationState.ERROR_STATE:
            self._raise_state(answer)

    def _raise_state(self, answer: Any) -> None:
        if answer.errorMessage:
            raise errors.OperationalError(answer.errorMessage)
        if self.fetch_error and self.has_result_set:
            self._last_operation_active = False
            self._last_operation.fetch()  # Impala before 2.7 tells the error only here
        raise errors.OperationalError("Operation is in ERROR_STATE")

    def _discard(self) -> None:
        """Close what the cursor holds of an earlier statement."""
        if self._home is None or self._home.broken or self._failover.closed:
            self._last_operation_active = False
        self._rows_failed = None
        self._sent = Sent()
        with suppress(Exception):  # it is over either way, and a broken link is met soon
            HiveServer2Cursor._reset_state(self)  # noqa: SLF001
        HiveServer2Cursor._reset_state(self)  # noqa: SLF001 - the rest, if closing failed

    def _abandon(self) -> None:
        """Stop what runs on the server for a call that was interrupted."""
        home, session = self._home, self.session
        if home is None or session is None or home.client.forked:
            return
        if home.broken:  # in mid-answer: only another connection can say it
            self._home = None
            user = self._wanted.user
            self._failover.driver.end_session(home, user, session, CLOSE_TIMEOUT / 2)
        elif self._last_operation_active:
            self._last_operation_active = False
            with home.deadline(CLOSE_TIMEOUT / 2):
                self._last_operation.cancel()
                self._last_operation.close()

    def __del__(self) -> None:
        """Leave the session to the link: garbage collection must not talk on a socket."""
        home = getattr(self, "_home", None)
        if not self._closed and home is not None and home.client.broken is None:
            home.close_later(self.session)
            self._closed = True


def printed_id(identifier: Any) -> str:
    """A THandleIdentifier as Impala prints it: two numbers in hexadecimal digits."""
    if len(identifier.guid) != _GUID.size:
        return str(identifier.guid.hex())
    high, low = _GUID.unpack(identifier.guid)
    return f"{high:016x}:{low:016x}"
