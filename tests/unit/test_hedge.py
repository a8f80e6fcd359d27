"""Two opens at once: who wins, and what becomes of the loser.  Threads, but no sockets."""

import gc
import random
import subprocess
import sys
import threading
import time
import weakref

import pytest
from thrift.transport.TTransport import TTransportException

from impala_ha import CircuitBreaker, Cluster, Coordinator, Retry, State, errors
from impala_ha.balancing.hedge_budget import HedgeBudget
from impala_ha.core.faults import CallFailed, CredentialKind, Fault, Phase
from impala_ha.core.login_throttle import LoginBlocked
from impala_ha.core.model import Attempt
from impala_ha.core.timeouts import in_thread, waiting_for_kdc
from impala_ha.failover.attempts import Call
from impala_ha.failover.hedging import Hedge
from impala_ha.hs2.link import at_exit
from impala_ha.net.http_status import HTTPStatusError
from impala_ha.testing.fakes import FakeDriver
from impala_ha.testing.fakes import failover as in_memory

A, B, C = (Coordinator(host) for host in "abc")
AT_ONCE, PATIENT = 0.01, 30.0


class Gated:
    """Opens links when their gates are opened, each as scripted."""

    def __init__(self):
        self.driver = FakeDriver()
        self.gates = {"a": threading.Event(), "b": threading.Event()}
        self.fail = set()
        self.late = []
        self.told = threading.Event()

    def open(self, coordinator):
        yield self.gates[coordinator.host].wait
        if coordinator.host in self.fail:
            refused = TTransportException(TTransportException.NOT_OPEN, "refused")
            raise CallFailed(Phase.CONNECT, refused)
        return (yield from self.driver.opening(coordinator, "etl", {}, 10))

    def heard(self, outcome):
        self.late.append(outcome)
        self.told.set()

    def run(self, after, second=lambda: B):
        return Hedge(self.open, self.heard).run(A, after, second)


@pytest.fixture
def gated():
    return Gated()


def test_who_answers_in_time_is_not_hedged_and_needs_no_thread(gated, monkeypatch):
    gated.gates["a"].set()
    no_more_threads(monkeypatch)

    (outcome,) = gated.run(PATIENT)

    assert outcome.got.coordinator == A
    assert gated.driver.opened == ["a"]


def test_while_a_ticket_is_waited_for_no_second_one_is_asked():
    """The KDC hangs for everybody, so the first one's silence is none."""
    driver, looked, gate = FakeDriver(), threading.Event(), threading.Event()
    threading.Timer(1.0, gate.set).start()

    def second():
        looked.set()
        return B

    def by_http(coordinator):
        with waiting_for_kdc():
            assert gate.wait(30)
        return driver.open(coordinator, "etl", {}, 10)

    def open_link(coordinator):
        return in_thread(lambda: by_http(coordinator), None, "open", "")

    (outcome,) = Hedge(open_link, lambda _: None).run(A, 0.4, second)

    assert outcome.got.coordinator == A
    assert not looked.is_set()


def test_the_second_wins_while_the_first_is_silent_and_the_loser_is_closed(gated):
    gated.gates["b"].set()

    slow, outcome = gated.run(AT_ONCE)
    assert outcome.got.coordinator == B
    assert slow.coordinator == A
    assert "no answer within 0.01 s, and b:21050 answered meanwhile" in str(slow.got)

    gated.gates["a"].set()
    assert gated.told.wait(30)
    assert gated.late[0].coordinator == A
    assert gated.late[0].got.broken, "closed"
    assert gated.driver["a"].sessions == {}, "with CloseSession"
    assert len(gated.driver["b"].sessions) == 1


