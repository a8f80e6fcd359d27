"""
The links of one connection: the current one, and those that were detached.

A detached link stays open while a cursor reads a result from it.
"""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable
from functools import partial
from typing import Protocol

from impala_ha import errors
from impala_ha.balancing.cluster import Cluster
from impala_ha.core import forks
from impala_ha.core.events import Events, Reattached
from impala_ha.core.exclusive import Exclusive, fork_error
from impala_ha.core.faults import Fault
from impala_ha.core.interruption import from_signal_handler, suppress
from impala_ha.core.model import Coordinator
from impala_ha.hs2.client import ConnectionClosed
from impala_ha.hs2.connector import Driver
from impala_ha.hs2.link import CLOSE_TIMEOUT, Link
from impala_ha.options.options import Options

from .attempts import CLOSED_MEANWHILE, SessionArguments
from .hedging import OpenResult
from .load import note_port
from .opening import Opener
from .schema_lag import RecentChanges

CLOSED = "the connection was closed by another thread"
_RENEW_AGAIN = 0.1  # of a link's lifetime, before another try to leave it


class LinkUser(Protocol):
    """A cursor, as far as the links must know it."""

    def reads(self, link: Link) -> bool:
        """Is something open on *link* that was not read to its end?"""

    def close_stale_session(self) -> None:
        """End the session if it is on a detached link and nothing is open in it."""


