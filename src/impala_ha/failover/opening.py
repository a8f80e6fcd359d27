"""
How a connection gets a link.

Opening is hedged: see `failover.hedging`.  Passwords are not sent to a second coordinator before
the first has taken them, or a wrong one would be tried twice as often.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from impala_ha.balancing.cluster import Cluster
from impala_ha.balancing.outage import Pause, Wait
from impala_ha.core.coroutine import Coroutine, run
from impala_ha.core.events import Events, Hedged
from impala_ha.core.fault_rules import classify
from impala_ha.core.faults import CallFailed, Fault, Phase
from impala_ha.core.login_throttle import LoginBlocked
from impala_ha.core.model import Attempt, Coordinator
from impala_ha.core.timeouts import in_thread
from impala_ha.hs2.connector import Driver
from impala_ha.hs2.link import Link
from impala_ha.options.options import Options

from .attempts import SessionArguments, may_be_options
from .hedging import THREADS, Hedge, OpenResult, opened
from .load import ReadLoad, read_load, read_loads

_BY_SERVER = frozenset({Phase.LOGIN, Phase.OPEN})  # where a coordinator refuses


class Opener:
    """
    Opens the links of one connection.

    Attributes:
        threads: Where two opens at once go on; a simulation has others.
        read_load: Reads the web pages of a coordinator; a simulation has no such pages.
    """

    def __init__(
        self, cluster: Cluster, driver: Driver, options: Options, user: str, events: Events
    ):
        """Open links of *user* to coordinators of *cluster*, by *driver*, as *options* say."""
        self.threads = THREADS
        self.read_load: ReadLoad = read_load
        self._events = events
        self._preferred = {
            "zone": options.zone,
            "options_key": options.key,
            "sticky_key": options.sticky_key or options.doas_user or user,
        }
        self._cluster = cluster
        self._driver = driver
        self._options = options
        self._options_key = options.key

    def pick(self, tried: Sequence[Coordinator]) -> Coordinator:
        """The next coordinator, of those that were *tried* least."""
        return self._cluster.pick(tried, **self._preferred)

    def pick_or_wait(
        self,
        call: int,
        tried: Sequence[Coordinator],
        pause: Pause,
        excluded: Collection[Coordinator],
    ) -> Coordinator | Wait:
        """As `pick`, by loads of now, or how long to wait: see `Cluster.pick_or_wait`."""
        asked = self._cluster.shortlist(tried, self._options.zone, self._options_key)
        read_loads(self._cluster, self._options, asked, self.read_load)
        return self._cluster.pick_or_wait(
            call, tried, pause, excluded=excluded, asked=asked, **self._preferred
        )

    def open(
        self,
        where: Coordinator,
        first: SessionArguments,
        tried: Sequence[Coordinator] = (),
        left: float = float("inf"),
    ) -> list[OpenResult]:
        """
        Open a link to *where*, or to another one that answers sooner, within *left* seconds.

        Args:
            where: The first to try.
            first: User and configuration of the session that opening makes.
            tried: Those that were tried before; a second one is picked from the others.
            left: Seconds until the deadline of the call.

        Returns:
            How it ended, in order: failures, then the link if there is one.
        """
        limit = max(0.001, min(self._options.connect_timeout, left))

        def open_link(coordinator: Coordinator) -> Coroutine[Link]:
            return self._driver.opening(coordinator, *first, limit)

        return self._hedged(open_link, where, tried, trusted=self._driver.trusted(first[0]))

    def _hedged(
        self,
        open_link: Callable[[Coordinator], Coroutine[Link]],
        where: Coordinator,
        tried: Sequence[Coordinator],
        *,
        trusted: bool,
    ) -> list[OpenResult]:
        after = self._options.hedge_after
        if not (after and trusted and len(self._cluster.coordinators) > 1):
            return [opened(where, lambda: run(open_link(where)))]
        self._cluster.count_open()
        clock, begun = self._cluster.clock, self._cluster.clock.now()
        asked, hedged = [*tried, where], dict[Coordinator, float]()

        def second() -> Coordinator | None:
            if not self._cluster.may_hedge(where, self._options_key):
                return None
            asked.append(self.pick(asked))
            hedged[asked[-1]] = clock.now() - begun
            return asked[-1]

        def open_by_http(coordinator: Coordinator) -> Coroutine[Link]:
            # A request with its logins is no place to leave, so it has a thread from the start.
            name = f"open {coordinator}"
            return in_thread(lambda: run(open_link(coordinator)), None, name, "")

        opening = open_by_http if self._options.use_http_transport else open_link
        hedge = Hedge(opening, self._late, self.threads)
        results = hedge.run(where, after, second)
        last = results[-1]
        answered = last.coordinator if isinstance(last.got, Link) else None
        for other, waited in hedged.items():
            if other != where:
                self._events.tell(
                    Hedged(coordinator=where, seconds=waited, other=other, answered=answered)
                )
        return results

    def _late(self, result: OpenResult) -> None:
        """Report the result of the loser: it counts for its health like any other."""
        self.report("hedged connect", result)

    def report(self, operation: str, result: OpenResult) -> Fault | None:
        """Report the result of an open that no call waits for; the fault, if it failed."""
        got, fault, phase = result.got, None, None
        if isinstance(got, Exception):
            phase = got.phase if isinstance(got, CallFailed) else Phase.OPEN
            fault = classify(got.__cause__ or got, phase, credential=self._driver.credential)
            self._driver.redact(got)
            if fault is Fault.DENIED and isinstance(got.__cause__, LoginBlocked):
                phase = None  # it was not asked
        text = str(got) if fault else ""
        where, key = result.coordinator, self._options_key
        attempt = Attempt(operation, 1, where, 0.0, fault, phase, text=text, options_key=key)
        if isinstance(got, Exception):
            attempt = replace(attempt, error=got.__cause__ or got)
        proven = self._cluster.was_opened(where, key)
        self._cluster.report(
            replace(attempt, may_be_options=may_be_options(attempt, proven=proven))
        )
        if fault in (Fault.DENIED, Fault.REFUSED) and phase in _BY_SERVER:
            self._cluster.mark_reachable(where, key)  # it answered
        return fault
