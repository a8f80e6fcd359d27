"""What the choice of a coordinator takes, with few and many of them, in one thread and in 16.

    python benchmarks/pick.py

Microseconds of one `Cluster.pick`, the lock included, while all coordinators are healthy.

Goal: 5 us with 100 coordinators and 16 threads.
"""

from __future__ import annotations

import threading
import time

from _shared import verdict

from impala_ha import Cluster, Coordinator

SIZES, PICKS = (3, 20, 100), 20_000
GOAL = 5.0  # microseconds


def main() -> None:
    print(f"{'policy':20}{'coordinators':>13}{'1 thread':>10}{'16 threads':>12}  us a pick")
    for policy in ("round_robin", "random", "least_connections", "two_choices", "ordered"):
        for size in SIZES:
            cluster = Cluster([Coordinator(f"host{n}") for n in range(size)], policy=policy)
            one, many = timed(cluster, 1), timed(cluster, 16)
            goal = policy == "round_robin" and size == SIZES[-1]
            said = f"  goal {GOAL:g}: {verdict(many <= GOAL)}" if goal else ""
            print(f"{policy:20}{size:13}{one:10.2f}{many:12.2f}{said}")


def timed(cluster: Cluster, threads: int) -> float:
    """Microseconds a pick, the least of three."""

    def picks() -> None:
        for _ in range(PICKS // threads):
            cluster.pick()

    least = float("inf")
    for _ in range(3):
        working = [threading.Thread(target=picks) for _ in range(threads)]
        began = time.perf_counter()
        for thread in working:
            thread.start()
        for thread in working:
            thread.join()
        least = min(least, (time.perf_counter() - began) / PICKS * 1e6)
    return least


if __name__ == "__main__":
    main()