def test_where_there_is_no_ticket_for_the_second_a_third_is_asked():
    """The KDC may be away, and the tickets of some be at hand."""
    gate, asked = threading.Event(), iter([B, C, A])
    driver = FakeDriver()

    def open_link(coordinator):
        if coordinator == A:
            yield gate.wait
        if coordinator == B:
            raise CallFailed(Phase.TICKET, OSError("no KDC"))
        return (yield from driver.opening(coordinator, "etl", {}, 10))

    try:
        none, slow, won = Hedge(open_link, lambda _: None).run(A, AT_ONCE, lambda: next(asked))
    finally:
        gate.set()

    assert (B, Phase.TICKET) == (none.coordinator, none.got.phase)
    assert A == slow.coordinator
    assert C == won.got.coordinator


@pytest.mark.parametrize("then", [[B], [A], [None]], ids=str)
def test_where_nobody_else_is_left_the_first_is_waited_for(then):
    gate, asked = threading.Event(), iter([B, *then, None])
    driver = FakeDriver()

    def second():
        found = next(asked)
        if found != B or then == [B]:
            gate.set()
        return found

    def open_link(coordinator):
        if coordinator == B:
            raise CallFailed(Phase.TICKET, OSError("no KDC"))
        yield gate.wait
        return (yield from driver.opening(coordinator, "etl", {}, 10))

    *_, won = Hedge(open_link, lambda _: None).run(A, AT_ONCE, second)

    assert A == won.got.coordinator


@pytest.mark.parametrize("fails", [True, False])
def test_a_loser_keeps_nothing_alive(gated, fails, until):
    """Not even until the next garbage collection: the sessions of a link that was forgotten are closed."""
    gated.gates["b"].set()
    if fails:
        gated.fail.add("a")
    gc.collect()
    gc.disable()
    try:
        *_, outcome = gated.run(AT_ONCE)
        link = weakref.ref(outcome.got)
        del outcome, _

        gated.gates["a"].set()
        assert gated.told.wait(30)
        gated.late.clear()

        until(lambda: link() is None)
    finally:
        gc.enable()


def test_the_first_may_still_win(gated):
    def second():
        gated.gates["a"].set()
        return B

    (outcome,) = gated.run(AT_ONCE, second)
    assert outcome.got.coordinator == A

    gated.gates["b"].set()
    assert gated.told.wait(30)
    assert gated.driver["b"].sessions == {}


def test_the_second_is_waited_for_when_the_first_fails(gated):
    gated.fail.add("a")

    def second():
        gated.gates["a"].set()
        gated.gates["b"].set()
        return B

    outcomes = gated.run(AT_ONCE, second)

    assert {outcome.coordinator for outcome in outcomes} <= {A, B}
    assert outcomes[-1].got.coordinator == B


def test_both_may_fail(gated):
    gated.fail |= {"a", "b"}

    def second():
        gated.gates["a"].set()
        gated.gates["b"].set()
        return B

    outcomes = gated.run(AT_ONCE, second)

    assert {outcome.coordinator for outcome in outcomes} == {A, B}
    assert all(isinstance(outcome.got, CallFailed) for outcome in outcomes)


def test_nobody_else_to_ask_means_waiting_for_the_first(gated):
    def second():
        gated.gates["a"].set()
        return A

    (outcome,) = gated.run(AT_ONCE, second)

    assert outcome.got.coordinator == A


def test_an_interrupted_wait_leaks_nothing(gated):
    def second():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gated.run(AT_ONCE, second)

    gated.gates["a"].set()
    assert gated.told.wait(30)
    assert gated.driver["a"].sessions == {}


def test_an_open_that_is_interrupted_while_it_waits_is_ended_and_closed_by_a_thread(gated):
    """Its session would outlive the connection by a quarter of an hour."""
    wait, waited = gated.gates["a"].wait, []

    def interrupted(seconds):
        waited.append(seconds)
        if len(waited) == 1:
            raise KeyboardInterrupt
        return wait(seconds)

    gated.gates["a"].wait = interrupted
    with pytest.raises(KeyboardInterrupt):
        gated.run(PATIENT)

    gated.gates["a"].set()
    assert gated.told.wait(30)
    assert gated.driver.opened == ["a"]
    assert gated.driver["a"].sessions == {}


