"""The loop at its edges: what lasts, what is not ours to judge, what a fork leaves."""

import os
import random
import ssl

import pytest

from impala_ha import Cluster, Coordinator, Retry, State, errors
from impala_ha._attempts import Call, Trail
from impala_ha._failover import Failover
from impala_ha._faults import Fault, Phase
from impala_ha._wire import CallFailed
from impala_ha.testing.fakes import FakeClock, FakeDriver

CONNECT = Call("connect", proof=True)


class World:
    """Three coordinators, asked in the order of the list."""

    def __init__(self):
        self.clock, self.driver = FakeClock(), FakeDriver()
        self.cluster = Cluster(
            [Coordinator(host) for host in "abc"],
            policy="ordered",
            clock=self.clock,
            rng=random.Random(7),
        )
        self.failover = Failover(self.cluster, self.driver, Retry(), first=("etl", {}))

    def connect(self):
        return self.failover.run(CONNECT, lambda link: link)


@pytest.fixture
def world():
    return World()


def untrusted():
    return CallFailed(Phase.CONNECT, ssl.SSLCertVerificationError(1, "CERTIFICATE_VERIFY_FAILED"))


def test_a_failure_that_lasts_is_not_waited_for(world):
    """The same certificate would be shown a moment later: each is asked once."""
    for host in "abc":
        world.driver[host].script["connect"].extend([untrusted()] * 5)

    with pytest.raises(errors.NoCoordinatorLeft) as caught:
        world.connect()

    assert ["a", "b", "c"] == world.driver.opened
    assert [Fault.UNTRUSTED] * 3 == [attempt.fault for attempt in caught.value.attempts]
    assert 0 == sum(world.clock.slept)
    assert isinstance(caught.value, ssl.SSLCertVerificationError)


def test_a_failure_that_lasts_on_one_is_none_of_the_others(world):
    world.driver["a"].script["connect"].append(untrusted())

    assert Coordinator("b") == world.connect().coordinator


@pytest.mark.parametrize(
    "error",
    [
        errors.InterfaceError("another call is under way"),
        errors.ProgrammingError("wrong number of parameters"),
        errors.ResultLost("the home was lost before"),
    ],
)
def test_a_misuse_is_raised_as_it_is_and_blames_nobody(world, error):
    def work(_):
        raise error

    with pytest.raises(type(error)) as caught:
        world.failover.run(Call("execute"), work)

    assert error is caught.value
    assert ["a"] == world.driver.opened
    assert {State.HEALTHY} == {candidate.state for candidate in world.cluster.snapshot()}


@pytest.mark.parametrize("breaks", [False, True])
def test_an_interruption_leaves_the_link_if_it_is_out_of_step(world, breaks):
    link = world.connect()

    def work(_):
        if breaks:
            link.client.sever(KeyboardInterrupt())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.failover.run(Call("execute"), work)

    assert breaks is (world.failover.link is None)


def test_a_connection_of_the_parent_is_none_of_the_child(world, monkeypatch):
    link, parent = world.connect(), os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: 1)

    with pytest.raises(
        errors.InterfaceError, match=f"belongs to process {parent}; a forked process"
    ):
        world.connect()

    monkeypatch.undo()
    assert link is world.connect()


def test_a_link_that_was_left_before_changes_nothing(world):
    old = world.connect()
    world.failover.leave(old)
    new = world.connect()

    world.failover.leave(old)

    assert new is world.failover.link
    assert 1 == sum(candidate.links for candidate in world.cluster.snapshot())


def test_a_closed_connection_takes_no_call(world):
    world.connect()
    world.failover.close()
    world.failover.close()

    with pytest.raises(errors.InterfaceError, match="the connection is closed"):
        world.connect()
    assert 0 == sum(candidate.links for candidate in world.cluster.snapshot())


def test_what_was_tried_is_noted_where_the_caller_looks(world):
    world.driver["a"].down = True
    trail = Trail()

    world.failover.run(CONNECT, lambda _: None, trail=trail)

    assert [("a", Fault.UNREACHABLE, 1), ("b", None, 2)] == [
        (attempt.coordinator.host, attempt.fault, attempt.number) for attempt in trail.attempts
    ]
