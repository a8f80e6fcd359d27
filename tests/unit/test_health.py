"""When a coordinator is left alone, for how long, and who may try it first."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impala_ha.balancing.circuit_breaker import CircuitBreaker, Health, State

EXACT = CircuitBreaker(ejection=5, max_ejection=30, jitter=0)


def failed(breaker, health, now, **how):
    return breaker.failed(health, now, random.Random(7), **how)


def test_nothing_known_is_well():
    assert State.HEALTHY is EXACT.state(Health(), 0.0)


def test_after_the_first_ejection_trials_come_after_one_two_four_seconds_up_to_a_limit():
    health, now, spans = Health(), 100.0, []
    for _ in range(8):
        health = failed(EXACT, health, now)
        spans.append(health.ejected_until - now)
        now = health.ejected_until

    assert [5, 1, 2, 4, 8, 16, 30, 30] == spans


def test_who_is_left_alone_for_less_than_a_second_is_tried_again_as_soon():
    quick = CircuitBreaker(ejection=0.25, jitter=0)
    one = failed(quick, Health(), 0.0)
    two = failed(quick, one, 0.25)

    assert [0.25, 0.5] == [one.ejected_until, two.ejected_until]


def test_a_thousand_failures_do_not_overflow():
    assert 30 == failed(EXACT, Health(failures=5000, ejected_until=0.0), 0.0).ejected_until


def test_an_ejected_one_is_left_alone_until_its_time_is_over():
    health = failed(EXACT, Health(), 0.0)

    assert State.EJECTED is EXACT.state(health, 4.99)
    assert State.HALF_OPEN is EXACT.state(health, 5.0)


def test_one_that_shuts_down_says_so_until_its_time_is_over():
    health = failed(EXACT, Health(), 0.0, draining=True)

    assert State.DRAINING is EXACT.state(health, 4.99)
    assert State.HALF_OPEN is EXACT.state(health, 5.0)


def test_a_late_failure_of_another_caller_does_not_extend_an_ejection():
    health = failed(EXACT, Health(), 0.0)

    assert health == failed(EXACT, health, 4.99)


def test_a_trial_is_for_one_caller():
    health = EXACT.lease(failed(EXACT, Health(), 0.0), 6.0)

    assert State.EJECTED is EXACT.state(health, 6.0)


def test_a_trier_that_never_comes_back_is_waited_for_and_no_longer():
    health = EXACT.lease(failed(EXACT, Health(), 0.0), 6.0)

    assert State.EJECTED is EXACT.state(health, 6.0 + EXACT.lease_time - 0.01)
    assert State.HALF_OPEN is EXACT.state(health, 6.0 + EXACT.lease_time)


def test_a_trier_without_an_answer_makes_room_for_the_next():
    health = EXACT.inconclusive(EXACT.lease(failed(EXACT, Health(), 0.0), 6.0))

    assert State.HALF_OPEN is EXACT.state(health, 6.0)


def test_a_trial_that_fails_is_followed_by_another_one_soon():
    health = EXACT.lease(failed(EXACT, Health(), 0.0), 6.0)

    again = failed(EXACT, health, 7.0)

    assert (2, 8.0) == (again.failures, again.ejected_until)
    assert State.HALF_OPEN is EXACT.state(again, 8.0), "the lease of the trial is over, too"


def test_a_success_forgets_everything():
    assert Health() == EXACT.succeeded()


def test_a_threshold_forgives_the_first_failures():
    breaker = CircuitBreaker(threshold=3, ejection=5, jitter=0)
    one = failed(breaker, Health(), 0.0)
    two = failed(breaker, one, 0.0)
    three = failed(breaker, two, 0.0)

    assert [State.HEALTHY, State.HEALTHY, State.EJECTED] == [
        breaker.state(health, 0.0) for health in (one, two, three)
    ]
    assert 5.0 == three.ejected_until, "the first ejection is the shortest"


def test_one_that_shuts_down_is_left_at_once_whatever_the_threshold():
    breaker = CircuitBreaker(threshold=3)

    assert State.DRAINING is breaker.state(failed(breaker, Health(), 0.0, draining=True), 0.0)


def test_a_failed_trial_leaves_nobody_well_whatever_the_threshold():
    breaker = CircuitBreaker(threshold=3, jitter=0)
    draining = failed(breaker, Health(), 0.0, draining=True)

    assert State.EJECTED is breaker.state(failed(breaker, draining, 5.0), 5.0)


@given(
    ejection=st.floats(0.1, 300),
    jitter=st.floats(0, 2),
    failures=st.integers(0, 60),
    on_trial=st.booleans(),
    seed=st.integers(),
)
def test_jitter_lengthens_within_the_bound(ejection, jitter, failures, on_trial, seed):
    breaker = CircuitBreaker(ejection=ejection, max_ejection=300, jitter=jitter)
    span = min(1, ejection) * 2 ** min(max(0, failures - 1), 32) if on_trial else ejection
    before = Health(failures, 0.0) if on_trial else Health()

    until = breaker.failed(before, 0.0, random.Random(seed)).ejected_until

    assert min(span, 300 / (1 + jitter)) <= until + 1e-9
    assert until <= min(300, span * (1 + jitter)) + 1e-9


def test_jitter_spreads():
    breaker, rng = CircuitBreaker(), random.Random(7)

    assert 50 == len({breaker.failed(Health(), 0.0, rng).ejected_until for _ in range(50)})


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"threshold": 0}, "threshold must be at least 1, not 0"),
        ({"ejection": 0}, r"ejection \(0\) must be above 0"),
        ({"ejection": 9, "max_ejection": 8}, r"at most max_ejection \(8\)"),
        ({"jitter": -1}, "jitter must be at least 0, not -1"),
        ({"lease_time": 0}, "lease_time must be above 0 seconds, not 0"),
    ],
)
def test_rules_that_cannot_be_are_refused(rule, why):
    with pytest.raises(ValueError, match=why):
        CircuitBreaker(**rule)
