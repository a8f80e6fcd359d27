"""The loop at its edges: what lasts, what is not ours to judge, what a fork leaves."""

import logging
import os
import random
import re
import ssl

import pytest
from thrift.transport.TTransport import TTransportException

from impala_ha import Cluster, Coordinator, Retry, State, errors
from impala_ha.core import forks
from impala_ha.core.faults import CallFailed, Fault, Phase
from impala_ha.failover.attempts import Call, History
from impala_ha.testing.fakes import FakeClock, FakeDriver, failover

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
        self.failover = failover(self.cluster, self.driver)

    def down(self, *hosts):
        for host in "abc":
            self.driver[host].down = host in hosts

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


def unresolved():
    text = "failed to resolve sockaddr for typo:21050: [Errno -2] Name or service not known"
    return CallFailed(Phase.CONNECT, TTransportException(TTransportException.NOT_OPEN, text))


def hung_up():
    eof = TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes")
    return CallFailed(Phase.OPEN, eof)


def test_names_that_nobody_knows_are_looked_up_once(world):
    for host in "abc":
        world.driver[host].script["connect"].extend([unresolved()] * 5)

    with pytest.raises(errors.NoCoordinatorLeft, match="Name or service not known"):
        world.connect()

    assert ["a", "b", "c"] == world.driver.opened


def test_what_lasts_may_differ_from_one_to_the_other(world):
    world.driver["a"].script["connect"].append(untrusted())
    for host in "bc":
        world.driver[host].script["connect"].append(unresolved())

    with pytest.raises(errors.NoCoordinatorLeft):
        world.connect()

    assert ["a", "b", "c"] == world.driver.opened


def test_beside_a_misspelt_name_the_others_are_waited_for(world):
    world.driver["a"].script["connect"].extend([unresolved()] * 100)
    world.down("b", "c")

    with pytest.raises(errors.NoCoordinatorLeft) as caught:
        world.connect()

    assert 1 == world.driver.opened.count("a")
    assert world.driver.opened.count("b") > 3 < world.driver.opened.count("c")
    assert "- a:21050 (0.00 s) could not be resolved" in str(caught.value)
    assert world.clock.time - 1000 > 30


def test_a_name_that_did_resolve_once_may_do_so_again(world):
    """The names of pods go and come with them."""
    world.failover.links.detach(world.connect())
    for host in "abc":
        world.driver[host].script["connect"].append(unresolved())

    world.connect()

    assert ["a", "a", "b", "c", "a"] == world.driver.opened


def test_what_speaks_another_protocol_is_asked_once(world):
    for host in "abc":
        world.driver[host].script["connect"].extend([hung_up()] * 5)
        world.driver.others[host] = "the port speaks HTTP: use_http_transport=True"

    with pytest.raises(errors.NoCoordinatorLeft) as caught:
        world.connect()

    assert ["a", "b", "c"] == world.driver.opened
    assert {Fault.MISMATCH} == {attempt.fault for attempt in caught.value.attempts}
    assert "Hint: the port speaks HTTP: use_http_transport=True." in str(caught.value)


def test_who_hung_up_and_may_only_be_restarting_is_waited_for(world):
    for host in "abc":
        world.driver[host].script["connect"].append(hung_up())

    world.connect()

    assert 4 == len(world.driver.opened)


def test_nobody_is_asked_what_it_speaks_after_the_deadline(world):
    world.failover.retry = Retry(deadline=1e-9)
    for host in "abc":
        world.driver[host].script["connect"].extend([hung_up()] * 5)
        world.driver.others[host] = "the port speaks HTTP: use_http_transport=True"
    world.clock.now = iter(range(1000, 2000)).__next__

    with pytest.raises(errors.NoCoordinatorLeft) as caught:
        world.connect()

    assert "speaks HTTP" not in str(caught.value)


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "impala_ha")
    return caplog


def test_the_first_round_in_vain_is_reported_at_once(world, log):
    world.down("a", "b", "c")

    with pytest.raises(errors.NoCoordinatorLeft):
        world.connect()

    *ejected, waits = log.records
    assert ["ejected"] * 3 == [record.state for record in ejected]
    assert ("waiting", logging.WARNING) == (waits.state, waits.levelno)
    assert "connect waits for 60 s at most" in waits.getMessage()
    assert "`impala-ha doctor -i a:21050,b:21050,c:21050`" in waits.getMessage()
    assert 3 == len(waits.attempts)


def test_a_failover_is_followed_in_the_log(world, log):
    world.down("a")
    world.connect()
    world.down()
    world.clock.time += 7
    world.failover.links.detach(world.failover.links.current)
    world.connect()

    told = [record.getMessage() for record in log.records]
    assert 3 == len(told)
    assert re.match(r"a:21050 is ejected for 5\.\d s: it could not be reached connecting", told[0])
    assert ["connect went on at b:21050 after 0.0 s", "a:21050 is back"] == told[1:]
    assert ("moved", Coordinator("b")) == (log.records[1].state, log.records[1].coordinator)


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
            link.client.invalidate(KeyboardInterrupt())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.failover.run(Call("execute"), work)

    assert breaks is (world.failover.links.current is None)


def test_a_connection_of_the_parent_is_none_of_the_child(world, monkeypatch):
    link, parent = world.connect(), os.getpid()
    monkeypatch.setattr(forks, "process_id", 1)

    with pytest.raises(
        errors.InterfaceError, match=f"belongs to process {parent}; a forked process"
    ):
        world.connect()

    monkeypatch.undo()
    assert link is world.connect()


def test_a_link_that_was_left_before_changes_nothing(world):
    old = world.connect()
    world.failover.links.detach(old)
    new = world.connect()

    world.failover.links.detach(old)

    assert new is world.failover.links.current
    assert 1 == sum(candidate.connections for candidate in world.cluster.snapshot())


def test_a_closed_connection_takes_no_call(world):
    world.connect()
    world.failover.links.close()
    world.failover.links.close()

    with pytest.raises(errors.InterfaceError, match="the connection is closed"):
        world.connect()
    assert 0 == sum(candidate.connections for candidate in world.cluster.snapshot())


def test_what_was_tried_is_noted_where_the_caller_looks(world):
    world.driver["a"].down = True
    history = History()

    world.failover.run(CONNECT, lambda _: None, history=history)

    assert [("a", Fault.UNREACHABLE, 1), ("b", None, 2)] == [
        (attempt.coordinator.host, attempt.fault, attempt.number) for attempt in history.attempts
    ]
