"""Two opens at once: who wins, and what becomes of the loser.  Threads, but no sockets."""

import random
import threading

import pytest
from thrift.transport.TTransport import TTransportException

from impala_ha import Cluster, Coordinator, Retry, State, errors
from impala_ha._attempts import Call
from impala_ha._failover import Failover
from impala_ha._faults import Fault, Phase
from impala_ha._hedge import Hedge, Outcome
from impala_ha._patience import at_home
from impala_ha._wire import CallFailed
from impala_ha.testing.fakes import FakeDriver

A, B = Coordinator("a"), Coordinator("b")
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
        assert self.gates[coordinator.host].wait(30)
        if coordinator.host in self.fail:
            refused = TTransportException(TTransportException.NOT_OPEN, "refused")
            raise CallFailed(Phase.CONNECT, refused)
        return self.driver.open(coordinator, "etl", {}, 10)

    def heard(self, outcome):
        self.late.append(outcome)
        self.told.set()

    def run(self, after, second=lambda: B):
        return Hedge(self.open, self.heard).run(A, after, second)


@pytest.fixture
def gated():
    return Gated()


def test_who_answers_in_time_is_not_hedged(gated):
    gated.gates["a"].set()

    (outcome,) = gated.run(PATIENT)

    assert outcome.got.coordinator == A
    assert gated.driver.opened == ["a"]


def test_while_a_ticket_is_waited_for_no_second_one_is_asked(gated):
    """The KDC hangs for everybody, so the first one's silence is none."""
    looked = threading.Event()

    class Waiting(threading.Event):
        def wait(self, timeout=None):
            with at_home():
                return super().wait(timeout)

    def second():
        looked.set()
        return B

    gated.gates["a"] = Waiting()
    threading.Timer(1.0, gated.gates["a"].set).start()

    (outcome,) = gated.run(0.4, second)

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


def test_what_came_in_before_the_wait_was_interrupted_is_closed_too(gated):
    gated.gates["a"].set()
    hedge = Hedge(gated.open, gated.heard)
    hedge._outcomes.put(Outcome(A, gated.open(A)))

    hedge._end()

    assert gated.driver["a"].sessions == {}
    assert len(gated.late) == 1


# In the loop.


@pytest.fixture
def world():
    driver = FakeDriver()
    cluster = Cluster([A, B], policy="ordered", rng=random.Random(7))
    failover = Failover(cluster, driver, Retry(deadline=30), first=("etl", {}), hedge_after=AT_ONCE)
    gate = threading.Event()
    plain = driver.open

    def opened(coordinator, *rest):
        if coordinator == A:
            assert gate.wait(30)
        return plain(coordinator, *rest)

    driver.open = opened
    yield failover, driver, gate
    gate.set()


def states(cluster):
    return {c.coordinator.host: c.state for c in cluster.snapshot()}


def test_a_silent_coordinator_is_left_alone_as_soon_as_another_answered(world):
    failover, _, _ = world

    failover.run(Call("connect", proof=True), lambda _: None)

    assert failover.link.coordinator == B
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


def test_a_password_goes_to_one_coordinator_until_it_was_accepted(world):
    failover, driver, gate = world
    driver.credentials = hash("secret")
    gate.set()

    failover.run(Call("connect", proof=True), lambda _: None)

    assert driver.opened == ["a"]
    assert failover.cluster.trusts(driver.credentials)


def test_a_mistake_that_is_no_coordinators_is_raised_as_it_is(world):
    failover, driver, _ = world

    def broken(*_):
        raise ImportError("kerberos is not installed")

    driver.open = broken

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
