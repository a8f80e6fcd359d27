"""Who is picked, and what is noted."""

import gc
import random

import pytest

from impala_ha.balancing.circuit_breaker import CircuitBreaker, State
from impala_ha.balancing.members import Members
from impala_ha.balancing.policies import Ordered
from impala_ha.core.model import Coordinator
from impala_ha.testing.fakes import FakeDriver

A, B, C = (Coordinator(host) for host in "abc")


class Lab(Members):
    """Members with one policy, as a cluster has it."""

    def pick(self, *rest, **how):
        return super().pick(Ordered(), *rest, **how)


def members(*coordinators):
    rules = CircuitBreaker(ejection=5, max_ejection=300, jitter=0)
    return Lab(coordinators or (A, B, C), rules, random.Random(7))


def states(found, now):
    return [candidate.state for candidate in found.candidates(now)]


def test_no_members_are_refused():
    with pytest.raises(ValueError, match="at least one coordinator"):
        Members((), CircuitBreaker(), random.Random(7))


def test_the_policy_chooses_among_the_well():
    found = members()
    found.failed(A, 0.0)

    assert B == found.pick(1.0)


def test_one_that_this_call_tried_already_comes_last():
    assert B == members().pick(0.0, [A])
    assert C == members().pick(0.0, [A, B])
    assert A == members().pick(0.0, [A, B, C]), "a second round"
    assert B == members().pick(0.0, [A, B, C, A])


def test_an_ejected_one_goes_before_one_that_this_call_tried():
    """Whoever failed just now is a worse bet than who failed before."""
    found = members(A, B)
    found.failed(B, 0.0)

    assert B == found.pick(1.0, [A])


def test_nobody_being_well_is_no_reason_to_try_nobody():
    found = members()
    for when, coordinator in enumerate((B, C, A)):
        found.failed(coordinator, float(when))

    assert B == found.pick(3.0), "the one whose ejection ends first"


def test_ones_own_zone_comes_first_as_long_as_one_of_it_is_well():
    east = Coordinator("c", zone="east")
    found = members(A, B, east)

    assert east == found.pick(0.0, zone="east")
    found.failed(east, 0.0)
    assert A == found.pick(0.0, zone="east")


def test_who_asks_for_no_zone_prefers_nobody():
    """A coordinator without a zone is not in the zone of a client without one."""
    east, west = Coordinator("a", zone="east"), Coordinator("b", zone="west")
    found = members(east, west, C)

    assert east == found.pick(0.0)
    assert east == found.pick(0.0, zone="")
    assert west == found.pick(0.0, zone="west")


def test_a_trial_is_for_one_caller():
    found = members()
    found.failed(A, 0.0)

    assert [A, B] == [found.pick(5.0), found.pick(5.0)]


def test_a_trial_that_says_nothing_makes_room_for_the_next():
    found = members()
    found.failed(A, 0.0)
    found.pick(5.0)
    found.inconclusive(A)

    assert A == found.pick(5.0)


def test_a_success_heals_and_a_second_failure_ejects_once_more():
    found = members()
    found.failed(A, 0.0)
    found.failed(A, 5.0)
    assert [State.EJECTED, State.HEALTHY, State.HEALTHY] == states(found, 5.9)

    found.succeeded(A)

    assert [State.HEALTHY] * 3 == states(found, 5.9)


def test_one_that_shuts_down_says_so():
    found = members()
    found.failed(B, 0.0, draining=True)

    assert [State.HEALTHY, State.DRAINING, State.HEALTHY] == states(found, 1.0)


def test_candidates_tell_how_long_they_are_left_alone():
    found = members()
    found.failed(A, 0.0)

    assert [4.0, 0.0, 0.0] == [candidate.ejected_for for candidate in found.candidates(1.0)]
    assert [0.0, 0.0, 0.0] == [candidate.ejected_for for candidate in found.candidates(9.0)]


def links(found):
    return [candidate.connections for candidate in found.candidates(0.0)]


def opened(coordinator):
    return FakeDriver().open(coordinator, "etl", {}, 10)


