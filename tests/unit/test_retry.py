"""How long, how often, how far apart, on a clock that only the test moves."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impala_ha.failover.retry import DeadlineExceeded, Retry
from impala_ha.testing.fakes import FakeClock


def test_nobody_waits_while_somebody_has_not_been_asked():
    assert 0.0 == Retry().wait(0, random.Random(7))
    assert 0.0 == Retry().wait(-1, random.Random(7))


@given(st.integers(1, 10_000), st.integers())
def test_a_wait_is_anything_up_to_a_bound_that_doubles_up_to_a_limit(rounds, seed):
    retry = Retry(backoff=0.1, max_backoff=5.0)
    bound = min(5.0, 0.1 * 2 ** min(rounds - 1, 40))

    assert 0 <= retry.wait(rounds, random.Random(seed)) <= bound


def test_waits_are_spread():
    rng = random.Random(7)

    assert 50 == len({Retry().wait(3, rng) for _ in range(50)})


def fail(error):
    raise error


def turn(clock, *, again=lambda _: True, wait=lambda: 1.0, deadline=lambda: 1010.0, error=OSError):
    """Turn the loop with work that always fails; how often it was done."""
    done = 0
    try:
        for attempt in Retry().retrying(clock, again, wait, deadline):
            with attempt:
                done += 1
                fail(error)
    except DeadlineExceeded:
        return done, "spent"
    except error:
        return done, "raised"
    return done, "swallowed"


def test_the_deadline_holds_on_the_clock_that_was_handed_in():
    clock = FakeClock()

    assert (10, "spent") == turn(clock)
    assert [1.0] * 9 == clock.slept, "a tenth sleep would reach the deadline"


def test_there_is_no_sleep_after_the_last_try():
    clock = FakeClock()

    assert (1, "spent") == turn(clock, wait=lambda: 60.0)
    assert [] == clock.slept


def test_what_must_not_follow_does_not_follow():
    clock = FakeClock()

    assert (1, "raised") == turn(clock, again=lambda _: False)
    assert [] == clock.slept


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interruption_is_never_followed_by_another_try(error):
    assert (1, "raised") == turn(FakeClock(), error=error)


def test_a_success_ends_the_loop():
    done = 0
    for attempt in Retry().retrying(FakeClock(), lambda _: True, lambda: 0.0, lambda: 2000.0):
        with attempt:
            done += 1
            if done < 3:
                raise OSError

    assert 3 == done


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"deadline": 0}, "deadline must be above 0 seconds, not 0"),
        ({"deadline": float("nan")}, "deadline must be above 0 seconds, not nan"),
        ({"runs": 0}, "runs must be at least 1, not 0"),
        ({"backoff": 0}, r"backoff \(0\) must be above 0"),
        ({"backoff": 9, "max_backoff": 8}, r"at most max_backoff \(8\)"),
    ],
)
def test_rules_that_cannot_be_are_refused(rule, why):
    with pytest.raises(ValueError, match=why):
        Retry(**rule)
