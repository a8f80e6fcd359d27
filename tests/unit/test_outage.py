"""While no coordinator is healthy one call tries, and the others learn from it."""

import threading

import pytest
from test_failover import World, lost

from impala_ha import Cluster, Coordinator, Retry, State, errors
from impala_ha.balancing.outage import Outage, Wait
from impala_ha.core.faults import CallFailed, Fault, Phase
from impala_ha.core.model import Attempt
from impala_ha.failover.attempts import Call
from impala_ha.testing.fakes import FakeDriver, failover

A, B, C = HOSTS = [Coordinator(host) for host in "abc"]
THREADS = 20
QUICK = Retry(deadline=1.5, backoff=0.02, max_backoff=1.0)


def double(rounds):
    return 2.0**rounds if rounds else 0.0


# The backoff.


def test_each_coordinator_has_its_backoff():
    found, now, tried = Outage(), 0.0, []
    for _ in range(9):
        turn = found.pick_or_wait(1, now, [], HOSTS, double)
        while isinstance(turn, Wait):
            assert turn.alone
            now += turn.seconds
            turn = found.pick_or_wait(1, now, [], HOSTS, double)
        tried.append((turn.host, now))

    assert tried == [(host, when) for when in (0, 2, 6) for host in "abc"]


def test_calls_share_it():
    found = Outage()
    assert found.pick_or_wait(1, 0.0, [], [A], double) == A

    assert found.pick_or_wait(2, 0.0, [], [A], double) == Wait(2.0, alone=False)
    assert found.pick_or_wait(2, 2.0, [], [A], double) == A
    assert found.pick_or_wait(1, 2.0, [A], [A], double) == Wait(4.0, alone=False)


def test_a_call_that_is_alone_does_not_wait_because_of_those_before_it():
    found = Outage()
    for now in (0.0, 10.0, 20.0):
        found.pick_or_wait(1, now, [], [A], double)
    found.call_ended(1)

    assert found.pick_or_wait(2, 20.0, [], [A], double) == A
    assert found.pick_or_wait(2, 20.0, [A], [A], double) == Wait(2.0, alone=True)


def test_it_goes_on_from_where_it_has_been():
    found = Outage()

    assert found.pick_or_wait(1, 0.0, [A, A], [A, B], double) == B
    assert found.pick_or_wait(1, 0.0, [A, A, B], [A], double) == Wait(4.0, alone=True)


def test_the_next_outage_begins_anew():
    found = Outage()
    for now in (0.0, 10.0, 20.0):
        found.pick_or_wait(1, now, [], [A], double)
    found.over()

    assert found.pick_or_wait(1, 20.0, [A] * 3, [A], double) == A
    assert found.pick_or_wait(1, 20.0, [A] * 4, [A], double) == Wait(2.0, alone=True)


def test_where_all_are_being_tried_it_waits_for_what_comes_of_it():
    assert Outage().pick_or_wait(1, 0.0, [], [], double) == Wait(1.0, alone=False)


# In the loop.


def connect(failover):
    failover.run(Call("connect", proof=True), lambda _: None)


@pytest.fixture
def dark():
    """Three coordinators that refuse connections, and a way to make a connection to them."""
    driver, cluster = FakeDriver(), Cluster(HOSTS)
    for host in "abc":
        driver[host].down = True
    return driver, cluster, lambda retry: failover(cluster, driver, retry)


def in_threads(work, until=None):
    """What came of *work* in each of many threads."""
    came = []

    def run():
        try:
            came.append(work())
        except errors.Error as error:
            came.append(error)

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    if until is not None:
        until()
    for thread in threads:
        thread.join(60)
    assert len(came) == THREADS, "nobody hangs"
    return came


def test_many_threads_try_hardly_more_often_than_one(dark):
    driver, _, made = dark
    with pytest.raises(errors.NoCoordinatorLeft):
        connect(made(QUICK))
    alone = len(driver.opened)
    driver.opened.clear()

    came = in_threads(lambda: connect(made(QUICK)))

    assert len(driver.opened) <= 3 * alone
    for error in came:
        assert isinstance(error, errors.NoCoordinatorLeft)
        assert all(f"{host}:21050" in str(error) for host in "abc"), "also where another one tried"


def test_all_notice_when_one_is_back(dark, until):
    driver, cluster, made = dark
    places = [made(Retry(deadline=50)) for _ in range(THREADS)]
    left = list(places)

    def back():
        until(lambda: len(cluster._state.members.table().outage._calls) == THREADS)
        driver["b"].down = False

    came = in_threads(lambda: connect(left.pop()), back)

    assert came == [None] * THREADS
    assert {place.links.current.coordinator for place in places} == {B}
    assert cluster._state.members.table().outage._calls == set(), (
        "nothing is kept of a call that has ended"
    )


