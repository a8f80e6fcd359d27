"""Sessions and queries of one coordinator, and who may use them.

A session belongs to this process only; it is found by its guid and opened by its secret, from any
connection of the same user.  As in Impala since 3.3 it outlives its last connection for a while
(`disconnected_session_timeout`), with everything that runs in it.  What has timed out is put away
whenever somebody looks, so no thread has to watch the clock.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from pocket_impala.coordinator import handles
from pocket_impala.coordinator.contract import ImpalaError, SessionState
from pocket_impala.coordinator.records import record_of

if TYPE_CHECKING:
    from pocket_impala.coordinator.archive import Archive
    from pocket_impala.coordinator.flags import Flags
    from pocket_impala.coordinator.handles import Handle
    from pocket_impala.coordinator.queries import Query

# The first version whose sessions outlive their connection.
_SESSIONS_SURVIVE = (3, 3)
_QUERY_ID_IN_HANDLE_ERROR = (4, 0)


@dataclass(slots=True, eq=False)
class Session:
    """One HS2 session.

    Attributes:
        handle: Its name and secret.
        connected_user: Who authenticated.
        state: User, database and options that statements see.
        connections: The connections that used it and are still open.
        last_accessed: When a call used it last (seconds since the epoch).
        disconnected_since: When its last connection went (monotonic seconds); None while one is
            there.
        started_at: When it was opened (seconds since the epoch).
        total_queries: How many queries it has had.
    """

    handle: Handle
    connected_user: str
    state: SessionState
    connections: set[int] = field(default_factory=set)
    last_accessed: float = field(default_factory=time.time)
    disconnected_since: float | None = None
    started_at: float = field(default_factory=time.time)
    total_queries: int = 0


class Registry:
    """All sessions and queries of a coordinator.

    Args:
        flags: Its start-up flags.
        archive: Takes the queries that are over.
    """

    def __init__(self, flags: Flags, archive: Archive) -> None:
        self._flags = flags
        self._archive = archive
        self._lock = threading.RLock()
        self._sessions: dict[bytes, Session] = {}
        self._queries: dict[bytes, Query] = {}
        self._closing: dict[bytes, Query] = {}

    def sessions(self) -> list[Session]:
        """Return the sessions that are open."""
        with self._lock:
            self._expire()
            return list(self._sessions.values())

    def queries(self) -> list[Query]:
        """Return the queries that nobody closed."""
        with self._lock:
            self._expire()
            return list(self._queries.values())

    def registered(self) -> list[Query]:
        """Return the queries that are not in the archive yet: the open ones, and who closes."""
        with self._lock:
            return [*self.queries(), *self._closing.values()]

    def open_session(self, connection: int, connected_user: str, state: SessionState) -> Session:
        """Open a session for *connection*.

        Raises:
            ImpalaError: The user has too many.
        """
        with self._lock:
            self._expire()
            mine = sum(each.state.user == state.user for each in self._sessions.values())
            limit = self._flags.max_hs2_sessions_per_user
            if 0 < limit <= mine:
                raise ImpalaError(
                    f"Number of sessions for user {state.user} exceeds coordinator limit {limit}"
                )
            session = Session(handles.new_session(), connected_user, state, {connection})
            self._sessions[session.handle.guid] = session
            return session

    def session(self, handle: Handle, connection: int, user: str | None) -> Session:
        """Find the session *handle* for a call that came over *connection*.

        Args:
            handle: What the client sent.
            connection: Which connection asks; the session lives at least as long.
            user: Who authenticated on it; None when nobody had to.

        Raises:
            ImpalaError: There is none, its secret is another, it has expired, or its user is.
        """
        with self._lock:
            self._expire()
            session = self._sessions.get(handle.guid)
            if session is None or not session.handle.fits(handle):
                raise ImpalaError(f"Invalid session id: {handle}")
            _check_user(session, user)
            _check_idle(session, self._flags)
            session.connections.add(connection)
            session.disconnected_since = None
            session.last_accessed = time.time()
            return session

    def close_session(self, session: Session) -> None:
        """Close *session* and everything in it."""
        with self._lock:
            self._sessions.pop(session.handle.guid, None)
            orphans = [q for q in self._queries.values() if q.session is session]
            orphans = [query for query in orphans if self._end_query(query)]
        for query in orphans:
            self._put_away(query, "Session closed")

    def connection_ended(self, connection: int) -> None:
        """Note that *connection* is gone."""
        with self._lock:
            left = [s for s in self._sessions.values() if connection in s.connections]
            for session in left:
                session.connections.discard(connection)
                if not session.connections:
                    session.disconnected_since = time.monotonic()
            self._expire()

    def add_query(self, query: Query) -> None:
        """Register *query*.

        Raises:
            ImpalaError: Its session was closed meanwhile.
        """
        with self._lock:
            if query.session.handle.guid not in self._sessions:
                raise ImpalaError("Session has been closed, ignoring query.")
            self._queries[query.handle.guid] = query
            query.session.total_queries += 1

    def query(self, handle: Handle) -> Query:
        """Find the query *handle*.

        Raises:
            ImpalaError: There is none (any more), or the secret is wrong.
        """
        with self._lock:
            self._expire()
            query = self._queries.get(handle.guid)
            if query is None:
                raise ImpalaError(_unknown(handle, self._flags))
            if not query.handle.fits(handle):
                raise ImpalaError(f"Query id {handle} not found.")
            query.session.last_accessed = time.time()
            return query

    def close_query(self, query: Query) -> None:
        """Unregister *query* and stop it."""
        with self._lock:
            was_open = self._end_query(query)
        if was_open:
            self._put_away(query)

    def query_or_past(self, handle: Handle) -> Query | None:
        """Find the query *handle* among the open ones and the last that were closed."""
        with self._lock:
            return self._queries.get(handle.guid) or self._archive.kept(handle)

    def _end_query(self, query: Query) -> bool:
        """Take *query* out; return False if that was done before."""
        was_open = self._queries.pop(query.handle.guid, None) is not None
        if was_open:
            self._closing[query.handle.guid] = query
            self._archive.keep(query)
        return was_open

    def _put_away(self, query: Query, why: str = "Cancelled") -> None:
        query.close(why)
        self._archive.add(record_of(query, closed=True))
        with self._lock:
            del self._closing[query.handle.guid]

    def _expire(self) -> None:
        """Put away the sessions whose connections are gone for too long."""
        survives = self._flags.version() >= _SESSIONS_SURVIVE
        keep = self._flags.disconnected_session_timeout if survives else 0
        now = time.monotonic()
        for session in list(self._sessions.values()):
            since = session.disconnected_since
            if since is not None and now - since >= keep:
                self.close_session(session)


def _check_user(session: Session, user: str | None) -> None:
    if user is not None and user != session.connected_user:
        raise ImpalaError(
            f"The user authorized on the connection '{user}' does not match the session "
            f"username '{session.connected_user}'"
        )


def idle_limit(session: Session, flags: Flags) -> int:
    """Return after how many idle seconds *session* expires; 0: never."""
    option = session.state.options.get("IDLE_SESSION_TIMEOUT", "")
    return int(option) if option.isdigit() else flags.idle_session_timeout


def _check_idle(session: Session, flags: Flags) -> None:
    limit = idle_limit(session, flags)
    if limit > 0 and time.time() - session.last_accessed > limit:
        stamp = datetime.fromtimestamp(session.last_accessed).strftime("%Y-%m-%d %H:%M:%S")  # noqa: DTZ006  # Impala writes local time
        raise ImpalaError(
            f"Client session expired due to more than {limit}s of inactivity "
            f"(last activity was at: {stamp})."
        )


def _unknown(handle: Handle, flags: Flags) -> str:
    if flags.version() >= _QUERY_ID_IN_HANDLE_ERROR:
        return f"Invalid or unknown query handle: {handle}."
    return f"Invalid query handle: {handle}"
