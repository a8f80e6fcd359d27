"""
Who gets how much when a coordinator dies and comes back, by simulation on a clock that is wound.

Many processes, each with a cluster of its own, connect once a second; nothing waits.
"""

import random
from collections import Counter

import pytest

from impala_ha import Cluster, Coordinator, Fault, Phase
from impala_ha.core.model import Attempt
from impala_ha.testing.fakes import FakeClock

pytestmark = pytest.mark.slow(12)

HOSTS = "abcdef"
TRIAL = 5.0 * 1.2  # seconds: `eject_for`, with the jitter of the circuit breaker
SPREADING = ["least_connections", "random", "round_robin", "sticky", "two_choices"]


class Link:
    """An open connection."""

    def __init__(self, coordinator):
        self.coordinator = coordinator


class Process:
    """One that opens connections by the rules of the library, and keeps the last three."""

    def __init__(self, fleet, policy, seed, zone):
        self.fleet, self.zone = fleet, zone
        self.rng = random.Random(seed)
        self.cluster = Cluster(fleet.coordinators, policy=policy, clock=fleet.clock, rng=self.rng)
        self.links = []

    def connect(self):
        tried, key = [], str(self.rng.random())
        while True:
            where = self.cluster.pick(tried, self.zone, sticky_key=key)
            up = where.host not in self.fleet.down
            fault = None if up else Fault.UNREACHABLE
            phase = None if up else Phase.CONNECT
            self.cluster.report(Attempt("connect", len(tried) + 1, where, 0.0, fault, phase))
            if up:
                break
            tried.append(where)
        link = Link(where)
        self.cluster.attach(link)
        self.links = [*self.links, link][-3:]
        return where.host


class Fleet:
    """Processes and coordinators of which some are down."""

    def __init__(self, policy, processes=40, zone="", zones=None):
        self.clock, self.down = FakeClock(), set()
        self.coordinators = [Coordinator(host, zone=(zones or {}).get(host, "")) for host in HOSTS]
        self.processes = [Process(self, policy, seed, zone) for seed in range(processes)]

    def run(self, seconds):
        """Where connections were opened in that time."""
        seen = Counter()
        for _ in range(int(seconds)):
            self.clock.time += 1.0
            seen.update(process.connect() for process in self.processes)
        return seen


@pytest.mark.parametrize("policy", SPREADING)
def test_survivors_share_the_load_of_a_dead_one_within_5_percent(policy):
    fleet = Fleet(policy)
    fleet.run(60)
    fleet.down = {"a"}
    fleet.run(60)

    seen = fleet.run(500)

    assert seen["a"] == 0
    mean = sum(seen.values()) / 5
    assert {host: pytest.approx(mean, rel=0.05) for host in HOSTS[1:]} == seen


@pytest.mark.parametrize("policy", SPREADING)
@pytest.mark.parametrize("outage", [3, 20])
def test_one_that_returns_gets_its_share_within_two_trial_periods(policy, outage):
    """A trial period is the time of its ejection when it returns."""
    fleet = Fleet(policy)
    fleet.run(60)
    fleet.down = {"a"}
    fleet.run(outage)
    fleet.down = set()
    ends = [
        each.ejected_for
        for process in fleet.processes
        for each in process.cluster.snapshot()
        if each.coordinator.host == "a"
    ]
    assert any(ends), "it was ejected"
    fleet.run(2 * max(TRIAL, *ends))

    seen = fleet.run(500)

    mean = sum(seen.values()) / 6
    assert {host: pytest.approx(mean, rel=0.05) for host in HOSTS} == seen


def test_the_users_of_one_that_returns_are_back_and_nobody_else_has_moved():
    fleet = Fleet("sticky", 1)

    def homes():
        cluster = fleet.processes[0].cluster
        return {key: cluster.pick(sticky_key=key).host for key in map(str, range(2000))}

    before = homes()
    fleet.down = {"a"}
    fleet.run(60)
    meanwhile = homes()
    fleet.down = set()
    fleet.run(600)

    assert {k: home for k, home in before.items() if home != "a"}.items() <= meanwhile.items()
    assert "a" not in meanwhile.values()
    assert homes() == before


def test_an_active_set_carries_all_and_a_spare_steps_in_for_the_one_that_died():
    fleet = Fleet("ordered:3", 4)
    assert set(fleet.run(300)) == set("abc")
    fleet.down = {"b"}
    fleet.run(60)

    seen = fleet.run(500)

    mean = sum(seen.values()) / 3
    assert seen == {host: pytest.approx(mean, rel=0.05) for host in "acd"}
    fleet.down = set()
    fleet.run(400)
    assert set(fleet.run(300)) == set("abc")


@pytest.mark.parametrize("policy", [*SPREADING, "ordered", "ordered:2"])
def test_around_any_policy_the_own_zone_comes_first_and_spills_over_when_it_is_down(policy):
    fleet = Fleet(policy, 4, zone="east", zones=dict.fromkeys("ace", "east"))
    assert set(fleet.run(300)) <= set("ace")
    fleet.down = {"a", "c"}
    fleet.run(60)
    assert set(fleet.run(100)) == {"e"}
    fleet.down = set("ace")
    fleet.run(60)
    assert set(fleet.run(100)) <= set("bdf")
    fleet.down = set()
    fleet.run(400)
    assert set(fleet.run(100)) <= set("ace")
