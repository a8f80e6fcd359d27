"""The simulator: what it must never lose, and results that are known from elsewhere."""

import gc
import logging
import math
import sys
from collections import Counter
from itertools import pairwise
from statistics import fmean

import pytest

from impala_ha import CircuitBreaker, Retry
from impala_ha.core import observers
from impala_ha.core.extras import MissingExtra
from impala_ha.testing.simulation import PEERS, Change, Condition, Fleet, compare, plot, simulate
from impala_ha.testing.simulation.events import EventLoop

pytest.importorskip("greenlet", reason="the extra simulation is not installed")

SMALL = {"clients": 100, "machines": 5, "coordinators": 5, "slots": 8, "seconds": 160}
OURS = [
    "least_loaded",
    "least_connections",
    "ordered:3",
    "random",
    "round_robin",
    "sticky",
    "two_choices",
]
FAULTS = [
    Change(70, 0, Condition.DEAD),
    Change(80, 1, Condition.HUNG),
    Change(90, 2, Condition.DRAINING),
    Change(95, 3, speed=0.5),
    Change(120, 0),
    Change(130, 1),
    Change(140, 2),
]


def picture(result):
    return result.table(), result.connections, result.failed_tries


@pytest.mark.parametrize("keep", [False, True])
def test_each_job_ends_once(keep):
    fleet = Fleet(**SMALL, process="client", keep=keep)

    result = simulate(fleet, FAULTS)

    assert result.done > 300
    assert 0 <= result.running <= fleet.clients
    assert result.started == result.done + result.failed + result.running
    assert all(0 <= n <= fleet.clients for counts in result.connections.values() for n in counts)


def test_what_the_policies_get_is_the_same_and_a_seed_gives_the_same_again():
    fleet = Fleet(**SMALL)

    first, again, other = (picture(simulate(fleet, FAULTS, seed=n)) for n in (1, 1, 2))

    assert first == again
    assert first != other


@pytest.mark.parametrize("policy", [*OURS, *PEERS])
def test_every_policy_runs_jobs(policy):
    result = simulate(Fleet(**SMALL, policy=policy, process="machine", share_state=False))

    assert result.done > 0
    assert result.failed == 0


def test_an_index_from_0_sends_every_fresh_process_to_one_coordinator():
    fleet = Fleet(clients=500, machines=50, coordinators=5, slots=40, seconds=60, warm_up=0)

    def imbalance(**how):
        return round(simulate(Fleet(**{**vars_of(fleet), **how})).imbalance(), 2)

    assert 5.0 == imbalance(policy="round_robin_from_0", share_state=False)
    assert 5.0 == imbalance(policy="first_host", share_state=False)
    assert imbalance() < 1.05


def test_the_rules_of_others_do_what_they_are_known_for():
    fleet = {**SMALL, "seconds": 120, "share_state": False}

    def simulated(policy, process):
        return simulate(Fleet(**fleet, policy=policy, process=process))

    proxy = simulated("haproxy_leastconn", "proxy")
    fresh, lives_on = (simulated("elastic", process) for process in ("job", "machine"))
    assert proxy.load_imbalance() < simulated("least_request", "proxy").load_imbalance() < 1.5
    assert lives_on.imbalance() < fresh.imbalance() < 1.5  # shuffled once a process


def vars_of(fleet):
    return {name: getattr(fleet, name) for name in fleet.__dataclass_fields__}


def test_with_one_coordinator_jobs_wait_as_queueing_theory_says():
    """Erlang's C for 8 slots, with so many clients that their arrivals are nearly Poisson's."""
    slots, load = 8, 0.8
    fleet = Fleet(
        clients=2000,
        machines=1,
        coordinators=1,
        slots=slots,
        utilization=load,
        statement=1.0,
        policy="ordered",
        process="proxy",
        share_state=False,
        sigma=0.0001,
        seconds=1500,
        warm_up=100,
    )

    found = simulate(fleet)

    offered = slots * load
    tail = offered**slots / math.factorial(slots) / (1 - load)
    waits = tail / (sum(offered**n / math.factorial(n) for n in range(slots)) + tail)
    with_exponential = waits / (slots * (1 - load))
    # Run times that are all alike wait half as long, or a little more.
    assert found.mean_wait - 0.002 == pytest.approx(0.55 * with_exponential, rel=0.2)


def test_a_dead_coordinator_gets_one_try_a_backoff_period_from_all_processes_of_a_machine():
    breaker = CircuitBreaker(ejection=5, jitter=0, max_ejection=300)
    fleet = Fleet(**{**SMALL, "machines": 1}, breaker=breaker)

    result = simulate(fleet, [Change(65, 0, Condition.DEAD)])
    alone = simulate(
        Fleet(**{**vars_of(fleet), "share_state": False}), [Change(65, 0, Condition.DEAD)]
    )

    times = [each.at for each in result.failed_tries]
    pauses = [later - at for at, later in pairwise(times)]
    assert times[0] >= 70  # that it is gone was seen by its statements
    assert len(pauses) >= 5
    assert all(pause >= 2**n for n, pause in enumerate(pauses))
    assert len(alone.failed_tries) > 5 * len(times)


