"""Importing the library is cheap."""

import subprocess
import sys


def test_importing_the_library_does_not_load_what_only_a_call_needs():
    program = "import sys, impala_ha; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    names = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert "impala" in names
    assert set() == names & {
        "tenacity",
        "asyncio",
        "click",
        "rich",
        "pandas",
        "sqlalchemy",
        "duckdb",
    }
