"""A connection that moves finds the tables it made, though the other coordinator hears of them late."""

import pytest
from impala.error import HiveServer2Error

import impala_ha
from impala_ha import Cluster, Coordinator
from impala_ha.testing import LocalCluster

LAG = 2.0  # seconds until a coordinator hears of what another one did


@pytest.fixture
def local():
    with LocalCluster(2) as cluster:
        cluster[1].lag(LAG)
        yield cluster


@pytest.fixture
def connect(local):
    cluster = Cluster([Coordinator(one.host, one.port) for one in local], policy="ordered")
    opened = []

    def connected(**options):
        opened.append(impala_ha.connect(cluster, **options))
        return opened[-1]

    yield connected
    for connection in opened:
        connection.close()


def test_a_table_of_our_own_is_found_after_a_move(local, connect):
    cursor = connect().cursor()
    for number in range(3):
        cursor.execute(f"CREATE TABLE mine_{number} AS SELECT {number} AS i")
    local[0].kill()

    for number in range(3):
        cursor.execute(f"SELECT i FROM mine_{number}")
        assert cursor.fetchall() == [(number,)]

    assert cursor.coordinator.host == local[1].host


def test_without_patience_it_is_not(local, connect):
    cursor = connect(metadata_lag=0.001).cursor()
    cursor.execute("CREATE TABLE mine (i INT)")
    local[0].kill()

    with pytest.raises(HiveServer2Error, match="Could not resolve table reference: 'mine'"):
        cursor.execute("SELECT i FROM mine")


def test_a_table_nobody_made_is_reported_at_once(local, connect):
    cursor = connect().cursor()
    cursor.execute("CREATE TABLE mine (i INT)")
    local[0].kill()

    with pytest.raises(HiveServer2Error, match="Could not resolve table reference: 'theirs'"):
        cursor.execute("SELECT i FROM theirs")

    assert local.executions("SELECT i FROM theirs", mode="received") == 1


def test_sync_ddl_makes_the_others_hear_at_once(local, connect):
    cursor = connect(sync_ddl=True, metadata_lag=0.001).cursor()
    cursor.execute("CREATE TABLE mine (i INT)")
    local[0].kill()

    cursor.execute("SELECT i FROM mine")

    assert cursor.fetchall() == []