def test_two_answers_at_once_and_the_loser_is_closed_in_its_own_thread(gated, until):
    """Closing may take two seconds, which are not the caller's."""
    closing, closed_by = threading.Event(), []

    def close(_):
        closed_by.append(threading.current_thread().name)
        assert closing.wait(30)

    for host in "ab":
        gated.driver[host].script["CloseSession"].append(close)
    hedge = Hedge(gated.open, gated.heard)

    def second():
        gated.gates["a"].set()
        gated.gates["b"].set()
        return B

    race = hedge._race
    hedge._race = lambda *rest: (until(lambda: hedge._results.qsize() == 2), race(*rest))[1]
    outcomes = hedge.run(A, AT_ONCE, second)

    loser = ({A, B} - {outcomes[-1].coordinator}).pop()
    until(lambda: closed_by)
    assert closed_by == [f"open {loser}"]
    assert not gated.late, "the caller has gone on meanwhile"
    closing.set()
    assert gated.told.wait(30)


def no_more_threads(monkeypatch, after=0):
    """As where a container's limit of processes is reached: *after* so many more."""
    start, left = threading.Thread.start, [None] * after

    def refused(thread):
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)


def test_without_threads_the_first_is_waited_for(gated, monkeypatch):
    no_more_threads(monkeypatch)

    def second():
        gated.gates["a"].set()
        return B

    (outcome,) = gated.run(AT_ONCE, second)

    assert outcome.got.coordinator == A
    (late,) = gated.late
    assert (late.coordinator, str(late.got)) == (B, "can't start new thread")


def test_without_a_second_thread_the_first_is_waited_for(gated, monkeypatch):
    no_more_threads(monkeypatch, after=1)

    def second():
        gated.gates["a"].set()
        return B

    (outcome,) = gated.run(AT_ONCE, second)

    assert outcome.got.coordinator == A
    (late,) = gated.late
    assert (late.coordinator, str(late.got)) == (B, "can't start new thread")


def test_who_may_not_ask_a_second_one_yet_asks_again(gated):
    answers = [None, None, B]
    gated.gates["b"].set()

    _, outcome = gated.run(AT_ONCE, lambda: answers.pop(0))

    assert outcome.got.coordinator == B
    gated.gates["a"].set()


# The budget.


def test_a_few_may_be_hedged_at_once_and_then_one_open_in_ten():
    budget = HedgeBudget()
    assert [budget.try_withdraw() for _ in range(5)] == [True, True, True, False, False]
    hedged = 0
    for _ in range(200):
        budget.deposit(0.0)
        hedged += budget.try_withdraw()

    assert 18 <= hedged <= 20


def test_in_time_hedges_are_allowed_again():
    budget = HedgeBudget()
    budget.deposit(1000.0)
    while budget.try_withdraw():
        pass

    budget.deposit(1010.0)
    assert not budget.try_withdraw()
    budget.deposit(1025.0)
    assert budget.try_withdraw()


# At the end of the program.


def test_no_more_is_waited_for_than_until_the_end_it_is_given(gated):
    gated.gates["b"].set()
    gated.run(AT_ONCE)

    for wait in at_exit:
        wait(time.monotonic())

    assert not gated.told.is_set(), "the loser goes on"
    gated.gates["a"].set()
    assert gated.told.wait(30)


@pytest.mark.slow
def test_the_program_waits_for_losers_and_not_for_long():
    """Sixteen short programs left six sessions on a slow coordinator."""
    code = """
import atexit, threading, time
atexit.register(lambda: print(len(driver["a"].sessions), "left", flush=True))
from impala_ha import Coordinator
from impala_ha.failover.hedging import Hedge
from impala_ha.testing.fakes import FakeDriver

driver, slow = FakeDriver(), threading.Event()

def open_link(coordinator):
    if coordinator.host == "a":
        yield slow.wait
        time.sleep(0.3)
    return (yield from driver.opening(coordinator, "etl", {}, 10))

hedge = Hedge(open_link, lambda outcome: print(outcome.coordinator, "is closed", flush=True))
hedge.run(Coordinator("a"), 0.01, lambda: Coordinator("b"))
atexit.register(slow.set)
"""

    def printed(code):
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        ).stdout

    assert printed(code) == "a:21050 is closed\n0 left\n"
    assert printed(code.replace("slow.set", "int")) == "0 left\n"


