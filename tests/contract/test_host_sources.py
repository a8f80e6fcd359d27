"""Hosts from a file, from `/backends` and from a function: who leaves drains, and our programs ask too."""

from __future__ import annotations

import subprocess
import sys

import pytest

import impala_ha

pytestmark = pytest.mark.servers

SOON = "refresh=0.05"  # seconds
LIMIT = 60


def write(path, *coordinators):
    fresh = path.with_suffix(".new")
    fresh.write_text("".join(f"{each.address}\n" for each in coordinators))
    fresh.rename(path)


def of(connection):
    return str(connection.coordinator)


def members(connection):
    return {str(each) for each in connection.cluster.coordinators}


def ask(cursor, sql="SELECT 1"):
    cursor.execute(sql)
    return cursor.fetchall()


def test_who_leaves_the_file_drains(cluster, tmp_path, until):
    """A result that is being read is read to its end, and the next statement goes elsewhere."""
    path = tmp_path / "hosts"
    write(path, cluster[0])
    with impala_ha.connect(host=f"file://{path}?{SOON}") as connection:
        reader, other = connection.cursor(), connection.cursor()
        reader.execute("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3")
        first = reader.fetchone()
        assert cluster[0].address == of(connection)

        write(path, cluster[1])
        until(lambda: ask(other) and members(connection) == {cluster[1].address})
        assert 2 == len(reader.fetchall())
        assert first is not None
        reader.close()

        until(lambda: ask(other) and of(connection) == cluster[1].address)
        until(lambda: cluster[0].sessions == [])

        with impala_ha.connect(host=f"file://{path}?{SOON}") as another:
            assert cluster[1].address == of(another)
            assert another.cluster is connection.cluster


def test_who_stays_keeps_his_health(cluster, tmp_path, until):
    path = tmp_path / "hosts"
    write(path, cluster[0], cluster[1])
    cluster[0].kill()
    with impala_ha.connect(host=f"file://{path}?{SOON}", policy="ordered", eject_for=60) as one:
        cursor = one.cursor()
        assert cluster[1].address == of(one)

        write(path, cluster[0], cluster[1], cluster[2])
        until(lambda: ask(cursor) and len(members(one)) == 3)

        states = {str(each.coordinator): each.state for each in one.cluster.snapshot()}
        assert impala_ha.State.EJECTED is states[cluster[0].address]
        assert impala_ha.State.HEALTHY is states[cluster[2].address]


def test_a_file_that_is_emptied_or_gone_changes_nothing(cluster, tmp_path):
    path = tmp_path / "hosts"
    write(path, *cluster)
    with impala_ha.connect(host=f"file://{path}?{SOON}") as connection:
        cursor = connection.cursor()
        for harm in (lambda: path.write_text(""), path.unlink):
            harm()
            for _ in range(3):
                assert [(1,)] == ask(cursor)
                connection.reconnect()

        assert {each.address for each in cluster} == members(connection)


def test_backends_are_found_and_one_that_drains_is_left(cluster, until):
    host = f"backends://{cluster[0].web_address}?{SOON}"
    with impala_ha.connect(host=host) as connection:
        assert {each.address for each in cluster} == members(connection)

        cursor = connection.cursor()
        cluster[0].drain()
        until(lambda: ask(cursor) and cluster[0].address not in members(connection))

        assert {cluster[1].address, cluster[2].address} == members(connection)


def test_backends_are_asked_of_others_once_the_first_is_dead(cluster, until):
    host = f"backends://{cluster[0].web_address}?{SOON}"
    with impala_ha.connect(host=host) as connection:
        cursor = connection.cursor()
        cluster[0].kill()
        cluster[1].drain()

        until(lambda: ask(cursor) and cluster[1].address not in members(connection))


def test_backends_over_http_have_the_ports_of_http(over_http):
    host = f"backends://{over_http[0].web_address}"
    with impala_ha.connect(host=host, use_http_transport=True, http_path="cliservice") as one:
        assert set(over_http.http_hosts.split(",")) == members(one)
        assert [(1,)] == ask(one.cursor())


def test_connections_from_a_function_spread(cluster):
    def hosts():
        return [each.address for each in cluster]

    connections = [impala_ha.connect(host=hosts) for _ in cluster]
    try:
        assert {each.address for each in cluster} == {of(each) for each in connections}
    finally:
        for connection in connections:
            connection.close()


def ran(*words, hosts=None):
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), "no_proxy": "*"}
    environment["IMPALA_HA_SHARE_STATE"] = "0"
    if hosts is not None:
        environment["IMPALA_HA_HOSTS"] = hosts
    code = "import sys; from impala_ha.cli.{} import main; sys.exit(main())".format(*words)
    return subprocess.run(
        [sys.executable, "-c", code, *words[1:]],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def test_our_programs_take_them_from_the_environment(cluster, tmp_path):
    path = tmp_path / "hosts"
    write(path, *cluster)

    done = ran("connect", "-q", "SELECT 1", "-B", hosts=f"file://{path}")

    assert (0, "1\n") == (done.returncode, done.stdout), done.stderr


def test_the_doctor_checks_all_that_are_named(cluster):
    host = f"backends://{cluster[0].web_address}"

    done = ran("operator", "doctor", "-i", host)

    assert 0 == done.returncode, done.stderr
    first = done.stdout.splitlines()[0]
    assert f"{host} names {', '.join(sorted(each.address for each in cluster))}" == first
    assert all(done.stdout.count(each.address) > 1 for each in cluster)


def test_the_doctor_says_why_nobody_is_named(tmp_path):
    done = ran("operator", "doctor", "-i", f"file://{tmp_path}/hosts")

    assert 1 == done.returncode
    assert f"file://{tmp_path}/hosts names no coordinator: [Errno 2] No such file" in done.stderr
