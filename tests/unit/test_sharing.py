"""What processes share of a cluster; each cluster here stands for a process of its own."""

import logging
import random
import re
import sys
from collections import Counter
from dataclasses import replace

import pytest

from impala_ha import CircuitBreaker, Cluster, Coordinator, State
from impala_ha.balancing import shared_file, shared_folder, sharing
from impala_ha.balancing.outage import Wait
from impala_ha.balancing.shared_records import TURN_SIZE, Record, Turn, key_of
from impala_ha.core.faults import Fault, Phase
from impala_ha.core.model import Attempt
from impala_ha.testing.fakes import FakeClock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is for Linux")

A, B, C, D = ALL = [Coordinator(host) for host in "abcd"]
LONG = CircuitBreaker(ejection=300)
SHORT = CircuitBreaker(ejection=1e-6, jitter=0)
TLS = "use_ssl=True"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "impala-ha"


def process(hosts=(A, B, C, D), *, breaker=LONG, seed=None, **how):
    rng = random.Random(seed)
    return Cluster(hosts, breaker=breaker, rng=rng, share_state=True, **how)


def failed(coordinator, fault=Fault.UNREACHABLE, **how):
    phase = None if fault is None else Phase.CONNECT
    return Attempt("execute", 1, coordinator, 0.5, fault, phase, text="refused", **how)


def states(cluster):
    return {each.coordinator: each.state for each in cluster.snapshot()}


def spread(picks, hosts=ALL):
    """The most that one got, by the mean."""
    count = Counter(picks)
    return max(count.values()) * len(hosts) / count.total()


def test_forty_processes_take_turns():
    picks = [process().pick() for _ in range(40)]

    assert {A: 10, B: 10, C: 10, D: 10} == Counter(picks)
    assert all(set(picks[at : at + 4]) == set(ALL) for at in range(0, 40, 4))


def test_lists_that_overlap_are_evened_out():
    """A rotation for each list would give 1.5 times the mean to those in both."""
    picks = [process(ALL[: 4 if n % 2 else 2]).pick() for n in range(80)]

    assert spread(picks) <= 1.1


def test_many_lists_that_overlap_are_evened_out():
    rng = random.Random(7)
    hosts = [Coordinator(f"h{n}") for n in range(8)]
    picks = [process(rng.sample(hosts, 4)).pick() for _ in range(160)]

    assert spread(picks, hosts) <= 1.1


def test_turns_are_by_weight():
    hosts = [Coordinator("a", weight=3), Coordinator("b")]

    count = Counter(process(hosts).pick() for _ in range(80))

    assert abs(count[A] - 60) <= 1


def test_turns_go_on_when_they_were_added_up(monkeypatch):
    monkeypatch.setattr(sharing, "_MANY_TURNS", 10)
    monkeypatch.setattr(shared_file, "_MANY_TURNS", 10 * TURN_SIZE)
    monkeypatch.setattr(shared_file, "_LONG", 50 * TURN_SIZE)

    assert dict.fromkeys(ALL, 50) == Counter(process().pick() for _ in range(200))


def test_a_process_that_lives_long_takes_turns_with_the_others():
    one, other = process(), process()

    assert {A: 10, B: 10, C: 10, D: 10} == Counter(
        each.pick() for _ in range(20) for each in (one, other)
    )


def test_whoever_joins_begins_with_the_present():
    for _ in range(40):
        process([A, B, C]).pick()

    assert Counter(process().pick() for _ in range(12))[D] in {3, 4}


def test_policies_that_count_connections_even_out_what_is_equal():
    picks = [process(policy="least_connections").pick() for _ in range(40)]

    assert {A: 10, B: 10, C: 10, D: 10} == Counter(picks)


def test_the_active_ones_of_a_list_take_turns_over_all_processes():
    assert {A: 10, B: 10} == Counter(process(policy="ordered:2").pick() for _ in range(20))


class Busiest:
    """Chooses the one with the most load."""

    def choose(self, candidates):
        return max(reversed(candidates), key=lambda each: each.load)


def test_a_policy_of_one_s_own_sees_the_loads_of_the_machine():
    first = process().pick()

    assert [first] * 3 == [process(policy=Busiest()).pick() for _ in range(3)]


