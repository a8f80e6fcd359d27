"""Coordinators that refuse a ticket, among some that are away: how long a call waits, and what it is told."""

from collections import deque

import pytest
from test_failover import World, down
from thrift.transport.TTransport import TTransportException

from impala_ha import State, errors
from impala_ha.core.faults import CallFailed, CredentialKind, Fault, Phase


def refusals(world, *hosts):
    world.driver.credential = CredentialKind.TICKET
    for host in hosts:
        error = TTransportException(TTransportException.NOT_OPEN, "Bad status: 3 (b'no')")
        world[host].script["connect"] = deque([CallFailed(Phase.LOGIN, error)] * 99)


@pytest.fixture
def world():
    return World(deadline=60)


def told(world):
    with pytest.raises(errors.FailoverError) as caught:
        world.connect()
    return caught.value


def test_one_that_refuses_is_passed_over_and_ejected_for_nobody(world):
    refusals(world, "a")

    assert "b" == world.connect().failover.links.current.coordinator.host
    assert State.HEALTHY is world.state("a")


def test_what_all_refuse_is_reported_at_once_and_each_is_asked_once(world):
    refusals(world, "a", "b", "c")

    error = told(world)

    assert isinstance(error, errors.AuthenticationFailed)
    assert ["a", "b", "c"] == world.driver.opened
    assert 0 == sum(world.clock.slept)
    assert "Each coordinator that answered refused the login" in str(error)


@pytest.mark.parametrize("away", ["a", "b", "c"])
@pytest.mark.parametrize("ejected", [False, True])
def test_what_two_refuse_is_reported_though_a_third_is_away(world, away, ejected):
    """It may be away for weeks: two that refuse the same are no accident of one's key."""
    down(world, away)
    if ejected:
        world.connect()  # to another one
        world.failover.links.detach(world.failover.links.current)
        told_before = len(world.driver.opened)
    else:
        told_before = 0
    refusals(world, *{"a", "b", "c"} - {away})

    error = told(world)

    assert isinstance(error, errors.AuthenticationFailed)
    assert {"a", "b", "c"} >= set(world.driver.opened[told_before:])
    assert 3 >= len(world.driver.opened) - told_before
    assert 0 == sum(world.clock.slept)


def test_where_one_refuses_and_the_others_are_away_they_are_waited_for(world):
    """Its key alone may be wrong, and the others may be starting."""
    refusals(world, "a")
    down(world, "bc")

    error = told(world)

    assert isinstance(error, errors.NoCoordinatorLeft)
    assert 1 == world.driver.opened.count("a")
    assert {Fault.REFUSED, Fault.UNREACHABLE} == {each.fault for each in error.attempts}
    assert sum(world.clock.slept) > 30


def test_a_write_that_may_have_run_is_not_reported_as_refused(world):
    cursor = world.connect().cursor()
    error = TTransportException(TTransportException.NOT_OPEN, "Bad status: 3 (b'no')")
    world["a"].script["ExecuteStatement"] = deque([TTransportException(0, "gone")])
    world["a"].script["connect"] = deque([CallFailed(Phase.LOGIN, error)] * 9)
    refusals(world, "b", "c")

    with pytest.raises(errors.OutcomeUnknown):
        cursor.execute("insert into t values (1)")
