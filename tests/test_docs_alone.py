"""A page is enough by itself: what it says to install, and what its blocks import."""

import ast
import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]
PAGES = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "design.md"),
]
#: Distributions that bring modules of another name, and those that bring other distributions.
BRINGS = {
    "ibis-framework": {"ibis"},
    "dnspython": {"dns"},
    "dask": {"dask", "pandas"},
    "apache-airflow-providers-apache-impala": {"airflow"},
    "opentelemetry-sdk": {"opentelemetry"},
    "impala-ha": {"impala_ha", "impala", "thrift"},
}
#: What methods and endings of files take.
TAKES = {
    r"\.fetch_df\(": {"pandas", "pyarrow"},
    r"\.DataFrame\(\)": {"pandas"},
    r"\.fetch_polars\(": {"polars", "pyarrow"},
    r"\.fetch_arrow|\.fetch_record_batch\(|-o \S+\.parquet": {"pyarrow"},
    r"create_engine\(|impala\+ha://|impala_ha://": {"sqlalchemy"},
    r"\bLocalCluster\(|^\W*impala-ha (?:local|demo)\b": {"duckdb"},
    r"^\W*(?:impala-connect|impala-ha) ": {"click"},
}
#: What readers have already, or write themselves.
GIVEN = {
    "threads-and-processes.md": {"celery", "database"},
    "benchmarks.md": {"click", "duckdb"},
}


def blocks(text):
    return re.findall(r"```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def used(text):
    """The modules that the blocks of a page take."""
    found = set()
    for language, code in blocks(text):
        if language == "python":
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found.add(node.module.partition(".")[0])
        if language in ("python", "sh", "console", "ipython"):
            lines = "\n".join(line for line in code.splitlines() if "pip install" not in line)
            for sign, modules in TAKES.items():
                if re.search(sign, lines, re.MULTILINE):
                    found |= modules
    return found - set(sys.stdlib_module_names)


def installed(text):
    """The modules that the commands of a page, in blocks and in its text, install."""
    found = set()
    for command in re.findall(r"pip install ([^\n`#]*)", text):
        for word in re.findall(r"[\w.-]+(?:\[[\w,-]+\])?", command):
            name, _, extras = word.rstrip("]").partition("[")
            found |= BRINGS.get(name, {name.lower().replace("-", "_")})
            if name == "impala-ha":
                for extra in filter(None, extras.split(",")):
                    found |= brought(extra)
    return found


def brought(extra):
    """The modules of an extra of ours."""
    found = set()
    for requirement in EXTRAS[extra]:
        name = re.match(r"[\w-]+", requirement)[0]
        found |= BRINGS.get(name, {name.lower().replace("-", "_")})
        for other in re.findall(r"impala-ha\[(\w+)\]", requirement):
            found |= brought(other)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_says_to_install_is_enough_for_what_it_shows(page):
    text = page.read_text("utf-8")
    core = BRINGS["impala-ha"]

    assert set() == used(text) - installed(text) - core - GIVEN.get(page.name, set())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_block_that_imports_something_can_be_copied_into_a_file_alone(page):
    """It may go on with a connection of the block above, but not with its imports."""
    before = set()
    for language, code in blocks(page.read_text("utf-8")):
        if language == "python":
            nodes = list(ast.walk(ast.parse(code)))
            imported = {
                (alias.asname or alias.name).partition(".")[0]
                for node in nodes
                if isinstance(node, ast.Import | ast.ImportFrom)
                for alias in node.names
            }
            names = {node.id for node in nodes if isinstance(node, ast.Name)}

            assert not imported or set() == (names & before) - imported, code
            before |= imported