def test_turns_go_on_where_a_list_comes_in_another_order():
    one, other = process(), process()
    others = [other.pick() for _ in range(2)]
    picks = [one.pick()]
    one._state.members.replace(reversed(ALL))
    picks += [one.pick() for _ in range(5)]

    assert dict.fromkeys(ALL, 2) == Counter(others + picks)


def test_a_death_is_learned_once(caplog):
    process().report(failed(B))
    caplog.clear()

    with caplog.at_level(logging.INFO, "impala_ha"):
        other = process()
        picks = [other.pick() for _ in range(9)]

    assert {A: 3, C: 3, D: 3} == Counter(picks)
    assert State.EJECTED is states(other)[B]
    (line,) = caplog.records
    text = re.sub(r"\d+\.\d", "300.0", line.getMessage())
    assert (
        "b:21050 is ejected for 300.0 s: another process of this machine found that it could not "
        "be reached" == text
    )
    assert ("ejected", B) == (line.state, line.coordinator)


def test_one_that_shuts_down_is_known_as_such():
    process().report(failed(B, Fault.DRAINING))
    other = process()
    other.pick()

    assert State.DRAINING is states(other)[B]


def test_one_process_tries_it_when_its_time_is_over():
    process(breaker=SHORT).report(failed(B))
    others = [process(breaker=SHORT) for _ in range(20)]

    assert 1 == [each.pick() for each in others].count(B)
    assert 0 == [process(breaker=SHORT).pick() for _ in range(20)].count(B)


def test_who_tried_in_vain_makes_the_others_wait():
    process(breaker=SHORT).report(failed(B))
    trier = process(breaker=SHORT)
    while trier.pick() != B:
        pass
    trier.report(failed(B))

    other = process(breaker=SHORT)
    other.pick()
    assert 2 == other._state.members.health(B).failures


def test_who_got_no_answer_lets_the_next_one_try():
    process(breaker=SHORT).report(failed(B))
    trier = process(breaker=SHORT)
    while trier.pick() != B:
        pass
    trier.release(B)

    assert B in [process(breaker=SHORT).pick() for _ in range(4)]


@pytest.mark.parametrize("how", ["report", "reached"])
def test_who_is_back_is_back_for_all_and_takes_his_turn_only(how, caplog):
    first, other = process(), process()
    first.report(failed(B))
    for _ in range(30):
        other.pick()
    with caplog.at_level(logging.INFO, "impala_ha"):
        if how == "report":
            first.report(failed(B, None))
        else:
            first.mark_reachable(B)
        picks = [other.pick() for _ in range(12)]

    assert spread(picks) <= 4 / 3
    assert B in picks
    lines = [line.getMessage() for line in caplog.records if "back" in line.getMessage()]
    assert ["b:21050 is back", "b:21050 is back"] == lines


def test_what_may_be_an_option_s_fault_counts_for_those_with_the_same():
    process().report(failed(B, options_key=TLS, may_be_options=True))

    assert B in [process().pick() for _ in range(4)]
    other = process()
    assert B not in [other.pick(options_key=TLS) for _ in range(8)]

    other.report(failed(B, None, options_key=TLS))
    assert B in [process().pick(options_key=TLS) for _ in range(4)]


