"""Who is next: fair, by weight, and without drift."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from impala_ha.balancing.policies import (
    POLICIES,
    Candidate,
    LeastConnections,
    Ordered,
    RoundRobin,
    Sticky,
    TwoChoices,
    make_policy,
    with_key,
)
from impala_ha.core.model import Coordinator

THREE = [Candidate(Coordinator(host)) for host in "abc"]
WEIGHTED = [
    Candidate(Coordinator(host, weight=w)) for host, w in zip("abc", (1, 2, 3), strict=True)
]
TURNS = 6000


def served(policy, candidates, turns=TURNS):
    """How often each was chosen."""
    return Counter(policy.choose(candidates).coordinator.host for _ in range(turns))


@pytest.mark.parametrize("name", sorted(set(POLICIES) - {"ordered", "sticky"}))
def test_equals_are_served_equally(name):
    seen = served(POLICIES[name](random.Random(3)), THREE)

    assert all(1800 < seen[host] < 2200 for host in "abc"), seen


@pytest.mark.parametrize("name", ["random", "round_robin"])
def test_a_double_weight_is_served_twice_as_often(name):
    seen = served(POLICIES[name](random.Random(3)), WEIGHTED)

    assert all(abs(seen[host] - TURNS * w / 6) < 150 for host, w in (("a", 1), ("b", 2), ("c", 3)))


@pytest.mark.parametrize("name", ["least_connections", "two_choices"])
def test_a_double_weight_carries_twice_the_connections(name):
    """Connections that stay open: what counts is how many there are at the end."""
    policy, now = POLICIES[name](random.Random(3)), list(WEIGHTED)
    for _ in range(600):
        chosen = now.index(policy.choose(now))
        now[chosen] = replace(now[chosen], connections=now[chosen].connections + 1)

    assert [100, 200, 300] == [pytest.approx(c.connections, abs=12) for c in now]


def test_ordered_takes_the_first_and_the_others_are_spares():
    assert Counter(a=TURNS) == served(Ordered(), THREE)
    assert Counter(b=TURNS) == served(Ordered(), THREE[1:])


def test_of_an_ordered_active_set_each_has_its_turn_and_a_spare_steps_in():
    """Impala: double the coordinators, "one set as an active set and the other as a backup set"."""
    policy = make_policy("ordered:2", random.Random(3))
    four = [*THREE, Candidate(Coordinator("d"))]

    assert Counter(a=300, b=300) == served(policy, four, 600)
    seen = served(policy, four[1:], 600)
    assert 299 <= seen["b"] <= 301
    assert 299 <= seen["c"] <= 301
    assert Counter(d=60) == served(policy, four[3:], 60)


@pytest.mark.parametrize(
    "name", ["ordered:0", "ordered:", "ordered:-1", "ordered:two", "random:2", "ordered:\u00b2"]
)
def test_only_ordered_takes_a_number_of_at_least_one(name):
    with pytest.raises(ValueError, match="must be one of .*sticky.*, or ordered:N with N active"):
        make_policy(name, random.Random(3))


def test_an_active_set_has_somebody_in_it():
    with pytest.raises(ValueError, match="active must be at least 1, not 0"):
        Ordered(random.Random(3), 0)


KEYS = [f"user{number}" for number in range(12_000)]


def stuck(candidates, keys=KEYS):
    """By key, to whom it sticks."""
    return {key: Sticky(key).choose(candidates).coordinator.host for key in keys}


def test_sticky_keeps_a_key_with_its_coordinator_in_any_order_of_the_list():
    assert stuck(THREE) == stuck(THREE[::-1])


def test_sticky_gives_each_the_keys_of_its_weight():
    seen = Counter(stuck(WEIGHTED).values())

    assert [2000, 4000, 6000] == [pytest.approx(seen[host], rel=0.05) for host in "abc"]


def test_sticky_moves_only_the_keys_of_the_one_that_is_missing_and_evenly():
    before, after = stuck(WEIGHTED), stuck(WEIGHTED[1:])
    moved = {key for key in KEYS if before[key] != after[key]}

    assert moved == {key for key in KEYS if before[key] == "a"}
    assert Counter(after[key] for key in moved)["b"] == pytest.approx(2 / 5 * len(moved), rel=0.1)


def test_sticky_is_the_same_in_each_release():
    """Or the users of a fleet would all move when a part of it is updated."""
    assert stuck(THREE, ["etl", "hue", ""]) == {"etl": "b", "hue": "a", "": "c"}


def test_sticky_takes_any_text_for_a_key():
    assert Sticky("\udc80 \0").choose(THREE) in THREE


def test_sticky_with_a_key_of_its_own_goes_by_no_other():
    own = Ordered()

    assert with_key(Sticky("etl"), "hue") == Sticky("etl")
    assert with_key(Sticky(), "hue") == Sticky("hue")
    assert with_key(own, "hue") is own


def test_round_robin_takes_turns():
    policy = RoundRobin(random.Random(3))

    first = [policy.choose(THREE).coordinator.host for _ in range(3)]
    second = [policy.choose(THREE).coordinator.host for _ in range(3)]

    assert first == second
    assert {"a", "b", "c"} == set(first)


def test_round_robin_starts_anywhere():
    """Or every process of a fleet that starts would go to the first of the list."""
    firsts = {RoundRobin(random.Random(seed)).choose(THREE).coordinator.host for seed in range(40)}

    assert {"a", "b", "c"} == firsts


def test_round_robin_does_not_drift_to_the_neighbour_of_one_that_is_left_out():
    policy, seen = RoundRobin(random.Random(1)), Counter()
    for turn in range(TURNS):
        seen[policy.choose(THREE if turn % 2 else THREE[1:]).coordinator.host] += 1

    assert abs(seen["b"] - seen["c"]) < 60, seen


def test_round_robin_does_not_make_up_for_an_absence():
    """One that comes back gets its share, and not all that it missed."""
    policy = RoundRobin(random.Random(1))
    served(policy, THREE, 30)
    served(policy, THREE[1:], 1000)

    seen = served(policy, THREE, 30)

    assert 9 <= seen["a"] <= 11


def test_round_robin_treats_one_that_comes_back_as_if_it_had_been_served_with_the_others():
    """Who waited longest is next, but who was away has not waited: it would be next each time."""
    first = Counter()
    for seed in range(300):
        policy = RoundRobin(random.Random(seed))
        served(policy, THREE, 30)
        served(policy, THREE[1:], 10)
        first.update(served(policy, THREE, 1))

    assert 60 < first["a"] < 240, first


def test_round_robin_takes_in_a_newcomer():
    policy = RoundRobin(random.Random(1))
    served(policy, THREE[:2], 1000)

    seen = served(policy, THREE, 30)

    assert 9 <= seen["c"] <= 11


def test_least_connections_takes_the_least_loaded():
    loaded = [replace(c, connections=n) for c, n in zip(THREE, (5, 3, 4), strict=True)]

    assert Counter(b=50) == served(LeastConnections(random.Random(3)), loaded, 50)


def test_of_two_choices_the_fuller_one_never_wins():
    loaded = [replace(c, connections=n) for c, n in zip(THREE, (5, 3, 4), strict=True)]

    seen = served(TwoChoices(random.Random(3)), loaded)

    assert 0 == seen["a"]
    assert seen["b"] > seen["c"] > 0


@pytest.mark.parametrize("name", ["least_connections", "two_choices"])
def test_what_another_coordinator_has_is_given_to_nobody_at_once(name):
    """One that restarted has no connections; all new ones would be its own until it has as many."""
    policy, full = POLICIES[name](random.Random(3)), [replace(c, connections=500) for c in WEIGHTED]
    served(policy, full, 60)
    served(policy, full[1:], 60)
    back = [replace(full[0], connections=0), *full[1:]]

    seen = served(policy, back, 600)

    assert 80 <= seen["a"] <= 120, seen


@pytest.mark.parametrize("name", ["least_connections", "two_choices"])
def test_one_that_has_caught_up_is_a_coordinator_like_the_others(name):
    policy = POLICIES[name](random.Random(3))
    served(policy, THREE, 60)
    served(policy, THREE[1:], 60)
    served(policy, [replace(THREE[0], connections=9), *THREE[1:]], 60)

    seen = served(policy, [THREE[0], *(replace(c, connections=9) for c in THREE[1:])], 60)

    assert seen["a"] > 25, seen


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_one_candidate_is_chosen(name):
    assert THREE[0] is POLICIES[name](random.Random(3)).choose(THREE[:1])


@pytest.mark.parametrize("name", ["least_connections", "two_choices"])
def test_one_that_is_new_in_the_list_does_not_get_all_new_connections(name):
    policy = POLICIES[name](random.Random(7))
    old = [Candidate(Coordinator(host), connections=100) for host in "abc"]
    policy.choose(old)

    new = Candidate(Coordinator("d"))
    chosen = [policy.choose([*old, new]) for _ in range(40)]

    assert 5 <= chosen.count(new) <= 15
