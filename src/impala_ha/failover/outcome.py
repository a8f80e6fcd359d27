"""
What became of a statement whose coordinator was lost: `resolve`.

Three witnesses are asked, as long as they are to be had and time is left: the operation itself,
that coordinator's page of queries, and the tables ``sys.impala_query_live`` and
``sys.impala_query_log``, which any coordinator serves where Impala's workload management is on.
"""

from __future__ import annotations

from collections.abc import Sequence

from impala_ha.balancing.circuit_breaker import State
from impala_ha.balancing.cluster import Cluster
from impala_ha.core.interruption import from_handler, suppress
from impala_ha.core.model import Coordinator
from impala_ha.core.timeouts import run_with_timeout
from impala_ha.errors import Outcome
from impala_ha.hs2.connector import Driver

from . import outcome_sources, query_page
from .outcome_sources import Until
from .statement_ref import Question

_LOOK_AGAIN = 0.5  # seconds between two looks at a statement that runs
_LONGEST = 1e6  # seconds; the system takes no time-out that is much longer
_SURE = frozenset({Outcome.DONE, Outcome.FAILED, Outcome.NEVER_SEEN})
#: What is said of several tries of one statement: the first of these that is said of any.
_ORDER = (Outcome.DONE, Outcome.RUNNING, Outcome.UNKNOWN, Outcome.FAILED, Outcome.NEVER_SEEN)


def resolve(
    questions: Sequence[Question], cluster: Cluster, driver: Driver, timeout: float
) -> Outcome:
    """
    Find out what became of a statement.

    It is done in a thread, which is left behind if it takes longer: functions of the caller, such
    as one that gives the password, know no limit.

    Args:
        questions: What is known of each try in which it may have run.
        cluster: Whose coordinators may be asked; none is picked, and nothing is reported.
        driver: Opens connections to them.
        timeout: Seconds for all of it; a statement that runs is waited for as long.
    """
    if not questions or not timeout > 0:
        return Outcome.UNKNOWN
    told = [Outcome.UNKNOWN] * len(questions)
    limit = min(timeout, _LONGEST)

    def work() -> None:
        with suppress(Exception):  # what was told until then is what there is
            _listen(questions, told, cluster, driver, limit)

    try:
        run_with_timeout(work, limit, "what became of a statement", "")
    except TimeoutError as error:
        if from_handler(error):
            raise
    return next(outcome for outcome in _ORDER if outcome in told)


def _listen(
    questions: Sequence[Question],
    told: list[Outcome],
    cluster: Cluster,
    driver: Driver,
    seconds: float,
) -> None:
    """Note what is known of each of *questions* until there is nothing more to find out."""
    until = Until(cluster.clock, cluster.clock.now() + seconds)
    pending = list(range(len(questions)))
    while pending and until.left > 0:
        again = []
        for position, number in enumerate(pending):
            share = until.share(len(pending) - position)
            heard = _hear(questions[number], cluster, driver, share)
            if heard is Outcome.UNKNOWN:
                continue
            told[number] = heard or told[number]
            if heard is Outcome.DONE:
                return
            if heard not in _SURE:
                again.append(number)
        pending = again
        if pending:
            until.sleep(_LOOK_AGAIN)


def _hear(question: Question, cluster: Cluster, driver: Driver, until: Until) -> Outcome | None:
    """
    What the first witness says who knows; each has a part of the time.

    Returns:
        None if none knows, and may when it is asked again.
    """
    heard = outcome_sources.handle(question, driver, until.share(3))
    if heard is not Outcome.UNKNOWN:
        return heard
    seen = query_page.page(question, driver, until.share(2))
    if seen not in (Outcome.UNKNOWN, None):
        return seen
    heard = outcome_sources.tables(question, driver, _in_turn(cluster, question), until)
    return seen if heard is Outcome.UNKNOWN else heard


def _in_turn(cluster: Cluster, question: Question) -> list[Coordinator]:
    """The healthy first, and the one that was lost last."""

    def place(entry: tuple[Coordinator, State]) -> tuple[bool, bool]:
        coordinator, state = entry
        return coordinator == question.coordinator, state is not State.HEALTHY

    found = [(each.coordinator, each.state) for each in cluster.snapshot()]
    return [coordinator for coordinator, _ in sorted(found, key=place)]
