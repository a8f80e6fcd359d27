"""
The session of a cursor: where it was opened, and how it is opened elsewhere.

When its link is lost, or the connection has moved to another link, the session is opened again
before the next statement; with Impala that is one call.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Any

from impala._thrift_gen.TCLIService.ttypes import TGetInfoType, TOperationState

from impala_ha import errors
from impala_ha.core.callers import warn
from impala_ha.core.fault_rules import classify
from impala_ha.core.faults import CallFailed, Fault
from impala_ha.core.interruption import from_signal_handler, suppress
from impala_ha.core.remote import Identifier, RemoteOperation, RemoteSession, RemoteStatus
from impala_ha.failover.attempts import CLOSED_MEANWHILE, SessionArguments
from impala_ha.failover.failover import Failover
from impala_ha.hs2.client import ConnectionClosed
from impala_ha.hs2.link import CLOSE_TIMEOUT, Link
from impala_ha.hs2.operation import state_name
from impala_ha.hs2.polling import poll
from impala_ha.options.settings import near
from impala_ha.sql.session_state import Session, is_no_query_option

_GUID = struct.Struct("<QQ")
_FENCE = 5.0  # seconds for finding out whether a lost statement is certainly over
_REMEMBERED = 1000  # ids of earlier statements, which one of unknown outcome cannot have
_NO_DATABASE = "Database does not exist"
_LEFT_TO_STATEMENT = frozenset(
    {Fault.QUERY, Fault.CATALOG, Fault.METADATA}
)  # it will fail with the same
_SOME = 10  # options; a server that sends fewer does not send all
_GONE = frozenset({Fault.SESSION_GONE, Fault.RESULT_GONE})


class CursorSession:
    """
    The session of one cursor.

    Attributes:
        wanted: User, options and database, wherever it is opened.
        link: The link that it is open on; None for none.
        handle: impyla's session on that link; that of the last link while there is none.
        statements: Ids of the last statements that it has accepted.
        submitted: How many were sent in it.
        closed: Whether the cursor was closed.
        stopped: Whether another thread did so in the middle of a call.
    """

    def __init__(self, failover: Failover, wanted: Session):
        self.wanted = wanted
        self.link: Link | None = None
        self.handle: Any = None
        self.statements: deque[str] = deque(maxlen=_REMEMBERED)
        self.submitted = 0
        self.closed = False
        self.stopped = False
        self._failover = failover
        self._links = failover.links
        self._driver = failover.driver

    @property
    def arguments(self) -> SessionArguments:
        """User and configuration of the session that opening a link makes."""
        wanted, impala = self.wanted, self._links.impala
        return wanted.user, wanted.open_configuration() if impala else wanted.configuration

    @property
    def usable(self) -> bool:
        """Is it open, and its coordinator reachable?"""
        return self.link is not None and self.link.usable()

    @property
    def pinned_link(self) -> Link | None:
        """Its link, if that coordinator accepts no more sessions but serves this one; else None."""
        link = self.link
        return link if link is not None and link.full and link.usable() else None

    def ensure(self, link: Link) -> None:
        """Open it on *link* unless it is open there."""
        if self.link is link:
            return
        old, left = self.link, self.handle
        self.statements.clear()
        self.submitted = 0
        wanted = self.wanted
        if link.impala:
            self.handle = link.session(wanted.user, wanted.open_configuration())
        else:
            self.handle = link.session(wanted.user, wanted.configuration)
            for text in wanted.replay():
                self._replay(text)
        self.link = link
        if old is not None:
            with suppress(Exception):
                self._end_old(old, left)

    def _replay(self, text: str) -> None:
        operation: RemoteOperation = self.handle.execute(text, run_async=True)
        answer = poll(operation, self._failover.cluster.clock)
        if answer.operationState != TOperationState.FINISHED_STATE:
            raise failed(answer)
        operation.close()

    def _end_old(self, old: Link, handle: RemoteSession) -> None:
        """
        End the old session: a lost statement that runs on holds its place in the queue, and
        an open session delays the shutdown of a coordinator that drains.
        """
        if not old.broken:
            old.close_session(handle)
        elif old.impala and not old.client.forked:
            self._driver.end_session(old, self.wanted.user, handle, CLOSE_TIMEOUT / 2)

    def check_database(self) -> None:
        """Raise if its database does not exist: OpenSession accepts any name."""
        link, name, cluster = self.link, self.wanted.database, self._failover.cluster
        assert link is not None
        if not link.impala or name.lower() == "default" or name in cluster.databases:
            return
        quoted = name.replace("`", "``")
        try:
            self.handle.execute(f"USE `{quoted}`", run_async=True).close()
        except errors.Error as error:
            answered = not isinstance(error, CallFailed) and _NO_DATABASE not in str(error)
            if answered and classify(error, link.phase) in _LEFT_TO_STATEMENT:
                return
            link.close_later(self.handle)
            self.detach()
            raise
        cluster.databases.add(name)

    def get_info(self, kind: int = TGetInfoType.CLI_SERVER_NAME) -> str:
        """Ask the coordinator for its name, or another *kind* of information."""
        told: str = self.handle.get_info(kind)
        return told

    def warn_of_ignored_options(self) -> None:
        """Warn of query options that the server ignored: Impala's answer lists all that it has."""
        asked = {n: v for n, v in self.wanted.configuration.items() if not is_no_query_option(n)}
        known = {n.upper(): v for n, v in (self.handle.config or {}).items()} if asked else {}
        if not self._links.impala or len(known) < _SOME:
            return
        for name, value in asked.items():
            if known.get(name.upper()) or not str(value).strip():
                continue
            hint = f" with the value {value!r}"
            if name.upper() not in known:
                meant = near(name.upper(), known, 2)
                hint = (
                    f": did you mean {' or '.join(meant)}?" if meant else ", and has none so called"
                )
            warn(f"the coordinator did not take the query option {name}{hint}", UserWarning)

    def failed(self, error: Exception, link: Link) -> Exception:
        """Detach if *error*, raised on *link*, means that it is gone; the error to classify."""
        if self.closed and not isinstance(error, CallFailed):
            closed = ConnectionClosed(CLOSED_MEANWHILE)
            lost = CallFailed(link.phase, closed)
            lost.__cause__ = closed
            return lost
        if self.link is link and classify(error, link.phase) in _GONE:
            self.detach()  # only this session; the link may carry others
        return error

    def detach(self) -> Link | None:
        """Leave its link without ending it on the server; the link that it was on."""
        link, self.link = self.link, None
        return link

    def close_confirmed(self, link: Link, handle: RemoteSession) -> bool:
        """End the session *handle* on *link*; is what ran in it certainly over?"""
        if link.client.forked:
            return False
        if not link.broken and link.close_confirmed(handle):
            return True
        limit = min(_FENCE, self._failover.options.connect_timeout)
        try:
            return self._driver.end_session(link, self.wanted.user, handle, limit)
        except Exception as error:
            if from_signal_handler(error):
                raise
            return (
                False  # of the caller's functions, perhaps: the lost statement's error matters more
            )

    def cancel_interrupted(self, running: RemoteOperation | None, *, unnamed: bool) -> None:
        """
        Stop what runs on the server, for a call that was interrupted.

        Args:
            running: What may run; None for nothing.
            unnamed: Whether something else may run, whose handle was not noted.
        """
        link, handle = self.link, self.handle
        if link is None or handle is None or link.client.forked:
            return
        link.client.check_interrupted()
        if link.client.fetching:  # and what is sent now would wait for the rows
            link.client.invalidate(ConnectionAbortedError("interrupted with rows on their way"))
        if link.broken:  # in mid-answer: it takes another connection
            self.detach()
            self._driver.end_session(link, self.wanted.user, handle, CLOSE_TIMEOUT / 2)
        elif unnamed:
            self.detach()
            link.close_session(handle)
        elif running is not None:
            with link.deadline(CLOSE_TIMEOUT / 2):
                running.cancel()
                running.close()

    def close_stale(self) -> None:
        """
        End it if the connection uses another link.

        It would hold up the shutdown of a coordinator that drains, by up to an hour.
        """
        link = self.link
        if link is None or link is self._links.current or link.full:
            return
        with suppress(Exception):  # a coordinator that has gone has ended it
            link.close_session(self.handle)

    def close(self, running: RemoteOperation | None) -> None:
        """End *running* and the session on the server, as far as that can be done at once."""
        link = self.detach()
        if link is None or link.client.forked or link.client.busy or not link.usable():
            return
        with suppress(Exception), link.deadline(CLOSE_TIMEOUT):
            if running is not None:
                running.close()
        with suppress(Exception):
            link.close_session(self.handle)

    def close_elsewhere(self) -> None:
        """End it on another connection: a thread waits in a call on this one."""
        link, self.stopped = self.link, True
        if link is not None:
            link.release(self.handle)
            if not self._driver.end_session(link, link.user, self.handle, CLOSE_TIMEOUT / 2):
                link.client.hang_up(ConnectionClosed(CLOSED_MEANWHILE))

    def close_later(self) -> None:
        """End it at the next opportunity; does no I/O."""
        if self.link is not None:
            self.link.close_later(self.handle)


def failed(answer: RemoteStatus) -> errors.OperationalError:
    """The error of a statement that has ended in another way than well: Hive's may be cancelled."""
    name = state_name(answer.operationState)
    return errors.OperationalError(answer.errorMessage or f"Operation is in {name}")


def printed_id(identifier: Identifier) -> str:
    """A THandleIdentifier as Impala prints it: two numbers in hexadecimal digits."""
    if len(identifier.guid) != _GUID.size:
        return str(identifier.guid.hex())
    high, low = _GUID.unpack(identifier.guid)
    return f"{high:016x}:{low:016x}"