@pytest.fixture
def world():
    """All three have failed, and another call has just tried."""
    world = World(deadline=10)
    for host in "abc":
        world[host].down = True
        failed = Attempt(
            "execute", 1, Coordinator(host), 0.1, Fault.LOST, Phase.SENT, text=host * 3
        )
        world.cluster.report(failed)
    assert world.cluster.pick_or_wait(-1, HOSTS, lambda _: 100.0) == Wait(100.0, alone=True)
    return world


def test_who_waits_for_others_ends_at_its_own_deadline_and_tells_what_they_met(world):
    with pytest.raises(errors.NoCoordinatorLeft) as caught:
        world.connect()

    assert world.clock.time == 1010
    assert world.driver.opened == []
    assert [str(a) for a in caught.value.attempts] == [
        f"#{n} {host}:21050 (0.10 s) stopped answering before the statement was sent: {host * 3}"
        for n, host in enumerate("abc", 1)
    ]


def test_a_write_that_was_never_sent_has_not_run_though_those_of_others_may_have(world):
    world.clock.time += 101
    world["b"].down = False
    cursor = world.connect().cursor()
    for host in "abc":
        world[host].down = True
        world.cluster.report(Attempt("execute", 1, Coordinator(host), 0.1, Fault.LOST, Phase.SENT))
    world.cluster.call_ended(-1)
    world.cluster.pick_or_wait(-1, HOSTS, lambda _: 100.0)

    with pytest.raises(errors.NoCoordinatorLeft) as caught:
        cursor.execute("insert into t values (1)")

    assert not isinstance(caught.value, errors.OutcomeUnknown)
    assert world.driver.opened.count("b") == 1


def test_who_waits_goes_on_once_another_call_found_somebody(world):
    slept = world.clock.sleep

    def sleep(seconds):
        slept(seconds)
        if world.clock.time > 1003:
            world["b"].down = False
            world.cluster.report(Attempt("connect", 1, B, 0.1))

    world.clock.sleep = sleep

    assert world.connect().failover.links.current.coordinator == B
    assert world.clock.time < 1004


def test_a_program_with_one_thread_tries_at_once_in_each_call():
    world = World(deadline=60)
    for host in "abc":
        world[host].down = True
    for _ in range(3):
        begun, tried = world.clock.time, len(world.driver.opened)
        with pytest.raises(errors.NoCoordinatorLeft):
            world.connect()
        assert world.clock.time - begun <= 60
        assert len(world.driver.opened) - tried > 15
    world["c"].down = False
    begun = world.clock.time

    world.connect()

    assert world.clock.time - begun < 0.2, "not the backoff of calls that are no more"


def test_each_is_tried_by_one_call_at_a_time(world):
    world.clock.time += 100
    turns = [world.cluster.pick_or_wait(call, [], lambda _: 0.0) for call in range(4)]

    assert {turn.host for turn in turns[:3]} == {"a", "b", "c"}
    assert turns[3] == Wait(1.0, alone=False)
    world.cluster.release(B)
    assert world.cluster.pick_or_wait(4, [], lambda _: 0.0) == B


def test_one_that_is_being_tried_is_asked_last(world):
    assert len({world.cluster.pick() for _ in range(3)}) == 3


# What opening a session shows.


def test_an_answer_to_open_session_is_known_to_all_before_the_statement_ends():
    """A call that takes hours is not to keep the news, nor is one that only reads a result."""
    world = World().connect()
    world["a"].down = True
    seen = []

    def work(link):
        if link.coordinator == A:
            link.client.invalidate(lost())
            raise CallFailed(Phase.FETCH, lost())
        seen.append(world.state(link.coordinator.host))

    for host in "bc":
        world.cluster.report(Attempt("connect", 1, Coordinator(host), 0.1, Fault.UNREACHABLE))
    world.failover.run(Call("fetchall"), work)

    assert seen == [State.HEALTHY]


def test_what_cannot_become_right_for_others_is_not_waited_for(world):
    """A name that does not resolve is the same for all calls; one of them is enough to know it."""
    for host in "abc":
        failed = Attempt("connect", 1, Coordinator(host), 0.1, Fault.UNRESOLVED, Phase.CONNECT)
        world.cluster.report(failed)

    with pytest.raises(errors.NoCoordinatorLeft) as caught:
        world.connect()

    assert world.clock.time == 1000
    assert [attempt.fault for attempt in caught.value.attempts] == [Fault.UNRESOLVED] * 3


def test_one_that_speaks_another_protocol_is_there(world):
    """Whoever connects in the right way is not to wait for it, nor is whoever is as wrong."""
    world.cluster.mark_reachable(A)

    assert world.state("a") is State.HEALTHY
    world["a"].down = False
    assert world.connect().failover.links.current.coordinator == A
    assert world.clock.time == 1000