def test_links_are_counted_until_they_are_detached():
    found, one, two = members(), opened(A), opened(B)
    found.links.attach(one)
    found.links.attach(two)
    assert [1, 1, 0] == links(found)

    found.links.detach(one)
    found.links.detach(one)

    assert [0, 1, 0] == links(found)


def test_a_link_that_was_dropped_is_counted_no_more():
    found, kept = members(), opened(B)
    found.links.attach(kept)
    for _ in range(12):
        found.links.attach(opened(A))
    gc.collect()

    assert [0, 1, 0] == links(found)


def test_a_child_counts_neither_its_parents_links_nor_its_trials():
    found, link = members(), opened(B)
    found.links.attach(link)
    found.failed(A, 0.0)
    assert A == found.pick(6.0)

    found.forked()

    assert [0, 0, 0] == links(found)
    assert A == found.pick(6.0), "the lease of its parent is none of its own"
    found.links.detach(link)
    assert [0, 0, 0] == links(found)


@pytest.mark.parametrize(
    ("tried", "rounds"),
    [([], 0), ([A], 0), ([A, A, B], 0), ([A, B, C], 1), ([A, B, C, A, B], 1), ([A, B, C] * 2, 2)],
)
def test_a_round_is_over_when_everyone_was_tried(tried, rounds):
    assert rounds == members().rounds(tried)


def test_news_of_a_stranger_change_nothing():
    """A coordinator may have left the list while a connection to it was open."""
    found, stranger = members(), Coordinator("z")
    found.failed(stranger, 0.0)
    found.inconclusive(stranger)
    found.succeeded(stranger)
    found.mark_reachable(stranger)
    found.links.attach(opened(stranger))
    found.links.detach(opened(stranger))

    assert [A, B, C] == [candidate.coordinator for candidate in found.candidates(0.0)]


# What counts for connections with the same options alone.

TLS, PLAIN = "use_ssl=True", "auth_mechanism='NOSASL'"


def test_a_failure_of_ones_options_ejects_for_the_same_options_alone():
    found = members()
    assert 5.0 == found.failed(A, 0.0, TLS)

    assert B == found.pick(1.0, options_key=TLS)
    assert A == found.pick(1.0, options_key=PLAIN)
    assert A == found.pick(1.0)
    assert [5.0, None, None] == [
        found.ejected_for(A, 0.0, options_key) for options_key in (TLS, PLAIN, "")
    ]
    assert [(TLS,), (), ()] == [each.ejected_with for each in found.snapshot(1.0)]
    assert [State.HEALTHY] * 3 == [each.state for each in found.snapshot(1.0)]


def test_where_all_are_ejected_by_ones_options_nobody_else_waits():
    found = members()
    for coordinator in (A, B, C):
        found.failed(coordinator, 0.0, TLS)

    assert not found.is_healthy(1.0, TLS)
    assert found.is_healthy(1.0, PLAIN)
    assert found.is_healthy(1.0)


def test_one_is_well_only_if_all_and_the_same_options_say_so():
    found = members()
    found.failed(A, 0.0, TLS)
    found.failed(A, 3.0)

    assert 7.0 == found.ejected_for(A, 1.0, TLS), "until the later of the two"
    assert 7.0 == found.ejected_for(A, 1.0)
    found.succeeded(A, PLAIN)
    assert 4.0 == found.ejected_for(A, 1.0, TLS), "their own is not over"
    assert None is found.ejected_for(A, 1.0)


def test_one_caller_at_a_time_tries_it_with_these_options():
    found = members()
    found.failed(A, 0.0, TLS)

    assert A == found.pick(6.0, options_key=TLS)
    assert B == found.pick(6.0, options_key=TLS)
    assert A == found.pick(6.0), "for others it was well all the time"
    assert not found.is_leased(A, 6.0)
    found.inconclusive(A, TLS)
    assert A == found.pick(6.0, options_key=TLS)


def test_an_answer_to_the_same_options_ends_it_and_leaves_nothing():
    found = members()
    found.failed(A, 0.0, TLS)
    assert found.table(TLS) is not found.table()
    found.mark_reachable(A, TLS)
    assert None is found.ejected_for(A, 1.0, TLS)
    found.succeeded(A, TLS)

    assert found.table(TLS) is found.table()


