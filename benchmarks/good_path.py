"""What a job costs while all is well: ours against plain impyla, in time, CPU and round trips.

    python benchmarks/good_path.py [--jobs 300]

The server answers prebuilt bytes (`_canned.py`), so that the client is measured, and is a process
of its own, so that its CPU is not.  Jobs of both are interleaved, within one run: what else the
machine does hits both.  Medians of each.  A round trip is a flight that the server was sent.

Goals: cold 1.0 (time) and 1.1 (CPU), warm 0.8 and 0.9, threads 1.0 of impyla's jobs a second.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Callable

from _canned import Canned
from _shared import CLIENTS, HEAD, connected, cursors_at, job, line, parser, statement, timed

THREADS, EACH = 16, 100
WARM_UP = 30  # jobs that are not counted: what is imported, resolved and remembered once


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--jobs", type=int, default=300)
    jobs = arguments.parse_args().jobs
    print(HEAD)
    with Canned() as server, contextlib.ExitStack() as stack:
        cold = {client: lambda client=client: whole(client, server) for client in CLIENTS}
        show("cold job", cold, jobs, server, (1.0, 1.1))
        cursors = cursors_at(server, stack)
        warm = {client: lambda client=client: statement(cursors[client]) for client in CLIENTS}
        show("warm cursor", warm, jobs, server, (0.8, 0.9))
        rates = {client: in_threads(client, server) for client in CLIENTS}
        line(f"{THREADS} threads, jobs/s", rates, 1.0, "{:.0f}", least=True)


def whole(client: str, server: Canned) -> None:
    """Connect, cursor, select 1, fetchall, close."""
    assert job(connected(client, server.host, server.port)) == [(1,)]


def show(
    name: str,
    work: dict[str, Callable[[], object]],
    jobs: int,
    server: Canned,
    goals: tuple[float, float],
) -> None:
    """Three lines: milliseconds, milliseconds of CPU, round trips."""
    took: dict[str, list[float]] = {client: [] for client in CLIENTS}
    spent: dict[str, list[float]] = {client: [] for client in CLIENTS}
    for number in range(WARM_UP + jobs):
        for client in CLIENTS:
            cpu = time.process_time()
            wall = timed(work[client])
            if number >= WARM_UP:
                spent[client].append((time.process_time() - cpu) * 1000)
                took[client].append(wall * 1000)
    line(f"{name}, ms", {c: statistics.median(took[c]) for c in CLIENTS}, goals[0])
    line(f"{name}, ms CPU", {c: statistics.median(spent[c]) for c in CLIENTS}, goals[1])
    trips = {}
    for client in CLIENTS:
        server.flights()
        work[client]()
        trips[client] = float(server.flights())
    line(f"{name}, round trips", trips, form="{:.0f}")


def in_threads(client: str, server: Canned) -> float:
    """Jobs a second, the best of three times: threads come in each other's way by chance."""

    def jobs() -> None:
        for _ in range(EACH):
            whole(client, server)

    def all_of_them() -> None:
        threads = [threading.Thread(target=jobs) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return THREADS * EACH / min(timed(all_of_them) for _ in range(3))


if __name__ == "__main__":
    main()