def test_who_observes_the_calls_of_the_program_sees_none_of_those_that_are_made_up():
    seen = []

    class Observer:
        def started(self, call):
            seen.append(call)

        def ended(self, *_):
            raise AssertionError

        happened = started

    observer = Observer()
    observers.add(observer)
    try:
        simulate(Fleet(**SMALL), [Change(5, 0, Condition.DEAD)])
        observers.happened("real")
    finally:
        observers.remove(observer)

    assert ["real"] == seen


def test_the_survivors_share_the_load_of_a_dead_coordinator():
    fleet = Fleet(**{**SMALL, "clients": 400, "utilization": 0.5, "statement": 2.0})

    result = simulate(fleet, [Change(65, 0, Condition.DEAD)])

    _, *others = (sum(counts[75:]) for counts in result.arrivals.values())
    assert max(others) / fmean(others) < 1.05
    assert result.failed == 0


def test_one_that_is_back_gets_its_share_within_two_trial_periods():
    breaker = CircuitBreaker(ejection=5, jitter=0, max_ejection=5)
    fleet = Fleet(
        **{**SMALL, "clients": 400, "utilization": 0.5, "statement": 2.0}, breaker=breaker
    )

    result = simulate(fleet, [Change(65, 0, Condition.DEAD), Change(100, 0)])

    back, *others = (sum(counts[110:140]) for counts in result.arrivals.values())
    assert back / fmean(others) == pytest.approx(1.0, abs=0.1)


def test_those_who_kept_connections_to_a_dead_coordinator_spread_over_place_and_time():
    fleet = Fleet(
        clients=300, machines=20, coordinators=10, keep=True, process="client", seconds=150
    )

    result = simulate(fleet, [Change(100, 0, Condition.DEAD)])

    dead, *others = result.coordinators
    moved = [sum(result.arrivals[each][100:]) for each in others]
    each_second = [
        sum(second) for second in zip(*(result.arrivals[o][100:] for o in others), strict=True)
    ]
    assert 0.9 * result.connections[dead][98] <= sum(moved) <= result.connections[dead][98]
    assert min(moved) > 0
    assert max(moved) < sum(moved) / 3
    assert sum(each_second[1:]) > sum(moved) / 4  # with their next statement, not all at once


def test_a_hung_coordinator_costs_a_job_a_hedge_and_no_time_out():
    fleet = Fleet(**SMALL, silence=1000)

    result = simulate(fleet, [Change(100, 0, Condition.HUNG)])

    assert result.failed == 0
    tries = Counter(each.machine for each in result.failed_tries)
    assert set(range(5)) == set(tries)


def test_a_hedge_saves_what_a_time_out_costs():
    hung = [Change(100, 0, Condition.HUNG)]
    about = {**SMALL, "utilization": 0.4, "silence": 1000, "share_state": False}

    hedged, patient = (simulate(Fleet(**about, hedge_after=n), hung) for n in (0.25, 0))

    assert hedged.failed == patient.failed == 0
    assert patient.mean_wait > hedged.mean_wait + 0.1


def test_one_that_drains_finishes_what_it_has_and_gets_no_more():
    result = simulate(Fleet(**{**SMALL, "sigma": 0.1}), [Change(100, 0, Condition.DRAINING)])

    drains = result.coordinators[0]
    assert result.failed == 0
    assert result.connections[drains][98] > 0
    assert set(result.connections[drains][130:]) == {0}
    assert 1 <= len(result.failed_tries) < 60


def test_one_that_tells_that_it_drains_is_left_before_anybody_meets_it():
    drains = [Change(100, 0, Condition.DRAINING)]

    told = simulate(Fleet(**SMALL, policy="least_loaded"), drains)
    met = simulate(Fleet(**SMALL), drains)

    assert len(told.failed_tries) < len(met.failed_tries)


def test_a_slow_one_gets_less_where_its_load_is_asked_for():
    slow = [Change(60, 0, speed=0.4)]

    by_load, by_turn = (
        simulate(Fleet(**SMALL, policy=p), slow) for p in ("least_loaded", "round_robin")
    )

    assert by_turn.imbalance(80) < 1.15
    assert by_load.load_imbalance() < 1.3 < by_turn.load_imbalance()
    assert sum(by_load.arrivals[by_load.coordinators[0]][80:]) < 0.8 * by_load.done / 5


def test_statements_of_one_that_hung_go_on_where_they_were():
    fleet = Fleet(**{**SMALL, "coordinators": 1, "clients": 20}, silence=1000)

    result = simulate(fleet, [Change(100, 0, Condition.HUNG), Change(110, 0)])

    assert result.failed == 0
    assert sum(result.arrivals[result.coordinators[0]][125:]) > 0


