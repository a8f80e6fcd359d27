"""A connection that has moved leaves no session behind where nothing is open any more."""

import gc
from collections import deque

import pytest
from test_failover import World, lost


@pytest.fixture
def world():
    return World().connect()


def draining(world):
    world["a"].script["ExecuteStatement"] = deque(["Server is being shut down: grace 1s"])


def test_a_result_that_was_read_to_its_end_leaves_no_session_where_it_drains(world):
    reader, writer = world.cursor(), world.cursor()
    reader.execute("select 1")
    reader.fetchone()
    draining(world)
    writer.execute("insert into t values (1)")
    assert len(world["a"].sessions) == 1

    assert reader.fetchall() == [("two",)]

    assert world["a"].sessions == {}
    assert reader.fetchall() == []
    assert reader.fetchone() is None


def test_a_cursor_without_a_result_leaves_no_session_where_it_drains(world):
    idle, busy = world.cursor(), world.cursor()
    draining(world)

    busy.execute("select 1")

    assert world["a"].sessions == {}
    idle.execute("select 2")
    assert world.statements()["b"] == ["select 1", "select 2"]


def test_a_statement_that_runs_keeps_its_session_where_it_drains(world):
    runner, other = world.cursor(), world.cursor()
    runner.execute_async("insert into t values (1)")
    draining(world)

    other.execute("select 1")

    assert len(world["a"].sessions) == 1
    assert not runner.is_executing()


def test_a_session_that_cannot_be_ended_there_disturbs_nobody(world):
    idle, busy = world.cursor(), world.cursor()
    draining(world)
    world["a"].script["CloseSession"] = deque([lost(), lost()])

    busy.execute("select 1")

    assert busy.fetchall() == [("one",), ("two",)]
    idle.execute("select 2")


def links(world):
    return [candidate.connections for candidate in world.cluster.snapshot()]


def test_connections_that_are_dropped_without_close_are_not_counted():
    world = World()
    kept = [World.connect(another(world)) for _ in range(2)]
    for _ in range(12):
        another(world).connect().cursor().execute("select 1")
    gc.collect()

    assert links(world) == [2, 0, 0]
    for each in kept:
        each.failover.links.close()
    assert links(world) == [0, 0, 0]


def another(world):
    """Another connection to the same cluster."""
    return World(world.cluster)
