"""The file that processes share: what it takes, refuses and survives."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from contextlib import nullcontext

import pytest

from impala_ha import CircuitBreaker, Cluster
from impala_ha.balancing import shared_file, shared_folder
from impala_ha.balancing.shared_file import SharedFile, now_of_boot
from impala_ha.balancing.shared_folder import SharedFolder, folders
from impala_ha.balancing.shared_records import SIZE, TURN_SIZE, Record, Turn, decayed, key_of
from impala_ha.core.faults import Fault, Phase
from impala_ha.core.model import Attempt, Coordinator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is for Linux")

LONG = CircuitBreaker(ejection=300)
KEYS = [key_of(Coordinator(host)) for host in "abc"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "shared"


@pytest.fixture
def file(folder):
    return SharedFile(str(folder))


def record(key=KEYS[0], **how):
    return Record(key, at=now_of_boot(), **how)


def put(file, *records):
    return file.update([], lambda view: records)


def state_of(folder):
    (path,) = folder.glob("state-*")
    return path


def turns_of(folder):
    (path,) = folder.glob("turns-*")
    return path


def take(file, key=KEYS[0], load=1.0):
    with file.turns() as turns:
        return turns.append(Turn(key, now_of_boot(), load))


def load(file, key=KEYS[0]):
    """What is in the record, and in the turns behind it, as if they had all been just now."""
    view = file.read([key])
    with file.turns() as turns:
        found, _ = turns.read(view.added)
    in_record = view.records[key].load if key in view.records else 0.0
    return in_record + sum(turn.load for turn in found if turn.key == key)


def test_what_one_writes_another_reads(file, folder):
    mine = record(ejected_until=now_of_boot() + 5, failures=2, fault=Fault.LOST)

    assert put(file, mine)
    assert {KEYS[0]: mine} == SharedFile(str(folder)).read(KEYS).records


def test_no_name_is_in_it(file, folder):
    put(file, record(key_of(Coordinator("impala-7.example.com"), "user='etl'")))

    assert b"example" not in state_of(folder).read_bytes()
    assert b"etl" not in state_of(folder).read_bytes()


def test_a_damaged_byte_costs_one_record_at_most_and_is_written_over(file, folder):
    records = {key: record(key, failures=3) for key in KEYS}
    put(file, *records.values())
    whole = state_of(folder).read_bytes()
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x41
        state_of(folder).write_bytes(damaged)

        found = file.read(KEYS).records
        assert found.items() <= records.items(), at
        assert len(found) >= 2 or at < SIZE, at
        assert put(file, *records.values()), at
        assert records == file.read(KEYS).records, at


def test_a_file_that_is_cut_anywhere_is_filled_again(file, folder):
    records = {key: record(key) for key in KEYS}
    put(file, *records.values())
    for size in range(len(state_of(folder).read_bytes())):
        os.truncate(state_of(folder), size)

        assert put(file, *records.values()), size
        assert records == file.read(KEYS).records, size


def test_what_another_boot_left_is_begun_again(file, folder, monkeypatch):
    put(file, record())
    monkeypatch.setattr(shared_file, "_HEADERS", [b"another boot".ljust(36)])

    assert {} == file.read(KEYS).records
    assert put(file, record(KEYS[1]))
    assert [KEYS[1]] == list(file.read(KEYS).records)


def no_boot(folder, monkeypatch):
    monkeypatch.setattr(shared_file, "_BOOT", str(folder / "nothing"))


def a_boot_that_is_none(folder, monkeypatch):
    (folder / "boot").write_bytes(b"\xff no id\n")
    monkeypatch.setattr(shared_file, "_BOOT", str(folder / "boot"))


def no_clock(folder, monkeypatch):
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 4711)


@pytest.mark.parametrize("lacks", [no_boot, a_boot_that_is_none, no_clock])
def test_a_machine_that_does_not_tell_since_when_it_runs_shares_nothing(
    file, folder, monkeypatch, lacks
):
    state = Cluster([*map(Coordinator, "abc")], breaker=LONG, share_state=file)
    state.pick()
    monkeypatch.setattr(shared_file, "_HEADERS", [])
    lacks(folder, monkeypatch)
    state.report(Attempt("connect", 1, state.pick(), 0.1, Fault.LOST, Phase.CONNECT, text="lost"))

    assert 2 == len({state.pick() for _ in range(4)})
    assert file.read(KEYS) is None


def test_numbers_that_have_no_room_are_as_large_as_can_be(file):
    huge = record(load=1e300, connect_time=1e300, ejected_for=1e300)

    assert put(file, huge)
    found = file.read(KEYS).records[KEYS[0]]
    assert 1e38 < found.load == found.connect_time == found.ejected_for
    assert 0 == take(file, load=1e300)


def test_a_load_is_what_it_was_where_a_clock_went_back():
    assert 2.0 == decayed(2.0, -1e9)


def test_what_comes_from_the_future_is_left_out(file):
    put(file, record()._replace(at=now_of_boot() + 60), record(KEYS[1]))

    assert [KEYS[1]] == list(file.read(KEYS).records)


def broken(folder, kind):
    path = state_of(folder)
    kept = path.with_name("kept")
    if kind == "readable":
        path.chmod(0o644)
    elif kind == "read-only":
        path.chmod(0o400)
    elif kind == "hard link":
        os.link(path, kept)
    elif kind == "link":
        path.rename(kept)
        path.symlink_to(kept)
    elif kind == "pipe":
        path.unlink()
        os.mkfifo(path, 0o600)
    elif kind == "directory":
        path.unlink()
        path.mkdir(0o700)
    elif kind == "open folder":
        folder.chmod(0o755)
    elif kind == "linked folder":
        folder.rename(folder.with_name("elsewhere"))
        folder.symlink_to(folder.with_name("elsewhere"))


KINDS = [
    *("readable", "read-only", "hard link", "link", "pipe", "directory"),
    *("open folder", "linked folder"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_ours_alone_is_as_if_there_were_none(file, folder, kind):
    put(file, record())
    broken(folder, kind)

    for each in (file, SharedFile(str(folder))):
        assert each.read(KEYS) is None
        assert not put(each, record())


def test_a_file_of_another_user_is_refused(file, monkeypatch):
    put(file, record())
    monkeypatch.setattr(os, "geteuid", lambda: 4711)

    assert file.read(KEYS) is None
    assert not put(file, record())


def test_who_removes_the_folder_gets_a_new_one(file, folder):
    put(file, record())
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()

    assert put(file, record(KEYS[1]))
    assert [KEYS[1]] == list(file.read(KEYS).records)
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)


def test_a_file_system_that_may_not_lock_is_no_place(folder, monkeypatch):
    monkeypatch.setattr(shared_folder, "_file_system", lambda device: "nfs4")

    assert SharedFile(str(folder)).read(KEYS) is None


def test_the_type_of_the_file_system_is_found(tmp_path):
    assert shared_folder._file_system(tmp_path.stat().st_dev) in shared_folder._LOCAL
    assert "" == shared_folder._file_system(os.makedev(4000, 1))


def test_the_folder_of_the_session_comes_first_if_it_is_ours(monkeypatch, tmp_path):
    own = f"impala-ha-{os.geteuid()}"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    assert [f"{tmp_path}/impala-ha", f"/dev/shm/{own}"] == [*folders()][:2]

    for no_place in ("", "relative", f"{tmp_path}/nothing"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", no_place)
        assert f"/dev/shm/{own}" == next(folders())


def test_the_oldest_makes_room(file):
    many = [record(key_of(Coordinator(f"h{n}")))._replace(at=1.0 + n) for n in range(256)]
    put(file, *many)

    new = [record(key_of(Coordinator(f"new{n}"))) for n in range(3)]
    assert put(file, *new)

    found = file.read([each.key for each in (*many, *new)]).records
    assert [each.key for each in (*many[3:], *new)] == list(found)


def test_more_coordinators_than_there_is_room_for_get_none(file):
    many = [key_of(Coordinator(f"h{n}")) for n in range(300)]
    for key in many:
        take(file, key)

    assert put(file, *map(record, many))
    assert many[:256] == list(file.read(many).records)


def test_a_cluster_that_has_no_room_goes_on_alone(file, folder):
    state = Cluster([Coordinator(f"h{n}") for n in range(300)], breaker=LONG, share_state=file)
    dead = state.coordinators[7]
    state.report(Attempt("connect", 1, dead, 0.1, Fault.UNREACHABLE, Phase.CONNECT, text="refused"))

    assert {*state.coordinators} - {dead} == {state.pick() for _ in range(299)}
    assert not folder.exists()


def test_turns_are_seen_in_the_order_in_which_they_were_taken(file):
    places = [take(file, key) for key in KEYS]

    assert [0, TURN_SIZE, 2 * TURN_SIZE] == places
    with file.turns() as turns:
        assert KEYS == [turn.key for turn in turns.read(0)[0]]
        assert KEYS[1:2] == [turn.key for turn in turns.read(places[1], places[2])[0]]


def test_many_turns_are_added_to_the_loads_and_none_is_lost(file):
    for _ in range(70):
        take(file)
    put(file)

    assert 70 * TURN_SIZE == file.read(KEYS).added
    assert 70 == pytest.approx(load(file), rel=0.05)


def test_turns_start_again_when_there_are_very_many(file, folder, monkeypatch):
    monkeypatch.setattr(shared_file, "_LONG", 100 * TURN_SIZE)
    for _ in range(101):
        take(file)
    put(file)

    assert 0 == turns_of(folder).stat().st_size == file.read(KEYS).added
    assert 0 == take(file)
    assert 102 == pytest.approx(load(file), rel=0.05)


def test_turns_that_somebody_removed_start_from_none(file, folder):
    for _ in range(70):
        take(file)
    put(file)
    turns_of(folder).unlink()
    take(file, KEYS[1])

    assert 1.0 == load(file, KEYS[1])


def test_turns_go_on_where_the_place_of_the_first_one_is_damaged(file, folder):
    take(file)
    put(file)
    with state_of(folder).open("r+b") as state:
        state.seek(shared_file._ADDED_AT)
        state.write(b"\x19")

    for _ in range(70):
        take(file)
    assert 70 == load(file)
    put(file)
    assert 71 * TURN_SIZE == file.read(KEYS).added
    assert 70 == pytest.approx(load(file), rel=0.05)


def test_a_damaged_turn_is_left_out(file, folder):
    take(file, KEYS[0])
    take(file, KEYS[1])
    data = bytearray(turns_of(folder).read_bytes())
    data[3] ^= 1
    turns_of(folder).write_bytes(data)

    with file.turns() as turns:
        assert KEYS[1:2] == [turn.key for turn in turns.read(0)[0]]


def test_half_a_turn_from_when_there_was_no_room_is_cleared(file, folder):
    take(file)
    with turns_of(folder).open("ab") as half:
        half.write(b"half")

    with pytest.raises(OSError, match="damaged"):
        take(file)
    assert 0 == take(file)


HOLDER = """
    import fcntl, os, signal, sys
    for path in sys.argv[1:]:
        fcntl.flock(os.open(path, os.O_RDWR), fcntl.LOCK_EX)
    print(flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def stopped(file, folder):
    """A process that was stopped while it had both locks."""
    put(file, record())
    take(file)
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), state_of(folder), turns_of(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


def test_who_was_stopped_with_the_lock_is_not_waited_for(file, stopped):
    assert not put(file, record(KEYS[1]))
    assert [KEYS[0]] == list(file.read(KEYS).records)
    assert TURN_SIZE == take(file, KEYS[1])

    stopped.send_signal(signal.SIGKILL)
    stopped.wait()
    assert put(SharedFile(file._folder._given), record(KEYS[1]))


def test_who_chooses_waits_once_for_one_that_was_stopped(file, stopped, monkeypatch):
    naps, sleep = [], time.sleep
    monkeypatch.setattr(shared_folder.time, "sleep", lambda nap: naps.append(nap) or sleep(nap))
    state = Cluster([*map(Coordinator, "abc")], breaker=LONG, share_state=file)
    dead = state.coordinators[0]

    def waited(act, *given):
        naps.clear()
        file._folder.not_before = 0.0
        return act(*given), 0 < sum(naps) <= shared_folder.LIMIT

    failed = Attempt("connect", 1, dead, 0.1, Fault.UNREACHABLE, Phase.CONNECT, text="refused")
    assert (None, True) == waited(state.report, failed)
    for _ in range(6):
        chosen, in_time = waited(state.pick)
        assert in_time
        assert chosen != dead  # although the file does not have it

    stopped.kill()
    stopped.wait()
    state.pick()
    assert Fault.UNREACHABLE is file.read(KEYS).records[KEYS[0]].fault


def test_after_a_lock_that_was_not_had_the_next_is_not_waited_for(file, stopped):
    put(file)

    assert 0.0 == file._limit()


def test_who_goes_by_loads_waits_once_as_well(file, stopped, monkeypatch):
    naps, sleep = [], time.sleep
    monkeypatch.setattr(shared_folder.time, "sleep", lambda nap: naps.append(nap) or sleep(nap))
    state = Cluster([*map(Coordinator, "abc")], policy="least_loaded", share_state=file)
    state.board.lease(state.coordinators, 0.0)
    assert naps

    state.pick()
    assert sum(naps) <= shared_folder.LIMIT


FULL = """
    import resource, sys
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    from impala_ha.balancing.shared_file import SharedFile
    from impala_ha.balancing.shared_records import Record, Turn
    file = SharedFile(sys.argv[1])
    print(file.update([], lambda view: [Record(b"12345678", at=view.now)]))
    try:
        with file.turns() as turns:
            print(turns.append(Turn(b"12345678", 1.0, 1.0)))
    except OSError:
        print("no room")
"""


@pytest.mark.parametrize("room", [0, 10, 64, 100])
def test_a_full_disk_is_told_and_nothing_is_left_in_the_way(file, folder, room):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), folder, str(room)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert ["False", "0" if room >= TURN_SIZE else "no room"] == done.stdout.split("\n")[:2]
    assert put(file, record())
    with pytest.raises(OSError, match="damaged") if room == 10 else nullcontext():
        take(file)
    take(file)


