"""
Run all benchmarks, one after the other, and print their tables.

    python benchmarks/run.py [--page FILE] [NAME ...]

A benchmark is a program in this folder that prints what it measured.  None of them judges: a
timing depends on the machine, and what it says is a ratio or stands beside a goal.  With ``--page``
the tables become a page of the documentation, losses and all.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLDER = Path(__file__).parent
CAVEAT = (
    "Ratios are taken in one run; absolute figures differ from machine to machine, and by a third "
    "from run to run."
)
PACKAGES = ("impyla", "thrift", "pandas", "pyarrow", "polars")


def benchmarks() -> dict[str, Path]:
    """All there are, by name."""
    paths = sorted(FOLDER.glob("[!_]*.py"))
    return {path.stem: path for path in paths if path != Path(__file__)}


def title(path: Path) -> str:
    """The first sentence of its docstring."""
    return path.read_text("utf-8").split('"""')[1].strip().partition("\n")[0]


def about(path: Path) -> str:
    """What its docstring says below the command: how it is measured, and the goals."""
    paragraphs = path.read_text("utf-8").split('"""')[1].strip().split("\n\n")
    return "\n\n".join(each for each in paragraphs[1:] if not each.startswith("    "))


def machine() -> str:
    """Where it was measured, and with what."""
    found = [f"Python {platform.python_version()}", f"{os.cpu_count()} processors"]
    found.append(platform.machine())
    return ", ".join([*found, *map(installed, PACKAGES)])


def installed(package: str) -> str:
    """Its name and version."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def main() -> int:
    """Run those named, or all; how many failed?"""
    found = benchmarks()
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("--page", type=Path, help="a page of Markdown to write")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(found)}")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in found]:
        parser.error(f"no such benchmark: {', '.join(unknown)} (there are {', '.join(found)})")
    print(machine())
    made = f"Made by `make bench` on {time.strftime('%d %B %Y')}: {machine()}."
    page = ["# Benchmarks", "", f"{made} {CAVEAT}"]
    failed = 0
    for name in given.names or found:
        print(f"\n== {name}: {title(found[name])}\n", flush=True)
        ran = subprocess.Popen([sys.executable, found[name]], stdout=subprocess.PIPE, text=True)
        lines = []
        for line in ran.stdout:
            print(line, end="", flush=True)
            lines.append(line)
        failed += ran.wait() != 0
        page += ["", f"## {title(found[name]).rstrip('.')}", "", about(found[name]), ""]
        page += ["```text", "".join(lines).rstrip(), "```"]
    if given.page is not None:
        given.page.write_text("\n".join(page) + "\n", "utf-8")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
