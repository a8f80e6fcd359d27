"""What a job costs while all is well: ours against plain impyla, in time, CPU and round trips.

    python benchmarks/good_path.py [--jobs 300]

The server answers prebuilt bytes (`_canned.py`), so that the client is measured, and is a process
of its own, so that its CPU is not.  Jobs of both are interleaved, within one run: what else the
machine does hits both.  Medians of each.  A round trip is a flight that the server was sent.

Goals: cold 1.0 (time) and 1.1 (CPU), warm 0.8 and 0.9, threads 1.0 of impyla's jobs a second.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import impala.dbapi
from _canned import Canned

import impala_ha

THREADS, EACH = 16, 100
WARM_UP = 30  # jobs that are not counted: what is imported, resolved and remembered once
CLIENTS = ("impyla", "impala-ha")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=300)
    jobs = parser.parse_args().jobs
    print(f"{'':22}{'impyla':>12}{'impala-ha':>12}{'ratio':>8}{'goal':>6}")
    with Canned() as server:
        cold = {client: lambda client=client: job(client, server) for client in CLIENTS}
        show("cold job", cold, jobs, server, (1.0, 1.1))
        cursors = {client: connected(client, server).cursor() for client in CLIENTS}
        warm = {client: lambda client=client: statement(cursors[client]) for client in CLIENTS}
        show("warm cursor", warm, jobs, server, (0.8, 0.9))
        rates = {client: in_threads(client, server) for client in CLIENTS}
        line(f"{THREADS} threads, jobs/s", rates, 1.0, "{:.0f}")


def connected(client: str, server: Canned) -> Any:
    if client == "impyla":
        return impala.dbapi.connect(server.host, server.port, auth_mechanism="NOSASL")
    return impala_ha.connect([f"{server.host}:{server.port}"], auth_mechanism="NOSASL")


def statement(cursor: Any) -> None:
    cursor.execute("select 1")
    assert cursor.fetchall() == [(1,)]


def job(client: str, server: Canned) -> None:
    """Connect, cursor, select 1, fetchall, close."""
    connection = connected(client, server)
    cursor = connection.cursor()
    statement(cursor)
    cursor.close()
    connection.close()


def show(
    name: str,
    work: dict[str, Callable[[], None]],
    jobs: int,
    server: Canned,
    goals: tuple[float, float],
) -> None:
    """Three lines: milliseconds, milliseconds of CPU, round trips."""
    took: dict[str, list[float]] = {client: [] for client in CLIENTS}
    spent: dict[str, list[float]] = {client: [] for client in CLIENTS}
    for number in range(WARM_UP + jobs):
        for client in CLIENTS:
            wall, cpu = time.perf_counter(), time.process_time()
            work[client]()
            if number >= WARM_UP:
                spent[client].append((time.process_time() - cpu) * 1000)
                took[client].append((time.perf_counter() - wall) * 1000)
    line(f"{name}, ms", {c: statistics.median(took[c]) for c in CLIENTS}, goals[0], "{:.3f}")
    line(f"{name}, ms CPU", {c: statistics.median(spent[c]) for c in CLIENTS}, goals[1], "{:.3f}")
    trips = {}
    for client in CLIENTS:
        server.flights()
        work[client]()
        trips[client] = float(server.flights())
    line(f"{name}, round trips", trips, None, "{:.0f}")


def in_threads(client: str, server: Canned) -> float:
    """Jobs a second, the best of three times: threads come in each other's way by chance."""

    def jobs() -> None:
        for _ in range(EACH):
            job(client, server)

    best = 0.0
    for _ in range(3):
        threads = [threading.Thread(target=jobs) for _ in range(THREADS)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        best = max(best, THREADS * EACH / (time.perf_counter() - began))
    return best


def line(name: str, values: dict[str, float], goal: float | None, form: str) -> None:
    theirs, ours = (values[client] for client in CLIENTS)
    columns = "".join(f"{form.format(value):>12}" for value in (theirs, ours))
    print(
        f"{name:22}{columns}{ours / theirs:>8.2f}{'' if goal is None else f'{goal:>6}'}", flush=True
    )


if __name__ == "__main__":
    main()
