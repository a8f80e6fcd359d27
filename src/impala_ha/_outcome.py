"""
What became of a statement whose coordinator was lost: `resolve`.

Three witnesses are asked, as long as they are to be had and time is left: the operation itself,
that coordinator's page of queries, and the tables ``sys.impala_query_live`` and
``sys.impala_query_log``, which any coordinator serves where Impala's workload management is on.
"""

from __future__ import annotations

from . import _witnesses
from ._driver import Driver
from ._model import Coordinator
from ._witnesses import Question
from .cluster import Cluster
from .errors import Outcome

_LOOK_AGAIN = 0.5  # seconds between two looks at a statement that runs
_SURE = frozenset({Outcome.DONE, Outcome.FAILED, Outcome.NEVER_SEEN})


def resolve(question: Question, cluster: Cluster, driver: Driver, timeout: float) -> Outcome:
    """
    Find out what became of a statement.

    Args:
        question: What is known of it.
        cluster: Whose coordinators may be asked.
        driver: Opens connections to them.
        timeout: Seconds for all of it; a statement that runs is waited for as long.
    """
    clock = cluster.clock
    end = clock.now() + timeout
    outcome = Outcome.UNKNOWN
    while outcome not in _SURE and clock.now() < end:
        heard = _hear(question, cluster, driver, end)
        if heard is Outcome.UNKNOWN:
            return outcome
        outcome = heard
        if outcome is Outcome.RUNNING:
            clock.sleep(min(_LOOK_AGAIN, max(0.0, end - clock.now())))
    return outcome


def _hear(question: Question, cluster: Cluster, driver: Driver, end: float) -> Outcome:
    """The first witness who knows."""
    clock = cluster.clock
    for witness in (_witnesses.handle, _witnesses.page):
        if clock.now() >= end:
            return Outcome.UNKNOWN
        heard = witness(question, driver, _witnesses.until(clock, end))
        if heard is not Outcome.UNKNOWN:
            return heard
    tried: list[Coordinator] = []
    while len(tried) < len(cluster.coordinators) and clock.now() < end:
        tried.append(cluster.pick(tried))
        told = _witnesses.tables(question, driver, clock, tried[-1], end - clock.now())
        if told is not None:
            return told
    return Outcome.UNKNOWN
