"""SQLAlchemy's own tests of a dialect, on two coordinators; `tests/sqlalchemy_suite` has them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from impala_ha.testing import LocalCluster

pytestmark = [pytest.mark.servers, pytest.mark.slow(120), pytest.mark.timeout(900)]

SUITE = Path(__file__).parents[1] / "sqlalchemy_suite"
UNEXPLAINED = "marked as skip"  # by SQLAlchemy, unless we said why


def test_the_dialect_passes_what_it_does_not_skip_with_a_reason(capsys):
    with LocalCluster(2) as cluster:
        hosts = "&".join(f"host={one.host}:{one.port}" for one in cluster)
        url = f"impala+ha:///default?{hosts}&share_state=false"
        # rootdir and configuration file are the suite's: SQLAlchemy reads setup.cfg there
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-rfEs", "--tb=short"]
        command += ["--rootdir", str(SUITE), "-c", str(SUITE / "setup.cfg"), "--dburi", url]
        done = subprocess.run(
            [*command, str(SUITE / "test_suite.py")],
            capture_output=True,
            text=True,
            cwd=SUITE,
            env={**os.environ, "IMPALA_HA_SHARE_STATE": "0"},
            check=False,
        )
    summary = (done.stdout.strip().splitlines() or [""])[-1]
    with capsys.disabled():
        print(f"\nSQLAlchemy's suite: {summary}")  # noqa: T201 - for whoever reads the log

    assert 0 == done.returncode, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert int(re.search(r"(\d+) passed", summary)[1]) > 800
    assert UNEXPLAINED not in done.stdout