# In the loop.


@pytest.fixture
def world():
    driver = FakeDriver()
    cluster = Cluster([A, B], policy="ordered", rng=random.Random(7))
    failover = in_memory(cluster, driver, Retry(deadline=30), hedge_after=AT_ONCE)
    gate = threading.Event()
    plain = driver.opening

    def opened(coordinator, *rest):
        if coordinator == A:
            yield gate.wait
        return (yield from plain(coordinator, *rest))

    driver.opening = opened
    yield failover, driver, gate
    gate.set()


def states(cluster):
    return {c.coordinator.host: c.state for c in cluster.snapshot()}


def test_a_silent_coordinator_is_left_alone_as_soon_as_another_answered(world):
    failover, _, _ = world

    failover.run(Call("connect", proof=True), lambda _: None)

    assert failover.links.current.coordinator == B
    assert states(failover.cluster) == {"a": State.EJECTED, "b": State.HEALTHY}


def test_a_late_answer_makes_it_well_again(world):
    failover, _, gate = world
    failover.run(Call("connect", proof=True), lambda _: None)
    answered = threading.Event()
    report = failover.cluster.report
    failover.cluster.report = lambda attempt: (report(attempt), answered.set())

    gate.set()

    assert answered.wait(30)
    assert states(failover.cluster) == {"a": State.HEALTHY, "b": State.HEALTHY}


def test_a_late_failure_is_a_failure(world):
    failover, driver, gate = world
    failover.run(Call("connect", proof=True), lambda _: None)
    told = []
    done = threading.Event()
    failover.cluster.report = lambda attempt: (told.append(attempt), done.set())
    driver["a"].down = True

    gate.set()

    assert done.wait(30)
    assert (told[0].fault, told[0].phase) == (Fault.UNREACHABLE, Phase.CONNECT)


EOF = TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes")


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (CallFailed(Phase.LOGIN, EOF), State.HEALTHY),
        (CallFailed(Phase.OPEN, HTTPStatusError(401, "Unauthorized", b"", {})), State.HEALTHY),
        (CallFailed(Phase.LOGIN, LoginBlocked("it was shown to b")), State.EJECTED),
    ],
)
def test_a_loser_that_is_refused_is_alive(world, error, state):
    _, driver, gate = world
    cluster = Cluster([A, B], policy="ordered", breaker=CircuitBreaker(ejection=300))
    failover = in_memory(cluster, driver, Retry(deadline=30), hedge_after=AT_ONCE)
    driver.credential = CredentialKind.SECRET
    plain, done = driver.opening, threading.Event()

    def opened(coordinator, *rest):
        link = yield from plain(coordinator, *rest)
        if coordinator == A:
            raise error
        return link

    driver.opening = opened
    late = failover.opener._late
    failover.opener._late = lambda outcome: (late(outcome), done.set())
    failover.run(Call("connect", proof=True), lambda _: None)
    assert states(failover.cluster) == {"a": State.EJECTED, "b": State.HEALTHY}
    gate.set()

    assert done.wait(30)
    assert states(failover.cluster) == {"a": state, "b": State.HEALTHY}


def test_a_password_goes_to_one_coordinator_until_it_was_accepted(world):
    failover, driver, gate = world
    driver.accepted = False
    gate.set()

    failover.run(Call("connect", proof=True), lambda _: None)

    assert driver.opened == ["a"]


def test_a_mistake_that_is_no_coordinators_is_raised_as_it_is(world):
    failover, driver, _ = world

    def broken(*_):
        raise ImportError("kerberos is not installed")

    driver.opening = broken

    with pytest.raises(ImportError, match="kerberos is not installed"):
        failover.run(Call("connect"), lambda _: None)


