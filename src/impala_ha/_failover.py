"""
The loop: pick a coordinator, try, judge, report, wait, again.

There is one, and every call that may fail over goes through it, so that attempts are counted
once.  It knows nothing of cursors: what is tried is a function of a link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from . import _logs, errors
from ._attempts import (
    Call,
    Trail,
    by_coordinator,
    deadline_error,
    doctor,
    final_error,
    interrupted_error,
)
from ._driver import Driver
from ._fault_rules import classify, error_text
from ._faults import Fault, Phase
from ._interrupts import from_handler
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
        trail.start, trail.limit = self.cluster.clock.now(), self.retry.deadline

        def attempt() -> Got:
            return self._try(call, work, (home() or self.link, first), trail)

        try:
            return self._repeated(attempt, call, trail, home)
        except Spent:
            ended = deadline_error(call, trail)
            raise ended from trail.attempts[-1].error
        except Exception as error:
            if error is trail.error:
                errors.shorten(error)
                raise
            if from_handler(error) or not (call.writes and trail.may_have_run):
                raise
            raise interrupted_error(call, trail, error) from error

    def _repeated(
        self,
        attempt: Callable[[], Got],
        call: Call,
        trail: Trail,
        home: Callable[[], Link | None],
    ) -> Got:
        """*attempt* once; tenacity is needed, and loaded, only where that failed."""
        try:
            return attempt()
        except Exception as error:
            if error is not trail.error or not self._again(call, trail):
                raise
        turns = self.retry.turns(
            self.cluster.clock,
            again=lambda error: error is trail.error and self._again(call, trail),
            wait=lambda: self._wait(trail, home() or self.link),
            deadline=lambda: trail.deadline,
        )
        failed = True
        for turn in turns:
            with turn:
                if failed and trail.error:
                    failed = False
                    raise trail.error
                return attempt()
        raise AssertionError("tenacity stopped without a word")  # pragma: no cover

    def _again(self, call: Call, trail: Trail) -> bool:
        if not call.may_follow(trail.attempts[-1]):
            return False
        if trail.lasting.issuperset(self.cluster.coordinators):
            return False
        return trail.counted < self.retry.runs

    def _wait(self, trail: Trail, link: Link | None) -> float:
        """Nothing while somebody has not been asked yet; the same coordinator is given time."""
        rounds, stay_away = self.cluster.rounds(trail.asked), 0.0
        if _busy(trail):
            rounds, stay_away = len(trail.attempts), trail.attempts[-1].retry_after
        elif link is not None:
            rounds = trail.tried.count(link.coordinator)
        return max(stay_away, self.retry.wait(rounds, self.cluster.rng))

    def _try(
        self,
        call: Call,
        work: Callable[[Link], Got],
        on: tuple[Link | None, First | None],
        trail: Trail,
    ) -> Got:
        (link, first), start = on, self.cluster.clock.now()
        leased = link is None
        where = link.coordinator if link else _busy(trail) or self._pick(trail.asked)
        try:
            if link is None:
                where, found = self._find(call, where, first or self._first, trail)
                if isinstance(found, Exception):
                    raise found  # noqa: TRY301 - judged with what the work raises
                link = found
            got = work(link)
        except (CallFailed, errors.Error) as error:
            if isinstance(error, _NOT_OURS_TO_JUDGE):
                raise
            self._note(error, call, (where, link, start), trail, leased=leased)
            trail.error = final_error(call, trail)
            if trail.error is error:
                raise
            raise trail.error from trail.error.__cause__
        except BaseException:
            if leased:
                self.cluster.release(where)
            if link is not None and link.broken:
                self.leave(link)
            raise
        took = self.cluster.clock.now() - start
        since = start - trail.start
        attempt = Attempt(call.operation, len(trail.attempts) + 1, where, took, since=since)
        trail.attempts.append(attempt)
        if call.proof:
            self.cluster.report(attempt)
        self._tell_end(trail)
        return got

    def _find(
        self, call: Call, where: Coordinator, first: First, trail: Trail
    ) -> tuple[Coordinator, Link | Exception]:
        """Open a link to *where*, or to another one that answers sooner."""
        start = self.cluster.clock.now()
        *failed, last = self.open(where, first, trail.asked, trail.deadline - start)
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
        *,
        leased: bool = True,
    ) -> None:
        """Put the failed attempt on the trail, tell the cluster, let go of a link that is lost."""
        where, link, start = at
        now = self.cluster.clock.now()
        phase = link.phase if link else Phase.OPEN
        number, since = len(trail.attempts) + 1, start - trail.start
        tried = Attempt(call.operation, number, where, now - start, phase=phase, since=since)
        attempt = _judged(tried, error, self.driver, lagging=self.lagging(where, str(error)))
        if attempt.fault is Fault.UNRESOLVED and self.cluster.was_open(where):
            # No misspelling: names of pods, say, go and come with them.
            attempt = replace(attempt, fault=Fault.UNREACHABLE)
        attempt = replace(attempt, doubtful=call.doubts(attempt.fault, attempt.phase or phase))
        trail.deadline = min(trail.deadline, now + self.retry.deadline)
        if attempt.fault is not Fault.QUERY:
            self.cluster.report(attempt, leased=leased)
        leaves = attempt.fault is not None and attempt.fault.leaves
        if link is not None and (link.broken or leaves):
            self.leave(link, full=attempt.fault is Fault.FULL)
        if link and call.fence and attempt.fault and attempt.may_have_run:
            again = attempt.fault.retry and call.again and trail.counted + 1 < self.retry.runs
            attempt = replace(attempt, ended=call.fence(link, again))
        trail.attempts.append(attempt)
        if not trail.waiting and call.may_follow(attempt):
            self._look_around(trail)

    def _look_around(self, trail: Trail) -> None:
        """Once all have been asked: who would say the same again?  And say who is waited for."""
        if not _busy(trail) and self.cluster.rounds(trail.tried) < 1:
            return
        trail.waiting = True
        now = self.cluster.clock.now
        for number, attempt in enumerate(trail.attempts):
            left = trail.deadline - now()
            if attempt.fault is Fault.UNREACHABLE and attempt.phase and left > 0:
                about = attempt.coordinator, attempt.phase, attempt.text
                if hint := self.driver.other_protocol(*about, left):
                    sure = replace(attempt, fault=Fault.MISMATCH, hint=hint)
                    trail.attempts[number] = sure
        left = trail.deadline - now()
        if left <= 0 or trail.lasting.issuperset(self.cluster.coordinators):
            return
        _logs.warning(
            "%s waits for %.0f s at most, none is left that was not asked: %s (see `%s`)",
            trail.attempts[-1].operation,
            left,
            "; ".join(map(_logs.brief, by_coordinator(trail.attempts))),
            doctor(self.cluster.coordinators),
            extra={"state": "waiting", "attempts": tuple(a.portable() for a in trail.attempts)},
        )

    def _tell_end(self, trail: Trail) -> None:
        """Say that a call which had failed was done after all."""
        *failed, last = trail.attempts
        if not failed:
            return
        failing = self.cluster.clock.now() - last.elapsed - (trail.deadline - trail.limit)
        _logs.info(
            "%s went on at %s after %.1f s",
            last.operation,
            last.coordinator,
            max(0.0, failing),
            extra={"coordinator": last.coordinator, "state": "moved", "attempt": last},
        )


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
    fault = classify(cause, phase, password=driver.sends_password, lagging=lagging)
    text = error_text(cause)
    hint = driver.hint(tried.coordinator, phase, text)
    later = getattr(cause, "retry_after", 0.0)
    return replace(tried, fault=fault, error=cause, text=text, hint=hint, retry_after=later)
