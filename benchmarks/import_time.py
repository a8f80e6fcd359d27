"""
How much longer `import impala_ha` takes than `import impala.dbapi`, which it contains.

    python benchmarks/import_time.py

Each import is the first one of a fresh process.  The two take turns, so that a machine that is
busy for a moment is busy for both; the median of each counts.  Compiled code is kept in a
directory of its own and made before the first measurement.

Goal: 20 ms.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

from _shared import verdict

RUNS = 21
GOAL = 20.0  # milliseconds
PROGRAM = """
from time import perf_counter
start = perf_counter()
import {module}
print((perf_counter() - start) * 1000)
"""


def imported(module: str, cache: str) -> float:
    """Milliseconds of one first import."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    program = [sys.executable, "-c", PROGRAM.format(module=module)]
    done = subprocess.run(
        program,
        env={**environment, "PYTHONPYCACHEPREFIX": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    """Measure and print."""
    theirs, ours = [], []
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(2):  # the first compiles, the second warms the system's cache
            imported("impala_ha", cache)
            imported("impala.dbapi", cache)
        for _ in range(RUNS):
            theirs.append(imported("impala.dbapi", cache))
            ours.append(imported("impala_ha", cache))
    over = statistics.median(ours) - statistics.median(theirs)
    print(f"{'import':<14}{'median':>10}{'fastest':>10}")
    for module, times in (("impala.dbapi", theirs), ("impala_ha", ours)):
        print(f"{module:<14}{statistics.median(times):>7.1f} ms{min(times):>7.1f} ms")
    columns = f"{over:>7.1f} ms{min(ours) - min(theirs):>7.1f} ms"
    print(f"{'over':<14}{columns}   goal: {GOAL:g} ms, {verdict(over <= GOAL)}")


if __name__ == "__main__":
    main()