KILLED = """
    import fcntl, os, signal, sys
    from impala_ha import Cluster, CircuitBreaker, Coordinator
    from impala_ha.balancing.shared_file import SharedFile
    from impala_ha.core.faults import Fault, Phase
    from impala_ha.core.model import Attempt

    folder = os.path.join(os.environ["XDG_RUNTIME_DIR"], "impala-ha")
    where = [Coordinator(host) for host in "abc"]
    calls = {os: "open fstat lstat pread pwrite write lseek ftruncate close mkdir", fcntl: "flock"}

    def cluster():
        return Cluster(where, breaker=CircuitBreaker(ejection=300), share_state=True)

    def work():
        one = cluster()
        for _ in range(2):
            one.pick()
        one.report(Attempt("connect", 1, where[0], 0.1, Fault.UNREACHABLE, Phase.CONNECT))
        one.report(Attempt("connect", 2, where[1], 0.1))

    def die_before(number):
        left = [number]
        def guarded(call):
            def guard(*args, **kwargs):
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                return call(*args, **kwargs)
            return guard
        for module, names in calls.items():
            for name in names.split():
                setattr(module, name, guarded(getattr(module, name)))

    number, killed = 0, True
    while killed:
        for name in os.listdir(folder) if os.path.exists(folder) and number % 2 else []:
            os.unlink(os.path.join(folder, name))
        child = os.fork()
        if not child:
            die_before(number)
            work()
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        assert SharedFile(folder).update([], lambda view: ()), number
        a, b = cluster(), cluster()
        picks = [each.pick() for _ in range(3) for each in (a, b)]
        assert len(set(picks)) >= 2, (number, picks)
        number += 1
    assert where[0] not in picks, picks
    print(number)
"""


