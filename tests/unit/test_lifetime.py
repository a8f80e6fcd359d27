"""An old connection goes where a new one would go, and loses nothing by it."""

import gc
from collections import Counter, deque

import pytest
from test_failover import World, lost
from thrift.transport.TTransport import TTransportException

from impala_ha import Cluster, Coordinator, State
from impala_ha.core.faults import CallFailed, CredentialKind, Phase
from impala_ha.testing.fakes import failover

HOUR = 3600.0


class Service(World):
    """A program whose connections live for an hour; a is its first choice and was away."""

    def __init__(self, policy="ordered", cluster=None, driver=None, **how):
        super().__init__()
        self.driver = driver or self.driver
        self.cluster = cluster or Cluster(
            self.cluster.coordinators, policy=policy, clock=self.clock, rng=self.cluster.rng
        )
        how = {"max_lifetime": HOUR, **how}
        self.failover = failover(self.cluster, self.driver, **how)

    def begin(self):
        self["a"].down = True
        self.connect()
        self["a"].down = False
        return self

    def later(self, seconds=HOUR):
        self.clock.time += seconds
        return self


@pytest.fixture
def world():
    return Service().begin()


@pytest.fixture
def cursor(world):
    return world.cursor()


def links(world):
    return [candidate.connections for candidate in world.cluster.snapshot()]


def where(world, cursor):
    cursor.execute("select 1")
    return cursor.coordinator.host


def test_a_cursor_goes_back_at_its_next_statement_once_the_connection_is_old(world, cursor):
    assert where(world, cursor) == "b"
    assert where(world.later(0.85 * HOUR), cursor) == "b"
    assert where(world.later(0.15 * HOUR), cursor) == "a"
    assert cursor.fetchall() == [("one",), ("two",)]
    assert links(world) == [1, 0, 0]


def test_nothing_is_left_where_it_was(world, cursor):
    cursor.execute("select 1")
    cursor.fetchall()

    where(world.later(), cursor)
    gc.collect()

    assert world["b"].sessions == {}
    assert len(world["a"].sessions) == 1


def test_the_session_moves_along(world, cursor):
    cursor.execute("use sales")
    cursor.execute("set mem_limit=1g")

    assert where(world.later(), cursor) == "a"
    assert list(world["a"].sessions.values()) == [{"use:database": "sales", "mem_limit": "1g"}]


def test_a_new_cursor_begins_where_a_new_connection_would(world):
    world.later()

    assert world.cursor().coordinator == Coordinator("a")
    assert len(world["a"].sessions) == 1


def test_it_does_not_go_while_another_cursor_reads(world, cursor):
    reader = world.cursor()
    reader.execute("select 1")
    reader.fetchone()

    assert where(world.later(), cursor) == "b"
    assert reader.fetchall() == [("two",)]
    assert where(world, cursor) == "a", "all was read"


def test_it_does_not_go_while_a_statement_runs(world, cursor):
    runner = world.cursor()
    runner.execute_async("insert into t values (1)")

    assert where(world.later(), cursor) == "b"


def test_it_does_not_go_in_the_middle_of_its_own_result(world, cursor):
    cursor.execute("select 1")
    cursor.fetchone()
    world.later()

    assert cursor.fetchall() == [("two",)]
    assert cursor.coordinator == Coordinator("b")


def test_the_session_of_hive_may_hold_tables_that_are_nowhere_else():
    world = Service()
    for host in "abc":
        world[host].impala = False
    cursor = world.begin().cursor()

    assert where(world.later(), cursor) == "b"


@pytest.mark.parametrize(("sync_ddl", "host"), [(False, "b"), (True, "a")])
def test_it_waits_until_the_others_have_heard_of_its_own_change(sync_ddl, host):
    world = Service(sync_ddl=sync_ddl).begin()
    cursor = world.cursor()
    world.later()
    world.failover.links.changes.add(Coordinator("b"), "insert into t values (1)")

    assert where(world, cursor) == host
    assert where(world.later(11), cursor) == "a"


def refused():
    return CallFailed(Phase.CONNECT, TTransportException(TTransportException.NOT_OPEN, "refused"))


@pytest.mark.parametrize("failure", [refused(), CallFailed(Phase.OPEN, lost())])
def test_it_stays_where_it_is_while_nobody_else_can_be_reached(world, cursor, failure):
    world["a"].script["connect"] = deque([failure])

    assert where(world.later(), cursor) == "b"
    assert world.state("a") is State.EJECTED
    assert where(world.later(60), cursor) == "b", "it is not tried at each statement"
    assert where(world.later(0.1 * HOUR), cursor) == "a"
    assert world.clock.slept == [0.0], "that of the first connect"


def test_a_function_of_the_callers_that_fails_costs_nothing(world, cursor):
    plain = world.driver.open

    def broken(*_):
        raise LookupError("no password today")

    world.driver.open = broken
    assert where(world.later(), cursor) == "b"
    world.driver.open = plain
    assert where(world.later(0.1 * HOUR), cursor) == "a"


def test_a_password_that_was_refused_is_not_shown_again(world, cursor):
    world.driver.credential = CredentialKind.SECRET
    denied = TTransportException(TTransportException.NOT_OPEN, "Bad status: 3 (Error validating)")
    world["a"].script["connect"] = deque([CallFailed(Phase.LOGIN, denied)])

    assert where(world.later(), cursor) == "b"
    opened = len(world.driver.opened)
    assert where(world.later(24 * HOUR), cursor) == "b"
    assert len(world.driver.opened) == opened


def test_an_interruption_ends_it_and_makes_room_for_the_next_trial(world, cursor):
    plain = world.driver.open

    def interrupted(*_):
        raise KeyboardInterrupt

    world.driver.open = interrupted
    with pytest.raises(KeyboardInterrupt):
        where(world.later(), cursor)
    world.driver.open = plain

    assert world.cluster.pick() == Coordinator("a")
    world.cluster.release(Coordinator("a"))
    assert where(world, cursor) == "b"


def test_zero_means_never():
    world = Service(max_lifetime=None).begin()

    assert where(world.later(1000 * HOUR), world.cursor()) == "b"


def test_the_cursors_of_a_service_spread_again():
    """A coordinator restarts; an hour later it has its share of connections that never closed."""
    first = Service("round_robin")
    others = [Service(cluster=first.cluster, driver=first.driver) for _ in range(29)]
    services = [first, *others]
    for service in services:
        service.clock = first.clock
        service.connect()
    cursors = [service.cursor() for service in services]
    assert Counter(each.coordinator.host for each in cursors) == {"a": 10, "b": 10, "c": 10}
    first["a"].down = True
    for each in cursors:
        each.execute("select 1")
    first["a"].down = False
    assert links(first)[0] == 0

    moments = set()
    for minute in range(70):
        first.later(60)
        before = links(first)
        for each in cursors:
            each.execute("select 1")
        if links(first) != before:
            moments.add(minute)

    assert all(8 <= count <= 12 for count in links(first)), links(first)
    assert len(moments) > 2, "they do not go at once"
