"""The simulated part of `fleet.py`: what each policy makes of a thousand clients, and a death."""

from __future__ import annotations

import time
from pathlib import Path

from _shared import verdict

from impala_ha.testing.simulation import Change, Condition, Fleet, Result, compare, plot, simulate

_MOST_BUSY, _MOST_LONGER = 1.25, 1.10
_DEATH = 300
PROXY = "a proxy with leastconn"
TURNS = "round_robin, as by default"
LOADS = "least_loaded"
_OPENING = 0.01  # seconds that a connection may take to open, pages included
#: What is compared, by name.
FLEETS = {
    PROXY: {"process": "proxy", "policy": "haproxy_leastconn", "share_state": False},
    "first host": {"policy": "first_host", "share_state": False},
    "round robin from 0": {"policy": "round_robin_from_0", "share_state": False},
    "elastic's selector": {"policy": "elastic", "share_state": False},
    "random": {"policy": "random", "share_state": False},
    "round_robin, share_state=False": {"share_state": False},
    TURNS: {},
    "least_connections in a service": {"process": "machine", "policy": "least_connections"},
    "two_choices in a service": {"process": "machine", "policy": "two_choices"},
    "least request in a service": {
        "process": "machine",
        "policy": "least_request",
        "share_state": False,
    },
    LOADS: {"policy": "least_loaded"},
    "least_loaded, share_state=False": {"policy": "least_loaded", "share_state": False},
    "least_loaded, pages 5 s old": {"policy": "least_loaded", "page_age": 5.0},
}


def policies() -> dict[str, Result]:
    """1,000 clients on 50 machines at 20 coordinators, by policy."""
    found = {name: simulate(Fleet(**how), seed=1) for name, how in FLEETS.items()}
    print("1,000 clients, 50 machines, 20 coordinators, 10 minutes\n")
    print(compare(found))
    least = found[PROXY].time(99)
    for name in (TURNS, LOADS):
        busiest, longer = found[name].imbalance(), found[name].time(99) / least
        print(
            f"\n{name}\n"
            f"  arrivals, busiest / mean {busiest:.2f}, goal {_MOST_BUSY}: "
            f"{verdict(busiest <= _MOST_BUSY)}\n"
            f"  p99 of a job's time, / that with the proxy {longer:.2f}, goal {_MOST_LONGER}: "
            f"{verdict(longer <= _MOST_LONGER)}\n"
            f"  p99 of a job's wait {found[name].wait(99):.2f} s, with the proxy "
            f"{found[PROXY].wait(99):.2f} s: {verdict(_waits_no_longer(found, name))}"
        )
    return found


def _waits_no_longer(found: dict[str, Result], name: str) -> bool:
    return found[name].wait(99) <= _MOST_LONGER * found[PROXY].wait(99) + _OPENING


def death() -> Result:
    """One of twenty dies, to which 500 clients keep their connections."""
    about = {
        "clients": 10_000,
        "slots": 160,
        "process": "client",
        "keep": True,
        "seconds": 420.0,
    }
    change = Change(_DEATH, 0, Condition.DEAD)
    found = {
        "round_robin": simulate(Fleet(**about), [change], seed=1),
        "first host": simulate(Fleet(**about, policy="first_host"), [change], seed=1),
    }
    print("\nOne of 20 coordinators dies; 10,000 clients keep their connections")
    for name, result in found.items():
        dead, *others = result.coordinators
        had = result.connections[dead][_DEATH - 2]
        moved = [sum(result.arrivals[each][_DEATH:]) for each in others]
        by_second = [
            sum(result.arrivals[each][second] for each in others)
            for second in range(_DEATH, int(result.fleet.seconds))
        ]
        mean = max(1.0, sum(moved) / len(moved))
        print(
            f"  {name}: {had} connections lost; {min(moved)} to {max(moved)} arrive at each other "
            f"one (busiest / mean {max(moved) / mean:.2f}),\n"
            f"    {by_second[0]} in the first second, {sum(by_second[1:10])} in the next nine, "
            f"{sum(by_second[10:60])} in the rest of a minute; {result.failed} jobs failed"
        )
    return found["round_robin"]


def hour() -> None:
    """An hour of 10,000 clients at 100 coordinators."""
    fleet = Fleet(clients=10_000, coordinators=100, statement=60.0, seconds=3600.0)
    changes = [Change(1000, 0, Condition.DEAD), Change(1600, 0)]
    began = time.process_time()
    result = simulate(fleet, changes, seed=1)
    took = time.process_time() - began
    print("\nAn hour of 10,000 clients, 50 machines, 100 coordinators, one away for 10 minutes\n")
    print(compare({"round_robin, as by default": result}))
    print(f"  {took:.0f} s of one processor, goal 120: {verdict(took <= 120)}")


def pictures(folder: Path, found: dict[str, Result], dead: Result) -> None:
    """Draw what was *found*, and the death, for the documentation."""
    shown = {name: found[name] for name in (PROXY, "random", TURNS, LOADS)}
    plot(shown, str(folder / "fleet-policies.png"))
    dead.plot(str(folder / "fleet-death.png"), _DEATH - 20)
