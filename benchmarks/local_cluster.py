"""How long a local cluster takes to start and restart, and what a coordinator weighs at rest.

    python benchmarks/local_cluster.py [--rounds 5] [--size 3]

Memory is shown twice, because what the coordinators of one cluster share after the fork is counted
in the resident size of each.

Goals: three coordinators ready within 3 s, a restart within 1 s, and 150 MiB of resident memory for
a coordinator at rest.
"""

from __future__ import annotations

import contextlib
import statistics
from pathlib import Path

from _shared import connected, parser, statement, timed, verdict

from impala_ha.testing import LocalCluster

KIB = 1024


def main() -> None:
    program = parser(__doc__)
    program.add_argument("--rounds", type=int, default=5)
    program.add_argument("--size", type=int, default=3)
    arguments = program.parse_args()
    starts, restarts, stops, calls = [], [], [], []
    for _ in range(arguments.rounds):
        cluster = LocalCluster(arguments.size)
        starts.append(timed(cluster.start))
        resting = [memory(coordinator.pid) for coordinator in cluster]
        restarts.append(timed(cluster[0].restart))
        calls.append(warm(cluster[0]))
        used = memory(cluster[0].pid)
        stops.append(timed(cluster.stop))
    print(f"{arguments.size} coordinators, {arguments.rounds} rounds: median (worst)")
    print(f"  start until ready     {seconds(starts)}   goal 3 s: {verdict(max(starts) <= 3)}")
    print(f"  restart until ready   {seconds(restarts)}   goal 1 s: {verdict(max(restarts) <= 1)}")
    print(f"  stop                  {seconds(stops)}")
    print(f"  SELECT 1, warm        {seconds(calls)}")
    light = verdict(max(resident for resident, _ in resting) <= 150)
    print(f"  at rest               {megabytes(resting)}   goal 150 MiB: {light}")
    print(f"  after 100 SELECT 1    {megabytes([used])}")


def warm(coordinator, times: int = 100) -> float:
    """Seconds for one SELECT 1 on an open cursor, all its calls."""
    connection = connected("impyla", coordinator.host, coordinator.port)
    with contextlib.closing(connection), contextlib.closing(connection.cursor()) as cursor:
        statement(cursor)
        return timed(lambda: [statement(cursor) for _ in range(times)]) / times


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
