"""A value that is worked out once, whoever else is at it."""

import threading

from impala_ha.core.cached_property import cached_property


class Slow:
    def __init__(self):
        self.begun = threading.Barrier(2)

    @cached_property
    def value(self):
        """What takes long."""
        self.begun.wait(10)
        return object()


def test_two_threads_at_once_wait_for_no_lock_and_get_the_same():
    slow, got = Slow(), []
    threads = [threading.Thread(target=lambda: got.append(slow.value)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert got[0] is got[1] is slow.value


def test_the_class_shows_what_it_is_for():
    assert "What takes long." == Slow.value.__doc__
