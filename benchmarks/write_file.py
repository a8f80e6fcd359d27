"""A big result in a file: impala-connect as delimited lines and as Parquet, beside impala-shell.

    python benchmarks/write_file.py [--rows 1000000]

Six columns (bigint, double, string, timestamp with nine digits, decimal(18,4), boolean; one value
in twenty is NULL) come from a server that answers prebuilt bytes (`_canned.py`).  Each program runs
as a process, from its start to its end, once for a tenth of the rows and once for all: CPU seconds,
seconds, and the most memory that it had, which is not to grow.  A million rows take twenty seconds
in all; ten million, with `--rows 10000000`, two minutes and 2.3 GB of disk.  The same values come
again and again, so that Parquet is smaller, and quicker, than with others.

impala-shell 4.6.0 is built for this where the tests did not (two minutes; it needs
`apt install g++ python3-dev libsasl2-dev libkrb5-dev`).
"""

from __future__ import annotations

import filecmp
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _canned import TYPES, Canned
from _shared import parser

SHELL = "impala-shell==4.6.0"
KEPT = os.environ.get("TEST_IMPALA_HA_CACHE", "~/.cache/impala-ha-tests")
MEBIBYTE = 2**20
#: By name: the module with its main program, the function that is it, and how it is asked.
PROGRAMS = {
    "impala-shell -B": ("impala_shell.impala_shell", "impala_shell_main", ["--protocol=hs2", "-B"]),
    "impala-connect -B": ("impala_ha.cli.connect", "main", ["-B"]),
    "impala-connect, Parquet": ("impala_ha.cli.connect", "main", []),
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    rows = arguments.parse_args().rows
    print(
        f"{'':24}{'rows':>12}{'CPU s':>8}{'s':>8}{'MiB':>8}{'file, MiB':>11}{'times as fast':>15}"
    )
    for count in (rows // 10, rows):
        with Canned(count, 10_240, ",".join(TYPES)) as server:
            measure(count, f"{server.host}:{server.port}")


def measure(rows: int, address: str) -> None:
    """Let each program write so many rows."""
    theirs = 0.0
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name, (module, function, words) in PROGRAMS.items():
            file = Path(folder, "x.tsv" if "-B" in words else "x.parquet").with_stem(name)
            try:
                before = shell() if module.startswith("impala_shell") else ""
                code = (
                    f"import sys; sys.path.insert(0, {before!r}); "
                    f"from {module} import {function} as main; sys.exit(main())"
                )
                what = ["-i", address, "-q", "select * from canned", "-o", str(file)]
                seconds, cpu, memory = run([sys.executable, "-c", code, *words, *what])
            except RuntimeError as error:
                print(f"{name:24}left out: {error}", flush=True)
                continue
            files[name] = file
            theirs = theirs or (cpu if before else 0.0)
            faster = f"{theirs / cpu:15.1f}" if theirs and not before else ""
            size = file.stat().st_size / MEBIBYTE
            figures = f"{rows:12,}{cpu:8.2f}{seconds:8.2f}{memory:8.0f}{size:11.0f}"
            print(f"{name:24}{figures}{faster}", flush=True)
        lines = [file for file in files.values() if file.suffix == ".tsv"]
        if len(lines) > 1:
            same = filecmp.cmp(*lines, shallow=False)
            print(
                f"the two files of lines are {'the same' if same else 'NOT the same'}", flush=True
            )


def run(command: list[str]) -> tuple[float, float, float]:
    """Seconds, CPU seconds and MiB that a program took."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, "IMPALA_HA_AUTH_MECHANISM": "NOSASL"},
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError((said.read().decode().strip().splitlines() or ["no word"])[-1])
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def shell() -> str:
    """The folder with impala-shell and what it needs, which is made where there is none."""
    place = Path(KEPT).expanduser() / SHELL
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = tempfile.mkdtemp(dir=place.parent)
        run([sys.executable, "-m", "pip", "install", "-q", SHELL, "--target", f"{fresh}/packages"])
        Path(fresh).rename(place)
    return str(place / "packages")


if __name__ == "__main__":
    main()