def test_jobs_fail_when_no_coordinator_is_back_within_the_deadline():
    fleet = Fleet(**{**SMALL, "coordinators": 1, "clients": 20}, retry=Retry(deadline=10))

    result = simulate(fleet, [Change(100, 0, Condition.DEAD)])

    assert result.failed >= 20


def test_a_slow_coordinator_fills_up_unless_connections_are_counted():
    def slowed(**how):
        fleet = Fleet(**SMALL, share_state=False, utilization=0.7, **how)
        result = simulate(fleet, [Change(60, 0, speed=0.4)])
        return result.load_imbalance()

    assert slowed(process="proxy", policy="haproxy_leastconn") < 1.3
    assert slowed(process="job") > 1.7


def test_the_loads_that_coordinators_tell_even_out_what_turns_cannot_know():
    by_turn = simulate(Fleet(**SMALL))
    by_load = simulate(Fleet(**SMALL, policy="least_loaded"))

    assert by_load.load_imbalance() < by_turn.load_imbalance() - 0.1
    assert by_load.mean_wait < by_turn.mean_wait / 2


def test_pages_that_show_what_was_mislead():
    true = simulate(Fleet(**SMALL, policy="least_loaded"))
    stale = simulate(Fleet(**SMALL, policy="least_loaded", page_age=30))

    assert stale.load_imbalance() > true.load_imbalance() + 0.1


def test_a_policy_of_the_caller():
    class Last:
        def choose(self, candidates):
            return candidates[-1]

    result = simulate(Fleet(**SMALL, policy=lambda rng: Last(), share_state=False))

    assert [0, 0, 0, 0] == [sum(result.arrivals[each]) for each in result.coordinators[:-1]]


def test_nothing_is_logged(caplog):
    with caplog.at_level(logging.DEBUG, "impala_ha"):
        simulate(Fleet(**{**SMALL, "seconds": 90}), FAULTS[:2])

        assert [] == caplog.records

    logging.getLogger("impala_ha").warning("as before")
    assert ["as before"] == caplog.messages


@pytest.mark.parametrize("process", ["job", "client"])
def test_nothing_is_left_of_it(process):
    greenlet = pytest.importorskip("greenlet").greenlet

    simulate(Fleet(**SMALL, process=process), [*FAULTS, Change(159, 0, Condition.HUNG)])

    gc.collect()
    waiting = [each for each in gc.get_objects() if isinstance(each, greenlet) and each.parent]
    assert [] == [each for each in waiting if not each.dead]


def test_the_table_has_a_line_for_each():
    result = simulate(Fleet(**SMALL))

    assert 3 == len(compare({"one": result, "two": result}).splitlines())
    assert [f"coordinator{n}" for n in range(1, 6)] == [
        line.split()[0] for line in result.table().splitlines()[-5:]
    ]


def test_a_plot_is_drawn_or_says_what_to_install(tmp_path):
    pytest.importorskip("matplotlib")
    result = simulate(Fleet(**SMALL))

    result.plot(str(tmp_path / "one.svg"))
    plot({"one": result, "two": result}, str(tmp_path / "two.png"))

    assert (tmp_path / "one.svg").read_text("utf-8").startswith("<?xml")
    assert (tmp_path / "two.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_plot_says_what_to_install(monkeypatch):
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MissingExtra, match=r"pip install 'impala-ha\[plots\]'"):
        simulate(Fleet(**{**SMALL, "seconds": 1})).plot("never.svg")


WRONG = [
    ({"clients": 0}, "clients must be at least 1, not 0"),
    ({"statement": 0}, "statement must be above 0"),
    ({"sigma": -1}, "sigma must be at least 0"),
    ({"page_age": -1}, "page_age must be at least 0"),
    ({"process": "thread"}, "process must be one of job, client, machine, proxy, not 'thread'"),
    ({"policy": "best"}, "policy must be one of elastic, first_host.*or ordered:N, not 'best'"),
    ({"keep": True}, "keep is for processes that live on"),
    ({"clients": 100}, "100 clients cannot keep 80% of 320 slots busy"),
]


@pytest.mark.parametrize(("wrong", "text"), WRONG)
def test_what_cannot_be_is_refused(wrong, text):
    with pytest.raises(ValueError, match=text):
        Fleet(**wrong)


def test_a_change_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="at and coordinator"):
        Change(-1, 0)
    with pytest.raises(ValueError, match="speed must be above 0"):
        Change(1, 0, speed=0)
    with pytest.raises(ValueError, match="there is no coordinator 5 of 5"):
        simulate(Fleet(**SMALL), [Change(1, 5)])
    with pytest.raises(ValueError, match="percent"):
        simulate(Fleet(**{**SMALL, "seconds": 1})).wait(101)


def test_only_what_the_simulation_has_started_may_wait():
    with pytest.raises(RuntimeError, match="may wait"):
        EventLoop().sleep(1)


def test_without_greenlet_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "greenlet", None)

    with pytest.raises(MissingExtra, match=r"pip install 'impala-ha\[simulation\]'"):
        simulate(Fleet(**SMALL))
