"""The policy that goes by what coordinators tell of their load."""

import random
from collections import Counter
from dataclasses import replace

from impala_ha import Cluster
from impala_ha.balancing.policies import Candidate, LeastLoaded, LoadReport
from impala_ha.balancing.readings import Load
from impala_ha.core.model import Coordinator
from impala_ha.testing.fakes import FakeClock

A, B, C = HOSTS = [Coordinator(host) for host in "abc"]
THREE = [Candidate(host, load=0.0) for host in HOSTS]


def policy(*loads, age=0.5, hosts=HOSTS):
    made = LeastLoaded(random.Random(3))
    told = zip(hosts, loads, strict=True)
    made.reports = {host: LoadReport(load, age, 64) for host, load in told if load is not None}
    return made


def served(made, candidates=THREE, turns=600):
    return Counter(made.choose(candidates).coordinator for _ in range(turns))


def test_what_is_fresh_is_believed():
    assert Counter({B: 600}) == served(policy(0.5, 0.2, 0.3))


def test_what_the_machine_has_sent_since_counts_as_well():
    """Or a hundred jobs that start within a second would all go to the same one."""
    sent = [replace(each, load=n) for each, n in zip(THREE, (0.0, 32.0, 0.0), strict=True)]

    assert Counter({C: 600}) == served(policy(0.5, 0.2, 0.3), sent)


def test_of_what_is_stale_the_better_of_two_is_chosen():
    seen = served(policy(0.5, 0.2, 0.3, age=5.0))

    assert 0 == seen[A]
    assert seen[B] > seen[C] > 150


def test_who_does_not_share_chooses_the_better_of_two():
    alone = [replace(each, load=None) for each in THREE]

    assert served(policy(0.5, 0.2, 0.3), alone)[C] > 150


def test_equals_have_equal_shares():
    seen = served(policy(0.25, 0.25, 0.25, age=5.0))

    assert all(150 < seen[each] < 250 for each in HOSTS), seen


def test_a_double_weight_may_have_a_double_load():
    hosts = [Coordinator("a", weight=2), Coordinator("b")]
    two = [Candidate(host, load=0.0) for host in hosts]

    assert Counter({hosts[0]: 50}) == served(policy(0.38, 0.2, hosts=hosts), two, 50)
    assert Counter({hosts[1]: 50}) == served(policy(0.42, 0.2, hosts=hosts), two, 50)


def test_one_that_does_not_tell_passes_for_the_mean():
    seen = served(policy(0.6, None, 0.2))

    assert 0 == seen[A]
    assert seen[C] > seen[B] > 150


def test_without_any_load_all_have_their_turn():
    alone = [replace(each, load=None) for each in THREE]

    assert Counter({A: 200, B: 200, C: 200}) == served(policy(None, None, None), alone)


def test_one_that_comes_back_gets_its_share_and_not_all():
    made = policy(0.5, 0.5, 0.5, age=5.0)
    served(made, turns=60)
    served(made, THREE[1:], turns=60)
    made.reports = {**made.reports, A: LoadReport(0.0, 5.0, 64)}
    first = served(made, turns=2)

    assert first[A] <= 1


def test_a_cluster_asks_its_board():
    clock = FakeClock()
    cluster = Cluster(HOSTS, policy="least_loaded", clock=clock, rng=random.Random(3))
    for host, connections in zip(HOSTS, (60, 5, 60), strict=True):
        cluster.board.note(host, Load(connections), clock.now())
    picks = Counter(cluster.pick() for _ in range(300))

    assert picks[B] > 150
    assert Cluster(HOSTS).board is None
