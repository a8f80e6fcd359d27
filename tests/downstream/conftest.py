"""Tests of the tools that others make; `.ci/test-tools` gives each an environment of its own."""

import os

import pytest

if "TOOLS_CLUSTER" not in os.environ:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def cluster(three):
    """In place of the one of other tests, which is in their process."""
    return three.cluster
