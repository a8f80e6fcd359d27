"""
How the code is laid out, in figures: read from the source, the same on every machine.

    python benchmarks/house.py [--at COMMIT]...

One column for each commit, or one for the files as they are.  What each figure counts:

- floors: the longest chain of imports, from module to module and from package to package.  Imports
  for the type checker and imports inside of functions do not count.
- lines: all of them, with docstrings and comments.
- longest class and function: without the docstring.
- Any: where it is used as a type.  noqa: comments that switch a rule of ruff off.
- frames: what `frames.py` counts, from `Cursor.execute` to the socket.
- modules with `host` and with `operation`: those of the core in which it is a name of something.
- test functions: before parametrization.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
#: In which part a file of ``src`` is, the first that fits; before there was `pocket_impala` it was
#: a part of `testing`.
PARTS = {
    "pocket": r"pocket_impala/|impala_ha/testing/(_impalad/|_local|local)",
    "cli": r"impala_ha/cli/",
    "testing": r"impala_ha/testing/",
    "core": r"impala_ha/",
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Files = dict[str, Path]  # of one part, by their path below ``src``


def part(name: str) -> str:
    """The part of the house that a file of ``src`` belongs to."""
    return next(part for part, pattern in PARTS.items() if re.match(pattern, name))


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"))


def length(path: Path) -> int:
    """Lines of a file."""
    return len(path.read_text("utf-8").splitlines())


def module(name: str) -> str:
    """``impala_ha/core/clock.py`` as Python names it."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def package(name: str) -> str:
    """The package of a module; one that lies flat in `impala_ha` is a package of its own."""
    return ".".join(name.split(".")[:2])


def at_runtime(node: ast.AST) -> Iterator[ast.AST]:
    """The statements that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if not isinstance(child, (*FUNCTIONS, ast.Lambda)):
            yield child
            yield from at_runtime(child)


def imports(name: str, path: Path, known: set[str]) -> set[str]:
    """The modules among *known* that importing a file imports."""
    found = set()
    of = module(name).split(".")
    here = of if path.name == "__init__.py" else of[:-1]
    for node in at_runtime(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            base = [*base, *(node.module or "").split(".")] if node.module else base
            for alias in node.names:
                one = ".".join([*base, alias.name])
                found.add(one if one in known else ".".join(base))
    return found & known - {module(name)}


def floors(needs: dict[str, set[str]]) -> int:
    """The number of links of the longest chain; what is in a circle counts as one floor more."""
    floor = 0
    left = {name: set(others) for name, others in needs.items()}
    while left:
        floor += 1
        ready = {name for name, others in left.items() if not others & set(left)}
        left = {name: others for name, others in left.items() if name not in ready} if ready else {}
    return floor


def chains(files: Files) -> tuple[int, int]:
    """Floors of modules and of packages, without the front door."""
    modules = {module(name): path for name, path in files.items()}
    names = {module(name): name for name in files}
    inside = set(modules) - {"impala_ha"}
    needs = {one: imports(names[one], modules[one], inside) for one in sorted(inside)}
    packages: dict[str, set[str]] = {}
    for one, others in needs.items():
        packages.setdefault(package(one), set()).update(map(package, others))
    return floors(needs), floors({one: others - {one} for one, others in packages.items()})


def longest(files: Iterable[Path], kinds: tuple[type, ...]) -> tuple[int, str]:
    """The longest definition of one of *kinds*: lines without the docstring, and its name."""
    found = [(0, "")]
    for path in files:
        for node in ast.walk(tree(path)):
            if isinstance(node, kinds):
                lines = node.end_lineno - node.lineno + 1
                if ast.get_docstring(node) is not None:
                    lines -= node.body[0].end_lineno - node.body[0].lineno + 1
                found.append((lines, node.name))
    return max(found)


def anys(path: Path) -> int:
    """How often a file has Any for a type."""
    return sum(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(tree(path)))


def named(path: Path, word: str) -> bool:
    """Is *word* a name of something in a file: a variable, a parameter, an attribute?"""
    return any(
        word in (getattr(node, "id", None), getattr(node, "arg", None), getattr(node, "attr", None))
        for node in ast.walk(tree(path))
    )


def frames(root: Path) -> str:
    """What `frames.py` says of the code below *root*."""
    program = HERE / "frames.py"
    if not program.exists():
        return "-"
    done = subprocess.run(
        [sys.executable, program],
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    number = re.search(r"(?<=impala-ha: )\d+", done.stdout)
    return number[0] if number else "-"


def figures(root: Path) -> dict[str, str]:
    """All figures of the code below *root*."""
    source = root / "src"
    parts: dict[str, Files] = {name: {} for name in PARTS}
    for path in sorted(source.rglob("*.py")):
        name = path.relative_to(source).as_posix()
        parts[part(name)][name] = path
    core = parts["core"]
    lines = {name: sum(map(length, files.values())) for name, files in parts.items()}
    modules, packages = chains(core)
    every = [path for files in parts.values() for path in files.values()]
    noqas = sum(len(re.findall(r"#\s*noqa", path.read_text("utf-8"))) for path in core.values())
    functions = sum(
        isinstance(node, FUNCTIONS) and node.name.startswith("test_")
        for path in (root / "tests").rglob("test_*.py")
        for node in ast.walk(tree(path))
    )

    def rate(count: int) -> str:
        return f"{1000 * count / lines['core']:.1f}"

    def most(pair: tuple[int, str]) -> str:
        return f"{pair[0]} {pair[1]}"

    def among(measure: Callable[[Path], int], files: Files) -> str:
        return most(max((measure(path), path.name) for path in files.values()))

    return {
        "floors, of packages": str(packages),
        "floors, of modules": str(modules),
        "files of the core": str(len(core)),
        **{f"lines, {name}": str(lines[name]) for name in ("core", "cli", "testing", "pocket")},
        "longest file of the core": among(length, core),
        "longest file": most(max((length(path), path.name) for path in every)),
        "longest class of the core": most(longest(core.values(), (ast.ClassDef,))),
        "longest class": most(longest(every, (ast.ClassDef,))),
        "longest function of the core": most(longest(core.values(), FUNCTIONS)),
        "longest function": most(longest(every, FUNCTIONS)),
        "Any per 1,000 lines of the core": rate(sum(map(anys, core.values()))),
        "noqa per 1,000 lines of the core": rate(noqas),
        "frames from execute to the socket": frames(root),
        **{
            f"modules with `{word}`": str(sum(named(path, word) for path in core.values()))
            for word in ("host", "operation")
        },
        "test functions": str(functions),
    }


def figures_at(commit: str) -> dict[str, str]:
    """The figures of *commit*."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit, "src", "tests"],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(folder, filter="data")
        return figures(Path(folder))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--at", action="append", metavar="COMMIT", help="a commit; several times")
    commits = parser.parse_args().at
    columns = {each: figures_at(each) for each in commits} if commits else {"now": figures(ROOT)}
    rows = [("", *columns)]
    rows += [(name, *(c[name] for c in columns.values())) for name in next(iter(columns.values()))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())


if __name__ == "__main__":
    main()
