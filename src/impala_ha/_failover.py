"""
The loop: pick a coordinator, try, judge, report, wait, again.

There is one, and every call that may fail over goes through it, so that attempts are counted
once.  It knows nothing of cursors: what is tried is a function of a link.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import tenacity

from . import errors
from ._driver import CallFailed, Driver, Link
from ._faults import Fault, Phase, judge
from ._model import Attempt, Coordinator
from ._retry import Retry
from .cluster import Cluster

Got = TypeVar("Got")


@dataclass(frozen=True, slots=True)
class Call:
    """
    One call of the user, as far as the loop must know it.

    Attributes:
        operation: Its name.
        repeatable: Whether it may be done once more when it may have been done already.
        again: Whether it may be done once more at all (rows that were handed out forbid it).
        early: Whether part of it is done before admission, so that even BUSY may have run.
        finished: Whether the statement ran to its end before, so that only its result is at stake.
        proof: Whether success shows that the coordinator takes new work (a draining one still
            serves open results).
    """

    operation: str
    repeatable: bool = True
    again: bool = True
    early: bool = False
    finished: bool = False
    proof: bool = False

    def may_have_run(self, attempt: Attempt) -> bool:
        """May the statement have run in *attempt*?"""
        return attempt.may_have_run or (self.early and attempt.fault is Fault.BUSY)

    def may_follow(self, attempt: Attempt) -> bool:
        """May another try follow *attempt*?"""
        if attempt.fault is None or not attempt.fault.retry or not self.again:
            return False
        return self.repeatable or not self.may_have_run(attempt)


@dataclass(slots=True)
class Trail:
    """
    What one call has tried so far.

    Attributes:
        attempts: In order; the last one may be a success.
        deadline: When to stop, in seconds of the clock; counts from the first failure.
        over: Whether the last exception was none of the coordinator's doing.
    """

    attempts: list[Attempt] = field(default_factory=list)
    deadline: float = float("inf")
    over: bool = False

    @property
    def tried(self) -> list[Coordinator]:
        """Where, once for each try."""
        return [attempt.coordinator for attempt in self.attempts]

    @property
    def runs(self) -> int:
        """How many tries may have run the statement."""
        return sum(attempt.may_have_run for attempt in self.attempts)


class Failover:
    """Keeps one connection alive across coordinators."""

    def __init__(
        self,
        cluster: Cluster,
        driver: Driver,
        retry: Retry,
        *,
        first: tuple[str, Mapping[str, str]],
        connect_timeout: float = 10.0,
        zone: str = "",
    ):
        """
        Args:
            cluster: Who is there.
            driver: Opens links.
            retry: How often and how long.
            first: User and configuration of the session that opening makes.
            connect_timeout: Seconds for opening one link.
            zone: Whose coordinators come first.
        """
        self.cluster = cluster
        self.driver = driver
        self.retry = retry
        self.link: Link | None = None
        self.closed = False
        self.impala = True  # until a link says otherwise
        self._first = first
        self._connect_timeout = connect_timeout
        self._zone = zone
        self._process = os.getpid()

    def run(
        self,
        call: Call,
        work: Callable[[Link], Got],
        *,
        home: Callable[[], Link | None] = lambda: None,
        first: tuple[str, Mapping[str, str]] | None = None,
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
        except tenacity.RetryError:
            raise _spent(call, trail) from trail.attempts[-1].error
        raise AssertionError("tenacity stopped without a word")  # pragma: no cover

    def _again(self, call: Call, trail: Trail) -> bool:
        last = trail.attempts[-1] if trail.attempts else None
        return (
            last is not None
            and not trail.over
            and call.may_follow(last)
            and trail.runs < self.retry.runs
        )

    def _wait(self, trail: Trail) -> float:
        """Nothing while somebody has not been asked yet; the same coordinator is given time."""
        if self.link is None:
            rounds = self.cluster.rounds(trail.tried)
        elif trail.attempts[-1].fault in (Fault.SESSION_GONE, Fault.RESULT_GONE):
            rounds = len(trail.attempts) - 1  # a new session can be had at once
        else:
            rounds = len(trail.attempts)
        return self.retry.wait(rounds, self.cluster.rng)

    def check_usable(self) -> None:
        """
        Raise where no call may be made.

        Raises:
            InterfaceError: The connection was closed, or belongs to the parent process.
        """
        if self.closed:
            raise errors.InterfaceError("the connection is closed")
        if self._process != os.getpid():
            raise errors.InterfaceError(
                f"this connection belongs to process {self._process}; "
                f"a forked process ({os.getpid()}) must connect for itself"
            )

    def _try(
        self,
        call: Call,
        work: Callable[[Link], Got],
        on: tuple[Link | None, tuple[str, Mapping[str, str]] | None],
        trail: Trail,
    ) -> Got:
        link, first = on
        start = self.cluster.clock.now()
        where = link.coordinator if link else self.cluster.pick(trail.tried, self._zone)
        try:
            if link is None:
                link = self._open(where, first or self._first, trail)
            got = work(link)
        except (CallFailed, errors.Error) as error:
            if isinstance(error, _NOT_OURS_TO_JUDGE):
                trail.over = True
                raise
            self._note(error, call, (where, link, start), trail)
            told = _spoken(call, trail)
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

    def _note(
        self,
        error: errors.Error,
        call: Call,
        at: tuple[Coordinator, Link | None, float],
        trail: Trail,
    ) -> None:
        """Put the failed attempt on the trail, tell the cluster, let go of a link that is lost."""
        where, link, start = at
        now = self.cluster.clock.now()
        if isinstance(error, CallFailed):
            phase, cause = error.phase, error.__cause__ or error
        else:
            phase, cause = link.phase if link else Phase.OPEN, error
        fault = judge(cause, phase, password=self.driver.sends_password)
        number = len(trail.attempts) + 1
        text = str(cause) or type(cause).__name__
        attempt = Attempt(
            call.operation, number, where, now - start, fault, phase, cause, text
        )
        trail.attempts.append(attempt)
        trail.deadline = min(trail.deadline, now + self.retry.deadline)
        if fault is not Fault.QUERY:
            self.cluster.report(attempt)
        if link is not None and (link.broken or fault.leaves):
            self.leave(link)

    def _open(
        self, coordinator: Coordinator, first: tuple[str, Mapping[str, str]], trail: Trail
    ) -> Link:
        user, configuration = first
        left = trail.deadline - self.cluster.clock.now()
        limit = max(0.001, min(self._connect_timeout, left))
        self.link = self.driver.open(coordinator, user, configuration, limit)
        self.impala = self.link.impala
        self.cluster.linked(coordinator, +1)
        return self.link

    def leave(self, link: Link) -> None:
        """Use *link* for nothing new; results that are open on it may still be read to their end."""
        if self.link is link:
            self.link = None
            self.cluster.linked(link.coordinator, -1)
        if link.broken:
            with suppress(Exception):
                link.close()

    def close(self) -> None:
        """Close the connection for good; a second time does nothing."""
        self.closed = True
        link = self.link
        if link is not None:
            self.link = None
            self.cluster.linked(link.coordinator, -1)
            link.close()


_NOT_OURS_TO_JUDGE = (errors.InterfaceError, errors.ProgrammingError, errors.Told)

_ADVICE_NOBODY = (
    "Check that the coordinators run and can be reached (name, port, TLS, authentication)."
)
_ADVICE_UNKNOWN = (
    "The statement was not run again. It may have run, or may still run: look at what it should "
    "have written, or at the coordinator's list of queries, before you repeat it. If repeating it "
    "is harmless, say so with execute(..., idempotent=True)."
)
_ADVICE_RESULT = "Execute the statement again to read its result from the start."
_ADVICE_DENIED = "No other coordinator was asked: check user, password, ticket and mechanism."


def _spoken(call: Call, trail: Trail) -> Exception:
    """What the caller is told if this attempt is the last; the server's own words where it can."""
    last = trail.attempts[-1]
    fault, cause = last.fault, last.error
    assert fault is not None
    assert isinstance(cause, Exception)
    kind: type[errors.Told] = errors.CoordinatorLost
    advice = ""
    if fault is Fault.DENIED:
        kind, advice = errors.AuthenticationFailed, _ADVICE_DENIED
    elif fault is Fault.QUERY or (fault is Fault.UNKNOWN and not last.may_have_run):
        return cause
    elif call.finished:
        kind, advice = errors.ResultLost, _ADVICE_RESULT
    elif not call.repeatable and call.may_have_run(last):
        kind, advice = errors.OutcomeUnknown, _ADVICE_UNKNOWN
    elif fault in (Fault.BUSY, Fault.EXECUTORS) and isinstance(cause, errors.Error):
        return cause
    return errors.tell(kind, _told(call, trail, advice), cause, trail.attempts)


def _spent(call: Call, trail: Trail) -> Exception:
    """What the caller is told when the deadline ends the tries."""
    last = trail.attempts[-1]
    if last.fault in (Fault.BUSY, Fault.EXECUTORS) and isinstance(last.error, errors.Error):
        return last.error  # there was a coordinator, and its words say what it lacks
    text = _told(call, trail, _ADVICE_NOBODY)
    return errors.tell(errors.NoCoordinatorLeft, text, last.error, trail.attempts)


def _told(call: Call, trail: Trail, advice: str) -> str:
    """One line an attempt, then what to do."""
    last = trail.attempts[-1]
    if len(trail.attempts) == 1:
        lines = [f"{call.operation} failed: {str(last).partition(' ')[2]}"]
    else:
        lines = [f"{call.operation} failed after {len(trail.attempts)} attempts:"]
        lines += [f"- {attempt}" for attempt in trail.attempts]
    return "\n".join([*lines, advice] if advice else lines)
