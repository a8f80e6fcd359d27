"""How long a local cluster takes to start and restart, and what a coordinator weighs at rest.

    python benchmarks/local_cluster.py [--rounds 5] [--size 3]

Bounds that were asked for: three coordinators ready within 3 s, a restart well under 1 s, and
150 MiB of resident memory for a coordinator at rest.  Memory is shown twice, because what the
coordinators of one cluster share after the fork is counted in the resident size of each.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import impala.dbapi

from impala_ha.testing import LocalCluster

KIB = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=3)
    arguments = parser.parse_args()
    starts, restarts, stops, calls = [], [], [], []
    for _ in range(arguments.rounds):
        cluster = LocalCluster(arguments.size)
        starts.append(timed(cluster.start))
        resting = [memory(coordinator.pid) for coordinator in cluster]
        restarts.append(timed(cluster[0].restart))
        calls.append(statement(cluster[0]))
        used = memory(cluster[0].pid)
        stops.append(timed(cluster.stop))
    print(f"{arguments.size} coordinators, {arguments.rounds} rounds: median (worst)")
    print(f"  start until ready     {seconds(starts)}   bound 3 s")
    print(f"  restart until ready   {seconds(restarts)}   bound 1 s")
    print(f"  stop                  {seconds(stops)}")
    print(f"  SELECT 1, warm        {seconds(calls)}")
    print(f"  at rest               {megabytes(resting)}   bound 150 MiB")
    print(f"  after 100 SELECT 1    {megabytes([used])}")


def timed(call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def statement(coordinator, times: int = 100) -> float:
    """Seconds for one SELECT 1 on an open cursor, all its calls."""
    connection = impala.dbapi.connect(coordinator.host, coordinator.port)
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    cursor.fetchall()
    began = time.perf_counter()
    for _ in range(times):
        cursor.execute("SELECT 1")
        cursor.fetchall()
    spent = (time.perf_counter() - began) / times
    cursor.close()
    connection.close()
    return spent


def memory(pid: int) -> tuple[float, float]:
    """Resident and proportional size of a process, in MiB."""
    fields = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    )
    return tuple(int(fields[name].split()[0]) / KIB for name in ("Rss", "Pss"))


def seconds(values: list[float]) -> str:
    return f"{statistics.median(values):7.3f} s ({max(values):.3f} s)"


def megabytes(values: list[tuple[float, float]]) -> str:
    resident, proportional = (max(each) for each in zip(*values, strict=True))
    return f"{resident:4.0f} MiB resident, {proportional:.0f} MiB of its own share"


if __name__ == "__main__":
    main()
