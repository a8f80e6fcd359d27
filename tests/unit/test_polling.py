"""Asking whether a statement has ended: as often as impyla asks, sooner at first."""

from types import SimpleNamespace

import pytest
from impala._thrift_gen.TCLIService.ttypes import TOperationState

from impala_ha.hs2.polling import poll
from impala_ha.testing.fakes import FakeClock

RUNNING, FINISHED = TOperationState.RUNNING_STATE, TOperationState.FINISHED_STATE


class Operation:
    """Ends after *lasts* seconds; an answer takes *takes* seconds."""

    def __init__(self, clock, lasts, takes=0.0, end=FINISHED):
        self._clock, self._end = clock, end
        self._until, self._takes = clock.now() + lasts, takes
        self.asked = 0

    def get_state(self):
        self.asked += 1
        self._clock.time += self._takes
        state = RUNNING if self._clock.now() < self._until else self._end
        return SimpleNamespace(operationState=state)


@pytest.mark.parametrize(
    "end", [FINISHED, TOperationState.ERROR_STATE, TOperationState.CANCELED_STATE]
)
def test_it_ends_with_the_statement_well_or_not(end):
    clock = FakeClock()
    operation = Operation(clock, lasts=0, end=end)

    assert end == poll(operation, clock).operationState
    assert [] == clock.slept


@pytest.mark.parametrize(
    ("lasts", "interval"),
    [(0.04, 0.008), (0.3, 0.024), (0.9, 0.05), (9, 0.1), (59, 0.5), (600, 1.0)],
)
def test_it_asks_more_seldom_the_longer_it_takes(lasts, interval):
    clock = FakeClock()

    poll(Operation(clock, lasts), clock)

    assert interval == pytest.approx(clock.slept[-1], rel=0.1)
    assert sorted(clock.slept) == pytest.approx(clock.slept)


def test_a_statement_that_is_soon_over_is_soon_asked_for():
    clock = FakeClock()
    operation = Operation(clock, lasts=0.002)

    poll(operation, clock)

    assert sum(clock.slept) < 0.004
    assert 5 >= operation.asked


def test_where_the_server_waits_with_its_answer_there_is_nothing_to_sleep():
    """LONG_POLLING_TIME_MS, since Impala 4.5."""
    clock = FakeClock()
    operation = Operation(clock, lasts=10, takes=2.0)

    poll(operation, clock)

    assert 5 == operation.asked
    assert 0 == sum(clock.slept)
