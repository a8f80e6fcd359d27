"""How fast a big result is read: tuples, columns, Arrow and data frames, beside plain impyla.

    python benchmarks/fetch_results.py [--rows 1000000]

Six columns (bigint, double, string, timestamp with nine digits, decimal(18,4), boolean; one value
in twenty is NULL) come from a server that answers prebuilt bytes (`_canned.py`), in batches of as
many rows as Impala would give to that client: 10,240, for which impyla asks, and 40,960 where we
ask for 4 MiB.  Each is read in a process of its own (`_read.py`), so that neither's memory is the
other's.  CPU seconds of the client; the machine's other work is not in them, but while it waits for
memory as well, ours slows down more than impyla's, by a fifth on two busy processors.

The packages of a way are imported before the clock starts, impyla's pandas too: what is compared is
the work on rows.  A scan of the strings in C would read Arrow 95 to 125 times as fast as as_pandas;
there is none in the package.

PyHive 0.7.0 is installed for this, in an environment of its own.  DuckDB reads the same columns
from a table in its own process, with no server and nothing to decode: the limit of what fetching
can be.  It uses all processors.

Goals: tuples 8 times as fast as impyla's, Arrow 25 times as fast as its as_pandas.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from _canned import TYPES, Canned
from _shared import parser, verdict

#: What is read: by whom, how, and which of impyla's it is compared with.
WAYS: dict[str, tuple[str, str, str]] = {
    "impyla: fetchall": ("impyla", "tuples", ""),
    "impyla: as_pandas": ("impyla", "as_pandas", ""),
    "PyHive: fetchall": ("PyHive", "tuples", "impyla: fetchall"),
    "fetchall": ("impala-ha", "tuples", "impyla: fetchall"),
    "iteration": ("impala-ha", "iteration", "impyla: fetchall"),
    "fetch_arrow_table": ("impala-ha", "arrow", "impyla: as_pandas"),
    "record batches": ("impala-ha", "batches", "impyla: as_pandas"),
    "fetch_df": ("impala-ha", "pandas", "impyla: as_pandas"),
    "fetch_polars": ("impala-ha", "polars", "impyla: as_pandas"),
    "DuckDB: fetchall": ("DuckDB", "tuples", "impyla: fetchall"),
    "DuckDB: Arrow": ("DuckDB", "duckdb arrow", "impyla: as_pandas"),
    "DuckDB: df": ("DuckDB", "duckdb pandas", "impyla: as_pandas"),
}
GOALS = {"fetchall": 8, "fetch_arrow_table": 25}
PYHIVE = ("pyhive==0.7.0", "thrift", "thrift-sasl")  # its last release


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    rows = arguments.parse_args().rows
    print(f"{rows:,} rows of six columns")
    print(f"{'':20}{'CPU s':>8}{'s':>8}{'MiB':>8}{'times as fast':>16}{'goal':>6}")
    took: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Canned(rows, 10_240, ",".join(TYPES)) as theirs,
        Canned(rows, 40_960, ",".join(TYPES)) as ours,
    ):
        for name, (client, way, beside) in WAYS.items():
            server = ours if client == "impala-ha" else theirs
            try:
                python = environment(Path(folder)) if client == "PyHive" else sys.executable
                got = json.loads(
                    run(
                        python,
                        Path(__file__).with_name("_read.py"),
                        *(client, way, server.host, server.port, rows),
                    )
                )
            except RuntimeError as error:
                print(f"{name:20}left out: {error}", flush=True)
                continue
            took[name] = got["cpu"]
            faster = took[beside] / got["cpu"] if beside in took else 0
            numbers = f"{got['cpu']:8.2f}{got['wall']:8.2f}{got['memory']:8.0f}"
            compared = f"{faster:16.1f}" if faster else ""
            goal = f"{GOALS[name]:>6}  {verdict(faster >= GOALS[name])}" if name in GOALS else ""
            print(f"{name:20}{numbers}{compared}{goal}", flush=True)


def environment(folder: Path) -> str:
    """The Python of a new environment with PyHive."""
    run(sys.executable, "-m", "venv", folder)
    python = str(folder / "bin" / "python")
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PYHIVE)
    return python


def run(*command: object) -> str:
    """What a program says; its last word, where it fails, is the error's."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no word"])[-1])
    return done.stdout


if __name__ == "__main__":
    main()
