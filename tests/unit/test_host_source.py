"""Where the coordinators come from is asked again: when, by whom, and what a failure changes."""

import contextvars
import gc
import logging
import math
import os
import random
import threading
import weakref

import pytest

from impala_ha import Cluster, Coordinator, NoCoordinatorLeft, State
from impala_ha.balancing import host_source
from impala_ha.balancing.circuit_breaker import CircuitBreaker
from impala_ha.balancing.host_source import resolved
from impala_ha.core.faults import Fault, Phase
from impala_ha.core.model import Attempt
from impala_ha.testing.fakes import FakeClock, FakeDriver, failover

A, B, C = (Coordinator(host) for host in "abc")


class Source:
    """One that says what a test wants, and counts how often it was asked."""

    interval = 30.0
    remedy = "see `dig impala`"

    def __init__(self, *answer, key="k"):
        self.answer, self.asked, self.key, self.limit = answer, 0, key, None

    def resolve(self, limit):
        self.asked += 1
        self.limit = limit
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def __str__(self):
        return "dns://impala"


def made(source, clock):
    return Cluster([A, B], policy="ordered", clock=clock, rng=random.Random(7), source=source)


def test_a_source_is_asked_again_after_its_interval_and_up_to_a_fifth():
    source, clock = Source(B, C), FakeClock()
    cluster = made(source, clock)

    clock.sleep(29.9)
    cluster.refresh()
    assert 0 == source.asked

    clock.sleep(6.2)
    cluster.refresh()
    cluster.refresh()

    assert 1 == source.asked
    assert (B, C) == cluster.coordinators


def test_clients_do_not_all_ask_at_the_same_moment():
    times = set()
    for seed in range(20):
        source, clock = Source(A), FakeClock()
        rng = random.Random(seed)
        cluster = Cluster([A], clock=clock, rng=rng, source=source)
        while not source.asked:
            clock.sleep(0.5)
            cluster.refresh()
        times.add(clock.now())

    assert len(times) > 5


def test_while_nobody_is_healthy_it_is_asked_every_other_second():
    source, clock = Source(C), FakeClock()
    cluster = made(source, clock)
    for each in (A, B):
        cluster.report(
            Attempt("connect", 1, each, 0.1, Fault.UNREACHABLE, Phase.CONNECT, text="refused")
        )

    clock.sleep(2.5)
    cluster.refresh()

    assert [State.HEALTHY] == [each.state for each in cluster.snapshot()]
    assert C == cluster.pick()


def test_it_may_take_two_seconds_and_no_more_than_the_call_has_left():
    source, clock = Source(B, C), FakeClock()
    cluster = made(source, clock)
    limits = []
    for left in (math.inf, 0.5, 0.0):
        clock.sleep(40)
        source.limit = 0.0
        cluster.refresh(left)
        limits.append(source.limit)

    assert [1.8, 0.45, 0.0] == limits, "less than is waited, so that it can say what is wrong"


class Stuck(Source):
    """One that answers when it is told to, whatever its limit."""

    def __init__(self, *answer):
        super().__init__(*answer)
        self.go = threading.Event()

    def resolve(self, limit):
        self.asked += 1
        self.go.wait(60)
        return self.answer


def test_one_that_knows_no_limit_is_left_and_not_asked_again_before_it_has_answered(until):
    source, clock = Stuck(B), FakeClock()
    cluster = made(source, clock)
    try:
        for _ in range(3):
            clock.sleep(40)
            cluster.refresh(0.01)
        assert (A, B) == cluster.coordinators
        assert 1 == source.asked
    finally:
        source.go.set()
    until(lambda: not any(each.name == "ask dns://impala" for each in threading.enumerate()))
    clock.sleep(40)
    cluster.refresh()

    assert (B,) == cluster.coordinators


def test_who_connects_is_told_that_it_is_late():
    source = Stuck(A)
    try:
        with pytest.raises(NoCoordinatorLeft, match=r"it did not answer within 0\.01 s"):
            resolved(source, 0.01)
    finally:
        source.go.set()


