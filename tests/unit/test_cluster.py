"""The one room with a lock: shared in a process, fresh in a forked child."""

import gc
import logging
import random
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass, replace

import pytest

from impala_ha import CircuitBreaker, Cluster, Coordinator, State
from impala_ha.balancing import cluster as room
from impala_ha.core.clock import SystemClock
from impala_ha.core.faults import Fault, Phase
from impala_ha.core.model import Attempt
from impala_ha.testing.fakes import FakeClock, FakeDriver

A, B = Coordinator("a"), Coordinator("b")


def made(**how):
    how = {"policy": "ordered", "clock": FakeClock(), "rng": random.Random(7), **how}
    return Cluster([A, B], **how)


def attempt(fault=None, coordinator=A):
    phase = Phase.CONNECT if fault else None
    return Attempt("connect", 1, coordinator, 0.5, fault, phase, text="refused" if fault else "")


def states(cluster):
    return [candidate.state for candidate in cluster.snapshot()]


def test_a_failure_that_blames_ejects():
    cluster = made()

    cluster.report(attempt(Fault.UNREACHABLE))

    assert [State.EJECTED, State.HEALTHY] == states(cluster)
    assert B == cluster.pick()


def test_one_that_shuts_down_is_left_and_shown_as_such():
    cluster = made()

    cluster.report(attempt(Fault.DRAINING))

    assert [State.DRAINING, State.HEALTHY] == states(cluster)


@pytest.mark.parametrize("fault", [fault for fault in Fault if not fault.counts_against_host])
def test_a_failure_that_does_not_blame_leaves_the_coordinator_well(fault):
    cluster = made()

    cluster.report(attempt(fault))

    assert [State.HEALTHY, State.HEALTHY] == states(cluster)


def test_a_success_heals():
    cluster = made()
    cluster.report(attempt(Fault.LOST))

    cluster.report(attempt())

    assert [State.HEALTHY, State.HEALTHY] == states(cluster)


def test_rounds_and_connections_are_those_of_the_members():
    cluster = made()
    link = FakeDriver().open(B, "etl", {}, 10)
    cluster.attach(link)

    assert [0, 1] == [candidate.connections for candidate in cluster.snapshot()]
    assert [0, 1] == [cluster.rounds([A]), cluster.rounds([A, B])]
    cluster.detach(link)
    assert [0, 0] == [candidate.connections for candidate in cluster.snapshot()]


def test_attempts_are_for_debugging_and_changes_of_a_coordinator_are_told(caplog):
    caplog.set_level(logging.DEBUG, "impala_ha")
    cluster, failed = made(), attempt(Fault.UNREACHABLE)

    cluster.report(failed)
    cluster.report(failed)
    cluster.report(attempt())
    cluster.report(attempt())

    once = "connect: #1 a:21050 (0.50 s) could not be reached connecting: refused"
    well = (logging.DEBUG, "connect: #1 a:21050 (0.50 s) ok")
    ejected = "a:21050 is ejected for 5.3 s: it could not be reached connecting: refused"
    assert [
        (logging.DEBUG, once),
        (logging.WARNING, ejected),
        (logging.DEBUG, once),
        well,
        (logging.INFO, "a:21050 is back"),
        well,
    ] == [(record.levelno, record.getMessage()) for record in caplog.records]
    assert failed.portable() == caplog.records[0].attempt
    assert [(A, "ejected"), (A, "healthy")] == [
        (record.coordinator, record.state) for record in caplog.records if hasattr(record, "state")
    ]


def test_it_shows_how_everyone_is():
    cluster = made()
    cluster.report(attempt(Fault.LOST))

    assert "<Cluster a:21050 ejected, b:21050 healthy>" == repr(cluster)


