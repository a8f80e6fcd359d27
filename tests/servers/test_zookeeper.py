"""`zookeeper://` with a ZooKeeper, where servers register as HiveServer2 and Kyuubi do."""

from __future__ import annotations

import threading

import pytest

import impala_ha
from real_servers import ZooKeeperServer, missing

lacks = missing("zookeeper", "kazoo")
pytestmark = [
    pytest.mark.slow(10),
    pytest.mark.servers,
    pytest.mark.skipif(bool(lacks), reason=lacks),
]

PATH = "/hiveserver2"
SOON = "refresh=0.05"  # seconds


@pytest.fixture(scope="module")
def zookeeper():
    with ZooKeeperServer("127.26.0.2") as server:
        yield server


@pytest.fixture
def register(zookeeper):
    """Register as HiveServer2 does: a node that is gone with who made it."""
    from kazoo.client import KazooClient  # noqa: PLC0415 - it may not be there

    client = KazooClient(zookeeper.address)
    client.start()
    client.ensure_path(PATH)

    def node(address, kind="server"):
        name = f"{PATH}/{kind}Uri={address};version=4.0.1;sequence="
        data = f"hive.server2.instance.uri={address};hive.server2.transport.mode=binary".encode()
        return client.create(name, data, ephemeral=True, sequence=True)

    node.client = client
    yield node
    client.delete(PATH, recursive=True)
    client.stop()
    client.close()


def ask(cursor):
    cursor.execute("SELECT 1")
    return cursor.fetchall()


def test_who_registered_is_found_and_who_is_gone_is_left(cluster, zookeeper, register, until):
    first = register(cluster[0].address)
    register(cluster[1].address, "service")
    for other in ("leader_election", "serverUri=a:99999;version=1", "serverUri=:1;version=1"):
        register.client.create(f"{PATH}/{other}", b"")
    threads = threading.active_count()
    with impala_ha.connect(host=f"zookeeper://{zookeeper.address}{PATH}?{SOON}") as connection:
        members = connection.cluster
        assert {cluster[0].address, cluster[1].address} == {str(c) for c in members.coordinators}
        assert threads == threading.active_count(), "kazoo's have ended"

        cursor = connection.cursor()
        register.client.delete(first)
        register(cluster[2].address)
        left = {cluster[1].address, cluster[2].address}
        until(lambda: ask(cursor) and {str(c) for c in members.coordinators} == left)
        until(lambda: ask(cursor) and str(connection.coordinator) in left)


def test_a_path_that_is_not_there_is_told(zookeeper):
    with pytest.raises(impala_ha.NoCoordinatorLeft) as raised:
        impala_ha.connect(host=f"zookeeper://{zookeeper.address}/nobody")

    told = str(raised.value)
    assert f"zookeeper://{zookeeper.address}/nobody names no coordinator: there is no /" in told
    assert f"(see `zkCli.sh -server {zookeeper.address} ls /nobody`)" in told


def test_one_where_nobody_registered_is_told(zookeeper, register):
    with pytest.raises(impala_ha.NoCoordinatorLeft, match="its answer is empty"):
        impala_ha.connect(host=f"zookeeper://{zookeeper.address}{PATH}")


def test_the_list_outlives_zookeeper(cluster):
    from kazoo.client import KazooClient  # noqa: PLC0415 - it may not be there

    with ZooKeeperServer("127.26.0.3") as server:
        client = KazooClient(server.address)
        client.start()
        client.create(f"{PATH}/serverUri={cluster[0].address};version=1;sequence=1", makepath=True)
        client.stop()
        client.close()
        with impala_ha.connect(host=f"zookeeper://{server.address}{PATH}?refresh=0.5") as one:
            server.stop()
            cursor = one.cursor()
            one.reconnect()

            assert [(1,)] == ask(cursor)
            assert cluster[0].address == str(one.coordinator)
