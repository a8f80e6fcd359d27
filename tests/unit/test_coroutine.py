"""Work that is left where it waits, and gone on with by another thread."""

import threading
import time

import pytest
from loopback import Answers, Peer, hiveserver2

from impala_ha.core.clock import SystemClock
from impala_ha.core.coroutine import Overdue, Task, run
from impala_ha.core.fault_rules import is_late
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.options.options import Options

AT_ONCE, LIMIT = 0.05, 10.0


def waiting(*gates, closed=()):
    """Waits for each of *gates*, and returns how many that were."""
    try:
        for gate in gates:
            yield gate.wait
        return len(gates)
    finally:
        for event in closed:
            event.set()


def test_it_is_run_to_its_end():
    gate = threading.Event()
    gate.set()

    assert 2 == run(waiting(gate, gate))


def test_what_was_left_is_gone_on_with_by_another_thread():
    gate, found = threading.Event(), []
    task = Task(waiting(gate))
    assert not task.waiting
    with pytest.raises(Overdue):
        task.run(AT_ONCE)
    assert task.waiting

    thread = threading.Thread(target=lambda: found.append(task.run()))
    thread.start()
    gate.set()
    thread.join(LIMIT)

    assert [1] == found
    assert not task.waiting


def test_patience_is_for_all_that_is_waited_for():
    def each(seconds):
        yield lambda _: time.sleep(seconds) or True
        yield lambda patience: left.append(patience) or True

    left = []
    Task(each(0.2)).run(60.0)

    assert left[0] <= 59.8


def test_what_raises_while_it_waits_has_not_ended_it():
    gate, calls = threading.Event(), []

    def wait(patience):
        calls.append(patience)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return True

    gate.wait = wait
    task = Task(waiting(gate))
    with pytest.raises(KeyboardInterrupt):
        task.run()
    assert task.waiting

    assert 1 == task.run()


def test_one_that_nobody_goes_on_with_is_closed():
    gate, closed = threading.Event(), threading.Event()

    def wait(_):
        raise KeyboardInterrupt

    gate.wait = wait
    with pytest.raises(KeyboardInterrupt):
        run(waiting(gate, closed=[closed]))

    assert closed.is_set()


# Where opening a connection may be left.

USERS = {"etl": "geheim"}
PLAIN = {"auth_mechanism": "PLAIN", "user": "etl", "password": "geheim"}


def gated(gate, talk):
    """*talk*, once *gate* was opened."""

    def talking(connection):
        assert gate.wait(LIMIT)
        talk(connection)

    return talking


def secured(context, talk):
    def talking(connection):
        with context.wrap_socket(connection, server_side=True) as tls:
            talk(tls)

    return talking


@pytest.fixture(params=["OpenSession", "login", "TLS"])
def slow(request, tls):
    """A server that waits for a gate before it answers, the gate, and options."""
    gate, answers = threading.Event(), Answers()
    talk, options = {
        "OpenSession": (hiveserver2(answers), {}),
        "login": (hiveserver2(answers, users=USERS), PLAIN),
        "TLS": (secured(tls.here, hiveserver2(answers)), {"use_ssl": True, "ca_cert": tls.ca}),
    }[request.param]
    with Peer(gated(gate, talk)) as peer:
        yield peer.coordinator, gate, options, answers
        gate.set()


def test_an_open_is_left_where_it_waits_and_ended_elsewhere(slow):
    coordinator, gate, options, answers = slow
    driver = ImpylaDriver(Options(**options), SystemClock())
    task = Task(driver.opening(coordinator, "etl", {}, LIMIT))
    with pytest.raises(Overdue):
        task.run(AT_ONCE)

    gate.set()
    link = task.run()

    assert 1 == len(answers.server.sessions)
    link.close()
    assert {} == answers.server.sessions


def test_an_open_that_was_left_keeps_its_limit(slow):
    coordinator, _, options, _ = slow
    task = Task(
        ImpylaDriver(Options(**options), SystemClock()).opening(coordinator, "etl", {}, 0.3)
    )
    with pytest.raises(Overdue):
        task.run(AT_ONCE)

    with pytest.raises(CallFailed) as caught:
        task.run()

    assert is_late(caught.value.__cause__)
    assert caught.value.phase in (Phase.CONNECT, Phase.LOGIN, Phase.OPEN)


def test_an_open_that_nobody_ends_closes_its_socket(slow):
    coordinator, gate, options, answers = slow
    driver = ImpylaDriver(Options(**options), SystemClock())
    task = Task(driver.opening(coordinator, "etl", {}, LIMIT))
    with pytest.raises(Overdue):
        task.run(AT_ONCE)

    task.close()  # a socket that was forgotten is a warning, and so a failure here
    gate.set()

    assert {} == answers.server.sessions
