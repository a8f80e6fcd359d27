"""
One open connection to a coordinator, with the HS2 sessions that were opened on it.

A link is shared by the cursors of a connection, and outlives its place in the connection while
one of them still reads a result from it.  When the last one lets go it says goodbye.
"""

from __future__ import annotations

import atexit
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from impala_ha import errors
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.core.interruption import from_signal_handler, suppress
from impala_ha.core.model import Coordinator

from .client import Closed, Goodbye

FAREWELL = 2.0  # seconds for closing what is open when a connection, or the program, ends
_LIFELINES: dict[int, list[Goodbye]] = {}  # of all links, for the end of the program


class Link:
    """
    One open connection to a coordinator.

    Attributes:
        coordinator: Where it leads.
        user: Who opened it.
        service: The HS2Service on it.
        impala: Whether the server is Impala (Hive and Spark speak the same protocol).
        full: Whether it was left because it takes no more sessions: those on it go on.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        service: Any,
        first: tuple[str, Mapping[str, str], Any],
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
        self.client = service.client
        self.full = False
        self.impala = "http_addr" in (session.config or {})  # Impala tells it since 2.7
        self._spare: tuple[str, dict[str, str], Any] | None = (user, dict(configuration), session)
        self._open: dict[bytes, Any] = {}
        self._dropped: deque[Any] = deque()
        self._keep(session)
        # Says goodbye when the last cursor lets go, and at the end of the program.
        lifeline = self.client.keep(partial(_farewell, self.client, self._open))
        _LIFELINES[id(lifeline)] = lifeline
        weakref.finalize(self, _say, lifeline).atexit = False

    @property
    def broken(self) -> bool:
        """Has it failed, or been closed?"""
        return self.client.broken is not None

    def usable(self, limit: float = FAREWELL) -> bool:
        """Is it in order, or could its sessions be found again on a new connection?"""
        return not self.broken or self.service.revived(limit)

    @property
    def phase(self) -> Phase:
        """How far the last call on it had come."""
        return self.client.phase  # type: ignore[no-any-return]

    def session(self, user: str, configuration: Mapping[str, str]) -> Any:
        """An HS2 session: the one that opening made, for the first who asks for one like it."""
        self._sweep()
        spare, self._spare = self._spare, None
        if spare is not None and spare[:2] == (user, dict(configuration)):
            return spare[2]
        self._spare = spare
        self._notice()
        self.usable()  # if it is not, opening the session says why
        with self.within(self._open_timeout):
            return self._keep(self.service.open_session(user, dict(configuration)))

    def check(self) -> None:
        """
        Raise if the coordinator has gone, before anything is sent.

        Raises:
            CallFailed: With `Phase.UNSENT`.
        """
        self._sweep()
        self._notice()
        if not self.usable():
            raise CallFailed(Phase.UNSENT, self.client.broken)

    def _notice(self) -> None:
        """Find out whether the connection broke while no call was under way."""
        if self.broken or self.client.busy or self.client.forked:
            return
        if why := self.client.wire.stale():
            self.client.sever(ConnectionResetError(why))

    def end(self, session: Any) -> None:
        """Close *session* on the server; if that fails, `close` tries again."""
        guid = session.handle.sessionId.guid
        if guid in self._open and not self.broken:
            with self.within(FAREWELL):
                session.close()
            self._open.pop(guid, None)

    def is_over(self, session: Any) -> bool:
        """Close *session*; did the coordinator say that this is done?"""
        self._open.pop(session.handle.sessionId.guid, None)
        try:
            with self.within(FAREWELL):
                session.close()
        except errors.Error as error:
            if from_signal_handler(error):
                raise
            return False
        return True

    def drop(self, session: Any) -> None:
        """Close *session* at the next opportunity; does no I/O, so garbage collection may call."""
        self._dropped.append(session)

    def forget(self, session: Any) -> None:
        """Leave *session* alone for good: ending it would end the statement that runs in it."""
        self._open.pop(session.handle.sessionId.guid, None)

    def close(self, limit: float = FAREWELL) -> None:
        """End all sessions within *limit* seconds and close the connection."""
        if self._open:
            self._notice()  # a firewall may have ended it hours ago: the sessions are still there
            if self.broken:
                limit /= 2
                self.usable(limit)
        _farewell(self.client, self._open, limit)

    def hang_up(self, why: Closed) -> dict[bytes, Any]:
        """End what another thread waits for here; the sessions that are left on the server."""
        left = dict(self._open)
        self.client.hang_up(why)
        return left if self.impala and not self.client.forked else {}

    def within(self, seconds: float) -> _Within:
        """A block whose calls may take *seconds* together."""
        return _Within(self.client, seconds)

    def _keep(self, session: Any) -> Any:
        self._open[session.handle.sessionId.guid] = session
        return session

    def _sweep(self) -> None:
        while self._dropped and not self.broken:
            with suppress(Exception):  # a link that broke here is noticed by the next call
                self.end(self._dropped.popleft())


class _Within:
    """`Link.within`: a class, for it stands on the path of every statement."""

    def __init__(self, client: Any, seconds: float):
        self._client = client
        self._seconds = seconds

    def __enter__(self) -> None:
        self._client.wire.limit(self._seconds)

    def __exit__(self, *_: object) -> None:
        self._client.wire.disarm()


def _farewell(client: Any, sessions: dict[bytes, Any], limit: float) -> None:
    """Not a method of Link: it runs when the Link is gone."""
    if client.busy and not client.forked:
        # We stand in a signal handler, in the middle of a call of this thread.
        client.hang_up(Closed("the connection was closed in the middle of a call"))
        return
    try:
        if not (client.broken or client.forked):
            client.wire.limit(limit)
            for session in list(sessions.values()):
                with suppress(Exception):  # the server may have forgotten one, and know the others
                    session.close()
    finally:
        sessions.clear()
        client.sever(Closed("the connection was closed"))


def _say(lifeline: list[Goodbye], limit: float = FAREWELL) -> None:
    _LIFELINES.pop(id(lifeline), None)
    for goodbye in list(lifeline):
        goodbye(limit)


#: What else the program waits for at its end, given until when (of `time.monotonic`).
afterwards: list[Callable[[float], None]] = []


@atexit.register
def _leave() -> None:
    """At the end of the program say goodbye on all links, which share `FAREWELL` seconds."""
    end = time.monotonic() + FAREWELL
    left = list(_LIFELINES.values())
    while left:
        share = max(0.001, end - time.monotonic()) / len(left)
        _say(left.pop(), share)
    for wait in afterwards:
        wait(end)
