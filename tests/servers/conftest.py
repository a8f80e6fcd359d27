"""Real servers that the tests share: a realm, certificates, the jars of Spark."""

from __future__ import annotations

import pytest

from impala_ha.testing.servers import Certificates, Realm, missing, spark_jars


def need(*wanted):
    """Skip the test, and say why, when this machine lacks something."""
    if reason := missing(*wanted):
        pytest.skip(reason)


@pytest.fixture(scope="session")
def realm():
    """A realm with coord1.test, coord2.test and the user etl."""
    need("realm")
    with Realm() as realm:
        yield realm


@pytest.fixture(scope="session")
def certificates():
    """A private certificate authority."""
    need("certificates")
    with Certificates() as certificates:
        yield certificates


@pytest.fixture(scope="session")
def jars():
    """Where Spark's jars are."""
    need("spark")
    try:
        return spark_jars()
    except OSError as error:
        pytest.skip(str(error))
