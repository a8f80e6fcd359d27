"""What programs are told by `on_event` when coordinators fail under many connections and threads."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter

import pytest

import impala_ha
from impala_ha.balancing import cluster as room
from impala_ha.events import Back, Ejected, FailedOver, Hedged, OutcomeLost

pytestmark = [pytest.mark.servers, pytest.mark.slow(10)]


@pytest.fixture(autouse=True)
def fresh():
    """What one test has found is not known in the next one."""
    room._SHARED.clear()
    room._IN_USE.clear()


class Listener:
    """What was told, by any thread; it may raise after it was."""

    def __init__(self, *, raises=False):
        self.told = []
        self._raises = raises

    def __call__(self, event):
        self.told.append(event)
        if self._raises:
            raise RuntimeError(f"no room for {event}")

    def of(self, kind):
        return [event for event in self.told if type(event) is kind]


def connect(cluster, listener, **options):
    given = {"policy": "ordered", "hedge_after": 0, "share_state": False, **options}
    return impala_ha.connect(cluster.hosts, on_event=listener, **given)


def each_in_a_thread(connections, work):
    """The errors of *work* on each of some, all at once."""
    errors = []
    ready = threading.Barrier(len(connections))

    def run(connection):
        try:
            ready.wait(30)
            work(connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            errors.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return errors


def statement(connection):
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    assert cursor.fetchall() == [(1,)]


def test_a_death_under_a_crowd_is_told_once_to_each_callable_and_each_failover_once(cluster, until):
    """Some callables raise; trials that fail again in between are told to nobody."""
    shared, own, raising = Listener(), Listener(), Listener(raises=True)
    listeners = [shared, shared, shared, own, raising, raising]
    connections = [connect(cluster, each, eject_for=0.2) for each in listeners]
    first = impala_ha.Coordinator(cluster[0].host, cluster[0].port)
    try:
        assert {first} == {each.coordinator for each in connections}
        cluster[0].kill()
        assert [] == each_in_a_thread(connections, statement)
        for _ in range(3):
            assert [] == each_in_a_thread(connections, statement)
        cluster[0].restart()

        def is_back():
            impala_ha.connect(connections[0].cluster).close()
            return own.of(Back)

        until(is_back)
    finally:
        for each in connections:
            each.close()

    for listener, failovers in ((shared, 3), (own, 1), (raising, 2)):
        health = [e for e in listener.told if isinstance(e, Ejected | Back)]
        assert [(type(e), e.coordinator) for e in health] == [(Ejected, first), (Back, first)]
        moved = listener.of(FailedOver)
        assert [(e.lost, e.operation) for e in moved] == [(first, "execute")] * failovers
        assert first not in {e.coordinator for e in moved}
        assert health[1].seconds > 0


def test_the_outcome_of_each_write_that_was_lost_is_told_once_with_its_tag(cluster, until):
    listener = Listener()
    connections = [connect(cluster, listener) for _ in range(2)]
    caught = []
    try:
        statement(connections[0])
        connections[0].cursor().execute("CREATE TABLE lost_by_two (x BOOLEAN)")

        def write(connection):
            with pytest.raises(impala_ha.OutcomeUnknown) as raised:
                connection.cursor().execute("INSERT INTO lost_by_two SELECT sleep(20000)")
            caught.append(raised.value)

        def kill():
            until(lambda: len(cluster[0].queries) == 2)
            cluster[0].kill()

        killer = threading.Thread(target=kill)
        killer.start()
        assert [] == each_in_a_thread(connections, write)
        killer.join(60)
    finally:
        for each in connections:
            each.close()

    lost = listener.of(OutcomeLost)
    assert Counter(e.tag for e in lost) == Counter(e.statement_tag for e in caught)
    assert 2 == len({e.tag for e in lost})
    assert {(cluster[0].address, "execute")} == {(str(e.coordinator), e.operation) for e in lost}
    assert 1 == len(listener.of(Ejected))


def test_one_that_is_slow_to_open_is_told_as_hedged(cluster):
    listener = Listener()
    cluster[0].delay(0.7, rpc="OpenSession")
    with connect(cluster, listener, hedge_after=0.05) as connection:
        assert cluster[1].address == str(connection.coordinator)
        (hedged,) = listener.of(Hedged)

    assert (cluster[0].address, cluster[1].address) == (str(hedged.coordinator), str(hedged.other))
    assert hedged.answered == hedged.other
    assert 0.05 <= hedged.seconds < 0.7


def test_one_that_drains_is_told_once_as_draining(cluster):
    listener = Listener()
    connections = [connect(cluster, listener) for _ in range(2)]
    try:
        cluster[0].drain()
        assert [] == each_in_a_thread(connections, statement)
    finally:
        for each in connections:
            each.close()

    (ejected,) = listener.of(Ejected)
    assert (cluster[0].address, True) == (str(ejected.coordinator), ejected.draining)


@pytest.mark.skipif(sys.platform != "linux", reason="state is shared on Linux")
def test_what_another_process_has_found_is_told_once(cluster, tmp_path, monkeypatch):
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    listener = Listener()
    connections = [
        connect(cluster, listener, share_state=True, eject_for=60, policy="round_robin")
        for _ in range(2 * len(cluster))
    ]
    try:
        cluster[0].kill()
        code = "import sys, impala_ha; [impala_ha.connect(sys.argv[1]) for _ in range(6)]"
        subprocess.run(
            [sys.executable, "-c", code, cluster.hosts],
            env={"XDG_RUNTIME_DIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
            | {"IMPALA_HA_EJECT_FOR": "60", "PATH": "/usr/bin:/bin"},
            timeout=60,
            check=True,
        )
        assert [] == listener.told
        for _ in range(len(cluster)):
            impala_ha.connect(connections[0].cluster).close()
    finally:
        for each in connections:
            each.close()

    (ejected,) = listener.of(Ejected)
    assert cluster[0].address == str(ejected.coordinator)
    assert "another process of this machine found" in ejected.reason
    assert 0 < ejected.seconds <= 72
