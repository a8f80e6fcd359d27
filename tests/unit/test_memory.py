"""What a cursor keeps of its statements: no text outlives its statement."""

import gc
import tracemalloc
from collections import deque

import pytest
from test_failover import World

from impala_ha import errors

SIZE = 100_000
TIMES = 20


def insert(number):
    return f"insert into t values ({number}, '{'x' * SIZE}')"


def executed(cursor, world):
    for number in range(TIMES):
        cursor.execute(insert(number))
    cursor.execute("select 1")


def with_parameters(cursor, world):
    for number in range(TIMES):
        cursor.execute("insert into t values (%s, %s)", [number, "x" * SIZE])
    cursor.execute("select 1")


def closed_operations(cursor, world):
    for number in range(TIMES):
        cursor.execute(insert(number))
        cursor.close_operation()


def failed(cursor, world):
    world["a"].script["ExecuteStatement"] = deque(["AnalysisException: no"] * TIMES)
    for number in range(TIMES):
        with pytest.raises(errors.Error):
            cursor.execute(insert(number))
    cursor.execute("select 1")


def cursors_that_were_closed(_, world):
    for number in range(TIMES):
        another = world.cursor()
        another.execute(insert(number))
        another.close()
        world.kept.append(another)


def cursors_without_an_operation(_, world):
    for number in range(TIMES):
        another = world.cursor()
        another.execute(insert(number))
        another.close_operation()
        world.kept.append(another)


@pytest.mark.parametrize(
    "work",
    [
        executed,
        with_parameters,
        closed_operations,
        failed,
        cursors_that_were_closed,
        cursors_without_an_operation,
    ],
)
def test_no_text_is_kept_longer_than_its_statement(work):
    world = World()
    world.kept = []
    cursor = world.connect().cursor()
    tracemalloc.start()
    try:
        work(cursor, world)
        world["a"].log.clear()
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 2 * SIZE


def test_many_changes_of_one_table_do_not_push_out_what_was_changed_before():
    world = World()
    cursor = world.connect().cursor()
    cursor.execute("create table `1st` (i int)")
    for number in range(200):
        cursor.execute(f"insert into t values ({number})")

    assert world.failover.links.changes.may_lag(
        world.cluster.coordinators[1], "Could not resolve table reference: 'd.1st'"
    )


def test_changes_are_forgotten_in_the_order_in_which_they_were_made():
    world = World()
    cursor = world.connect().cursor()
    for number in range(101):
        cursor.execute(f"create table t{number} (i int)")

    missing = [
        world.failover.links.changes.may_lag(
            world.cluster.coordinators[1], f"reference: 't{number}'"
        )
        for number in (0, 1, 100)
    ]
    assert missing == [False, True, True]