def test_a_failed_hedge_tells_both(world):
    failover, driver, gate = world
    driver["a"].down = driver["b"].down = True
    failover.retry = Retry(deadline=0.5)
    gate.set()

    with pytest.raises(errors.NoCoordinatorLeft) as caught:
        failover.run(Call("connect"), lambda _: None)

    assert {attempt.coordinator for attempt in caught.value.attempts} == {A, B}


def test_where_no_thread_can_be_started_the_callers_opens(world, monkeypatch):
    failover, driver, gate = world
    gate.set()
    no_more_threads(monkeypatch)

    failover.run(Call("connect", proof=True), lambda _: None)

    assert failover.links.current.coordinator == A
    assert driver.opened == ["a"]


def test_one_that_could_not_be_asked_for_want_of_a_thread_may_be_tried_by_the_next(
    world, monkeypatch
):
    failover, _, gate = world
    failover.cluster.report(Attempt("connect", 1, B, 0.1, Fault.UNREACHABLE, Phase.CONNECT))
    no_more_threads(monkeypatch, after=1)
    late = failover.opener._late
    failover.opener._late = lambda outcome: (late(outcome), gate.set())

    failover.run(Call("connect", proof=True), lambda _: None)

    assert failover.links.current.coordinator == A
    assert not failover.cluster._state.members.is_leased(B, failover.cluster.clock.now())


def test_a_half_open_one_is_hedged_whatever_was_hedged_before(world):
    failover, _, _ = world
    cluster = failover.cluster
    assert [cluster.may_hedge(A) for _ in range(4)] == [True, True, True, False]

    for host in (A, B):
        cluster.report(Attempt("connect", 1, host, 0.1, Fault.UNREACHABLE, Phase.CONNECT))
    on_trial = cluster.pick()

    assert cluster.may_hedge(on_trial)
    assert not cluster.may_hedge(({A, B} - {on_trial}).pop())


def test_who_waits_for_one_that_another_call_found_lost_asks_the_next_one(world):
    failover, _, _ = world
    cluster = failover.cluster
    assert [cluster.may_hedge(A) for _ in range(4)] == [True, True, True, False]

    cluster.report(Attempt("connect", 1, A, 0.1, Fault.UNREACHABLE, Phase.OPEN))

    assert all(cluster.may_hedge(A) for _ in range(100))
    assert not cluster.may_hedge(B)


def test_a_crowd_that_fails_over_at_once_does_not_open_twice(until):
    """All are slow because all are asked; a second question for each would make it worse."""
    crowd = 100
    driver, cluster = FakeDriver(), Cluster([Coordinator(host) for host in "abc"])
    plain, gate, asked = driver.opening, threading.Event(), []
    places = [
        in_memory(cluster, driver, Retry(deadline=60), hedge_after=0.05) for _ in range(crowd)
    ]
    for place in places:
        place.run(Call("connect", proof=True), lambda _: None)
    driver["a"].down = True
    cluster.report(Attempt("ping", 1, A, 0.1, Fault.LOST, Phase.PING))
    for place in places:
        place.links.detach(place.links.current)
    driver.opened.clear()

    def slow(coordinator, *rest):
        yield gate.wait
        return (yield from plain(coordinator, *rest))

    driver.opening = slow
    may_hedge = cluster.may_hedge
    cluster.may_hedge = lambda *first: (asked.append(threading.get_ident()), may_hedge(*first))[1]
    threads = [
        threading.Thread(target=place.run, args=(Call("connect", proof=True), lambda _: None))
        for place in places
    ]
    for thread in threads:
        thread.start()
    until(lambda: len(set(asked)) == crowd, 60)
    gate.set()
    for thread in threads:
        thread.join(60)

    assert {place.links.current.coordinator.host for place in places} == {"b", "c"}
    assert crowd < len(driver.opened) <= 1.2 * crowd
