"""
What a security context of Kerberos costs with each backend: time, and memory that stays.

    python benchmarks/gss_contexts.py

Each backend has fresh processes of its own, and they take turns; the median of five counts.  The
service ticket lies in the cache, so that no KDC is asked.  `first` is the first token of a process,
with all that is loaded for it; `next` is the median of the thousand that follow; `memory` is what
the first one adds to the process; `stays` is what the thousand leave behind.

Goal: the system's library takes at most half as long again as the faster package, and leaves less
than 50 KiB.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from _shared import verdict

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from real_servers import Realm, missing

BACKENDS = ("system", "gssapi", "kerberos")
RUNS = 5
DIGITS = {"ms": 2, "KiB": 0}
LEAST = 50  # KiB, which the allocator may add once
UNITS = {"first": "ms", "next": "ms", "memory": "KiB", "stays": "KiB"}
PROGRAM = """
import json, resource, statistics, sys
from pathlib import Path
from time import perf_counter
from impala_ha.auth.gss_backends import begin
from impala_ha.auth.gss_context import ContextParameters

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024

def token():
    start = perf_counter()
    begin(ContextParameters("impala", "coord1.test"), sys.argv[1])
    return (perf_counter() - start) * 1000

before = resident()
first = token()
memory = resident() - before
for _ in range(200):
    token()
before = resident()
took = statistics.median(token() for _ in range(1000))
print(json.dumps({"first": first, "next": took, "memory": memory, "stays": resident() - before}))
"""


def measured(backend: str, environment: dict[str, str]) -> dict[str, float]:
    """The figures of one process."""
    program = [sys.executable, "-W", "ignore", "-c", PROGRAM, backend]
    done = subprocess.run(program, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Measure and print."""
    if lacks := missing("realm"):
        print(lacks)
        return
    found = [each for each in BACKENDS if each == "system" or importlib.util.find_spec(each)]
    runs: dict[str, list[dict[str, float]]] = {backend: [] for backend in found}
    with Realm() as realm:
        realm.kinit("etl")
        for _ in range(RUNS):
            for backend in found:
                runs[backend].append(measured(backend, os.environ | realm.environment))
    medians = {
        backend: {name: statistics.median(run[name] for run in each) for name in UNITS}
        for backend, each in runs.items()
    }
    print(f"{'backend':<10}" + "".join(f"{name:>14}" for name in UNITS))
    for backend, median in medians.items():
        cells = (f"{median[name]:>10.{DIGITS[unit]}f} {unit:<3}" for name, unit in UNITS.items())
        print(f"{backend:<10}" + "".join(cells))
    system, *packages = medians.values()
    fastest = min((each["next"] for each in packages), default=system["next"])
    met = system["stays"] < LEAST and system["next"] <= 1.5 * fastest
    print(f"goal: {verdict(met)}")


if __name__ == "__main__":
    main()