def test_time_and_chance_are_the_machines_unless_told_otherwise():
    cluster = Cluster([A])

    assert isinstance(cluster.clock, SystemClock)
    assert cluster.rng is not Cluster([A]).rng


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"coordinators": []}, "at least one coordinator"),
        ({"coordinators": [A, Coordinator("a", weight=2)]}, "not a:21050 twice"),
        ({"coordinators": [A], "policy": "fastest"}, "policy must be one of .*, not 'fastest'"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(how, why):
    with pytest.raises(ValueError, match=why):
        Cluster(**how)


def test_a_database_is_known_once_it_was_used():
    cluster = made()
    assert "d" not in cluster.databases

    cluster.databases.add("d")

    assert "d" in cluster.databases


def test_names_of_databases_take_a_bounded_memory():
    cluster = made()
    for number in range(3 * room._MOST_DATABASES):
        cluster.databases.add(str(number))
        assert str(number) in cluster.databases

    assert len(cluster._state.databases) <= room._MOST_DATABASES


# Shared.


@pytest.fixture
def shared(monkeypatch):
    monkeypatch.setattr(room, "_SHARED", {})
    monkeypatch.setattr(room, "_IN_USE", weakref.WeakValueDictionary())
    return Cluster.shared


def test_equal_hosts_and_rules_share_a_cluster(shared):
    assert shared([A, B], "random", CircuitBreaker()) is shared([A, B], "random", CircuitBreaker())


@pytest.mark.parametrize(
    "other",
    [
        ([B, A], "random", CircuitBreaker()),
        ([A], "random", CircuitBreaker()),
        ([A, Coordinator("b", weight=2)], "random", CircuitBreaker()),
        ([A, Coordinator("b", zone="east")], "random", CircuitBreaker()),
        ([A, Coordinator("b", krb_host="b.test")], "random", CircuitBreaker()),
        ([A, B], "ordered", CircuitBreaker()),
        ([A, B], "random", CircuitBreaker(ejection=1)),
    ],
)
def test_other_hosts_or_rules_are_another_cluster(shared, other):
    assert shared([A, B], "random", CircuitBreaker()) is not shared(*other)


@dataclass
class Unhashable:
    """A policy of a user: a plain dataclass is not hashable."""

    def choose(self, candidates):
        return candidates[0]


class Weak:
    """A policy of a user, of which it can be seen when it is gone."""

    def choose(self, candidates):
        return candidates[0]


def test_a_policy_of_ones_own_is_shared_with_itself_only(shared):
    mine, equal = Unhashable(), Unhashable()

    assert shared([A, B], mine, CircuitBreaker()) is shared([A, B], mine, CircuitBreaker())
    assert shared([A, B], mine, CircuitBreaker()) is not shared([A, B], equal, CircuitBreaker())


def test_what_is_known_of_coordinators_is_shared_whatever_the_policy(shared):
    """A program may make a policy for each connection; it learns all the same."""
    one = shared([A, B], Unhashable(), CircuitBreaker())
    others = [
        shared([A, B], policy, CircuitBreaker()) for policy in ("ordered", "random", Unhashable())
    ]

    one.report(attempt(Fault.LOST))
    link = FakeDriver().open(B, "etl", {}, 10)
    others[0].attach(link)
    others[1].databases.add("d")

    for cluster in [one, *others, shared([A, B], Unhashable(), CircuitBreaker())]:
        assert [State.EJECTED, State.HEALTHY] == states(cluster)
        assert [0, 1] == [candidate.connections for candidate in cluster.snapshot()]
        assert B == cluster.pick()
        assert "d" in cluster.databases


def test_other_rules_know_nothing_of_each_other(shared):
    one, other = (
        shared([A, B], "random", CircuitBreaker()),
        shared([A, B], "random", CircuitBreaker(ejection=1)),
    )

    one.report(attempt(Fault.LOST))

    assert [State.HEALTHY, State.HEALTHY] == states(other)


def test_a_policy_made_for_each_connection_is_not_kept(shared):
    breaker = CircuitBreaker(ejection=300)
    kept = shared([A, B], "ordered", breaker)
    policies = weakref.WeakSet()
    for _ in range(1000):
        policy = Weak()
        policies.add(policy)
        shared([A, B], policy, breaker).report(attempt(Fault.LOST))
    del policy
    gc.collect()

    assert 0 == len(policies)
    assert 1 == len(room._SHARED)
    assert [State.EJECTED, State.HEALTHY] == states(kept)


def test_lists_of_hosts_are_forgotten_in_the_end_but_not_while_they_are_used(shared):
    used = shared([A, B], "ordered", CircuitBreaker())
    for number in range(3 * room._RECENT):
        shared([Coordinator(f"h{number}")], "ordered", CircuitBreaker())
    gc.collect()

    assert room._RECENT == len(room._SHARED) == len(room._IN_USE) - 1
    assert used is shared([A, B], "ordered", CircuitBreaker())


def test_many_threads_get_the_same_cluster_and_fair_turns(shared):
    hosts = [Coordinator(host) for host in "abcd"]
    got = []

    def work():
        cluster = shared(hosts, "round_robin", CircuitBreaker())
        got.extend((cluster, cluster.pick()) for _ in range(100))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 == len({id(cluster) for cluster, _ in got})
    assert [200] * 4 == [sum(c == host for _, c in got) for host in hosts]


# Forked.


def test_a_child_starts_with_locks_that_are_free_and_lots_of_its_own():
    """Another thread may have held the locks at the moment of the fork, and is not in the child."""
    code = """
import os, random
from impala_ha import CircuitBreaker, Cluster, Coordinator
from impala_ha.balancing import cluster as room

hosts = [Coordinator(host) for host in "abcdefgh"]
shared = Cluster.shared(hosts, "random", CircuitBreaker())
shared._state.lock.acquire()
room._SHARED_LOCK.acquire()
children = []
for _ in range(2):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        again = Cluster.shared(hosts, "random", CircuitBreaker())
        assert again is shared
        os.write(write, "".join(again.pick().host for _ in range(32)).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    children.append(os.read(read, 64))
    os.close(read)
print(*(len(lots) for lots in children), len(set(children)))
"""

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )

    assert "32 32 2\n" == done.stdout, done.stderr


