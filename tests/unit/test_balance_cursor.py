"""With balance="cursor" a connection spreads its load: each new cursor goes to the next one."""

import gc
import random
import threading
from collections import Counter, deque

import pytest
from thrift.transport.TTransport import TTransportException

import impala_ha.dbapi.connection
from impala_ha import Cluster, Coordinator, InterfaceError, Retry, errors
from impala_ha.options.settings import Settings
from impala_ha.testing.fakes import FakeClock, FakeDriver

HOSTS = "abcd"


def lost():
    return TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes")


class World:
    """Four coordinators in memory, and connections to them."""

    def __init__(self, monkeypatch):
        self.driver, self.clock = FakeDriver(), FakeClock()
        self.cluster = Cluster(
            [Coordinator(host) for host in HOSTS], clock=self.clock, rng=random.Random(7)
        )
        monkeypatch.setattr(impala_ha.dbapi.connection, "ImpylaDriver", lambda *_: self.driver)

    def connect(self, **options):
        given = {"hedge_after": 0, "user": "etl", "balance": "cursor", **options}
        known = Settings.read(given, {}, hosts_known=True).options
        return impala_ha.Connection(self.cluster, known, Retry())

    def links(self):
        return sum(each.connections for each in self.cluster.snapshot())

    def sessions(self):
        return sum(len(self.driver[host].sessions) for host in HOSTS)


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


def test_each_new_cursor_goes_to_the_next_coordinator(world):
    connection = world.connect()
    cursors = [connection.cursor() for _ in range(8)]

    assert Counter(cursor.coordinator.host for cursor in cursors) == dict.fromkeys(HOSTS, 2)


def test_by_default_they_stay_on_the_coordinator_of_the_connection(world):
    connection = world.connect(balance=None)
    cursors = [connection.cursor() for _ in range(8)]

    assert {cursor.coordinator for cursor in cursors} == {connection.coordinator}
    assert world.links() == 1


def test_the_first_cursor_uses_the_connection_that_is_open(world):
    connection = world.connect()

    assert connection.cursor().coordinator == connection.coordinator
    assert (world.links(), world.sessions()) == (1, 1)


def test_a_cursor_closes_what_it_has_opened(world):
    connection = world.connect()
    connection.cursor().close()
    for _ in range(10):
        with connection.cursor() as cursor:
            cursor.execute("select 1")
            assert cursor.fetchall() == [("one",), ("two",)]

    assert world.links() == 1, "that of the connection"
    assert world.sessions() == 0


def test_a_cursor_that_is_dropped_closes_it_too(world):
    connection = world.connect()
    connection.cursor()
    connection.cursor()
    gc.collect()

    assert world.links() == 1


def test_closing_the_connection_closes_all(world):
    connection = world.connect()
    cursors = [connection.cursor() for _ in range(4)]
    connection.close()

    assert (world.links(), world.sessions()) == (0, 0)
    for cursor in cursors:
        with pytest.raises(InterfaceError, match="closed"):
            cursor.execute("select 1")
    with pytest.raises(InterfaceError, match="closed"):
        connection.cursor()


def test_a_cursor_that_cannot_be_opened_leaves_nothing_behind(world):
    connection = world.connect()
    connection.cursor()
    missing = errors.OperationalError("AnalysisException: Database does not exist: nowhere")
    for host in HOSTS:
        world.driver[host].script["ExecuteStatement"] = deque([missing])

    with pytest.raises(errors.OperationalError, match="does not exist"):
        connection.cursor(configuration={"use:database": "nowhere"})

    assert world.links() == 1


def test_each_cursor_fails_over_for_itself(world):
    connection = world.connect()
    one, other = connection.cursor(), connection.cursor()
    was, stays = other.coordinator, one.coordinator
    world.driver[was.host].down = True
    other.execute("select 1")

    assert other.coordinator != was
    assert (one.coordinator, connection.coordinator) == (stays, stays)


def test_what_one_cursor_has_changed_another_waits_for_elsewhere(world):
    """Coordinators hear of a new table a moment later; the next cursor is on another one."""
    connection = world.connect()
    connection.cursor().execute("create table fresh (x int)")
    reader = connection.cursor()
    unknown = errors.OperationalError(
        "AnalysisException: Could not resolve table reference: 'fresh'"
    )
    world.driver[reader.coordinator.host].script["ExecuteStatement"] = deque([unknown])
    reader.execute("select * from fresh")

    assert [attempt.fault.name for attempt in reader.attempts if attempt.fault] == ["STALE"]


def test_an_old_one_goes_where_a_new_one_would(world):
    connection = world.connect(max_lifetime=3600)
    connection.cursor()
    cursor = connection.cursor()
    was = cursor.coordinator
    world.driver[was.host].down = True
    cursor.execute("select 1")
    world.driver[was.host].down = False
    seen = set()
    for _ in range(8):
        world.clock.time += 3600
        cursor.execute("select 1")
        seen.add(cursor.coordinator.host)

    assert seen == set(HOSTS)


@pytest.mark.parametrize("which", ["connection", "cursor"])
def test_another_thread_may_close_it_while_a_cursor_works(world, which):
    connection = world.connect()
    connection.cursor()
    cursor = connection.cursor()
    begun, go_on, seen = threading.Event(), threading.Event(), []

    def wait_in_the_call(*_):
        begun.set()
        go_on.wait(20)
        raise lost()

    world.driver[cursor.coordinator.host].script["ExecuteStatement"] = deque([wait_in_the_call])

    def work():
        try:
            cursor.execute("select 1")
        except errors.Error as error:
            seen.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(20)
    {"connection": connection, "cursor": cursor}[which].close()
    go_on.set()
    thread.join(20)

    assert "the cursor was closed by another thread" in str(*seen)
    assert world.links() == (which == "cursor")
