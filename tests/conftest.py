"""What tests of every kind share: a local cluster, and a way to wait for something."""

from __future__ import annotations

import os
import signal
import time

import pytest

from impala_ha.core.login_throttle import LOGIN_THROTTLE

collect_ignore = ["sqlalchemy_suite"]  # a program of its own: test_sqlalchemy_suite.py runs it
_LONGEST_WAIT = 10.0
_LOOK = 0.01


def pytest_configure():
    # What one test finds out must not count for the next, nor for the programs that it starts.
    os.environ["IMPALA_HA_SHARE_STATE"] = "0"
    # What a shell starts in the background ignores Ctrl-C, and what nohup starts the end of its
    # terminal, and so do all their children.
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_modifyitems(items):
    """Files that take long come first, so that none is left to one process at the end."""
    seconds = {}
    for item in items:
        for mark in item.iter_markers("slow"):
            seconds[item.path] = max(seconds.get(item.path, 0), *mark.args, 1)
    items.sort(key=lambda item: -seconds.get(item.path, 0))


@pytest.fixture(autouse=True)
def _forgotten():
    """What one test's servers refused says nothing of those of the next, on the same ports."""
    yield
    LOGIN_THROTTLE.forget()


@pytest.fixture(scope="session")
def _one_cluster():
    from impala_ha.testing import LocalCluster  # noqa: PLC0415  # unit tests do without it

    with LocalCluster(3) as cluster:
        yield cluster


@pytest.fixture
def cluster(_one_cluster):
    """Three coordinators that all is well with; shared, and healed after the test."""
    yield _one_cluster
    _one_cluster.heal()
    for coordinator in _one_cluster:
        coordinator.lose_sessions()


@pytest.fixture(scope="session")
def certificates():
    """A private certificate authority."""
    from real_servers import Certificates  # noqa: PLC0415  # unit tests do without it

    with Certificates() as certificates:
        yield certificates


@pytest.fixture
def until():
    """Wait for a condition, with a limit: ``until(lambda: coordinator.sessions == [])``."""

    def wait(condition, seconds=_LONGEST_WAIT):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not true within {seconds} s"
            time.sleep(_LOOK)

    return wait
