"""The how-tos of a tool, where it is installed: their blocks are run as they stand."""

import os

import pytest

from test_docs import DOCS, HOSTS, blocks, program_of, run

_MAGICS = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in {cells!r}:
    shell.run_cell(cell).raise_error()
"""


@pytest.mark.parametrize("name", os.environ.get("TOOLS_PAGES", "").split())
def test_the_blocks_of_a_page_run(name, cluster, tmp_path):
    page = DOCS / name
    cells = [code.replace(HOSTS, cluster.hosts) for _, _, code in blocks(page, "ipython")]
    for program in (program_of(page, cluster.hosts), _MAGICS.format(cells=cells) if cells else ""):
        path = tmp_path / "program.py"
        path.write_text(program, encoding="utf-8")

        done = run([path], cluster, tmp_path)

        assert 0 == done.returncode, done.stdout + done.stderr
