"""
The loop: pick a coordinator, try, judge, report, wait, again.

There is one, and every call that may fail over goes through it, so that attempts are counted
once.  It knows nothing of cursors: what is tried is a function of a link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from impala_ha import errors
from impala_ha.balancing.cluster import Cluster
from impala_ha.balancing.outage import Wait
from impala_ha.core.events import Events
from impala_ha.core.fault_rules import classify, error_text
from impala_ha.core.faults import AFTER, CallFailed, Fault, Phase
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.model import Attempt, Coordinator
from impala_ha.hs2.client import ConnectionClosed
from impala_ha.hs2.connector import Driver
from impala_ha.hs2.link import Link
from impala_ha.options.options import Options

from .attempts import CLOSED_MEANWHILE, Call, History, SessionArguments, may_be_options
from .final_errors import deadline_error, doctor, final_error, interrupted_error
from .links import CLOSED, Links
from .opening import Opener
from .report import Report, Watch
from .reporting import log_recovery, log_wait
from .retry import DeadlineExceeded, Retry

Got = TypeVar("Got")
_NAP = 0.5  # seconds between two looks whether the connection is still open
_LOOK = 0.1  # seconds between two looks whether a coordinator is back


class Failover:
    """
    Keeps one connection alive across coordinators.

    Attributes:
        cluster: The coordinators and their health.
        driver: Opens links.
        retry: How often and how long to try.
        options: Those of the connection.
        links: The links of the connection.
        opener: Opens a link.
        events: What the program wants to know.
        report: What its calls have cost so far.
    """

    def __init__(
        self,
        cluster: Cluster,
        driver: Driver,
        retry: Retry,
        options: Options,
        first: SessionArguments,
    ):
        """Take *first* as user and configuration of the session that opening a link makes."""
        self.cluster = cluster
        self.driver = driver
        self.retry = retry
        self.options = options
        self.events = Events(options.on_event)
        self.report = Report(cluster.clock)
        self.links = Links(cluster, driver, options, self.events)
        self.opener = Opener(cluster, driver, options, first[0], self.events)
        if options.on_event is not None:
            cluster.add_listener(self.events)
        self._options_key = options.key
        self._picking: set[int] = set()  # calls that wait for a turn, or have had one
        self._first = first

    def for_cursor(self) -> Failover:
        """One with links of its own, for a single cursor of the connection, which closes them."""
        own = Failover(self.cluster, self.driver, self.retry, self.options, self._first)
        own.links.changes = self.links.changes
        own.links.of_cursor = True
        own.report = self.report
        return own

    def run(self, call: Call, work: Callable[[Link], Got], history: History | None = None) -> Got:
        """
        Do *work* on a link, on another one if need be and if that is safe.

        Args:
            call: What is known of it.
            work: What to do; it gets the link to do it on.
            history: Gets the attempts, for a caller that shows them.

        Raises:
            AuthenticationFailed, CoordinatorLost, OutcomeUnknown, ResultLost, NoCoordinatorLeft:
                Made from the attempts.
            Error: The server's own, where the statement is at fault.
        """
        self.links.check_usable()
        history = History() if history is None else history
        history.start, history.limit = self.cluster.clock.now(), self.retry.deadline
        history.options_key = self._options_key
        with Watch(self.report, call, history):
            try:
                try:
                    return self._try(call, work, history)
                except Exception as error:
                    if error is not history.error or not self._again(call, history):
                        raise
                return self._try_again(call, work, history)
            except DeadlineExceeded:
                _add_other_failures(self.cluster.failures(self._options_key), call, history)
                ended = deadline_error(call, history)
                raise ended from history.attempts[-1].error
            except Exception as error:
                _check_ended(error, call, history, closed=self.links.closed)
                raise
            finally:
                if id(history) in self._picking:
                    self._picking.discard(id(history))
                    self.cluster.call_ended(id(history), self._options_key)

    def _try_again(self, call: Call, work: Callable[[Link], Got], history: History) -> Got:
        """Try until it is done; tenacity is needed, and loaded, only where the first try failed."""
        turns = self.retry.retrying(
            self.cluster.clock,
            again=lambda error: error is history.error and self._again(call, history),
            wait=lambda: self._wait(call, history),
            deadline=lambda: history.deadline,
            sleep=lambda seconds: self._sleep(seconds, call),
        )
        failed = True
        for turn in turns:
            with turn:
                if failed and history.error:
                    failed = False
                    raise history.error
                return self._try(call, work, history)
        raise AssertionError("tenacity ended without a result")  # pragma: no cover

    def _again(self, call: Call, history: History) -> bool:
        if self._stopped(call) or not call.may_follow(history.attempts[-1]):
            return False
        if history.permanent.issuperset(self.cluster.coordinators):
            return False
        return history.counted < self.retry.runs

    def _stopped(self, call: Call) -> bool:
        """Has another thread closed the connection, or the cursor?"""
        return self.links.closed or call.stopped

    def _wait(self, call: Call, history: History) -> float:
        """Seconds before the next try: none while a coordinator was not tried, else a backoff."""
        rounds, stay_away = self.cluster.rounds(history.asked), 0.0
        link = call.pinned_link or self.links.current
        if _busy(history):
            rounds, stay_away = len(history.attempts), history.attempts[-1].retry_after
        elif link is not None:
            rounds = history.tried.count(link.coordinator)
        elif not self.cluster.is_healthy(self._options_key):
            return 0.0  # `_pick` waits, as other calls do
        return max(stay_away, self.retry.wait(rounds, self.cluster.rng))

    def _sleep(self, seconds: float, call: Call) -> None:
        """Wait; raise as soon as another thread closes the connection or the cursor."""
        clock = self.cluster.clock
        while seconds > _NAP and not self._stopped(call):
            clock.sleep(_NAP)
            seconds -= _NAP
        if not self._stopped(call):
            clock.sleep(seconds)
        self.links.check_usable()
        if call.stopped:
            raise errors.InterfaceError(CLOSED_MEANWHILE)

    def _pick(self, call: Call, history: History) -> Coordinator:
        """The next coordinator; waits while none is healthy and another call probes them."""
        cluster, clock = self.cluster, self.cluster.clock
        pause = partial(self.retry.wait, rng=cluster.rng)
        self._picking.add(id(history))
        while True:
            cluster.refresh(history.deadline - clock.now())
            turn = self.opener.pick_or_wait(id(history), history.asked, pause, history.permanent)
            if isinstance(turn, Coordinator):
                return turn
            history.deadline = min(history.deadline, clock.now() + self.retry.deadline)
            left = history.deadline - clock.now()
            _check_wait(turn, left, cluster.failures(self._options_key), (call, history))
            self._sleep(min(turn.seconds, left, _LOOK), call)

    def _try(self, call: Call, work: Callable[[Link], Got], history: History) -> Got:
        link = call.pinned_link or self.links.current
        leased = link is None
        where = link.coordinator if link else _busy(history) or self._pick(call, history)
        start, asked = self.cluster.clock.now(), link.client.calls if link else -1
        try:
            if link is None:
                where, found = self._open(call, where, history)
                if isinstance(found, Exception):
                    raise found  # noqa: TRY301 - classified with what the work raises
                link = found
            got = work(link)
        except (CallFailed, errors.Error) as raised:
            error = call.failed(raised, link) if link else raised
            if _is_not_classified(error):
                raise
            self._note(error, call, (where, link, start), history, leased=leased)
            history.error = final_error(call, history)
            if history.error is raised:
                raise
            raise history.error from history.error.__cause__
        except BaseException:
            if leased:
                self.cluster.release(where, self._options_key)
            if link is not None and link.broken:
                self.links.detach(link)
            raise
        now = self.cluster.clock.now()
        history.attempts.append(history.attempt(call, where, start, now))
        if call.proof and link.client.calls != asked:  # a cursor may find its session open
            self.cluster.report(history.attempts[-1])
        log_recovery(history, now, self.events)
        return got

    def _open(
        self, call: Call, where: Coordinator, history: History
    ) -> tuple[Coordinator, Link | Exception]:
        """Open a link to *where*, or to another one that answers sooner."""
        start = self.cluster.clock.now()
        first, left = call.first_session or self._first, history.deadline - start
        *failed, last = self.opener.open(where, first, history.asked, left)
        if isinstance(last.got, Link):
            self.links.attach(last.got)
        for result in failed:
            assert isinstance(result.got, Exception)
            self._note(result.got, call, (result.coordinator, None, start), history)
        if call.stopped and isinstance(last.got, Link):
            return last.coordinator, errors.InterfaceError(CLOSED_MEANWHILE)
        return last.coordinator, last.got

    def _note(
        self,
        error: Exception,
        call: Call,
        at: tuple[Coordinator, Link | None, float],
        history: History,
        *,
        leased: bool = True,
    ) -> None:
        """Add the failed attempt to the history, report it, detach a link that is lost."""
        where, link, start = at
        now = self.cluster.clock.now()
        phase = link.phase if link else Phase.OPEN
        tried = history.attempt(call, where, start, now, phase)
        attempt = _classified(
            tried, error, self.driver, may_lag=self.links.changes.may_lag(where, str(error))
        )
        if attempt.fault is Fault.UNRESOLVED and self.cluster.was_opened(where):
            # Not misspelled: names of pods, for example, come and go with them.
            attempt = replace(attempt, fault=Fault.UNREACHABLE)
        doubtful = call.doubts(attempt.fault, attempt.phase or phase)
        proven = self.cluster.was_opened(where, self._options_key)
        own = may_be_options(attempt, proven=proven, opened=link is not None)
        attempt = replace(attempt, doubtful=doubtful, may_be_options=own)
        history.deadline = min(history.deadline, now + self.retry.deadline)
        stopped = self._stopped(call)
        if attempt.fault is not Fault.QUERY and not stopped:
            self.cluster.report(attempt, leased=leased)
        try_elsewhere = attempt.fault is not None and attempt.fault.try_elsewhere and not stopped
        if link is not None and (link.broken or try_elsewhere):
            self.links.detach(link, full=attempt.fault is Fault.FULL)
        if link and attempt.fault and attempt.may_have_run:
            again = attempt.fault.retry and call.again and history.counted + 1 < self.retry.runs
            attempt = replace(attempt, ended=call.fence(link, again and not stopped))
        history.attempts.append(attempt)
        if not (history.waiting or stopped) and call.may_follow(attempt):
            self._look_around(history)

    def _look_around(self, history: History) -> None:
        """Once all were tried: find out which failures are permanent, and log the wait."""
        if not _busy(history) and self.cluster.rounds(history.tried) < 1:
            return
        history.waiting = True
        now = self.cluster.clock.now
        for number, attempt in enumerate(history.attempts):
            left = history.deadline - now()
            if attempt.fault is Fault.UNREACHABLE and attempt.phase and left > 0:
                about = attempt.coordinator, attempt.phase, attempt.text
                if hint := self.driver.other_protocol(*about, left):
                    sure = replace(attempt, fault=Fault.MISMATCH, hint=hint)
                    history.attempts[number] = sure
                    if attempt.may_be_options:
                        self.cluster.report(sure)
                    else:
                        self.cluster.mark_reachable(attempt.coordinator, self._options_key)
        left = history.deadline - now()
        if left > 0 and not history.permanent.issuperset(self.cluster.coordinators):
            log_wait(history, left, doctor(self.cluster.coordinators))


def _check_ended(error: Exception, call: Call, history: History, *, closed: bool) -> None:
    """Raise what is to be raised in the place of *error*, with which a call has ended."""
    if error is history.error:
        errors.shorten(error)
        if closed or call.stopped:
            _check_closed(call, history)
    elif call.writes and history.may_have_run and not from_signal_handler(error):
        raise interrupted_error(call, history, error) from error


def _check_closed(call: Call, history: History) -> None:
    """Raise if only closing, by another thread, kept the call from another try."""
    last = history.attempts[-1]
    if call.may_follow(last) and not isinstance(last.error, ConnectionClosed):
        raise errors.InterfaceError(CLOSED_MEANWHILE if call.stopped else CLOSED) from last.error


def _busy(history: History) -> Coordinator | None:
    """The coordinator that was busy in the last attempt: that one is tried again, no other."""
    last = history.attempts[-1] if history.attempts else None
    return last.coordinator if last and last.fault in (Fault.BUSY, Fault.LATER) else None


def _check_wait(turn: Wait, left: float, failures: list[Attempt], of: tuple[Call, History]) -> None:
    """Raise where waiting is useless: all failures are permanent, or the deadline is near."""
    call, history = of
    if failures and all(each.fault and each.fault.permanent for each in failures):
        _add_other_failures(failures, call, history)
        history.error = final_error(call, history)
        raise history.error
    known = failures or history.attempts  # neither: somebody is healthy again
    if known and (left <= 0 or (turn.alone and turn.seconds >= left)):
        _add_other_failures(failures, call, history)
        raise DeadlineExceeded


def _add_other_failures(failures: list[Attempt], call: Call, history: History) -> None:
    """Add to *history* the failures of other calls at coordinators that this one waited for."""
    others = [
        _as_failure_of(each, call) for each in failures if each.coordinator not in history.tried
    ]
    attempts = enumerate([*others, *history.attempts], 1)
    history.attempts[:] = [replace(each, number=number) for number, each in attempts]


def _as_failure_of(attempt: Attempt, call: Call) -> Attempt:
    """Another call's *attempt* as one of *call*, whose statement was not sent."""
    sent = attempt.phase is not None and attempt.phase.sent
    phase = Phase.UNSENT if sent else attempt.phase
    return replace(attempt, operation=call.operation, phase=phase, since=0.0)


_NOT_CLASSIFIED = (errors.InterfaceError, errors.ProgrammingError, errors.FailoverError)


def _is_not_classified(error: Exception) -> bool:
    """Is *error* not a coordinator's?"""
    return isinstance(error, _NOT_CLASSIFIED) or from_signal_handler(error)


def _classified(tried: Attempt, error: Exception, driver: Driver, *, may_lag: bool) -> Attempt:
    """*tried* with the fault of *error*; a CallFailed knows its phase best."""
    cause: BaseException = error
    phase = begun = tried.phase or Phase.OPEN
    if isinstance(error, CallFailed):
        phase, cause = error.phase, error.__cause__ or error
    fault = classify(cause, phase, credential=driver.credential, may_lag=may_lag)
    hint = driver.hint(tried.coordinator, phase, error_text(cause))
    driver.redact(error)  # only now: hint and fault need the whole text
    text = error_text(cause)
    later = getattr(cause, "retry_after", 0.0)
    tried = replace(tried, phase=begun if phase is Phase.TICKET and begun in AFTER else phase)
    return replace(tried, fault=fault, error=cause, text=text, hint=hint, retry_after=later)