def test_who_is_killed_between_any_two_system_calls_leaves_a_file_that_works(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED)],
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert int(done.stdout) > 40


FORKED = """
    import os, sys
    from impala_ha.balancing import shared_folder
    with shared_folder.SharedFolder(sys.argv[1]).opened("state", os.O_RDWR) as file:
        file.lock(0.0)
        child = os.fork()
        if not child:
            shared_folder.forget_open()
            try:
                os.fstat(file.number)
            except OSError:
                os._exit(7)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_keeps_neither_file_nor_lock_of_its_parent(folder):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FORKED), folder],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert "7\n" == done.stdout


def test_who_makes_the_folder_at_the_same_moment_has_the_same(folder, monkeypatch):
    """Or forty that start on a fresh machine would find different ones."""
    make = os.mkdir
    monkeypatch.setattr(os, "mkdir", lambda *given: (make(*given), make(*given)))

    assert put(SharedFile(str(folder)), record())


def test_another_system_has_none(folder, monkeypatch):
    monkeypatch.setattr(shared_folder, "SUPPORTED", False)

    assert SharedFile(str(folder)).read(KEYS) is None
    assert not folder.exists()


def test_a_folder_is_looked_for_once(folder):
    shared = SharedFolder(str(folder))
    folder.touch()
    with pytest.raises(FileNotFoundError), shared.opened("state", os.O_RDWR):
        pass
    folder.unlink()

    with pytest.raises(FileNotFoundError), shared.opened("state", os.O_RDWR):
        pass