class Links:
    """
    The links of one connection.

    Attributes:
        current: Where new statements go; None while that is open.
        cursors: Those with a session on one of the links.
        closed: Whether the connection was closed.
        exclusive: The lock that each call holds.
        impala: Whether the last server was Impala; taken for granted before the first.
        changes: Tables that the connection changed a moment ago.
        of_cursor: Whether they are those of a single cursor, which closes them.
    """

    def __init__(self, cluster: Cluster, driver: Driver, options: Options, events: Events):
        """Have none yet; *driver* ends sessions on links that are in use."""
        self._events = events
        self.current: Link | None = None
        self.cursors: weakref.WeakSet[LinkUser] = weakref.WeakSet()
        self.closed = False
        self.exclusive = Exclusive()
        self.impala = True
        self.of_cursor = False
        self.changes = RecentChanges(cluster.clock, options.metadata_lag)
        self._cluster = cluster
        self._driver = driver
        self._options_key = options.key
        self._opened: weakref.WeakSet[Link] = weakref.WeakSet()
        self._process = forks.process_id
        self._options = options
        self._lifetime = options.max_lifetime or float("inf")
        self._renew_at = float("inf")
        self._left = False  # has the coordinator of the current link left the cluster?
        _ALL.add(self)

    def check_usable(self) -> None:
        """
        Raise where no call may be made.

        Raises:
            InterfaceError: The connection was closed, or belongs to the parent process.
        """
        if self.closed:
            raise errors.InterfaceError("the connection is closed")
        if self.forked:
            raise fork_error(self._process)

    @property
    def forked(self) -> bool:
        """Is this a copy in a forked process?"""
        return self._process != forks.process_id

    def attach(self, link: Link) -> None:
        """
        Make *link*, which was just opened, the current one.

        Raises:
            InterfaceError: Another thread closed the connection meanwhile.
        """
        self.current, self.impala, self._left = link, link.impala, False
        if self._events.listener is not None and link.service.reconnect is not None:
            link.service.reconnect = partial(
                _reattached, link.service.reconnect, link.coordinator, self._cluster, self._events
            )
        self._opened.add(link)
        self._cluster.attach(link, self._options_key)
        self._renew_in(self._lifetime)
        if self.closed:
            self._close_all()
            raise errors.InterfaceError(CLOSED)
        note_port(self._cluster, self._options, link)

    def detach(self, link: Link, *, full: bool = False) -> None:
        """
        Send nothing new on *link*; open results may still be read to their end.

        Args:
            link: To a coordinator that is lost, drains or is full.
            full: Whether it only accepts no more sessions, so that existing ones stay.
        """
        link.full = full
        if self.current is link:
            self.current = None
        self._cluster.detach(link)

    def prune(self) -> None:
        """Let cursors end their sessions on detached links."""
        if self.current is not None and len(self._opened) > 1:
            for cursor in list(self.cursors):
                cursor.close_stale_session()

    def close(self, limit: float = CLOSE_TIMEOUT) -> None:
        """
        Close the connection for good, within *limit* seconds; a second time does nothing.

        A call in which another thread waits ends at once, and so does what it waits for.
        """
        self.closed = True
        if self.forked:
            self._close_all(limit)
            return
        if self.exclusive.run_if_free(lambda: self._close_all(limit)):
            return
        self._hang_up(limit)
        self.exclusive.afterwards = self._close_all  # by the other thread, as soon as it can
        self.exclusive.run_if_free(lambda: None)

    def _hang_up(self, limit: float) -> None:
        """End what another thread waits for, and the sessions on the server."""
        why = ConnectionClosed(CLOSED_MEANWHILE if self.of_cursor else CLOSED)
        left = [(link, link.hang_up(why).values()) for link in list(self._opened)]
        end = self._cluster.clock.now() + limit
        for link, sessions in left:
            for session in sessions:
                share = end - self._cluster.clock.now()
                if share > 0:
                    with suppress(Exception):  # it is to be closed, whatever comes of the rest
                        self._driver.end_session(link, link.user, session, share)

    def _close_all(self, limit: float = CLOSE_TIMEOUT) -> None:
        # Also those where a cursor still had its session, though the connection may have broken.
        # They are held by then: one that nobody holds closes its sessions as it goes, if it can.
        clock, left = self._cluster.clock, list(self._opened)
        if self.current is not None:
            self.detach(self.current)
        end = clock.now() + limit
        while left:
            share = max(0.001, end - clock.now()) / len(left)
            left.pop().close(share)

    def renew(self, opener: Opener, cursor: LinkUser, first: SessionArguments) -> None:
        """
        Move to where a new connection would go, once the link is old (`max_lifetime`).

        At once where its coordinator is none of the cluster's any more.

        It is called before a statement of *cursor*, and moves only if nothing is lost: nothing else
        is open on the link, the session can be rebuilt (those of Hive and Spark may have temporary
        tables), and our changes are known elsewhere.
        """
        link, cluster = self.current, self._cluster
        if cluster.refresh() and link and not self._left:
            self._left = link.coordinator not in cluster.coordinators
            self._renew_at = cluster.clock.now() if self._left else self._renew_at
        if (
            link is None
            or cluster.clock.now() < self._renew_at
            or not self._may_leave(link, cursor)
        ):
            return
        where = opener.pick(())
        stays = where == link.coordinator
        self._renew_in(self._lifetime if stays else self._lifetime * _RENEW_AGAIN)
        results: list[OpenResult] = []
        try:
            if not stays:
                results = opener.open(where, first)
                if isinstance(new := results[-1].got, Link):
                    self.attach(new)
        except Exception as error:
            if from_signal_handler(error):
                raise
            results = []  # a function of the caller's, perhaps: the link is as good as before
        finally:
            cluster.release(where, self._options_key)
        for result in results:
            if opener.report("renew", result) is Fault.DENIED:
                self._renew_in(float("inf"))  # or the same credentials would be refused again
        if self.current is not link:
            cluster.detach(link)

    def _renew_in(self, seconds: float) -> None:
        """Let the link live for *seconds*, or up to a tenth less, so that not all end at once."""
        jitter = self._cluster.rng.uniform(0, 0.1)
        self._renew_at = self._cluster.clock.now() + seconds * (1 - jitter)

    def _may_leave(self, link: Link, cursor: LinkUser) -> bool:
        if not link.impala or link.broken or link.client.busy or link.client.forked:
            return False
        if self.changes.any() and not self._options.sync_ddl:
            return False
        return not any(each.reads(link) for each in list(self.cursors) if each is not cursor)


_ALL: weakref.WeakSet[Links] = weakref.WeakSet()


@atexit.register
def _close_used() -> None:
    """
    At the end of the program close those in which a thread waits, a daemon perhaps.

    What it waits for would run on.  (All others are closed by `hs2.link`, after this.)
    """
    used = [
        links
        for links in list(_ALL)
        if not (links.closed or links.forked or links.exclusive.run_if_free(lambda: None))
    ]
    for links in used:
        links.close(CLOSE_TIMEOUT / 2 / len(used))


def _reattached(
    reconnect: Callable[[float], bool],
    coordinator: Coordinator,
    cluster: Cluster,
    events: Events,
    limit: float,
) -> bool:
    """Connect anew by *reconnect*, and tell *events* if that went well."""
    start = cluster.clock.now()
    done = reconnect(limit)
    if done:
        took = cluster.clock.now() - start
        events.tell(Reattached(coordinator=coordinator, seconds=took, tag=events.tag))
    return done