def test_what_happens_in_the_child_frees_every_lock():
    """The same in this process, where it can be looked at."""
    cluster = made()
    cluster._state.lock.acquire()
    before = cluster.rng.getstate()

    room._forked()

    assert [A, B] == [candidate.coordinator for candidate in cluster.snapshot()]
    assert before != cluster.rng.getstate()
    assert not room._SHARED_LOCK.locked()


# What may be due to the options of the connection.

TLS, PLAIN = "use_ssl=True", "auth_mechanism='NOSASL'"


def own(fault=Fault.UNTRUSTED, coordinator=A, options_key=TLS):
    return replace(
        attempt(fault, coordinator), options_key=options_key, may_be_options=fault is not None
    )


def test_what_may_be_the_callers_mistake_ejects_for_the_same_options_and_is_shown(caplog):
    caplog.set_level(logging.INFO, "impala_ha")
    cluster = made()

    cluster.report(own())

    assert [State.HEALTHY] * 2 == states(cluster)
    assert A == cluster.pick()
    assert B == cluster.pick(options_key=TLS)
    assert "<Cluster a:21050 healthy (ejected with use_ssl=True), b:21050 healthy>" == repr(cluster)
    (record,) = caplog.records
    assert "a:21050 is ejected for 5." in caplog.text
    assert "s for connections with use_ssl=True: it did not prove who it is" in caplog.text
    assert (A, "ejected", TLS) == (record.coordinator, record.state, record.options)


def test_what_one_learns_of_others_options_is_told_to_nobody_else():
    cluster = made()
    cluster.report(own())

    assert [Fault.UNTRUSTED] == [each.fault for each in cluster.failures(TLS)]
    assert [] == cluster.failures(PLAIN) == cluster.failures()


def test_one_that_is_trusted_again_is_back_for_the_same_options(caplog):
    caplog.set_level(logging.INFO, "impala_ha")
    cluster = made()
    cluster.report(own())

    cluster.report(own(None, options_key=PLAIN))
    assert "is back" not in caplog.text
    cluster.report(own(None))

    assert "a:21050 is back" in caplog.text
    assert A == cluster.pick(options_key=TLS)


def test_success_with_other_options_does_not_end_the_backoff_of_a_mistake():
    cluster = made()
    for coordinator in (A, B):
        cluster.report(own(coordinator=coordinator))
    asked = 0
    for number in range(100):
        asked += isinstance(
            cluster.pick_or_wait(number, [], lambda times: 2.0**times, options_key=TLS), Coordinator
        )
        cluster.report(own(None, options_key=PLAIN))
        cluster.release(A, TLS)
        cluster.release(B, TLS)

    assert 2 == asked, "each once, and then after a pause"


def test_the_good_are_not_held_up_by_who_waits():
    cluster = made()
    for coordinator in (A, B):
        cluster.report(own(coordinator=coordinator))

    assert isinstance(cluster.pick_or_wait(1, [], lambda _: 9.0, options_key=TLS), Coordinator)
    assert A == cluster.pick_or_wait(2, [], lambda _: 9.0, options_key=PLAIN)
    assert cluster.is_healthy(PLAIN)
    assert not cluster.is_healthy(TLS)
