"""Many short programs on one machine: even load, and a death that is learned once."""

import multiprocessing
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

import impala_ha

pytestmark = [
    pytest.mark.slow(40),
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is shared"),
]

JOB = """
import sys, impala_ha
connection = impala_ha.connect(sys.argv[1], eject_for=300)
print(connection.coordinator)
connection.close()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("IMPALA_HA_SHARE_STATE", "1")
    return tmp_path / "impala-ha"


def job(hosts):
    """Where a program of its own was connected to."""
    done = subprocess.run(
        [sys.executable, "-c", JOB, hosts], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def spawned(hosts):
    with ThreadPoolExecutor(4) as pool:
        return Counter(pool.map(job, hosts))


def forked(hosts):
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()

    def work(where):
        with closing(impala_ha.connect(where, eject_for=300)) as connection:
            told.put(str(connection.coordinator))

    children = [context.Process(target=work, args=[each]) for each in hosts]
    for at in range(0, len(children), 4):
        for child in children[at : at + 4]:
            child.start()
        for child in children[at : at + 4]:
            child.join()
    return Counter(told.get() for _ in children)


@pytest.fixture
def dead():
    """A port that hangs up on whoever comes, and counts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        came = []

        def hang_up():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                came.append(connection.getpeername())
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", came
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("run", [spawned, forked])
def test_fresh_processes_take_turns(cluster, run):
    count = run([cluster.hosts] * 18)

    assert [6, 6, 6] == sorted(count.values())


def test_lists_that_overlap_are_evened_out(cluster):
    first, second, _ = cluster.hosts.split(",")
    count = forked([cluster.hosts, f"{first},{second}"] * 12)

    assert max(count.values()) / 8 <= 1.27


def test_without_sharing_nothing_is_written(cluster, folder, monkeypatch):
    monkeypatch.setenv("IMPALA_HA_SHARE_STATE", "0")
    job(cluster.hosts)

    assert not folder.exists()


def test_a_death_is_met_once_by_all_programs_together(cluster, dead):
    where, came = dead
    hosts = f"{cluster.hosts},{where}"
    for _ in range(5):
        job(hosts)
    met = len(came)
    count = spawned([hosts] * 9)

    assert 0 < met == len(came)
    assert where not in count


def test_a_coordinator_that_died_is_left_alone_until_it_is_tried(cluster):
    cluster[0].kill()
    for _ in range(4):
        job(cluster.hosts)

    with closing(impala_ha.connect(cluster.hosts, eject_for=300)) as connection:
        (gone, *_) = connection.cluster.snapshot()
    assert impala_ha.State.EJECTED is gone.state


def test_programs_go_on_where_the_folder_is_no_place(cluster, folder):
    folder.touch()

    assert 3 >= len(spawned([cluster.hosts] * 4)) >= 1
    assert folder.is_file()
