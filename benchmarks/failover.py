"""What happens to jobs while one of three coordinators is hurt: ours, impyla, a loop, HAProxy.

    python benchmarks/failover.py [--seconds 10] [--rate 40] [CLIENT ...]

A job is connect, cursor, a statement of 50 ms, fetchall, close.  Jobs begin at a steady rate,
whether those before are done or not, and twelve more just before the fault.  "In flight" are those
that had begun by then, "after" those that began while the coordinator was hurt.  Sessions are
counted when all is over and the coordinator is well again: those that nobody will close.

- impala-ha, with timeout=2.
- plain impyla: one of the three for each job by turns, as round-robin DNS gives them.
- loop: the whole job on one host after the other, in random order, until it succeeds; timeout=2.
- HAProxy, documented: Impala's documented settings, leastconn; behind it impyla, timeout=2.
- HAProxy, tuned: its check is a call of HiveServer2 twice a second, and two that fail end the
  connections (`_haproxy.py`).  It is for clusters without log-in, for a check cannot log in.

The faults are kill -9 (the kernel refuses at once, as the host still lives), SIGSTOP (connections
are taken, nobody answers), a black hole (no answer either, and nobody can connect) and draining
(new sessions and statements are refused, fast).  Milliseconds are those of jobs that failed, too.

Goal: with impala-ha no job fails.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
import statistics
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import impala.dbapi
from _haproxy import DOCUMENTED, TUNED, WANTED, HAProxy, installed
from _shared import Fault, black_hole, fault, job, parser, percentile, verdict

import impala_ha
from impala_ha import Coordinator
from impala_ha.testing import LocalCluster

SIZE, TIMEOUT, STATEMENT = 3, 2, "SELECT sleep(50)"
IN_FLIGHT, JUST_BEFORE = 12, 0.05  # jobs, and how long before the fault
BEFORE = 1.0  # seconds of jobs before the fault
SETTLED = 15.0  # seconds that the connections of clients may take to end

FAULTS: dict[str, Fault] = {
    "kill -9": fault("kill", "restart"),
    "SIGSTOP": fault("hang", "resume"),
    "black hole": black_hole,
    "draining": fault("drain", "undrain"),
}


@dataclass
class Jobs:
    """What became of them."""

    work: Callable[[], Any]
    done: list[tuple[float, float, bool]] = field(default_factory=list)  # began, took, succeeded
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        """Begin one, in a thread of its own."""
        self.threads.append(threading.Thread(target=self._run, args=[time.perf_counter()]))
        self.threads[-1].start()

    def _run(self, began: float) -> None:
        succeeded = False
        with contextlib.suppress(Exception):
            succeeded = self.work() == [(True,)]
        self.done.append((began, time.perf_counter() - began, succeeded))


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, default=10, help="that a fault lasts")
    arguments.add_argument("--rate", type=float, default=40, help="jobs a second")
    arguments.add_argument("clients", nargs="*", default=list(CLIENTS), metavar="CLIENT")
    given = arguments.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore", ResourceWarning)  # impyla's sockets
    version = installed()
    print(f"{given.rate:g} jobs/s, {given.seconds:g} s a fault; HAProxy {version or 'is missing'}")
    head = f"{'failed of':>12}{'slowest':>9}{'failed of':>14}{'p50':>7}{'p99':>7}{'slowest':>9}"
    print(f"{'':34}{'in flight':>21}{'after; ms':>37}{'sessions':>10}")
    print(f"{'fault':12}{'client':22}{head}{'left':>10}")
    with LocalCluster(SIZE) as cluster:
        for name, hurt in FAULTS.items():
            for client in given.clients:
                if client.startswith("HAProxy") and not version:
                    print(f"{name:12}{client:22}  left out for want of {WANTED}")
                    continue
                figures, failed = measured(cluster, client, hurt, given.seconds, given.rate)
                goal = f"  {verdict(not failed)}" if client == "impala-ha" else ""
                print(f"{name:12}{client:22}{figures}{goal}", flush=True)


def measured(
    cluster: LocalCluster, client: str, hurt: Fault, seconds: float, rate: float
) -> tuple[str, int]:
    """The figures of one line, and how many jobs failed."""
    for each in cluster:
        each.lose_sessions()
    hurt_one = cluster[SIZE - 1]
    with CLIENTS[client](cluster) as work:
        jobs = Jobs(work)
        began = time.perf_counter() + BEFORE
        steadily(jobs, rate, began - JUST_BEFORE)
        for _ in range(IN_FLIGHT):
            jobs.begin()
        steadily(jobs, rate, began)
        fault_at = time.perf_counter()
        with hurt(hurt_one):
            steadily(jobs, rate, time.perf_counter() + seconds)
        healed = time.perf_counter()
        for thread in jobs.threads:
            thread.join()
    settle(cluster)
    flying = [one for one in jobs.done if one[0] < fault_at <= one[0] + one[1]]
    after = [one for one in jobs.done if fault_at <= one[0] < healed]
    sessions = sum(len(each.sessions) for each in cluster)
    lost = [sum(not one[2] for one in some) for some in (flying, after)]
    took = [one[1] * 1000 for one in after]
    figures = (
        f"{lost[0]:>8}/{len(flying):<3}{max(one[1] for one in flying) * 1000:>9.0f}"
        f"{lost[1]:>10}/{len(after):<3}{statistics.median(took):>7.0f}"
        f"{percentile(took, 99):>7.0f}{max(took):>9.0f}{sessions:>10}"
    )
    return figures, sum(lost)


def steadily(jobs: Jobs, rate: float, until: float) -> None:
    """Begin one after the other, at the same pace whatever happens to them."""
    began = time.perf_counter()
    for number in itertools.count(1):
        if time.perf_counter() >= until:
            return
        jobs.begin()
        time.sleep(max(0.0, min(began + number / rate, until) - time.perf_counter()))


def settle(cluster: LocalCluster) -> None:
    """Wait until what was sent to the coordinator while it was hurt has been dealt with."""
    ends = time.monotonic() + SETTLED
    while any(each.connections for each in cluster) and time.monotonic() < ends:
        time.sleep(0.1)


# -- clients: each gives a job -------------------------------------------------------------------


@contextlib.contextmanager
def ours(cluster: LocalCluster) -> Iterator[Callable[[], Any]]:
    members = impala_ha.Cluster([Coordinator(one.host, one.port) for one in cluster])
    yield lambda: job(impala_ha.connect(members, timeout=TIMEOUT), STATEMENT)


@contextlib.contextmanager
def plain(cluster: LocalCluster) -> Iterator[Callable[[], Any]]:
    turns = itertools.cycle([(one.host, one.port) for one in cluster])
    yield lambda: job(impala.dbapi.connect(*next(turns)), STATEMENT)


@contextlib.contextmanager
def loop(cluster: LocalCluster) -> Iterator[Callable[[], Any]]:
    hosts = [(one.host, one.port) for one in cluster]

    def work() -> Any:
        for host, port in random.sample(hosts, len(hosts)):
            with contextlib.suppress(Exception):
                return job(impala.dbapi.connect(host, port, timeout=TIMEOUT), STATEMENT)
        return None

    yield work


def haproxy(settings: str) -> Callable[[LocalCluster], Any]:
    @contextlib.contextmanager
    def client(cluster: LocalCluster) -> Iterator[Callable[[], Any]]:
        with HAProxy(cluster, settings) as proxy:
            host, port = proxy.host, proxy.port
            yield lambda: job(impala.dbapi.connect(host, port, timeout=TIMEOUT), STATEMENT)

    return client


CLIENTS: dict[str, Callable[[LocalCluster], Any]] = {
    "impala-ha": ours,
    "plain impyla": plain,
    "loop": loop,
    "HAProxy, documented": haproxy(DOCUMENTED),
    "HAProxy, tuned": haproxy(TUNED),
}

if __name__ == "__main__":
    main()
