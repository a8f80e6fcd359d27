"""
Run all benchmarks, one after the other, and print their tables.

    python benchmarks/run.py [NAME ...]

A benchmark is a program in this folder that prints what it measured.  None of them judges: a
timing depends on the machine, and what it says is a ratio or stands beside a goal.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def benchmarks() -> dict[str, Path]:
    """All there are, by name."""
    paths = sorted(FOLDER.glob("[!_]*.py"))
    return {path.stem: path for path in paths if path != Path(__file__)}


def title(path: Path) -> str:
    """The first sentence of its docstring."""
    return path.read_text("utf-8").split('"""')[1].strip().partition("\n")[0]


def main(names: list[str]) -> int:
    """Run those named, or all; how many failed?"""
    found = benchmarks()
    unknown = [name for name in names if name not in found]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)} (there are {', '.join(found)})")
        return 2
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, {platform.machine()}")
    failed = 0
    for name in names or found:
        print(f"\n== {name}: {title(found[name])}\n", flush=True)
        failed += subprocess.run([sys.executable, found[name]], check=False).returncode != 0
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
