"""One call and its attempts: whether another may follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from impala_ha.core.fault_rules import is_late
from impala_ha.core.faults import AFTER, Fault, Phase
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
        request_id: With which its statement is sent over HTTP; empty: one is made.
    """

    operation: str
    idempotent: bool = True
    again: bool = True
    writes: bool = False
    doubtful: frozenset[Fault] = frozenset()
    finished: bool = False
    proof: bool = False
    request_id: str = ""

    @property
    def text(self) -> str:
        """The SQL of its statement, with the values in it; empty: it has none."""
        return ""

    @property
    def database(self) -> str | None:
        """That of the session, as far as it is known."""
        return None

    @property
    def query_id(self) -> str | None:
        """Of the statement, as Impala prints it; None while it is not known."""
        return None

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
        May the statement have been admitted, though admission control seems to have turned it away?

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
