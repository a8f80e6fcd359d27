"""
A folder for small files that the processes of one user on one machine share, and their lock.

A file may vanish, be full, be another's or be locked by a process that was stopped: then there is
none, which is found within two milliseconds, and callers go on without.  Whoever opens it reads,
writes and closes it in one go, so nothing is left to clean up.

Linux only, for the boot id and the type of the file system.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self
if sys.platform == "linux":
    import fcntl

SUPPORTED = sys.platform == "linux"
LIMIT = 0.0018  # seconds to wait for the lock; with the rest it is less than 2 ms
_FIRST_NAP, _LONGEST_NAP = 20e-6, 500e-6  # seconds

#: Where a lock is one, and no server need answer: not NFS, CIFS, FUSE, 9p and their like.
_LOCAL = frozenset({"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"})

_OPEN: set[int] = set()  # descriptors at this moment; a forked child has copies, with their locks


class SharedFolder:
    """
    A folder of its own: *path*, or else the first one of `folders` that will do.

    It is looked for when it is first used.

    Attributes:
        not_before: Until then no lock is waited for, by `time.monotonic`.
    """

    def __init__(self, path: str | None = None):
        self.not_before = 0.0
        self._given = path
        self._path: str | None = None
        self._looked = False

    def opened(self, name: str, how: int) -> OpenFile:
        """
        The file of that name, which is ours alone; it is made where there is none.

        Raises:
            OSError: There is no such file for us.
        """
        if not SUPPORTED:
            raise FileNotFoundError(sys.platform)
        if not self._looked:
            self._looked = True
            self._path = _usable([self._given] if self._given else folders())
        if self._path is None:
            raise FileNotFoundError(name)
        try:
            return OpenFile(_open(self._path, name, how))
        except FileNotFoundError:  # a session that ends may take it along
            self._looked = False
            _make(self._path)
            return OpenFile(_open(self._path, name, how))


class OpenFile:
    """
    A file of a folder, which is unlocked and closed at the end of a block.

    Attributes:
        number: Its descriptor.
    """

    def __init__(self, number: int):
        self.number = number
        self._is_locked = False
        _OPEN.add(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._is_locked:  # closing is not enough: a forked child may have a copy
                fcntl.flock(self.number, fcntl.LOCK_UN)
        finally:
            _OPEN.discard(self.number)
            os.close(self.number)

    def lock(self, limit: float) -> None:
        """Lock it; raise BlockingIOError if another process keeps the lock for *limit* seconds."""
        end, nap = time.perf_counter() + limit, _FIRST_NAP
        while not self._try_lock():
            left = end - time.perf_counter()
            if left <= 0:
                raise BlockingIOError("another process keeps the lock")
            time.sleep(min(nap, left))
            nap = min(2 * nap, _LONGEST_NAP)

    def _try_lock(self) -> bool:
        with suppress(BlockingIOError):
            fcntl.flock(self.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._is_locked = True
        return self._is_locked


def folders() -> Iterator[str]:
    """Where the file may be, best first: gone at the next boot, never shared by two machines."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and _owner(runtime) == os.geteuid():  # sudo may keep the variable
        yield os.path.join(runtime, "impala-ha")
    own = f"impala-ha-{os.geteuid()}"
    yield f"/dev/shm/{own}"  # noqa: S108 - checked
    yield os.path.join(tempfile.gettempdir(), own)  # which writes a file to find out


def _owner(path: str) -> int:
    """Whose *path* is; -1 where there is nothing."""
    try:
        return os.stat(path).st_uid
    except OSError:
        return -1


def _usable(paths: Iterable[str]) -> str | None:
    """The first folder that is ours alone, on a local file system; it is made where it is not."""
    return next(filter(_is_usable, paths), None)


def _is_usable(path: str) -> bool:
    try:
        _make(path)
        found = os.lstat(path)
        _check(found, stat.S_IFDIR | 0o700)
        return _file_system(found.st_dev) in _LOCAL
    except OSError:
        return False


def _make(path: str) -> None:
    """Make the folder *path*, if another process has not just made it."""
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)


def _file_system(device: int) -> str:
    """The type of the file system that is mounted as *device*; empty if that is not known."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as lines:
        wanted = f"{os.major(device)}:{os.minor(device)}"
        for line in lines:
            # 36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw
            mount, _, kind = line.partition(" - ")
            if mount.split(" ", 3)[2] == wanted:
                return kind.partition(" ")[0]
    return ""


def _open(folder: str, name: str, how: int) -> int:
    _check(os.lstat(folder), stat.S_IFDIR | 0o700)
    # A pipe in its place would be waited for without O_NONBLOCK.
    how |= os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    file = os.open(f"{folder}/{name}", how, 0o600)
    try:
        _check(os.fstat(file), stat.S_IFREG | 0o600, links=1)
    except OSError:
        os.close(file)
        raise
    return file


def _check(found: os.stat_result, mode: int, links: int = 0) -> None:
    """Raise unless it is of that type and *mode*, ours, and has no more names."""
    same = found.st_mode & ~stat.S_ISGID == mode  # which a folder may inherit
    if not same or found.st_uid != os.geteuid() or links not in (0, found.st_nlink):
        raise PermissionError("not ours alone")


def forget_open() -> None:
    """In a forked child: close its copies of what other threads of the parent had open."""
    while _OPEN:
        os.close(_OPEN.pop())
