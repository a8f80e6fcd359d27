"""
One call's attempts: whether another may follow, and the error to raise at the end.

The text of an error has one line per coordinator: number of tries, seconds, phase and text of the
last failure; then advice.  `FailoverError.attempts` has them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from impala_ha import errors
from impala_ha.core.fault_rules import is_late
from impala_ha.core.faults import AFTER, SERVER_ANSWERS, Fault, Phase
from impala_ha.core.model import Attempt, Coordinator
from impala_ha.sql.statement import Kind

if TYPE_CHECKING:
    from impala_ha.hs2.link import Link

SessionArguments = tuple[str, Mapping[str, str]]


@dataclass(slots=True)
class Call:
    """
    One call of the user, as far as the loop must know it; this one needs a link, and no session.

    Attributes:
        operation: Its name.
        idempotent: Whether it may be done once more when it may have been done already, and may
            even still be running: it reads, or the caller declared it idempotent.
        again: Whether it may be tried once more at all: not after rows were fetched.
        writes: Whether it is more than a read, so that it matters whether it has run.
        doubtful: Faults that show of other statements that they have not run, and not of this one
            (see `doubtful_faults`).
        finished: Whether the statement ran to its end before, so that only its result is at stake.
        proof: Whether success shows that the coordinator takes new work (a draining one still
            serves open results).
    """

    operation: str
    idempotent: bool = True
    again: bool = True
    writes: bool = False
    doubtful: frozenset[Fault] = frozenset()
    finished: bool = False
    proof: bool = False

    @property
    def stopped(self) -> bool:
        """Has another thread closed what this is about?"""
        return False

    @property
    def tag(self) -> str | None:
        """The tag of the write that was sent; None for none."""
        return None

    @property
    def pinned_link(self) -> Link | None:
        """The link that it must use, None for any; read before each try."""
        return None

    @property
    def first_session(self) -> SessionArguments | None:
        """User and configuration of the session that opening a link makes; None: any."""
        return None

    def failed(self, error: Exception, link: Link) -> Exception:  # noqa: ARG002
        """The error to classify, after a try on *link* raised *error*."""
        return error

    def was_admitted(self) -> bool:
        """
        Had the statement been admitted, though admission control seems to have turned it away?

        Then it has run, and the text of the error comes from elsewhere.
        """
        return False

    def fence(self, link: Link, again: bool) -> bool:  # noqa: ARG002
        """
        After a try in which a write may have run: is it certainly over, and harmless once more?

        Args:
            link: Where it was made.
            again: Whether another try could follow.
        """
        return False

    def doubts(self, fault: Fault | None, phase: Phase) -> bool:
        """May the statement have run, although *fault* shows of others that they have not?"""
        if fault in self.doubtful:
            return True
        return fault in _ADMISSION and phase in AFTER and self.was_admitted()

    def may_follow(self, attempt: Attempt) -> bool:
        """May another try follow *attempt*?"""
        if attempt.fault is None or not attempt.fault.retry or not self.again:
            return False
        return self.idempotent or attempt.ended or not attempt.may_have_run


_NOT_THERE = frozenset({Fault.UNREACHABLE, Fault.UNRESOLVED})
_NO_ACCIDENT = 2  # coordinators that refuse the same
#: What depends on the options of the connection, and ejects for connections with the same alone.
DEPENDING = frozenset({Fault.MISNAMED, Fault.UNTRUSTED, Fault.MISMATCH, Fault.REFUSED})
_SILENT, _OVERTAKEN = 1.0, 0.05  # seconds; less does not show that it is silent


def may_be_options(attempt: Attempt, *, proven: bool, opened: bool = False) -> bool:
    """
    May the failure of *attempt* be due to the options of its connection?

    A wrong certificate, or a login that is ended without an answer, may be; a refused port, or an
    answer of the coordinator about itself, may not.  If the same options worked there before, or
    work elsewhere meanwhile, silence is not due to them.

    Args:
        attempt: With its error.
        proven: Whether the coordinator was opened with the same options before.
        opened: Whether there was a link.
    """
    error, phase, fault = attempt.error, attempt.phase, attempt.fault
    if fault in DEPENDING:
        return True
    if fault not in (Fault.LOST, Fault.UNREACHABLE):
        return False
    late = is_late(error)
    if fault is Fault.LOST:
        return late  # after `timeout` seconds
    if getattr(error, "overtaken", False):
        return attempt.elapsed < _OVERTAKEN
    reached = phase is not Phase.CONNECT or getattr(error, "reached", False)
    if late and attempt.elapsed >= _SILENT:
        return reached and not proven
    return late or (reached and not opened)


_ADMISSION = frozenset({Fault.BUSY, Fault.NOT_REGISTERED})
_PLANNING = frozenset({Fault.CATALOG})
_REFUSED = frozenset({Fault.DRAINING, Fault.SESSION_GONE, Fault.NOT_READY})
_UNRESOLVED = frozenset({Fault.METADATA, Fault.STALE})
_DOUBTFUL = {
    Kind.CTAS: _ADMISSION | _PLANNING,
    Kind.LOAD: _ADMISSION | _PLANNING,
    Kind.CONVERT: _ADMISSION | _PLANNING | _REFUSED | _UNRESOLVED,
    Kind.DDL: _PLANNING,
    Kind.COMPUTE_STATS: _PLANNING,
    Kind.OTHER: _ADMISSION | _PLANNING,
}


def doubtful_faults(kind: Kind) -> frozenset[Fault]:
    """
    Faults that do not show that a statement of that *kind* has not run, though they do of others.

    CREATE TABLE AS SELECT makes its table, and LOAD DATA moves its files, before admission.
    Impala up to 4.0 executes DDL inside ExecuteStatement, where its first answer may come after
    the metastore was changed.  ALTER TABLE .. CONVERT TO ICEBERG is always executed there, by
    child queries that meet what every query meets.
    """
    return _DOUBTFUL.get(kind, frozenset())


CLOSED_MEANWHILE = "the cursor was closed by another thread"


@dataclass(slots=True)
class History:
    """
    What one call has tried so far.

    Attributes:
        attempts: In order; the last one may be a success.
        deadline: When to stop, in seconds of the clock; counts from the first failure.
        limit: Seconds that failing over may take.
        start: When the call began, in seconds of the clock.
        waiting: Whether every coordinator was tried, so that the call waits.
        error: What is raised if the last attempt is the last; None before the first failure.
        options_key: The options of the connection, see `Options.key`.
    """

    attempts: list[Attempt] = field(default_factory=list)
    deadline: float = float("inf")
    limit: float = float("inf")
    start: float = 0.0
    waiting: bool = False
    error: Exception | None = None
    options_key: str = ""

    def attempt(
        self, call: Call, where: Coordinator, start: float, now: float, phase: Phase | None = None
    ) -> Attempt:
        """The next one, of *call*, which ended just now."""
        return Attempt(
            call.operation,
            len(self.attempts) + 1,
            where,
            now - start,
            phase=phase,
            since=start - self.start,
            options_key=self.options_key,
            tag=call.tag,
        )

    @property
    def tried(self) -> list[Coordinator]:
        """Where, once for each try."""
        return [attempt.coordinator for attempt in self.attempts]

    @property
    def permanent(self) -> set[Coordinator]:
        """Coordinators that failed for good, or need no waiting since two others refuse us."""
        if not self.attempts:
            return set()
        final = _NOT_THERE if self.refused else frozenset()
        return {
            each.coordinator
            for each in self.last
            if each.fault and (each.fault.permanent or each.fault in final)
        }

    @property
    def refused(self) -> bool:
        """
        Is it the caller that is refused, and not one coordinator's key that is wrong?

        All refuse, or two of them do and the others cannot be reached.
        """
        faults = [each.fault for each in self.last]
        refusals = faults.count(Fault.REFUSED)
        alike = len(faults) == refusals or refusals >= _NO_ACCIDENT
        return alike and {Fault.REFUSED, *_NOT_THERE}.issuperset(faults)

    @property
    def last(self) -> list[Attempt]:
        """The last one at each coordinator."""
        return list({attempt.coordinator: attempt for attempt in self.attempts}.values())

    @property
    def asked(self) -> list[Coordinator]:
        """As `tried`, with those of `permanent` once more for each attempt."""
        return [*self.tried, *(where for where in self.permanent for _ in self.attempts)]

    @property
    def counted(self) -> int:
        """How many tries count against `Retry.runs`."""
        return sum(a.may_have_run or (a.fault or Fault.QUERY).counted for a in self.attempts)

    @property
    def may_have_run(self) -> bool:
        """May the statement have run in one of them?"""
        return any(attempt.may_have_run for attempt in self.attempts)


_ADVICE_NOBODY = (
    "Check that the coordinators run and can be reached (name, port, TLS, authentication): "
    "`{doctor}` with the same options examines each."
)
_ADVICE_KDC = (
    "The coordinators are not at fault: look at the KDC (`kinit`, and `kvno` with the names above, "
    "ask it without this library; `{doctor}` with the same options examines all)."
)
_ADVICE_UNKNOWN = (
    "The statement was not run again. It may have run, or may still run: look at what it should "
    "have written, or at the coordinator's list of queries, before you repeat it. If repeating it "
    "is harmless, say so with execute(..., idempotent=True)."
)
_ADVICE_AGAIN = (
    "It may have run in more than one of these attempts, or may still run: look at what it should "
    "have written before you repeat it."
)
_ADVICE_RESULT = "Execute the statement again to read its result from the start."
_ADVICE_DENIED = (
    "No other coordinator was asked: check user, password, ticket and mechanism "
    "(`{doctor}` with the same options examines each)."
)

_ADVICE_REFUSED = (
    "Each coordinator that answered refused the login: check ticket, names and mechanism "
    "(`{doctor}` with the same options examines each)."
)


_NOBODY_LEFT = frozenset({errors.CoordinatorLost, errors.NoCoordinatorLeft})


def error_class(  # noqa: PLR0911 - one line a decision
    call: Call, attempt: Attempt, *, earlier: bool = False
) -> tuple[type[errors.FailoverError] | None, str]:
    """
    The class of error to raise if *attempt* is the last, and advice.

    None means the error itself, the server's or Python's.

    Args:
        call: What is known of the call.
        attempt: The last one.
        earlier: Whether the statement may have run in an attempt before it.
    """
    fault = attempt.fault
    own = attempt.error is None or isinstance(attempt.error, errors.Error)
    if call.writes and not call.finished and (earlier or attempt.may_have_run):
        return errors.OutcomeUnknown, _ADVICE_AGAIN if earlier else _ADVICE_UNKNOWN
    if fault is Fault.DENIED:
        return errors.AuthenticationFailed, _ADVICE_DENIED
    if fault is Fault.QUERY or (fault is Fault.UNKNOWN and not attempt.may_have_run):
        return None, ""
    if call.finished:
        return errors.ResultLost, _ADVICE_RESULT
    if fault is Fault.REFUSED:
        return errors.AuthenticationFailed, _ADVICE_REFUSED
    if fault is Fault.NO_KDC:
        return errors.NoCoordinatorLeft, _ADVICE_KDC
    if fault is not None and fault.permanent:
        return errors.NoCoordinatorLeft, _ADVICE_NOBODY
    if fault in SERVER_ANSWERS and own:
        return None, ""
    return errors.CoordinatorLost, ""


def final_error(call: Call, history: History) -> Exception:
    """The error to raise if the last attempt is the last."""
    last = history.attempts[-1]
    earlier = any(attempt.may_have_run for attempt in history.attempts[:-1])
    kind, advice = error_class(call, last, earlier=earlier)
    if advice is _ADVICE_REFUSED or (kind in _NOBODY_LEFT and history.refused):
        kind, advice = errors.NoCoordinatorLeft, _ADVICE_NOBODY
        if history.refused:
            kind, advice = errors.AuthenticationFailed, _ADVICE_REFUSED
    if kind is None:
        return cast("Exception", last.error)
    return errors.make_error(kind, _message(call, history, advice), last.error, history.attempts)


def deadline_error(call: Call, history: History) -> Exception:
    """The error to raise when the deadline ends the tries."""
    last = history.attempts[-1]
    if call.writes and history.may_have_run:
        return final_error(call, history)
    if last.fault in SERVER_ANSWERS and isinstance(last.error, errors.Error):
        return cast("Exception", last.error)
    advice = _ADVICE_KDC if last.fault is Fault.NO_KDC else _ADVICE_NOBODY
    text = _message(call, history, advice, ended=f", at its deadline of {history.limit:g} s")
    return errors.make_error(errors.NoCoordinatorLeft, text, last.error, history.attempts)


def interrupted_error(call: Call, history: History, error: Exception) -> Exception:
    """The error to raise when *error*, of something else than a coordinator, ends the tries."""
    text = _message(call, history, f"Then {type(error).__name__}: {error}\n{_ADVICE_AGAIN}")
    return errors.make_error(errors.OutcomeUnknown, text, error, history.attempts)


def doctor(coordinators: Iterable[Coordinator]) -> str:
    """The command that examines *coordinators*."""
    return f"impala-ha doctor -i {','.join(map(str, dict.fromkeys(coordinators)))}"


def by_coordinator(attempts: Iterable[Attempt]) -> Iterator[str]:
    """One line for each coordinator of *attempts*, which have failed."""
    found: dict[Coordinator, list[Attempt]] = {}
    for attempt in attempts:
        found.setdefault(attempt.coordinator, []).append(attempt)
    for where, tries in found.items():
        yield _line(where, tries)


def _line(where: Coordinator, tries: list[Attempt]) -> str:
    """Number of tries, seconds, the last failure, and the earlier ones."""
    *earlier, last = tries
    if not earlier:
        return last.summary
    others = dict.fromkeys(each.reason for each in earlier)
    others.pop(last.reason, None)
    before = f" (before: {', '.join(others)})" if others else ""
    seconds = last.since + last.elapsed - tries[0].since
    return f"{where} ({len(tries)} attempts in {seconds:.2f} s) {last.reason}: {last.text}{before}"


def _message(call: Call, history: History, advice: str, ended: str = "") -> str:
    """One line per coordinator, then advice."""
    lines = list(by_coordinator(history.attempts))
    if len(history.attempts) == 1 and not ended:
        lines = [f"{call.operation} failed: {lines[0]}"]
    else:
        times = f"after {_counted(len(history.attempts), 'attempt')}{ended}"
        lines = [f"{call.operation} failed {times}:", *(f"- {line}" for line in lines)]
    hints = dict.fromkeys(attempt.hint for attempt in history.attempts if attempt.hint)
    lines += [f"Hint: {hint}." for hint in hints]
    if advice:
        lines.append(advice.replace("{doctor}", doctor(history.tried)))
    return "\n".join(lines)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