def written(folder):
    """When each file was written last."""
    return {path: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_success_where_all_is_well_writes_nothing(folder):
    one = process()
    one.pick()
    before = written(folder)

    one.report(failed(A, None))
    one.mark_reachable(A)
    one.release(A)

    assert before == written(folder)


def known_time(coordinator):
    key = key_of(coordinator)
    return shared_file.SharedFile().read([key]).records[key].connect_time


def test_how_long_opening_took_is_shared_when_it_has_changed():
    def opened(seconds):
        one = process()
        one.pick()
        one.report(replace(failed(A, None), operation="connect", elapsed=seconds))
        return known_time(A)

    assert 0.5 == opened(0.5)
    assert 0.5 == opened(0.6)
    assert 1.25 == opened(2.0)


def test_a_process_does_not_write_each_time_that_opening_takes_longer_or_shorter(folder):
    one = process()
    one.pick()
    one.report(replace(failed(A, None), operation="connect", elapsed=0.5))
    before = written(folder)
    for seconds in (5.0, 0.1, 9.0):
        one.report(replace(failed(A, None), operation="connect", elapsed=seconds))

    assert before == written(folder)
    assert 0.5 == known_time(A)


def test_while_all_are_out_each_process_tries_once_and_then_at_the_pace_of_all():
    breaker = CircuitBreaker(ejection=300, jitter=0)
    first, other, third = (process([A, B], breaker=breaker) for _ in range(3))
    for coordinator in (A, B):
        first.report(failed(coordinator))

    def turn(cluster, *tried):
        return cluster.pick_or_wait(id(cluster), tried, lambda tries: 60.0)

    assert A == turn(other)  # whatever the first one said
    other.report(failed(A))
    assert B == turn(other, A)
    other.report(failed(B))
    assert A == turn(third)
    third.report(failed(A))
    assert isinstance(turn(third, A), Wait)  # for other has just tried B


def test_what_lasts_longer_than_any_ejection_is_another_clock_s():
    file = shared_file.SharedFile()
    file.update(
        [],
        lambda view: [
            Record(key_of(B), at=view.now, ejected_until=view.now + 1000, fault=Fault.LOST)
        ],
    )

    assert B in [process().pick() for _ in range(4)]


def test_what_this_process_knows_is_told_to_a_new_file(folder):
    one = process()
    one.report(failed(B))
    for path in folder.glob("state-*"):
        path.unlink()
    one.pick()

    assert B not in [process().pick() for _ in range(12)]


@pytest.mark.parametrize("name", ["turns-*", "state-*"])
def test_without_a_file_that_can_be_written_chance_decides(folder, name):
    """Or all would choose the same one."""
    process().pick()
    (path,) = folder.glob(name)
    path.unlink()
    path.mkdir()

    picks = Counter(process(seed=n).pick() for n in range(40))

    assert set(ALL) == picks.keys()
    one = process()
    one.report(failed(B))
    assert B not in [one.pick() for _ in range(12)]


def test_two_that_choose_at_once_do_not_choose_the_same(monkeypatch):
    """Where neither has the lock, whoever wrote first keeps it."""
    meanwhile = [process(seed=n) for n in range(3)]
    count = sharing.Sharing._count
    picks = []

    def overtaken(self, view, turns):
        loads = count(self, view, turns)
        if meanwhile:
            picks.append(meanwhile.pop().pick())
        return loads

    monkeypatch.setattr(sharing.Sharing, "_count", overtaken)
    monkeypatch.setattr(shared_folder.OpenFile, "lock", lambda file, limit: None)
    picks.append(process(seed=9).pick())

    assert {A: 1, B: 1, C: 1, D: 1} == Counter(picks)
    with shared_file.SharedFile().turns() as turns:
        assert 4 == pytest.approx(sum(turn.load for turn in turns.read(0)[0]))


def test_whoever_shares_nothing_writes_nothing(folder):
    Cluster(ALL).pick()
    Cluster(ALL, clock=FakeClock(), share_state=True).pick()

    assert not folder.exists()


def test_clusters_that_share_with_others_are_not_those_that_do_not():
    made = [Cluster.shared(ALL, "random", LONG, share_state=each) for each in (True, False)]

    assert made[0] is not made[1]
    assert made[0] is Cluster.shared(ALL, "random", LONG, share_state=True)
    assert (True, False) == tuple(each._state.sharing is not None for each in made)


def test_a_record_is_what_it_was():
    full = Record(b"12345678", 3.0, 4.0, 5.0, 6.0, 0.5, 0.25, 1.5, 4711, 255, Fault.UNKNOWN)

    assert full == Record.unpacked(full.packed(), 3.0)
    assert None is Record.unpacked(full.packed()[:-1], 3.0)
    assert [Turn(b"12345678", 3.0, -0.5)] == Turn.unpacked(
        Turn(b"12345678", 3.0, -0.5).packed(), 3.0
    )


def test_a_load_is_half_of_it_after_ten_seconds():
    assert 0.5 == Record(b"12345678", at=3.0, load=1.0).load_at(13.0)
    assert 0.0 < Record(b"12345678", at=3.0, load=1.0).load_at(1e9) < 1e-29