def test_a_function_is_called_in_the_context_of_who_connects():
    """So that a tracer sees whose call it is."""
    here = contextvars.ContextVar("here", default="")
    here.set("mine")
    seen = []

    class Seeing(Source):
        def resolve(self, limit):
            seen.append(here.get())
            return (A,)

    resolved(Seeing(), 10)
    assert ["mine"] == seen


def test_a_look_that_was_under_way_in_the_parent_is_not_waited_for_in_its_child():
    source = Source(A)
    host_source._ASKED[source] = os.getppid()

    assert (A,) == resolved(source, 10)


def test_a_fixed_list_cannot_lose_anybody():
    clock = FakeClock()

    assert not Cluster([A], clock=clock).refresh()
    assert made(Source(A), clock).refresh()


@pytest.mark.parametrize("answer", [(), OSError("no answer")])
def test_a_failed_or_empty_answer_keeps_the_list_and_is_logged_once(answer, caplog):
    source, clock = Source(), FakeClock()
    source.answer = answer
    cluster = made(source, clock)
    caplog.set_level(logging.INFO, "impala_ha")

    for _ in range(3):
        clock.sleep(40)
        cluster.refresh()

    assert 3 == source.asked
    assert (A, B) == cluster.coordinators
    (line,) = caplog.messages
    assert line.startswith("dns://impala names no coordinator: ")
    assert line.endswith("; those of before stay")


def test_a_change_is_logged(caplog):
    source, clock = Source(B, C), FakeClock()
    cluster = made(source, clock)
    caplog.set_level(logging.INFO, "impala_ha")

    for _ in range(3):
        clock.sleep(40)
        cluster.refresh()

    assert ["dns://impala changed: +c:21050 -a:21050"] == caplog.messages


def test_a_cluster_is_shared_by_its_source_whoever_is_there():
    breaker = CircuitBreaker()

    sources = Source(A, key="one"), Source(B, key="one"), Source(A, key="two")

    first, second, other = (Cluster.shared(each, "random", breaker, 10) for each in sources)

    assert first is second
    assert (A,) == second.coordinators
    assert other is not first
    assert [1, 0, 1] == [each.asked for each in sources]


@pytest.mark.parametrize(
    ("answer", "why"), [((), "its answer is empty"), (OSError("timed out"), "timed out")]
)
def test_without_a_first_answer_there_is_nobody_to_connect_to(answer, why):
    source = Source(key="none")
    source.answer = answer

    with pytest.raises(NoCoordinatorLeft) as raised:
        resolved(source, 10)

    assert f"dns://impala names no coordinator: {why} (see `dig impala`)" == str(raised.value)
    assert () == raised.value.attempts
    assert raised.value.coordinator is None


class Reader:
    """A cursor that reads, or does not."""

    def __init__(self, *, reads=False):
        self._reads = reads

    def reads(self, link):
        return self._reads

    def close_stale_session(self):
        """It has none."""


def test_a_connection_leaves_who_has_left_at_its_next_statement():
    source, clock = Source(B), FakeClock()
    cluster, driver = made(source, clock), FakeDriver()
    loop = failover(cluster, driver, max_lifetime=3600.0)
    links, opener = loop.links, loop.opener
    links.attach(driver.open(A, "user", {}, 1.0))
    reader = Reader(reads=True)
    links.cursors.add(reader)
    first = ("user", {})

    links.renew(opener, Reader(), first)
    assert A == links.current.coordinator, "it is still one of them"

    clock.sleep(40)
    links.renew(opener, Reader(), first)
    assert A == links.current.coordinator, "another cursor still reads"

    links.cursors.discard(reader)
    old = weakref.ref(links.current)
    links.renew(opener, Reader(), first)
    assert B == links.current.coordinator
    gc.collect()
    assert old() is None, "so its sessions are closed"
