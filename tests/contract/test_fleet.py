"""Many short programs on one machine: even load, and a death that is learned once."""

import subprocess
import sys
from collections import Counter
from contextlib import closing

import pytest
from fleet_jobs import dead_coordinator, forked, job, spawned

import impala_ha

pytestmark = [
    pytest.mark.slow(40),
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is shared"),
]

#: On a busy machine a second coordinator would be asked, and answer first.
LONG = {"eject_for": 300, "hedge_after": 0}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("IMPALA_HA_SHARE_STATE", "1")
    return tmp_path / "impala-ha"


@pytest.fixture
def dead():
    """A port that hangs up on whoever comes, and when they came."""
    with dead_coordinator() as dead:
        yield dead


@pytest.mark.parametrize("run", [spawned, forked])
def test_fresh_processes_take_turns(cluster, run):
    count = run([cluster.hosts] * 18, **LONG)

    assert [6, 6, 6] == sorted(count.values())


def test_lists_that_overlap_are_evened_out(cluster):
    first, second, _ = cluster.hosts.split(",")
    count = forked([cluster.hosts, f"{first},{second}"] * 12, **LONG)

    assert max(count.values()) / 8 <= 1.27


def test_without_sharing_nothing_is_written(cluster, folder, monkeypatch):
    monkeypatch.setenv("IMPALA_HA_SHARE_STATE", "0")
    job(cluster.hosts, **LONG)

    assert not folder.exists()


def test_a_death_is_met_once_by_all_programs_together(cluster, dead):
    where, came = dead
    hosts = f"{cluster.hosts},{where}"
    for _ in range(5):
        job(hosts, **LONG)
    met = len(came)
    count = spawned([hosts] * 9, **LONG)

    assert 0 < met == len(came)
    assert where not in count


def test_a_coordinator_that_died_is_left_alone_until_it_is_tried(cluster):
    cluster[0].kill()
    for _ in range(4):
        job(cluster.hosts, **LONG)

    with closing(impala_ha.connect(cluster.hosts, **LONG)) as connection:
        (gone, *_) = connection.cluster.snapshot()
    assert impala_ha.State.EJECTED is gone.state


def test_programs_go_on_where_the_folder_is_no_place(cluster, folder):
    folder.touch()

    assert 3 >= len(spawned([cluster.hosts] * 4, **LONG)) >= 1
    assert folder.is_file()


#: What leaves no room in `$here`, the folder of the session.
NO_ROOM = {
    "full": "mount -t tmpfs -o size=4k none $here && head -c 4096 /dev/zero >$here/all",
    "no more files": "mount -t tmpfs -o nr_inodes=2 none $here",
    "read-only": "mount -t tmpfs none $here && mkdir -m 700 $here/impala-ha "
    "&& mount -o remount,ro $here",
    "no file grows": "ulimit -f 0",
}
IN_NO_ROOM = """
import sys, impala_ha
from impala_ha.balancing.shared_file import SharedFile
assert not SharedFile().update([], lambda view: ())
for _ in range(6):
    with impala_ha.connect(sys.argv[1]) as connection:
        print(connection.coordinator)
"""


@pytest.mark.parametrize("kind", NO_ROOM)
def test_programs_go_on_where_nothing_can_be_written(cluster, kind):
    mounted = "mount" in NO_ROOM[kind]
    private = ["unshare", "--map-root-user", "--mount"] if mounted else []
    if private and subprocess.run([*private, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a mount of its own is not allowed to this user")
    script = f'here=$XDG_RUNTIME_DIR && {NO_ROOM[kind]} && exec "$@"'
    command = [*private, "sh", "-c", script, "sh", sys.executable, "-W", "error", "-c", IN_NO_ROOM]
    done = subprocess.run(
        [*command, cluster.hosts], capture_output=True, text=True, check=False, timeout=60
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert [2, 2, 2] == sorted(Counter(done.stdout.split()).values())
