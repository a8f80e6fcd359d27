"""The machine's clock does what `Clock` promises."""

import time

from impala_ha.core.clock import SystemClock


def test_it_never_goes_back_and_is_not_the_wall_clock():
    clock = SystemClock()

    before = time.monotonic()
    now = clock.now()

    assert before <= now <= time.monotonic()


def test_sleeping_lets_time_go_by():
    clock = SystemClock()
    start = clock.now()

    clock.sleep(0.001)

    assert clock.now() - start >= 0.001
