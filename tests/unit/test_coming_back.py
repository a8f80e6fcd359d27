"""A coordinator that comes back gets its share soon, and no more: all policies, on a fake clock."""

import random
from collections import deque

import pytest

from impala_ha import Cluster, Coordinator
from impala_ha.core.faults import Fault, Phase
from impala_ha.core.model import Attempt
from impala_ha.testing.fakes import FakeClock, FakeDriver

A_SECOND = 12  # connections
LIFE = 15.0  # seconds of a connection
DIES = 30.0
END = 110.0
LAST_TRIAL = 5.0 * 1.2  # after which the next ones come a second later, then two, four, eight


class Service:
    """A program that opens connections at a steady pace and closes each after its time."""

    def __init__(self, policy, back, weights):
        self.clock = FakeClock(0.0)
        self.driver = FakeDriver()
        self.hosts = [Coordinator(h, weight=w) for h, w in zip("abc", weights, strict=True)]
        self.cluster = Cluster(self.hosts, policy=policy, clock=self.clock, rng=random.Random(7))
        self.back = back
        self.links = deque()
        self.opened = []

    def run(self):
        for turn in range(int(END * A_SECOND)):
            self.clock.time = turn / A_SECOND
            if self.clock.time == DIES:
                self.links = deque(each for each in self.links if not self.down(each.coordinator))
            while len(self.links) > LIFE * A_SECOND:
                self.links.popleft()
            self.links.append(self.connect())
            self.cluster.attach(self.links[-1])
            self.opened.append((self.clock.time, self.links[-1].coordinator.host))
        return self

    def down(self, coordinator):
        return coordinator.host == "a" and DIES <= self.clock.time < self.back

    def connect(self):
        tried = []
        while True:
            where = self.cluster.pick(tried)
            tried.append(where)
            if not self.down(where):
                self.cluster.report(Attempt("connect", 1, where, 0.0))
                return self.driver.open(where, "etl", {}, 10)
            self.cluster.report(Attempt("connect", 1, where, 0.0, Fault.UNREACHABLE, Phase.CONNECT))

    def share(self, begin, seconds):
        """Of those opened in this time, how many went to a, against what it should have."""
        hosts = [host for when, host in self.opened if begin <= when < begin + seconds]
        weights = [coordinator.weight for coordinator in self.hosts]
        return hosts.count("a") / len(hosts) * sum(weights) / weights[0]


@pytest.mark.parametrize("weights", [(1, 1, 1), (2, 1, 1)])
@pytest.mark.parametrize("away", [3.0, 5.5, 9.0, 20.0])
@pytest.mark.parametrize("policy", ["least_connections", "random", "round_robin", "two_choices"])
def test_one_that_comes_back_gets_its_share_soon_and_never_much_more(policy, away, weights):
    back = DIES + away
    service = Service(policy, back, weights).run()
    begun = next(when for when, host in service.opened if when >= back and host == "a")

    assert begun - back <= max(LAST_TRIAL, 2 * away), "trials come more and more seldom, but come"
    lots = 0.15 if policy == "random" else 0.0  # what chance adds to a fifth in so few
    shares = [service.share(begun + second, 8.0) for second in range(0, 45, 3)]
    assert 0.8 - lots < min(shares), shares
    assert max(shares) < 1.2 + lots, shares
