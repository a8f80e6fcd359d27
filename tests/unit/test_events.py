"""What a program is told through on_event: each event once, and nothing that it does harms."""

import gc
import logging
import pickle
import random
import threading
from collections import deque
from dataclasses import fields

import pytest
from test_failover import World as Plain
from test_failover import lost

import impala_ha
from impala_ha import Cluster, Coordinator, errors, events
from impala_ha.events import Back, Ejected, Event, FailedOver, Hedged, OutcomeLost, Reattached
from impala_ha.testing.fakes import failover, state

A, B, C = map(Coordinator, "abc")
WRITE = "insert into t values (1)"


class World(Plain):
    """Three coordinators, a first, and a program that keeps what it is told."""

    def __init__(self, cluster=None, **options):
        super().__init__(cluster)
        self.told = []
        given = {"on_event": self.told.append, **options}
        self.failover = failover(self.cluster, self.driver, **given)

    def kinds(self):
        return [type(event) for event in self.told]


@pytest.fixture
def world():
    return World()


def test_nothing_is_told_while_all_is_well(world):
    cursor = world.connect().cursor()
    cursor.execute("select 1")
    cursor.execute(WRITE)

    assert world.told == []


def test_one_that_is_ejected_and_the_call_that_went_on(world):
    world["a"].down = True
    world.connect()

    ejected, moved = world.told
    assert (type(ejected), ejected.coordinator) == (Ejected, A)
    assert ejected.reason == "could not be reached connecting"
    assert 5.0 <= ejected.seconds <= 6.0
    assert (ejected.draining, ejected.options, ejected.tag) == (False, "", None)
    assert moved == FailedOver(coordinator=B, seconds=0.0, operation="connect", lost=A)


def test_it_is_told_once_that_one_is_ejected_and_once_that_it_is_back(world):
    world["a"].down = True
    world.connect()
    for _ in range(5):
        world.clock.time += 40
        world.failover.links.detach(world.failover.links.current)
        world.connect()
    world["a"].down = False
    world.clock.time += 300
    world.failover.links.detach(world.failover.links.current)
    world.connect()

    health = [event for event in world.told if isinstance(event, Ejected | Back)]
    assert [type(event) for event in health] == [Ejected, Back]
    assert health[1] == Back(coordinator=A, seconds=500.0)


def test_a_cursor_that_asked_nobody_is_no_news_of_a_coordinator(world):
    """The first cursor of a connection has the session that opening it made."""
    connections = [World(world.cluster).connect() for _ in range(2)]
    world["a"].down = True
    world.connect()
    assert world.kinds() == [Ejected, FailedOver]

    assert {each.cursor().coordinator for each in connections} == {A}
    assert world.kinds() == [Ejected, FailedOver]
    assert B == world.cluster.pick()


def test_that_one_shuts_down_is_said(world):
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque(
        ["Server is being shut down: shutdown grace period left: 1m"]
    )
    cursor.execute("select 1")

    assert [event.draining for event in world.told if isinstance(event, Ejected)] == [True]


def test_a_write_brings_its_tag():
    world = World(statement_tag="comment")
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque([lost()])
    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute(WRITE)

    assert world.kinds() == [Ejected, OutcomeLost]
    assert {event.tag for event in world.told} == {caught.value.statement_tag}
    assert caught.value.statement_tag.startswith("impala-ha-")
    assert world.told[1] == OutcomeLost(
        coordinator=A,
        seconds=0.0,
        tag=caught.value.statement_tag,
        operation="execute",
        query_id=None,
    )


def test_that_the_outcome_is_unknown_is_told_once_for_a_statement(world):
    cursor = world.connect().cursor()
    cursor.execute_async(WRITE)
    world["a"].down = True
    for _ in range(3):
        with pytest.raises(errors.OutcomeUnknown) as caught:
            cursor.status()
    (told,) = [event for event in world.told if isinstance(event, OutcomeLost)]

    assert (told.coordinator, told.operation) == (A, "status")
    assert told.query_id
    assert caught.value.query_id in (told.query_id, None)
    world["b"].script["ExecuteStatement"] = deque([lost()])
    with pytest.raises(errors.OutcomeUnknown):
        cursor.execute(WRITE)
    assert world.kinds().count(OutcomeLost) == 2, "another statement is another event"


def test_a_retry_at_the_same_coordinator_is_no_failover(world):
    cursor = world.connect().cursor()
    full = "Rejected query from pool default-pool: queue full, limit=1, num_queued=1."
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "ERROR_STATE", full)])
    cursor.execute("select 1")

    assert cursor.coordinator == A
    assert world.told == []


def test_a_connection_that_is_made_anew_is_reattached():
    world = World()
    world.driver.revives = True
    cursor = world.connect().cursor()
    cursor.execute("select 1")
    world["a"].script["FetchResults"] = deque([lost()])
    assert cursor.fetchall() == [("one",), ("two",)]

    assert world.told == [Reattached(coordinator=A, seconds=0.0)]


