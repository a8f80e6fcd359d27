"""
One open connection to a coordinator, with the HS2 sessions that were opened on it.

A link is shared by the cursors of a connection, and outlives its place in the connection while
one of them still reads a result from it.  When the last one lets go, its sessions are closed.
"""

from __future__ import annotations

import atexit
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from impala_ha import errors
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.core.interruption import from_signal_handler, suppress
from impala_ha.core.model import Coordinator
from impala_ha.core.remote import RemoteSession

from .client import Client, CloseSessions, ConnectionClosed

if TYPE_CHECKING:
    from impala_ha.net.connecting import Address

    from .service import Service

CLOSE_TIMEOUT = 2.0  # seconds for closing what is open when a connection, or the program, ends
_FINALIZERS: dict[int, list[CloseSessions]] = {}  # of all links, for the end of the program


class Place(NamedTuple):
    """
    Where a link leads.

    Attributes:
        coordinator: The coordinator.
        user: Who opened it.
        peer: The address that it has; None: any of the coordinator's.
    """

    coordinator: Coordinator
    user: str
    peer: Address | None = None


class Link:
    """
    One open connection to a coordinator.

    Attributes:
        coordinator: Where it leads.
        user: Who opened it.
        service: The HS2Service on it.
        impala: Whether the server is Impala (Hive and Spark speak the same protocol).
        web_address: Where the server says that its web pages are; empty if it does not.
        full: Whether it was left because it takes no more sessions: those on it go on.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        service: Service,
        first: tuple[str, Mapping[str, str], RemoteSession],
        open_timeout: float = 10.0,
    ):
        """
        Args:
            coordinator: Where it leads.
            service: The HS2Service on it.
            first: User and configuration of the session that opening made, and the session.
            open_timeout: Seconds for opening one more.
        """
        user, configuration, session = first
        self.coordinator = coordinator
        self.user = user
        self.service = service
        self._open_timeout = open_timeout
        self.client: Client = service.client
        self.full = False
        told = (session.config or {}).get("http_addr")  # Impala tells it since 2.7
        self.impala = told is not None
        self.web_address = str(told or "")
        self._spare: tuple[str, dict[str, str], RemoteSession] | None = (
            user,
            dict(configuration),
            session,
        )
        self._open: dict[bytes, RemoteSession] = {}
        self._dropped: deque[RemoteSession] = deque()
        self._keep(session)
        # Closes the sessions when the last cursor lets go, and at the end of the program.
        finalizer = self.client.set_finalizer(partial(_close_sessions, self.client, self._open))
        _FINALIZERS[id(finalizer)] = finalizer
        weakref.finalize(self, _run_finalizer, finalizer).atexit = False

    @property
    def broken(self) -> bool:
        """Has it failed, or been closed?"""
        return self.client.broken is not None

    def usable(self, limit: float = CLOSE_TIMEOUT) -> bool:
        """Is it in order, or could its sessions be found again on a new connection?"""
        return not self.broken or self.service.try_reconnect(limit)

    @property
    def phase(self) -> Phase:
        """How far the last call on it had come."""
        return self.client.phase

    @property
    def over_http(self) -> bool:
        """Does it speak HTTP?"""
        return not self.client.pipelined

    def name_requests(self, request_id: str) -> None:
        """Let what is sent over HTTP from now on carry *request_id*."""
        self.client.transport.name_requests(request_id)

    @property
    def place(self) -> Place:
        """For another connection to the same address: a name may lead to several servers."""
        return Place(self.coordinator, self.user, self.client.transport.peer)

    def session(self, user: str, configuration: Mapping[str, str]) -> RemoteSession:
        """An HS2 session: the one that opening made, for the first who asks for one like it."""
        self._close_dropped()
        spare, self._spare = self._spare, None
        if spare is not None and spare[:2] == (user, dict(configuration)):
            return spare[2]
        self._spare = spare
        self._check_dropped()
        self.usable()  # if it is not, opening the session says why
        with self.deadline(self._open_timeout):
            return self._keep(self.service.open_session(user, dict(configuration)))

    def check(self) -> None:
        """
        Raise if the coordinator has gone, before anything is sent.

        Raises:
            CallFailed: With `Phase.UNSENT`.
        """
        self._close_dropped()
        self._check_dropped()
        if not self.usable() and self.client.broken is not None:
            raise CallFailed(Phase.UNSENT, self.client.broken)

    def _check_dropped(self) -> None:
        """Find out whether the connection broke while no call was under way."""
        if self.broken or self.client.busy or self.client.forked:
            return
        self.client.check_interrupted()
        with suppress(CallFailed):  # then it is broken
            self.client.collect()
        if self.broken or self.client.owed:  # what comes now may be a reply
            return
        if why := self.client.transport.dropped():
            self.client.invalidate(ConnectionResetError(why))

    def close_session(self, session: RemoteSession) -> None:
        """Close *session* on the server; if that fails, `close` tries again."""
        guid = session.handle.sessionId.guid
        if guid in self._open and not self.broken:
            with self.deadline(CLOSE_TIMEOUT):
                session.close()
            self._open.pop(guid, None)

    def close_confirmed(self, session: RemoteSession) -> bool:
        """Close *session*; did the coordinator say that this is done?"""
        self._open.pop(session.handle.sessionId.guid, None)
        try:
            with self.deadline(CLOSE_TIMEOUT):
                session.close()
        except errors.Error as error:
            if from_signal_handler(error):
                raise
            return False
        return True

    def close_later(self, session: RemoteSession) -> None:
        """Close *session* at the next opportunity; does no I/O, so garbage collection may call."""
        self._dropped.append(session)

    def release(self, session: RemoteSession) -> None:
        """Leave *session* alone for good: ending it would end the statement that runs in it."""
        self._open.pop(session.handle.sessionId.guid, None)

    def close(self, limit: float = CLOSE_TIMEOUT) -> None:
        """End all sessions within *limit* seconds and close the connection."""
        client, end = self.client, time.monotonic() + limit
        if self._open and not (client.busy or client.forked):
            self._check_dropped()  # a firewall may have ended it hours ago: its sessions live on
            if not self.broken:
                _end_sessions(client, self._open, limit)
            left = end - time.monotonic()
            if self._open and left > 0:  # it was cut, perhaps only now
                self.usable(left / 2)
        _close_sessions(client, self._open, max(0.001, end - time.monotonic()))

    def hang_up(self, why: ConnectionClosed) -> dict[bytes, RemoteSession]:
        """End what another thread waits for here; the sessions that are left on the server."""
        left = dict(self._open)
        self.client.hang_up(why)
        return left if self.impala and not self.client.forked else {}

    def deadline(self, seconds: float) -> _Deadline:
        """A block whose calls may take *seconds* together."""
        return _Deadline(self.client, seconds)

    def _keep(self, session: RemoteSession) -> RemoteSession:
        self._open[session.handle.sessionId.guid] = session
        return session

    def _close_dropped(self) -> None:
        while self._dropped and not self.broken:
            with suppress(Exception):  # a link that broke here is noticed by the next call
                self.close_session(self._dropped.popleft())


class _Deadline:
    """`Link.deadline`: a class, for it stands on the path of every statement."""

    def __init__(self, client: Client, seconds: float):
        self._client = client
        self._seconds = seconds

    def __enter__(self) -> None:
        self._client.transport.set_deadline(self._seconds)

    def __exit__(self, *_: object) -> None:
        self._client.transport.clear_deadline()


def _end_sessions(client: Client, sessions: dict[bytes, RemoteSession], limit: float) -> None:
    """Close *sessions* on the server; where the connection breaks, the rest are left in there."""
    client.transport.set_deadline(limit)
    for guid, session in list(sessions.items()):
        with suppress(Exception):  # the server may have forgotten one, and know the others
            session.close()
        if client.broken:
            return
        sessions.pop(guid, None)


def _close_sessions(client: Client, sessions: dict[bytes, RemoteSession], limit: float) -> None:
    """Not a method of Link: it runs when the Link is gone."""
    if client.busy and not client.forked:
        # We stand in a signal handler, in the middle of a call of this thread.
        client.hang_up(ConnectionClosed("the connection was closed in the middle of a call"))
        return
    try:
        if not client.forked:
            client.check_interrupted()
        if not (client.broken or client.forked):
            _end_sessions(client, sessions, limit)
            with suppress(Exception):
                client.settle()  # or calls that the server has not read yet would not be made
    finally:
        sessions.clear()
        client.invalidate(ConnectionClosed("the connection was closed"))


def _run_finalizer(finalizer: list[CloseSessions], limit: float = CLOSE_TIMEOUT) -> None:
    _FINALIZERS.pop(id(finalizer), None)
    for close_sessions in list(finalizer):
        close_sessions(limit)


#: What else the program waits for at its end, given until when (of `time.monotonic`).
at_exit: list[Callable[[float], None]] = []


@atexit.register
def _close_all() -> None:
    """At the end of the program close all sessions, within `CLOSE_TIMEOUT` seconds."""
    end = time.monotonic() + CLOSE_TIMEOUT
    left = list(_FINALIZERS.values())
    while left:
        share = max(0.001, end - time.monotonic()) / len(left)
        _run_finalizer(left.pop(), share)
    for wait in at_exit:
        wait(end)
