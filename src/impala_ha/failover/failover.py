"""
The loop: pick a coordinator, try, judge, report, wait, again.

There is one, and every call that may fail over goes through it, so that attempts are counted
once.  It knows nothing of cursors: what is tried is a function of a link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from impala_ha import errors
from impala_ha.balancing.cluster import Cluster
from impala_ha.balancing.outage import Wait
from impala_ha.core import logs
from impala_ha.core.fault_rules import classify, error_text
from impala_ha.core.faults import AFTER, CallFailed, Fault, Phase
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.model import Attempt, Coordinator
from impala_ha.hs2.client import ConnectionClosed
from impala_ha.hs2.connector import Driver
from impala_ha.hs2.link import Link

from .attempts import (
    CLOSED_MEANWHILE,
    Call,
    Trail,
    by_coordinator,
    deadline_error,
    doctor,
    final_error,
    interrupted_error,
    may_be_options,
)
from .opening import First, Place
from .retry import Retry, Spent

Got = TypeVar("Got")
_CLOSED = "the connection was closed by another thread"
_NAP = 0.5  # seconds after which a wait looks whether the connection is still open

_LOOK = 0.1  # seconds after which a call that waits looks whether a coordinator is back


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
        self._turns: set[int] = set()  # calls that wait for a turn, or have had one
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
        trail.options_key = self.options_key

        def attempt() -> Got:
            return self._try(call, work, (home() or self.link, first), trail)

        try:
            return self._repeated(attempt, call, trail, home)
        except Spent:
            _learn(self.cluster.failures(self.options_key), call, trail)
            ended = deadline_error(call, trail)
            raise ended from trail.attempts[-1].error
        except Exception as error:
            if error is trail.error:
                errors.shorten(error)
                if self.closed or trail.stopped:
                    _check_closed(call, trail)
                raise
            if from_signal_handler(error) or not (call.writes and trail.may_have_run):
                raise
            raise interrupted_error(call, trail, error) from error
        finally:
            if id(trail) in self._turns:
                self._turns.discard(id(trail))
                self.cluster.call_ended(id(trail), self.options_key)

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
            sleep=lambda seconds: _sleep(seconds, self, trail),
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
        if self.closed or trail.stopped or not call.may_follow(trail.attempts[-1]):
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
        elif not self.cluster.is_healthy(self.options_key):
            return 0.0  # `_turn` waits, with those who want the same
        return max(stay_away, self.retry.wait(rounds, self.cluster.rng))

    def _turn(self, call: Call, trail: Trail) -> Coordinator:
        """Whose turn it is; waits while no coordinator is healthy and another call tries them."""
        cluster, clock = self.cluster, self.cluster.clock
        pause = partial(self.retry.wait, rng=cluster.rng)
        about = {"zone": self._zone, "options_key": self.options_key}
        self._turns.add(id(trail))
        while True:
            turn = cluster.pick_or_wait(
                id(trail), trail.asked, pause, excluded=trail.lasting, **about
            )
            if isinstance(turn, Coordinator):
                return turn
            trail.deadline = min(trail.deadline, clock.now() + self.retry.deadline)
            left = trail.deadline - clock.now()
            _check_wait(turn, left, cluster.failures(self.options_key), (call, trail))
            _sleep(min(turn.seconds, left, _LOOK), self, trail)

    def _try(
        self,
        call: Call,
        work: Callable[[Link], Got],
        on: tuple[Link | None, First | None],
        trail: Trail,
    ) -> Got:
        link, first = on
        leased = link is None
        where = link.coordinator if link else _busy(trail) or self._turn(call, trail)
        start = self.cluster.clock.now()
        try:
            if link is None:
                where, found = self._find(call, where, first or self._first, trail)
                if isinstance(found, Exception):
                    raise found  # noqa: TRY301 - judged with what the work raises
                link = found
            got = work(link)
        except (CallFailed, errors.Error) as error:
            if _is_not_ours(error):
                raise
            self._note(error, call, (where, link, start), trail, leased=leased)
            trail.error = final_error(call, trail)
            if trail.error is error:
                raise
            raise trail.error from trail.error.__cause__
        except BaseException:
            if leased:
                self.cluster.release(where, self.options_key)
            if link is not None and link.broken:
                self.leave(link)
            raise
        now = self.cluster.clock.now()
        trail.attempts.append(trail.attempt(call, where, start, now))
        if call.proof:
            self.cluster.report(trail.attempts[-1])
        _tell_end(trail, now)
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
        tried = trail.attempt(call, where, start, now, phase)
        attempt = _judged(
            tried, error, self.driver, lagging=self.changes.explain(where, str(error))
        )
        if attempt.fault is Fault.UNRESOLVED and self.cluster.was_opened(where):
            # No misspelling: names of pods, say, go and come with them.
            attempt = replace(attempt, fault=Fault.UNREACHABLE)
        doubtful = call.doubts(attempt.fault, attempt.phase or phase)
        proven = self.cluster.was_opened_with(where, self.options_key)
        own = may_be_options(attempt, proven=proven, opened=link is not None)
        attempt = replace(attempt, doubtful=doubtful, may_be_options=own)
        trail.deadline = min(trail.deadline, now + self.retry.deadline)
        stopped = self.closed or trail.stopped  # by another thread
        if attempt.fault is not Fault.QUERY and not stopped:
            self.cluster.report(attempt, leased=leased)
        leaves = attempt.fault is not None and attempt.fault.try_elsewhere and not stopped
        if link is not None and (link.broken or leaves):
            self.leave(link, full=attempt.fault is Fault.FULL)
        if link and call.fence and attempt.fault and attempt.may_have_run:
            again = attempt.fault.retry and call.again and trail.counted + 1 < self.retry.runs
            attempt = replace(attempt, ended=call.fence(link, again and not stopped))
        trail.attempts.append(attempt)
        if not (trail.waiting or stopped) and call.may_follow(attempt):
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
                    if attempt.may_be_options:
                        self.cluster.report(sure)
                    else:
                        self.cluster.mark_reachable(attempt.coordinator, self.options_key)
        left = trail.deadline - now()
        if left > 0 and not trail.lasting.issuperset(self.cluster.coordinators):
            _tell_wait(trail, left, doctor(self.cluster.coordinators))


def _tell_wait(trail: Trail, left: float, command: str) -> None:
    """Say that a call waits until somebody is back, and for whom."""
    logs.warning(
        "%s waits for %.0f s at most, none is left that was not asked: %s (see `%s`)",
        trail.attempts[-1].operation,
        max(0.0, left),
        "; ".join(map(logs.brief, by_coordinator(trail.attempts))),
        command,
        extra={"state": "waiting", "attempts": tuple(a.portable() for a in trail.attempts)},
    )


def _tell_end(trail: Trail, now: float) -> None:
    """Say that a call which had failed was done after all."""
    *failed, last = trail.attempts
    if not failed:
        return
    failing = now - last.elapsed - (trail.deadline - trail.limit)
    logs.info(
        "%s went on at %s after %.1f s",
        last.operation,
        last.coordinator,
        max(0.0, failing),
        extra={"coordinator": last.coordinator, "state": "moved", "attempt": last},
    )


def _check_closed(call: Call, trail: Trail) -> None:
    """Raise if another try would have followed, had another thread not closed what it is about."""
    last = trail.attempts[-1]
    if call.may_follow(last) and not isinstance(last.error, ConnectionClosed):
        raise errors.InterfaceError(CLOSED_MEANWHILE if trail.stopped else _CLOSED) from last.error


def _sleep(seconds: float, failover: Failover, trail: Trail) -> None:
    """Wait; raise as soon as another thread closes the connection or the cursor."""
    clock = failover.cluster.clock
    while seconds > _NAP and not (failover.closed or trail.stopped):
        clock.sleep(_NAP)
        seconds -= _NAP
    if not (failover.closed or trail.stopped):
        clock.sleep(seconds)
    failover.check_usable()
    if trail.stopped:
        raise errors.InterfaceError(CLOSED_MEANWHILE)


def _busy(trail: Trail) -> Coordinator | None:
    """Who said last that it is busy: it is asked again, and nobody else in its place."""
    last = trail.attempts[-1] if trail.attempts else None
    return last.coordinator if last and last.fault in (Fault.BUSY, Fault.LATER) else None


def _check_wait(turn: Wait, left: float, failures: list[Attempt], of: tuple[Call, Trail]) -> None:
    """Raise where it is no use to wait: all would say the same again, or no time is left."""
    call, trail = of
    if failures and all(each.fault and each.fault.permanent for each in failures):
        _learn(failures, call, trail)
        trail.error = final_error(call, trail)
        raise trail.error
    known = failures or trail.attempts  # neither: somebody is healthy again
    if known and (left <= 0 or (turn.alone and turn.seconds >= left)):
        _learn(failures, call, trail)
        raise Spent


def _learn(failures: list[Attempt], call: Call, trail: Trail) -> None:
    """Put on *trail* what others met where its call did not come, for it waited for them."""
    others = [_heard(each, call) for each in failures if each.coordinator not in trail.tried]
    attempts = enumerate([*others, *trail.attempts], 1)
    trail.attempts[:] = [replace(each, number=number) for number, each in attempts]


def _heard(attempt: Attempt, call: Call) -> Attempt:
    """Another call's *attempt* as *call* tells of it, whose statement was not there."""
    sent = attempt.phase is not None and attempt.phase.sent
    phase = Phase.UNSENT if sent else attempt.phase
    return replace(attempt, operation=call.operation, phase=phase, since=0.0)


_NOT_OURS_TO_JUDGE = (errors.InterfaceError, errors.ProgrammingError, errors.FailoverError)


def _is_not_ours(error: Exception) -> bool:
    """Is *error* none of a coordinator's?"""
    return isinstance(error, _NOT_OURS_TO_JUDGE) or from_signal_handler(error)


def _judged(tried: Attempt, error: Exception, driver: Driver, *, lagging: bool) -> Attempt:
    """*tried* with what *error* means; a call that got no clean answer knows its phase best."""
    cause: BaseException = error
    phase = begun = tried.phase or Phase.OPEN
    if isinstance(error, CallFailed):
        phase, cause = error.phase, error.__cause__ or error
    fault = classify(cause, phase, credential=driver.credential, lagging=lagging)
    hint = driver.hint(tried.coordinator, phase, error_text(cause))
    driver.redact(error)  # now that its words were read
    text = error_text(cause)
    later = getattr(cause, "retry_after", 0.0)
    tried = replace(tried, phase=begun if phase is Phase.TICKET and begun in AFTER else phase)
    return replace(tried, fault=fault, error=cause, text=text, hint=hint, retry_after=later)
