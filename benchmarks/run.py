"""
Run all benchmarks, one after the other, and print their tables.

    python benchmarks/run.py [--page FILE] [NAME ...]

A benchmark is a program in this folder that prints what it measured; what they share is in the
files that begin with an underscore.  None fails for a goal that is missed: a timing depends on the
machine, and what is printed is a ratio or stands beside a goal.  With ``--page`` the tables become
a page of the documentation, losses and all.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import _haproxy
from _shared import parser

FOLDER = Path(__file__).parent
CAVEAT = (
    "Ratios are taken in one run; absolute figures differ from machine to machine, and by a third "
    "from run to run."
)
PACKAGES = ("impyla", "thrift", "pandas", "pyarrow", "polars", "SQLAlchemy", "duckdb")
NEEDS = """\
Needs two processors, 4 GB of memory, 20 minutes, as little else to do as can be, and
- what `make` installs in .venv: {packages}
- {haproxy}
- PyPI, for PyHive and impala-shell, which get environments of their own: without it, their lines
  are left out
"""


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
    haproxy = _haproxy.installed()
    haproxy = f"HAProxy {haproxy}" if haproxy else "no HAProxy"
    found = [f"Python {platform.python_version()}", f"{os.cpu_count()} processors", processor()]
    return ", ".join([*found, *map(installed, PACKAGES), haproxy])


def processor() -> str:
    """Its name."""
    try:
        told = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        told = ""
    names = [line.partition(":")[2].strip() for line in told.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def needs() -> str:
    """What must be here, and what is missed."""
    found = _haproxy.installed()
    haproxy = f"HAProxy: {found} is installed" if found else f"{_haproxy.WANTED}: it is left out"
    return NEEDS.format(packages=", ".join(map(installed, PACKAGES)), haproxy=haproxy)


def installed(package: str) -> str:
    """Its name and version."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def main() -> int:
    """Run those named, or all; how many failed?"""
    found = benchmarks()
    program = parser(__doc__)
    program.add_argument("--page", type=Path, help="a page of Markdown to write")
    program.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(found)}")
    given = program.parse_args()
    if unknown := [name for name in given.names if name not in found]:
        program.error(f"no such benchmark: {', '.join(unknown)} (there are {', '.join(found)})")
    print(needs())
    print(machine())
    failed, page = 0, []
    began = time.monotonic()
    for name in given.names or found:
        print(f"\n== {name}: {title(found[name])}\n", flush=True)
        ran = subprocess.Popen([sys.executable, found[name]], stdout=subprocess.PIPE, text=True)
        lines = []
        for line in ran.stdout:
            print(line, end="", flush=True)
            lines.append(line)
        failed += ran.wait() != 0
        print(f"({time.monotonic() - began:.0f} s so far)", flush=True)
        page += ["", f"## {title(found[name]).rstrip('.')}", "", about(found[name]), ""]
        page += ["```text", "".join(lines).rstrip(), "```"]
    took = f"{(time.monotonic() - began) / 60:.0f} minutes"
    made = f"Made by `make bench` on {time.strftime('%d %B %Y')} in {took}: {machine()}."
    page = ["# Benchmarks", "", f"{made} {CAVEAT}", *page]
    if given.page is not None:
        given.page.write_text("\n".join(page) + "\n", "utf-8")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
