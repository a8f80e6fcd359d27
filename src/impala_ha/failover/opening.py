"""
Where a connection is: its link, and how it gets one.

Opening is hedged: see `failover.hedging`.  Passwords are not sent to a second coordinator before
the first has taken them, or a wrong one would be tried twice as often.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from impala_ha import errors
from impala_ha.balancing.cluster import Cluster
from impala_ha.core.exclusive import Exclusive, fork_error
from impala_ha.core.fault_rules import classify
from impala_ha.core.faults import CallFailed, Fault, Phase
from impala_ha.core.interruption import from_signal_handler, suppress
from impala_ha.core.login_throttle import LoginBlocked
from impala_ha.core.model import Attempt, Coordinator
from impala_ha.hs2.client import ConnectionClosed
from impala_ha.hs2.connector import Driver
from impala_ha.hs2.link import CLOSE_TIMEOUT, Link

from .attempts import may_be_options
from .hedging import Hedge, Outcome
from .schema_lag import RecentChanges

First = tuple[str, Mapping[str, str]]

_BY_SERVER = frozenset({Phase.LOGIN, Phase.OPEN})  # where a coordinator refuses
_RENEW_AGAIN = 0.1  # of a link's lifetime, before another try to leave it


class Place:
    """
    The part of `Failover` that has a link.

    Attributes:
        cluster: Who is there.
        driver: Opens links.
        link: Where new statements go; None while that is open.
        cursors: Whose sessions may be on this link, or still on one that was left.
        closed: Whether the connection was closed.
        changes: What it changed a moment ago.
        exclusive: What each call is made in.
        connect_timeout: Seconds for opening one link.
        impala: Whether the last server was Impala; taken for granted before the first.
    """

    def __init__(
        self,
        cluster: Cluster,
        driver: Driver,
        *,
        connect_timeout: float = 10.0,
        hedge_after: float | None = None,
        zone: str = "",
        max_lifetime: float | None = None,
        metadata_lag: float = 10.0,
        sync_ddl: bool = False,
        statement_tag: str = "none",
        options_key: str = "",
    ):
        """
        Args:
            cluster: Who is there.
            driver: Opens links.
            connect_timeout: Seconds for opening one link.
            hedge_after: Seconds without an answer after which a second coordinator is asked as
                well; None: never.
            zone: Whose coordinators come first.
            max_lifetime: Seconds after which a link is left for the coordinator whose turn it is;
                None: never.
            metadata_lag: Seconds after a change of our own in which another coordinator may not
                have heard of it.
            sync_ddl: Whether changes wait until all coordinators have heard of them.
            statement_tag: How writes are marked, one of `impala_ha.options.converters.TAGS`.
            options_key: The options that opening depends on, see `Options.key`.
        """
        self.cluster = cluster
        self.driver = driver
        self.link: Link | None = None
        self._opened: weakref.WeakSet[Link] = weakref.WeakSet()
        self.cursors: weakref.WeakSet[Any] = weakref.WeakSet()
        self.closed = False
        self.exclusive = Exclusive()
        self.impala = True
        self.connect_timeout = connect_timeout
        self._hedge_after = hedge_after
        self._zone = zone
        self._lifetime = float("inf") if max_lifetime is None else max_lifetime
        self._renew_at = float("inf")
        self._process = os.getpid()
        self.sync_ddl = sync_ddl
        self.statement_tag = statement_tag
        self.options_key = options_key
        self.changes = RecentChanges(cluster.clock, metadata_lag)

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
        return self._process != os.getpid()

    def leave(self, link: Link, *, full: bool = False) -> None:
        """
        Use *link* for nothing new; results open on it may still be read to their end.

        Args:
            link: To a coordinator that is lost, drains or is full.
            full: Whether it only takes no more sessions, so that those who have one there stay.
        """
        link.full = full
        if self.link is link:
            self.link = None
        self.cluster.detach(link)

    def sweep(self) -> None:
        """Let cursors end what they left behind where the connection is no more."""
        if self.link is not None and len(self._opened) > 1:
            for cursor in list(self.cursors):
                cursor.vacate()

    def close(self) -> None:
        """
        Close the connection for good, within `CLOSE_TIMEOUT` seconds; a second time does nothing.

        A call in which another thread waits ends at once, and so does what it waits for.
        """
        self.closed = True
        if self.forked:
            self._close_links()
            return
        if self.exclusive.run_if_free(self._close_links):
            return
        self._hang_up()
        self.exclusive.afterwards = self._close_links  # by the other thread, as soon as it can
        self.exclusive.run_if_free(lambda: None)

    def _hang_up(self) -> None:
        """End what another thread waits for, and the sessions on the server."""
        why = ConnectionClosed("the connection was closed by another thread")
        left = [(link, link.hang_up(why).values()) for link in list(self._opened)]
        end = self.cluster.clock.now() + CLOSE_TIMEOUT
        for link, sessions in left:
            for session in sessions:
                limit = end - self.cluster.clock.now()
                if limit > 0:
                    with suppress(Exception):  # it is to be closed, whatever comes of the rest
                        self.driver.end_session(link, link.user, session, limit)

    def _close_links(self) -> None:
        if self.link is not None:
            self.leave(self.link)
        # Also those where a cursor was still at home, though the connection may have broken.
        clock, left = self.cluster.clock, list(self._opened)
        end = clock.now() + CLOSE_TIMEOUT
        while left:
            share = max(0.001, end - clock.now()) / len(left)
            left.pop().close(share)

    def open(
        self, where: Coordinator, first: First, tried: Sequence[Coordinator], left: float
    ) -> list[Outcome]:
        """
        Open a link to *where*, or to another one that answers sooner, within *left* seconds.

        Returns:
            How it ended, in order: failures, then the link if there is one.
        """
        limit = max(0.001, min(self.connect_timeout, left))

        def open_link(coordinator: Coordinator) -> Link:
            return self.driver.open(coordinator, *first, limit)

        outcomes = self._hedged(open_link, where, tried, trusted=self.driver.trusted(first[0]))
        got = outcomes[-1].got
        if isinstance(got, Link):
            self.link, self.impala = got, got.impala
            self._opened.add(got)
            self.cluster.attach(got, self.options_key)
            self._live(self._lifetime)
            if self.closed:  # by another thread, meanwhile
                self._close_links()
                raise errors.InterfaceError("the connection was closed by another thread")
        return outcomes

    def renew(self, cursor: Any, first: First) -> None:
        """
        Go where a new connection would go, once the link is old; before a statement of *cursor*.

        Only where nothing is lost: nothing else is open on the link, the session can be rebuilt
        (those of Hive and Spark may have temporary tables), and our changes are known elsewhere.
        """
        link, cluster = self.link, self.cluster
        if (
            link is None
            or cluster.clock.now() < self._renew_at
            or not self._may_leave(link, cursor)
        ):
            return
        where = self._pick(())
        self._live(self._lifetime if where == link.coordinator else self._lifetime * _RENEW_AGAIN)
        try:
            outcomes = (
                [] if where == link.coordinator else self.open(where, first, (), float("inf"))
            )
        except Exception as error:
            if from_signal_handler(error):
                raise
            outcomes = []  # a function of the caller's, perhaps: the link is as good as before
        finally:
            cluster.release(where, self.options_key)
        for outcome in outcomes:
            if self._report("renew", outcome) is Fault.DENIED:
                self._live(float("inf"))  # or what was refused would be shown again
        if self.link is not link:
            cluster.detach(link)

    def _live(self, seconds: float) -> None:
        """Let the link live for *seconds*, or up to a tenth less, so that not all end at once."""
        lots = self.cluster.rng.uniform(0, 0.1)
        self._renew_at = self.cluster.clock.now() + seconds * (1 - lots)

    def _may_leave(self, link: Link, cursor: Any) -> bool:
        if not link.impala or link.broken or link.client.busy or link.client.forked:
            return False
        if self.changes.any() and not self.sync_ddl:
            return False
        return not any(each.reads(link) for each in list(self.cursors) if each is not cursor)

    def _pick(self, tried: Sequence[Coordinator]) -> Coordinator:
        return self.cluster.pick(tried, self._zone, self.options_key)

    def _hedged(
        self,
        open_link: Callable[[Coordinator], Link],
        where: Coordinator,
        tried: Sequence[Coordinator],
        *,
        trusted: bool,
    ) -> list[Outcome]:
        alone = len(self.cluster.coordinators) == 1
        if self._hedge_after and trusted and not alone:
            self.cluster.count_open()
            asked = [*tried, where]

            def second() -> Coordinator | None:
                if not self.cluster.may_hedge(where, self.options_key):
                    return None
                asked.append(self._pick(asked))
                return asked[-1]

            outcomes = Hedge(open_link, self._late).run(where, self._hedge_after, second)
            if outcomes:
                return outcomes
        try:
            return [Outcome(where, open_link(where))]
        except (CallFailed, errors.Error) as error:
            if from_signal_handler(error):
                raise
            return [Outcome(where, error)]

    def _late(self, outcome: Outcome) -> None:
        """What became of the loser: it counts for its health like any other answer."""
        self._report("hedged connect", outcome)

    def _report(self, operation: str, outcome: Outcome) -> Fault | None:
        """Tell the cluster how an open ended that no call waits for; what its failure means."""
        got, fault, phase = outcome.got, None, None
        if isinstance(got, Exception):
            phase = got.phase if isinstance(got, CallFailed) else Phase.OPEN
            fault = classify(got.__cause__ or got, phase, credential=self.driver.credential)
            self.driver.redact(got)
            if fault is Fault.DENIED and isinstance(got.__cause__, LoginBlocked):
                phase = None  # it was not asked
        text = str(got) if fault else ""
        where, key = outcome.coordinator, self.options_key
        attempt = Attempt(operation, 1, where, 0.0, fault, phase, text=text, options_key=key)
        if isinstance(got, Exception):
            attempt = replace(attempt, error=got.__cause__ or got)
        proven = self.cluster.was_opened_with(where, key)
        self.cluster.report(replace(attempt, may_be_options=may_be_options(attempt, proven=proven)))
        if fault in (Fault.DENIED, Fault.REFUSED) and phase in _BY_SERVER:
            self.cluster.mark_reachable(where, key)  # who refuses is there
        return fault
