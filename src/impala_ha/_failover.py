"""
The loop: pick a coordinator, try, judge, report, wait, again.

There is one, and every call that may fail over goes through it, so that attempts are counted
once.  It knows nothing of cursors: what is tried is a function of a link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from . import errors
from ._attempts import Call, Trail, spent, spoken
from ._driver import Driver
from ._faults import Fault, Phase, judge, words
from ._link import Link
from ._model import Attempt, Coordinator
from ._place import First, Place
from ._retry import Retry, Spent
from ._wire import CallFailed
from .cluster import Cluster

Got = TypeVar("Got")


class Failover(Place):
    """Keeps one connection alive across coordinators."""

    def __init__(
        self,
        cluster: Cluster,
        driver: Driver,
        retry: Retry,
        *,
        first: First,
        **place: Any,
    ):
        """
        Args:
            cluster: Who is there.
            driver: Opens links.
            retry: How often and how long.
            first: User and configuration of the session that opening makes.
            **place: See `Place`.
        """
        super().__init__(cluster, driver, **place)
        self.retry = retry
        self._first = first

    def run(
        self,
        call: Call,
        work: Callable[[Link], Got],
        *,
        home: Callable[[], Link | None] = lambda: None,
        first: First | None = None,
        trail: Trail | None = None,
    ) -> Got:
        """
        Do *work* on a link, on another one if need be and if that is safe.

        Args:
            call: What is known of it.
            work: What to do; it gets the link to do it on.
            home: The link that it must be done on, or None where any will do; asked before each
                try.
            first: User and configuration of the session that opening a link makes.
            trail: Where to note what was tried, for a caller who wants to show it.

        Raises:
            AuthenticationFailed, CoordinatorLost, OutcomeUnknown, ResultLost, NoCoordinatorLeft:
                Told from what was tried.
            Error: The server's own answer, untouched, where it is the statement's fault.
        """
        self.check_usable()
        trail = Trail() if trail is None else trail
        turns = self.retry.turns(
            self.cluster.clock,
            again=lambda: self._again(call, trail),
            wait=lambda: self._wait(trail),
            deadline=lambda: trail.deadline,
        )
        try:
            for turn in turns:
                with turn:
                    return self._try(call, work, (home() or self.link, first), trail)
        except Spent:
            raise spent(call, trail) from trail.attempts[-1].error
        raise AssertionError("tenacity stopped without a word")  # pragma: no cover

    def _again(self, call: Call, trail: Trail) -> bool:
        if trail.over or not call.may_follow(trail.attempts[-1]):
            return False
        if all(a.fault and a.fault.lasting for a in trail.attempts):
            return self.cluster.rounds(trail.tried) < 1
        return trail.runs < self.retry.runs

    def _wait(self, trail: Trail) -> float:
        """Nothing while somebody has not been asked yet; the same coordinator is given time."""
        rounds, stay_away = len(trail.attempts), 0.0
        if _busy(trail):
            stay_away = trail.attempts[-1].retry_after
        elif self.link is None:
            rounds = self.cluster.rounds(trail.tried)
        elif trail.attempts[-1].fault in (Fault.SESSION_GONE, Fault.RESULT_GONE):
            rounds -= 1  # a new session can be had at once
        return max(stay_away, self.retry.wait(rounds, self.cluster.rng))

    def _try(
        self,
        call: Call,
        work: Callable[[Link], Got],
        on: tuple[Link | None, First | None],
        trail: Trail,
    ) -> Got:
        (link, first), start = on, self.cluster.clock.now()
        where = link.coordinator if link else _busy(trail) or self._pick(trail.tried)
        try:
            if link is None:
                where, found = self._find(call, where, first or self._first, trail)
                if isinstance(found, Exception):
                    raise found  # noqa: TRY301 - judged with what the work raises
                link = found
            got = work(link)
        except (CallFailed, errors.Error) as error:
            if isinstance(error, _NOT_OURS_TO_JUDGE):
                trail.over = True
                raise
            self._note(error, call, (where, link, start), trail)
            told = spoken(call, trail)
            if told is error:
                raise
            raise told from told.__cause__
        except BaseException:
            trail.over = True
            if link is not None and link.broken:
                self.leave(link)
            raise
        took = self.cluster.clock.now() - start
        attempt = Attempt(call.operation, len(trail.attempts) + 1, where, took)
        trail.attempts.append(attempt)
        if call.proof:
            self.cluster.report(attempt)
        return got

    def _find(
        self, call: Call, where: Coordinator, first: First, trail: Trail
    ) -> tuple[Coordinator, Link | Exception]:
        """Open a link to *where*, or to another one that answers sooner."""
        start = self.cluster.clock.now()
        *failed, last = self.open(where, first, trail.tried, trail.deadline - start)
        for outcome in failed:
            assert isinstance(outcome.got, Exception)
            self._note(outcome.got, call, (outcome.coordinator, None, start), trail)
        return last.coordinator, last.got

    def _note(
        self,
        error: Exception,
        call: Call,
        at: tuple[Coordinator, Link | None, float],
        trail: Trail,
    ) -> None:
        """Put the failed attempt on the trail, tell the cluster, let go of a link that is lost."""
        where, link, start = at
        now = self.cluster.clock.now()
        phase = link.phase if link else Phase.OPEN
        tried = Attempt(call.operation, len(trail.attempts) + 1, where, now - start, phase=phase)
        attempt = _judged(tried, error, self.driver, lagging=self.lagging(where, str(error)))
        trail.attempts.append(attempt)
        trail.deadline = min(trail.deadline, now + self.retry.deadline)
        if attempt.fault is not Fault.QUERY:
            self.cluster.report(attempt)
        leaves = attempt.fault is not None and attempt.fault.leaves
        if link is not None and (link.broken or leaves):
            self.leave(link, full=attempt.fault is Fault.FULL)


def _busy(trail: Trail) -> Coordinator | None:
    """Who said last that it is busy: it is asked again, and nobody else in its place."""
    last = trail.attempts[-1] if trail.attempts else None
    return last.coordinator if last and last.fault in (Fault.BUSY, Fault.LATER) else None


_NOT_OURS_TO_JUDGE = (errors.InterfaceError, errors.ProgrammingError, errors.Told)


def _judged(tried: Attempt, error: Exception, driver: Driver, *, lagging: bool) -> Attempt:
    """*tried* with what *error* means; a call that got no clean answer knows its phase best."""
    cause: BaseException = error
    if isinstance(error, CallFailed):
        tried, cause = replace(tried, phase=error.phase), error.__cause__ or error
    phase = tried.phase or Phase.OPEN
    fault = judge(cause, phase, password=driver.sends_password, lagging=lagging)
    text = words(cause)
    hint = driver.hint(tried.coordinator, phase, text)
    later = getattr(cause, "retry_after", 0.0)
    return replace(tried, fault=fault, error=cause, text=text, hint=hint, retry_after=later)