def test_the_options_of_thousands_are_not_kept():
    found = members()
    for number in range(1000):
        found.failed(A, 0.0, f"krb_host='{number}'")
        found.links.mark_opened(B, f"krb_host='{number}'")

    assert 100 == len(found.snapshot(1.0)[0].ejected_with)
    assert "krb_host='999'" in found.snapshot(1.0)[0].ejected_with
    assert found.links.was_opened_with(B, "krb_host='999'")


def test_a_child_keeps_what_is_known_and_no_trials_of_its_parent():
    found = members()
    found.failed(A, 0.0, TLS)
    found.pick(6.0, options_key=TLS)
    found.forked()

    assert A == found.pick(6.0, options_key=TLS)


def test_links_that_come_and_go_while_one_is_ejected_leave_nothing_behind():
    """Their counts are looked at once all are healthy again, which may take weeks."""
    found = members()
    found.failed(B, 0.0)
    for _ in range(100):
        found.links.attach(opened(A))
    gc.collect()

    assert len(found.links.changed) <= len(found.candidates(0.0))
    found.succeeded(B)
    assert [0, 0, 0] == links(found)


def test_who_stays_keeps_health_and_connections():
    found = members(A, B)
    link = FakeDriver().open(A, "user", {}, 1.0)
    found.links.attach(link)
    found.failed(B, 0.0)
    found.failed(A, 0.0, "use_ssl=True")

    found.replace([B, C, A])

    assert [B, C, A] == [each.coordinator for each in found.candidates(1.0)]
    assert [State.EJECTED, State.HEALTHY, State.HEALTHY] == states(found, 1.0)
    assert [0, 0, 1] == [each.connections for each in found.candidates(1.0)]
    assert [State.EJECTED, State.HEALTHY, State.EJECTED] == [
        each.state for each in found.candidates(1.0, "use_ssl=True")
    ]


def test_who_leaves_is_not_picked_and_comes_back_as_new():
    found = members(A, B)
    link = FakeDriver().open(A, "user", {}, 1.0)
    found.links.attach(link)
    found.failed(A, 0.0)
    found.failed(A, 0.0, "use_ssl=True")

    found.replace([B])

    assert {B} == {found.pick(1.0, [B] * n) for n in range(3)}
    assert 1 == found.rounds([A, B])

    found.replace([A, B])

    assert [State.HEALTHY, State.HEALTHY] == states(found, 1.0)
    assert [1, 0] == [each.connections for each in found.candidates(1.0)], "it is still open"


def test_what_a_call_reports_of_one_that_has_left_is_no_error():
    found = members(A, B)
    link = FakeDriver().open(A, "user", {}, 1.0)
    found.failed(A, 0.0)
    found.links.attach(link)
    found.pick(9.0)

    found.replace([B])

    assert found.failed(A, 9.0) is None
    assert found.ejected_for(A, 9.0) is None
    assert not found.is_leased(A, 9.0)
    found.succeeded(A)
    found.inconclusive(A)
    found.mark_reachable(A)
    found.lease(A, 9.0)
    found.links.attach(link)
    found.links.detach(link)
    assert [B] == [each.coordinator for each in found.candidates(9.0)]


def test_weights_may_change():
    found = members(A, B)

    found.replace([Coordinator("a", weight=3), B])

    assert [3, 1] == [each.coordinator.weight for each in found.candidates(1.0)]


def test_the_lowest_priority_that_is_well_comes_first():
    first, second, spare = (Coordinator(h, priority=p) for h, p in (("x", 0), ("y", 0), ("z", 5)))
    found = members(spare, first, second)

    assert first == found.pick(0.0)
    assert second == found.pick(0.0, [first])
    assert spare == found.pick(0.0, [first, second])

    found.failed(first, 0.0)
    found.failed(second, 0.0)

    assert spare == found.pick(1.0)
    assert first == found.pick(5.0), "a trial"
