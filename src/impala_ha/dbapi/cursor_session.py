"""
The session of a cursor: where it was opened, and how it is opened elsewhere.

When its link is lost, or is not where the connection is any more, the session is opened anew before
the next statement, in one call where the server is Impala.
"""

from __future__ import annotations

import struct
import warnings
from collections import deque
from typing import Any

from impala._thrift_gen.TCLIService.ttypes import TOperationState

from impala_ha import errors
from impala_ha.core.fault_rules import classify
from impala_ha.core.faults import CallFailed, Fault
from impala_ha.core.interruption import from_signal_handler, suppress
from impala_ha.core.remote import RemoteOperation
from impala_ha.failover.attempts import CLOSED_MEANWHILE, SessionArguments
from impala_ha.failover.failover import Failover
from impala_ha.hs2.client import ConnectionClosed
from impala_ha.hs2.link import CLOSE_TIMEOUT, Link
from impala_ha.hs2.polling import poll
from impala_ha.options.settings import near
from impala_ha.sql.session_state import Session, is_no_query_option

_GUID = struct.Struct("<QQ")
_FENCE = 5.0  # seconds for finding out whether a lost statement is certainly over
_REMEMBERED = 1000  # statements of a session, to tell one of unknown outcome from those before it
_NO_DATABASE = "Database does not exist"
_TOLD_LATER = frozenset({Fault.QUERY, Fault.CATALOG, Fault.METADATA})  # by the first statement
_SOME = 10  # options; who tells fewer does not tell all
_GONE = frozenset({Fault.SESSION_GONE, Fault.RESULT_GONE})


class CursorSession:
    """
    The session of one cursor.

    Attributes:
        wanted: What it is to be, wherever it is opened.
        link: Where it is; None while it is nowhere.
        handle: impyla's session on that link; that of the last link while there is none.
        statements: Ids of the statements that it has taken, the last ones.
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
        """Is it somewhere, and can that be reached?"""
        return self.link is not None and self.link.usable()

    @property
    def pinned_link(self) -> Link | None:
        """Its link, where that takes no more sessions but goes on with this one; None elsewhere."""
        link = self.link
        return link if link is not None and link.full and link.usable() else None

    def ensure(self, link: Link) -> None:
        """Open it on *link* unless it is there already."""
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
                self._end_left_behind(old, left)

    def _replay(self, text: str) -> None:
        operation = self.handle.execute(text, run_async=True)
        answer = poll(operation, self._failover.cluster.clock)
        if answer.operationState == TOperationState.ERROR_STATE:
            raise failed(answer)
        operation.close()

    def _end_left_behind(self, old: Link, handle: Any) -> None:
        """
        End what was left behind: a lost statement that runs on holds its place in the queue, and
        an open session delays the shutdown of a coordinator that drains.
        """
        if not old.broken:
            old.close_session(handle)
        elif old.impala and not old.client.forked:
            self._driver.end_session(old, self.wanted.user, handle, CLOSE_TIMEOUT / 2)

    def check_database(self) -> None:
        """See whether its database is there: OpenSession takes any name."""
        link, name, cluster = self.link, self.wanted.database, self._failover.cluster
        assert link is not None
        if not link.impala or name.lower() == "default" or cluster.has_database(name):
            return
        quoted = name.replace("`", "``")
        try:
            self.handle.execute(f"USE `{quoted}`", run_async=True).close()
        except errors.Error as error:
            answered = not isinstance(error, CallFailed) and _NO_DATABASE not in str(error)
            if answered and classify(error, link.phase) in _TOLD_LATER:
                return
            link.close_later(self.handle)
            self.detach()
            raise
        cluster.add_database(name)

    def warn_of_what_was_dropped(self) -> None:
        """Impala drops options that it does not know in silence, and tells all that it has."""
        asked = {n: v for n, v in self.wanted.configuration.items() if not is_no_query_option(n)}
        told = {n.upper(): v for n, v in (self.handle.config or {}).items()} if asked else {}
        if not self._links.impala or len(told) < _SOME:
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

    def failed(self, error: Exception, link: Link) -> Exception:
        """Take note of *error*, which a call on *link* met; what the loop is to go by."""
        if self.closed and not isinstance(error, CallFailed):
            closed = ConnectionClosed(CLOSED_MEANWHILE)
            lost = CallFailed(link.phase, closed)
            lost.__cause__ = closed
            return lost
        if self.link is link and classify(error, link.phase) in _GONE:
            self.detach()  # only this session; the link may carry others
        return error

    def detach(self) -> Link | None:
        """Be nowhere from now on, and end nothing; the link that it was on."""
        link, self.link = self.link, None
        return link

    def close_confirmed(self, link: Link, handle: Any) -> bool:
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
            return False  # of the caller's functions, perhaps: what was lost is to be told

    def cancel_interrupted(self, running: RemoteOperation | None) -> None:
        """Stop what runs on the server, *running* perhaps, for a call that was interrupted."""
        link, handle = self.link, self.handle
        if link is None or handle is None or link.client.forked:
            return
        if link.broken:  # in mid-answer: only another connection can say it
            self.detach()
            self._driver.end_session(link, self.wanted.user, handle, CLOSE_TIMEOUT / 2)
        elif running is not None:
            with link.deadline(CLOSE_TIMEOUT / 2):
                running.cancel()
                running.close()

    def close_stale(self) -> None:
        """
        End it if the connection is elsewhere.

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


def failed(answer: Any) -> errors.OperationalError:
    """The error of a statement, of which GetOperationStatus says so."""
    return errors.OperationalError(answer.errorMessage or "Operation is in ERROR_STATE")


def printed_id(identifier: Any) -> str:
    """A THandleIdentifier as Impala prints it: two numbers in hexadecimal digits."""
    if len(identifier.guid) != _GUID.size:
        return str(identifier.guid.hex())
    high, low = _GUID.unpack(identifier.guid)
    return f"{high:016x}:{low:016x}"
