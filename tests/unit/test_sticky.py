"""With policy="sticky" a user's connections go to the same coordinator, as with Hue's proxies."""

import random

import pytest
from test_balance_cursor import HOSTS, World

from impala_ha import Cluster, Coordinator, Fault
from impala_ha.core.model import Attempt
from impala_ha.policies import Sticky

USERS = [f"user{number}" for number in range(40)]


@pytest.fixture
def world(monkeypatch):
    world = World(monkeypatch)
    world.cluster = Cluster(
        [Coordinator(host) for host in HOSTS],
        policy="sticky",
        clock=world.clock,
        rng=random.Random(7),
    )
    return world


def where(world, **options):
    with world.connect(balance=None, **options) as connection:
        return connection.coordinator


def home(world, key):
    candidates = world.cluster.snapshot()
    return Sticky(key).choose(candidates).coordinator


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"user": "ann"}, "ann"),
        ({"user": "hue", "doas_user": "ann"}, "ann"),
        ({"user": "hue", "doas_user": "ann", "sticky_key": "10.0.0.1"}, "10.0.0.1"),
    ],
)
def test_a_connection_sticks_by_its_key_or_by_whom_it_acts_for(world, options, key):
    for _ in range(3):
        assert where(world, **options) == home(world, key)


def test_users_are_spread_over_all(world):
    assert len({where(world, user=user) for user in USERS}) == len(HOSTS)


def test_it_moves_while_its_coordinator_is_down_and_back_again(world):
    before = {user: where(world, user=user) for user in USERS}
    gone = before["user0"]
    world.driver[gone.host].down = True
    meanwhile = {user: where(world, user=user) for user in USERS}
    world.driver[gone.host].down = False
    world.clock.time += 400

    assert {u for u in USERS if before[u] != meanwhile[u]} == {
        u for u in USERS if before[u] == gone
    }
    assert {user: where(world, user=user) for user in USERS} == before


def test_while_nobody_is_healthy_anyone_who_answers_is_taken(world):
    for each in world.cluster.coordinators:
        world.cluster.report(Attempt("connect", 1, each, 0.0, Fault.UNREACHABLE))

    assert where(world, user="ann").host in HOSTS


def test_each_cursor_of_a_connection_sticks_with_balance_cursor_too(world):
    connection = world.connect(user="ann")

    assert {connection.cursor().coordinator for _ in range(4)} == {home(world, "ann")}