def test_one_that_is_slow_to_open_is_hedged_and_the_other_is_named():
    world = World(hedge_after=0.01)
    go_on = threading.Event()
    plain = world.driver.open

    def slow(coordinator, *rest):
        if coordinator == A:
            assert go_on.wait(20)
        return plain(coordinator, *rest)

    def opening(*arguments):
        from impala_ha.core.timeouts import in_thread  # noqa: PLC0415

        return in_thread(lambda: slow(*arguments), None, "open", "")

    world.driver.opening = opening
    world.connect()
    hedged = [event for event in world.told if isinstance(event, Hedged)]
    go_on.set()

    assert hedged == [Hedged(coordinator=A, seconds=0.0, other=B, answered=B)]


def test_each_callable_hears_of_health_once_however_many_connections_have_it(world):
    others = []
    loops = [
        failover(world.cluster, world.driver, on_event=listener)
        for listener in (world.told.append, world.told.append, others.append)
    ]
    world["a"].down = True
    world.connect()

    assert world.kinds().count(Ejected) == 1
    assert [type(event) for event in others] == [Ejected], "the failover was not its own"
    del loops


def test_who_is_gone_is_told_nothing(world):
    others = []
    gone = failover(world.cluster, world.driver, on_event=others.append)
    del gone
    gc.collect()
    world["a"].down = True
    world.connect()

    assert others == []


@pytest.mark.parametrize("error", [RuntimeError, ValueError, OSError, errors.OperationalError])
def test_a_callable_that_raises_harms_nothing_and_is_logged(error, caplog):
    def listener(event):
        raise error(f"no room for {type(event).__name__}")

    world = World(on_event=listener)
    world["a"].down = True
    with caplog.at_level(logging.WARNING):
        cursor = world.connect().cursor()
        cursor.execute("select 1")
        assert cursor.fetchall() == [("one",), ("two",)]
        world["b"].script["ExecuteStatement"] = deque([lost()])
        with pytest.raises(errors.OutcomeUnknown):
            cursor.execute(WRITE)

    logged = [text for text in caplog.messages if text.startswith("on_event raised")]
    assert f"on_event raised {error.__name__} at Ejected: no room for Ejected" in logged
    assert len(logged) == 4, "a ejected, failed over, b ejected, outcome lost"


@pytest.mark.parametrize("name", ["execute", "execute_async"])
def test_a_listener_cannot_use_the_cursor_that_is_in_a_call(name, caplog):
    """Its statement would take the place of the one that is under way."""
    sql, cursors = "create table t as select 1", []
    world = World(on_event=lambda _: getattr(cursors[0], name)("select 2"))
    cursors.append(world.connect().cursor())
    world["a"].script["ExecuteStatement"] = deque(["Server is being shut down: x"])

    cursors[0].execute(sql)

    assert {"a": [sql], "b": [sql]} == world.statements()
    assert "needs a cursor of its own" in caplog.text
    cursors[0].execute("select 3")
    assert [("one",), ("two",)] == cursors[0].fetchall()


@pytest.mark.parametrize("name", ["close", "close_operation"])
def test_a_write_is_done_though_a_listener_closes_its_cursor(name):
    cursors = []
    world = World(on_event=lambda _: getattr(cursors[0], name)())
    cursors.append(world.connect().cursor())
    world["a"].script["ExecuteStatement"] = deque(["Server is being shut down: x"])

    cursors[0].execute(WRITE)

    assert {"a": [WRITE], "b": [WRITE]} == world.statements()


def test_a_listener_may_ask_the_cluster(world):
    """It is called outside of the cluster's lock."""
    seen = []
    cluster = Cluster([A, B, C], policy="ordered", clock=world.clock, rng=random.Random(7))

    def listener(_):
        thread = threading.Thread(target=lambda: seen.append(cluster.snapshot()))
        thread.start()
        thread.join(20)

    world = World(cluster, on_event=listener)
    world["a"].down = True
    world.connect()

    assert len(seen) == 2


@pytest.mark.parametrize("name", events.__all__)
def test_an_event_is_a_value(name):
    kind = getattr(events, name)
    known = {"coordinator": A, "seconds": 1.5, "lost": B, "other": B, "answered": None}
    given = {f.name: known.get(f.name, "x") for f in fields(kind)}
    event = kind(**given)

    assert issubclass(kind, Event)
    assert pickle.loads(pickle.dumps(event)) == event
    assert kind.__module__ == "impala_ha.events"
    with pytest.raises(AttributeError):
        event.seconds = 2.0


def test_what_is_no_function_is_refused():
    with pytest.raises(errors.ConfigurationError, match="on_event must be callable"):
        impala_ha.connect("a", on_event=[])
