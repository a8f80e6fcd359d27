"""How fast a big result is read: tuples, columns, Arrow and data frames, beside plain impyla.

    python benchmarks/fetch_results.py [--rows 1000000]

Six columns (bigint, double, string, timestamp with nine digits, decimal(18,4), boolean; one value
in twenty is NULL) come from a server that answers prebuilt bytes (`_canned.py`), in batches of
10,240 rows.  Each is read in a process of its own, so that neither's memory is the other's.
CPU seconds of the client; the machine's other work is not in them.

Goals: tuples 8 times as fast as impyla's, Arrow 25 times as fast as its as_pandas.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import impala.dbapi
from _canned import TYPES, Canned
from impala.util import as_pandas

import impala_ha

#: What is read: by whom, how, and which of impyla's it is compared with.
WAYS: dict[str, tuple[str, str, str]] = {
    "impyla: fetchall": ("impyla", "tuples", ""),
    "impyla: as_pandas": ("impyla", "as_pandas", ""),
    "fetchall": ("impala-ha", "tuples", "impyla: fetchall"),
    "iteration": ("impala-ha", "iteration", "impyla: fetchall"),
    "fetch_arrow_table": ("impala-ha", "arrow", "impyla: as_pandas"),
    "record batches": ("impala-ha", "batches", "impyla: as_pandas"),
    "fetch_df": ("impala-ha", "pandas", "impyla: as_pandas"),
    "fetch_polars": ("impala-ha", "polars", "impyla: as_pandas"),
}
GOALS = {"fetchall": 8, "fetch_arrow_table": 25}
#: What a way needs, and is not to be measured.
PACKAGES = {
    "as_pandas": ["pandas"],
    "arrow": ["pyarrow.compute"],
    "batches": ["pyarrow.compute"],
    "pandas": ["pyarrow.compute", "pyarrow.pandas_compat", "pandas"],
    "polars": ["pyarrow.compute", "polars"],
}


def count(batches: Any) -> int:
    return sum(batch.num_rows for batch in batches)


READ: dict[str, Callable[[Any], int]] = {
    "tuples": lambda cursor: len(cursor.fetchall()),
    "iteration": lambda cursor: sum(1 for _ in cursor),
    "as_pandas": lambda cursor: len(as_pandas(cursor)),
    "arrow": lambda cursor: cursor.fetch_arrow_table().num_rows,
    "batches": lambda cursor: count(cursor.fetch_record_batch()),
    "pandas": lambda cursor: len(cursor.fetch_df()),
    "polars": lambda cursor: len(cursor.fetch_polars()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child)
        return
    print(f"{arguments.rows:,} rows of six columns")
    print(f"{'':20}{'CPU s':>8}{'s':>8}{'MiB':>8}{'times as fast':>16}{'goal':>6}")
    took: dict[str, float] = {}
    with Canned(arguments.rows, 10_240, ",".join(TYPES)) as server:
        for name, (client, way, beside) in WAYS.items():
            command = [sys.executable, __file__, "--child", client, way, server.host]
            done = subprocess.run(
                [*command, str(server.port)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                print(f"{name:20}{done.stderr.strip().splitlines()[-1]}")
                continue
            got = json.loads(done.stdout)
            assert got["rows"] == arguments.rows, got
            took[name] = got["cpu"]
            faster = f"{took[beside] / got['cpu']:.1f}" if beside in took else ""
            numbers = f"{got['cpu']:8.2f}{got['wall']:8.2f}{got['memory']:8.0f}"
            print(f"{name:20}{numbers}{faster:>16}{GOALS.get(name, ''):>6}", flush=True)


def child(client: str, way: str, host: str, port: str) -> None:
    """Read it once; what it took, as JSON.  Packages are imported before the clock starts."""
    if client == "impyla":
        cursor = impala.dbapi.connect(host, int(port), auth_mechanism="NOSASL").cursor()
    else:
        cursor = impala_ha.connect([f"{host}:{port}"], auth_mechanism="NOSASL").cursor()
    for package in PACKAGES.get(way, ()):
        import_module(package)
    cursor.execute("select * from canned")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    rows = READ[way](cursor)
    took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "rows": rows}
    took["memory"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps(took))


if __name__ == "__main__":
    main()
