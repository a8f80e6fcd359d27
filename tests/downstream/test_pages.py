"""The how-tos of a tool, where it is installed: their blocks are run as they stand."""

import os

import pytest

from test_docs import DOCS, blocks, program_of, run

PAGES = os.environ.get("TOOLS_PAGES", "").split()
WITH_MAGICS = [name for name in PAGES if any(blocks(DOCS / name, "ipython"))]


@pytest.mark.parametrize("name", PAGES)
def test_the_python_of_a_page_runs(name, cluster, tmp_path):
    program = tmp_path / "page.py"
    program.write_text(program_of(DOCS / name, cluster.hosts), encoding="utf-8")

    done = run([program], cluster, tmp_path)

    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", WITH_MAGICS)
def test_the_magics_of_a_page_run(name, cluster, tmp_path):
    cells = [
        code.replace("coord1,coord2,coord3", cluster.hosts)
        for _, _, code in blocks(DOCS / name, "ipython")
    ]
    program = tmp_path / "cells.py"
    program.write_text(
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        f"for cell in {cells!r}:\n"
        "    shell.run_cell(cell).raise_error()\n",
        encoding="utf-8",
    )

    done = run([program], cluster, tmp_path)

    assert 0 == done.returncode, done.stdout + done.stderr
