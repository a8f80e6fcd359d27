"""The local cluster's processes: they start, die, come back, and never stay behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import impala.dbapi
import pytest
from hs2 import hs2
from impala.error import HiveServer2Error
from thrift.transport.TTransport import TTransportException

from impala_ha.testing import LocalCluster
from pocket_impala import local_process

pytestmark = pytest.mark.servers


def test_each_coordinator_is_a_process_with_an_address_of_its_own(cluster):
    pids = {coordinator.pid for coordinator in cluster}
    addresses = [coordinator.address for coordinator in cluster]

    assert len(pids) == 3
    assert os.getpid() not in pids
    assert ",".join(addresses) == cluster.hosts
    assert len(set(addresses)) == 3


def test_impyla_gets_rows_from_each(cluster):
    for coordinator in cluster:
        connection = impala.dbapi.connect(coordinator.host, coordinator.port)
        cursor = connection.cursor()
        cursor.execute("SELECT 1, 'a', NULL")
        rows = cursor.fetchall()
        cursor.close()
        connection.close()

        assert rows == [(1, "a", None)]


def test_a_killed_coordinator_refuses_connections_and_comes_back_at_its_address(cluster):
    victim = cluster[1]
    before = victim.pid
    victim.kill()

    assert victim.pid is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((victim.host, victim.port), timeout=5)

    victim.restart()

    assert victim.pid not in {None, before}
    with hs2(victim) as client:
        _, status = client.run("SELECT 1")
        assert not status.errorMessage


def test_a_coordinator_killed_by_hand_is_seen_as_dead(cluster, until):
    os.kill(cluster[0].pid, signal.SIGKILL)

    until(lambda: cluster[0].pid is None)


def test_a_hung_coordinator_accepts_and_says_nothing_until_it_is_resumed(cluster):
    cluster[2].hang()
    with pytest.raises(TTransportException, match="timed out|timeout"):
        with hs2(cluster[2], timeout=0.3):
            pass
    cluster[2].resume()

    with hs2(cluster[2]) as client:
        assert client.session is not None


def test_the_journal_survives_the_kill_of_its_writer(cluster):
    sql = "SELECT 'survives'"
    with hs2(cluster[0]) as client:
        client.run(sql)
    cluster[0].kill()

    assert cluster.executions(f"  {sql}\n") == 1
    assert cluster[0].executions(sql) == 1
    assert cluster[1].executions(sql) == 0


def test_the_journal_tells_what_became_of_a_statement(cluster, until):
    with hs2(cluster[0]) as client:
        client.run("SELECT 'done'")
        client.execute("SELECT no_such_column")
        answer = client.execute("SELECT sleep(60000)")
        client.call("CancelOperation", operationHandle=answer.operationHandle)

    def events(sql):
        return [event.event for event in cluster.journal() if event.sql == sql]

    assert events("SELECT 'done'") == ["received", "accepted", "started", "finished"]
    assert events("SELECT no_such_column") == ["received"]
    until(lambda: "cancelled" in events("SELECT sleep(60000)"))


def test_counting_works_after_the_end(tmp_path):
    with LocalCluster(1) as cluster:
        with hs2(cluster[0]) as client:
            client.run("SELECT 'ended'")

    assert cluster.executions("SELECT 'ended'") == 1


def test_stopping_is_idempotent_and_removes_the_private_directory():
    cluster = LocalCluster(2).start()
    directory, pids = cluster.directory, [coordinator.pid for coordinator in cluster]
    cluster.stop()
    cluster.stop()

    assert not directory.exists()
    assert not any(_lives(pid) for pid in pids)


def test_a_warehouse_of_the_caller_outlives_the_cluster(tmp_path):
    warehouse = tmp_path / "warehouse"
    with LocalCluster(1, warehouse=warehouse) as cluster, hs2(cluster[0]) as client:
        client.run("CREATE TABLE kept (x INT)")
        client.run("INSERT INTO kept VALUES (7)")
    with LocalCluster(1, warehouse=warehouse) as cluster, hs2(cluster[0]) as client:
        operation, _ = client.run("SELECT x FROM kept")

        assert client.fetch(operation).results.columns[0].i32Val.values == [7]


def test_the_private_directory_is_for_its_owner_only(cluster):
    mode = cluster.directory.stat().st_mode & 0o777

    assert mode == 0o700


def test_another_process_can_attach_and_hurt(cluster):
    script = (
        "import sys; from impala_ha.testing import LocalCluster;"
        "LocalCluster.attach(sys.argv[1])[0].kill()"
    )
    subprocess.run([sys.executable, "-c", script, cluster.directory], check=True, timeout=60)

    assert cluster[0].pid is None


def test_letting_go_of_an_attached_cluster_does_not_end_it(cluster):
    with LocalCluster.attach(cluster.directory) as other:
        assert other.hosts == cluster.hosts

    assert all(coordinator.pid for coordinator in cluster)


def test_nothing_outlives_a_parent_that_is_killed(until):
    script = (
        "from impala_ha.testing import LocalCluster; import sys;"
        "c = LocalCluster(2).start(); c[1].hang();"
        "print(c.directory, *[k.pid for k in c], flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        directory, *pids = parent.stdout.readline().split()
        assert all(_lives(int(pid)) for pid in pids)
        parent.kill()

    until(lambda: not any(_lives(int(pid)) for pid in pids))
    until(lambda: not Path(directory).exists())


def test_a_taken_port_is_reported_and_nothing_is_started(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.2", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"cannot use 127\.0\.0\.2:{port}"):
            LocalCluster(3, port=port).start()


def test_two_clusters_do_not_share_a_port(cluster):
    with pytest.raises(OSError, match="cannot use"):
        LocalCluster(1, port=cluster[0].port).start()


def test_a_dead_coordinator_keeps_its_port(cluster):
    cluster[0].kill()

    with pytest.raises(OSError, match="in use"):
        with socket.socket() as thief:
            thief.bind((cluster[0].host, cluster[0].port))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n must be between 1 and 250, not 0"),
        ({"port": 70000}, "port must be between 1 and 65535, not 70000"),
        ({"auth": "KERBEROS"}, "auth must be one of NOSASL, PLAIN, LDAP, GSSAPI, JWT"),
        ({"users": {"a": "b"}}, "users have no meaning without auth='PLAIN'"),
        ({"data": "/no/such/folder"}, "data must be a folder"),
        ({"flags": {"fe_service_thread": 1}}, "did you mean fe_service_threads"),
        ({"flags": {"fe_service_threads": "many"}}, "must be a whole number, not 'many'"),
        ({"flags": {"fe_service_threads": 0}}, "must be at least 1, not 0"),
        ({"flags": {"impala_version": "new"}}, "must look like '4.5', not 'new'"),
        ({"flags": {"cookie_secret_file": "/nowhere"}}, "not empty, not '/nowhere'"),
    ],
)
def test_an_argument_that_makes_no_sense_is_reported(arguments, message):
    with pytest.raises(ValueError, match=message):
        LocalCluster(**arguments)


def test_a_coordinator_that_cannot_start_is_told_with_the_reason():
    with pytest.raises(RuntimeError, match="No module named 'no_such_engine'"):
        LocalCluster(1, _engine="no_such_engine:make").start()
    with pytest.raises(RuntimeError, match="coordinator 0 did not start: .*no_such_maker"):
        LocalCluster(1, _engine="json:no_such_maker").start()


def test_a_supervisor_that_ends_at_once_is_told_with_its_last_words(monkeypatch):
    monkeypatch.setattr(local_process, "_SUPERVISOR", "raise SystemExit('no room')")

    with pytest.raises(RuntimeError, match="ended as it started; it said:\nno room"):
        LocalCluster(1).start()


def test_passwords_are_in_no_repr():
    cluster = LocalCluster(1, auth="PLAIN", users={"etl": "s3cret"})

    assert "s3cret" not in repr(cluster)
    assert "s3cret" not in repr(cluster._plan)


def test_impyla_reads_an_error_as_impala_says_it(cluster):
    connection = impala.dbapi.connect(cluster[0].host, cluster[0].port)
    cursor = connection.cursor()
    with pytest.raises(HiveServer2Error, match="Query .* failed:\n"):
        cursor.execute("SELECT * FROM no_such_table")
    cursor.close()
    connection.close()


def _lives(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
