"""How long a connect takes while one of four coordinators is silent.

    python benchmarks/connect_goals.py [--meetings 40] [--stream 400]

Four silences: mute (takes requests, answers none), hung (SIGSTOP), saturated (no service thread is
free) and a black hole (hung, and its queue of connections is full, so that the kernel drops what
arrives).  Each client of the first kind has never met the silent coordinator and now does; "from
then on" is a stream of connects of one client that has, long enough for it to be tried again once
or twice.

Goals: the first time at most 300 ms over the p99 of four healthy coordinators, measured just
before, from then on at most 5 ms over it.
"""

from __future__ import annotations

import random
import statistics
import threading
import time

from _shared import Fault, black_hole, fault, parser, percentile, verdict

import impala_ha
from impala_ha import Coordinator
from impala_ha.testing import LocalCluster

SIZE = 4
PACE = 0.02  # seconds between two connects of the stream
FIRST_GOAL, LATER_GOAL = 0.300, 0.005
SILENCES: dict[str, Fault] = {
    "mute": fault("mute", "unmute"),
    "hung": fault("hang", "resume"),
    "saturated": fault("saturate", "unsaturate"),
    "black hole": black_hole,
}
OPTIONS = {"timeout": 3, "connect_timeout": 1.5, "probe_after": 1, "deadline": 10}


def main() -> None:
    program = parser(__doc__)
    program.add_argument("--meetings", type=int, default=40)
    program.add_argument("--stream", type=int, default=400)
    arguments = program.parse_args()
    with LocalCluster(SIZE) as cluster:
        members = [Coordinator(one.host, one.port) for one in cluster]
        silent = members[-1]
        stream(members, 50)  # what is imported and opened once is not what is measured
        print(
            f"{SIZE} coordinators, 1 of them silent; {arguments.meetings} first meetings, "
            f"{arguments.stream} connects from then on; ms"
        )
        head = f"{'p50':>10}{'p99':>8}{'goal':>8}"
        print(f"{'':14}{'all healthy':>18}   {'first time':>26}   {'from then on':>26}")
        print(f"{'':14}{'p50':>10}{'p99':>8}   {head}   {head}")
        for name, silence in SILENCES.items():
            healthy = stream(members, arguments.stream)  # the machine may be busier than before
            bound = percentile(healthy, 99)
            with silence(cluster[SIZE - 1]):
                first = [meeting(members, silent, seed) for seed in range(arguments.meetings)]
                later = stream(members, arguments.stream, silent)
            print(
                f"{name:14}{milliseconds(healthy)}   "
                f"{milliseconds(first)}{(bound + FIRST_GOAL) * 1000:8.1f}   "
                f"{milliseconds(later)}{(bound + LATER_GOAL) * 1000:8.1f}   "
                f"{verdict(percentile(first, 99) <= bound + FIRST_GOAL)}, "
                f"{verdict(percentile(later, 99) <= bound + LATER_GOAL)}"
            )
            settle()


def meeting(members: list[Coordinator], silent: Coordinator, seed: int) -> float:
    """Seconds of the connect in which a client that knows nothing meets the silent coordinator."""
    cluster = impala_ha.Cluster(members, rng=random.Random(seed))
    for _ in range(2 * SIZE):
        seconds = connected(cluster)
        if met(cluster, silent):
            return seconds
    raise AssertionError(f"{silent} was never met")


def stream(
    members: list[Coordinator], length: int, silent: Coordinator | None = None
) -> list[float]:
    """Seconds of each of *length* connects by one client, which has met the silent coordinator."""
    cluster = impala_ha.Cluster(members, rng=random.Random(0))
    while silent is not None and not met(cluster, silent):
        connected(cluster)
    found = []
    for _ in range(length):
        found.append(connected(cluster))
        time.sleep(PACE)
    return found


def met(cluster: impala_ha.Cluster, silent: Coordinator) -> bool:
    """Has *cluster* left the silent one alone?"""
    return any(
        one.coordinator == silent and one.state is not impala_ha.State.HEALTHY
        for one in cluster.snapshot()
    )


def connected(cluster: impala_ha.Cluster) -> float:
    """Seconds until a connection is there; it is closed outside of the measurement."""
    began = time.perf_counter()
    connection = impala_ha.connect(cluster, **OPTIONS)
    seconds = time.perf_counter() - began
    connection.close()
    return seconds


def settle() -> None:
    """Wait for the threads that still ask the silent one: they are bound by connect_timeout."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(2 * OPTIONS["connect_timeout"])


def milliseconds(values: list[float]) -> str:
    return f"{statistics.median(values) * 1000:10.1f}{percentile(values, 99) * 1000:8.1f}"


if __name__ == "__main__":
    main()
