"""
The fleet: what many short programs do together: load, tries at a dead coordinator, cost.

    python benchmarks/fleet.py [--simulated] [--hour] [--pictures FOLDER]

First real processes: each job is one that connects once and ends, to a local cluster of four; as
many at a time as given.  `max/mean` is the most that one coordinator got, by the mean of all.  A
dead one is a port that hangs up and counts who comes; a backoff period is what lies between two
trials (5 s, then 1, 2, 4, ... s).  The cost is that of `Cluster.pick` with what is shared less that
of one without, in 400 picks a process, with 20 coordinators.

Goals: 40 processes over 4 coordinators at most 1.05; lists of which half name only two of the four
1.27; one try a backoff period of all 100 processes together; 100 us at p50 and 1 ms at p99.

Then a simulated fleet (`--simulated`: that alone): virtual time drives the library's own loop, with
its choice, health, retries, hedges, readings of loads and sharing; coordinators of 16 slots, 80 %
busy, and lognormal statements of 10 s on average are made up.  The same on every machine, but for
the seconds that it takes.  `--hour` simulates an hour of 10,000 clients at 100 coordinators as
well; `--pictures` draws the pictures of the documentation.

Goals: arrivals at the busiest coordinator at most 1.25 times the mean; the time that 99 % of the
jobs stay below, and what they wait, at most 10 % longer than with a proxy that counts all
connections (leastconn), and 10 ms to open a connection; the hour in 120 s of one processor.  Where
a coordinator dies, its clients spread over the others and over time: shown.

Columns: jobs; those that failed; arrivals, and open connections on average over time, at the
busiest coordinator / mean; seconds that a job takes longer than its statement runs, mean and p99;
job / run time of its statement, mean and p99; tries at a coordinator that was gone.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import _simulated
from _shared import parser, percentile, verdict

from impala_ha import Cluster, Coordinator
from impala_ha.testing import LocalCluster

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "contract"))
from fleet_jobs import dead_coordinator, forked, spawned

JOBS, AFTER_DEATH = 40, 100
PICKS, SIZE = 400, 20


def main() -> None:
    program = parser(__doc__)
    program.add_argument("--simulated", action="store_true", help="leave out real processes")
    program.add_argument("--hour", action="store_true", help="simulate the hour as well")
    program.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw them there")
    given = program.parse_args()
    if not given.simulated:
        processes()
    found, dead = _simulated.policies(), _simulated.death()
    if given.hour:
        _simulated.hour()
    if given.pictures is not None:
        _simulated.pictures(given.pictures, found, dead)


def processes() -> None:
    with LocalCluster(4) as cluster:
        four = cluster.hosts.split(",")
        some = [",".join(four), ",".join(four[:2])]
        print(f"{'':44}{'max/mean':>9}{'goal':>6}")
        together = partial(forked, at_a_time=JOBS, hedge_after=0)
        for name, run in (("fork", together), ("spawn", partial(spawned, hedge_after=0))):
            with own_state():
                shown(f"{JOBS} processes ({name})", run([some[0]] * JOBS), 1.05)
            with own_state():
                shown(f"{JOBS} with lists that overlap ({name})", run(some * (JOBS // 2)), 1.27)
            with own_state("0"):
                shown(f"{JOBS} processes that share nothing ({name})", run([some[0]] * JOBS))
        with own_state(), dead_coordinator() as (where, came):
            death([*four[:3], where], came)
    with own_state():
        cost()
    print()


@contextlib.contextmanager
def own_state(shares: str = "1") -> Iterator[None]:
    """Let all processes of the block share a file of their own, if they share at all."""
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        os.environ |= {"XDG_RUNTIME_DIR": folder, "IMPALA_HA_SHARE_STATE": shares}
        yield


def shown(name: str, count: Counter[str], goal: float | None = None) -> None:
    found = max(count.values()) * 4 / count.total()
    said = "" if goal is None else f"{goal:>6}  {verdict(found <= goal)}"
    print(f"{name:44}{found:>9.2f}{said}", flush=True)


def death(hosts: list[str], came: list[float]) -> None:
    """How often all together try one that is dead."""
    began = time.monotonic()
    spawned([",".join(hosts)] * AFTER_DEATH, hedge_after=0)
    took = time.monotonic() - began
    periods, end, pause = 1, 5.0, 1.0
    while end < took:
        periods, end, pause = periods + 1, end + pause, 2 * pause
    met = verdict(len(came) <= periods)
    print(f"\n{AFTER_DEATH} processes in {took:.0f} s, one of four coordinators dead:")
    print(f"{len(came)} tries of it, goal {periods}, one a backoff period: {met}", flush=True)


def cost() -> None:
    """Microseconds that sharing adds to the choice of a coordinator."""
    print(f"\n{'':30}{'p50':>8}{'p99':>8}  us that sharing adds to a connect")
    for processes in (1, 8):
        told = get_context("fork").SimpleQueue()
        children = [
            get_context("fork").Process(target=lambda: told.put(picks(processes)))  # noqa: B023
            for _ in range(processes)
        ]
        for child in children:
            child.start()
        took = [each for _ in children for each in told.get()]
        p50, p99 = percentile(took, 50), percentile(took, 99)
        said = f"goal 100 and 1000: {verdict(p50 <= 100 and p99 <= 1000)}"
        print(f"{f'{processes} processes':30}{p50:8.0f}{p99:8.0f}  {said}", flush=True)


def picks(processes: int) -> list[float]:
    """Microseconds of each pick, less what one takes without sharing; one each millisecond."""
    hosts = [Coordinator(f"host{number}") for number in range(SIZE)]
    took: dict[bool, list[float]] = {True: [], False: []}
    clusters = {share: Cluster(hosts, share_state=share) for share in took}
    for _ in range(PICKS):
        for share, cluster in clusters.items():
            time.sleep(0.0005 * processes)  # before both, or one would find the caches cold
            began = time.perf_counter()
            cluster.pick()
            took[share].append((time.perf_counter() - began) * 1e6)
    alone = percentile(took[False], 50)
    return [each - alone for each in took[True]]


if __name__ == "__main__":
    main()
