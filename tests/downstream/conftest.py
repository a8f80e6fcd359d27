"""A cluster for the tools that others make; `.ci/downstream` gives each an environment of its own."""

from pathlib import Path

import pytest

from impala_ha.testing import LocalCluster

DATA = Path(__file__).parents[2] / "examples" / "data"


@pytest.fixture(scope="session")
def cluster():
    with LocalCluster(3, data=DATA) as cluster:
        yield cluster
