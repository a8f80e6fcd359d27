"""
Three coordinators for the tests of tools, other people's as well: a plugin of pytest.

They run in the environment that TOOLS_CLUSTER names, for a tool may not stand what the local
cluster needs. With TOOLS_FAULTS=1 one of them is dead and another one hangs; before a test, but not
more often than every two seconds, it is the turn of others.
"""

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from impala_ha.testing import LocalCluster

DATA = Path(__file__).parents[2] / "examples" / "data"
_EVERY = 2.0  # seconds
_SERVE = """
import sys
from impala_ha.testing import LocalCluster
with LocalCluster(3, data=sys.argv[1]) as cluster:
    print(cluster.directory, flush=True)
    sys.stdin.read()
"""


class Three:
    """The cluster, for as long as pytest runs."""

    def __init__(self):
        python = os.environ.get("TOOLS_CLUSTER", sys.executable)
        environment = {n: v for n, v in os.environ.items() if n != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [python, "-c", _SERVE, DATA],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.cluster = LocalCluster.attach(self._process.stdout.readline().strip())
        self._turns = itertools.count()
        self._disturbed = 0.0

    def disturb(self):
        """Kill one, and stop another one that nobody is connected to.

        What is stopped under a statement that changes something is an error, and rightly so: it
        may have run.
        """
        if time.monotonic() - self._disturbed < _EVERY:
            return
        self.cluster.heal()
        first = next(self._turns)
        killed, *others = (self.cluster[(first + i) % 3] for i in range(3))
        killed.kill()
        for each in others:
            if not each.connections:
                each.hang()
                break
        self._disturbed = time.monotonic()

    def end(self):
        self.cluster.heal()
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def _known(path):
    """Tests of others that are known to fail here: each with the comment above it."""
    reason = ""
    for line in Path(path).read_text("utf-8").splitlines() if path else []:
        if line.startswith("#"):
            reason = line.removeprefix("#").strip()
        elif line:
            yield line, reason


class Plugin:
    def __init__(self):
        self.three = Three()
        os.environ["IMPALA_HA_SHARE_STATE"] = "0"
        os.environ["IMPALA_HA_PROBE_AFTER"] = "1"  # seconds, for tests are shorter than queries
        # Where dbt-impala's tests and those of ibis look.
        os.environ["IMPALA_HOST"] = os.environ["IBIS_TEST_IMPALA_HOST"] = self.three.cluster.hosts
        os.environ["IMPALA_PORT"] = "21050"

    @pytest.fixture(scope="session", name="three")
    def _three(self):
        return self.three

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self):
        if os.environ.get("TOOLS_FAULTS") == "1":
            self.three.disturb()

    def pytest_collection_modifyitems(self, items):
        known = dict(_known(os.environ.get("TOOLS_KNOWN")))
        for item in items:
            for name, reason in known.items():
                if item.nodeid.endswith(name):
                    item.add_marker(pytest.mark.xfail(reason=reason, strict=True))

    def pytest_unconfigure(self):
        self.three.end()


def pytest_configure(config):
    config.pluginmanager.register(Plugin(), "three coordinators")
