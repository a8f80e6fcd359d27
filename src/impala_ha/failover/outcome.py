"""
The outcome of a statement whose coordinator was lost: `resolve`.

Up to three sources are asked until the time is over: the operation itself,
that coordinator's page of queries, and the tables ``sys.impala_query_live`` and
``sys.impala_query_log``, which any coordinator serves where Impala's workload management is on.
"""

from __future__ import annotations

from collections.abc import Sequence

from impala_ha.balancing.circuit_breaker import State
from impala_ha.balancing.cluster import Cluster
from impala_ha.core.interruption import from_signal_handler, suppress
from impala_ha.core.model import Coordinator
from impala_ha.core.timeouts import run_with_timeout
from impala_ha.errors import Outcome
from impala_ha.hs2.connector import Driver

from . import outcome_sources, query_page
from .outcome_sources import Until
from .statement_ref import StatementRef

_LOOK_AGAIN = 0.5  # seconds between two looks at a statement that runs
_LONGEST = 1e6  # seconds; the system takes no time-out that is much longer
_SURE = frozenset({Outcome.DONE, Outcome.FAILED, Outcome.NEVER_SEEN})
#: The outcome of several tries of one statement: the first of these that any has.
_ORDER = (Outcome.DONE, Outcome.RUNNING, Outcome.UNKNOWN, Outcome.FAILED, Outcome.NEVER_SEEN)


def resolve(
    refs: Sequence[StatementRef], cluster: Cluster, driver: Driver, timeout: float
) -> Outcome:
    """
    Find out the outcome of a statement.

    It is done in a thread, which is left behind if it takes longer: functions of the caller, such
    as one that gives the password, know no limit.

    Args:
        refs: What is known of each try in which it may have run.
        cluster: Its coordinators may be asked; none is picked, and nothing is reported.
        driver: Opens connections to them.
        timeout: Seconds for all of it; a statement that runs is waited for as long.
    """
    if not refs or not timeout > 0:
        return Outcome.UNKNOWN
    outcomes = [Outcome.UNKNOWN] * len(refs)
    limit = min(timeout, _LONGEST)

    def work() -> None:
        with suppress(Exception):  # what was found until then is what there is
            _ask_all(refs, outcomes, cluster, driver, limit)

    try:
        run_with_timeout(work, limit, "what became of a statement", "")
    except TimeoutError as error:
        if from_signal_handler(error):
            raise
    return next(outcome for outcome in _ORDER if outcome in outcomes)


def _ask_all(
    refs: Sequence[StatementRef],
    outcomes: list[Outcome],
    cluster: Cluster,
    driver: Driver,
    seconds: float,
) -> None:
    """Note what is known of each of *refs* until there is nothing more to find out."""
    until = Until(cluster.clock, cluster.clock.now() + seconds)
    pending = list(range(len(refs)))
    while pending and until.left > 0:
        again = []
        for position, number in enumerate(pending):
            share = until.share(len(pending) - position)
            answer = _ask(refs[number], cluster, driver, share)
            if answer is Outcome.UNKNOWN:
                continue
            outcomes[number] = answer or outcomes[number]
            if answer is Outcome.DONE:
                return
            if answer not in _SURE:
                again.append(number)
        pending = again
        if pending:
            until.sleep(_LOOK_AGAIN)


def _ask(ref: StatementRef, cluster: Cluster, driver: Driver, until: Until) -> Outcome | None:
    """
    The answer of the first source that knows; each has a part of the time.

    Returns:
        None if none knows, and may when it is asked again.
    """
    answer = outcome_sources.handle(ref, driver, until.share(3))
    if answer is not Outcome.UNKNOWN:
        return answer
    seen = query_page.page(ref, driver, until.share(2))
    if seen not in (Outcome.UNKNOWN, None):
        return seen
    answer = outcome_sources.tables(ref, driver, _in_turn(cluster, ref), until)
    return seen if answer is Outcome.UNKNOWN else answer


def _in_turn(cluster: Cluster, ref: StatementRef) -> list[Coordinator]:
    """The healthy first, and the one that was lost last."""

    def place(entry: tuple[Coordinator, State]) -> tuple[bool, bool]:
        coordinator, state = entry
        return coordinator == ref.coordinator, state is not State.HEALTHY

    found = [(each.coordinator, each.state) for each in cluster.snapshot()]
    return [coordinator for coordinator, _ in sorted(found, key=place)]
