"""
What the processes of a machine share: the health of coordinators, and who had the last turns.

The health is in slots of 64 bytes, which are written under a lock: a process that is killed leaves
the old slot or the new one.  Turns are appended to a second file, without a lock: all see them in
the order in which they landed there.  Once there are many, whoever holds the lock adds them to the
loads in the slots.  What cannot be what we wrote is left out, and written anew.
"""

from __future__ import annotations

import os
import re
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .shared_folder import LIMIT, OpenFile, SharedFolder
from .shared_records import KEY_SIZE, LAYOUT, SIZE, TURN_SIZE, Record, Turn, loads_of

if TYPE_CHECKING:
    from typing_extensions import Self

_STATE, _TURNS = f"state-{LAYOUT}", f"turns-{LAYOUT}"
MOST_SLOTS = 256
_MANY_TURNS = 16 * TURN_SIZE  # bytes that are not added to the loads yet
_MOST_TURNS = 1024 * TURN_SIZE  # bytes that are read
_LONG = 1 << 20  # bytes of turns, then the file starts again
_HEADER = struct.Struct("<16s16sI")  # whose it is, the boot, and their checksum
_ADDED = struct.Struct("<Q")  # behind it: where the turns begin that are not added to the loads
_ADDED_AT = 48
_PAUSE = 0.1  # seconds without a look at a file that somebody keeps locked

Records = dict[bytes, Record]
Unpacked = Callable[[bytes, float], Any]  # a record of some kind, as `Record.unpacked`


class Slot(Protocol):
    """What fills one: a record of some kind."""

    @property
    def key(self) -> bytes:
        """Of what it is about."""

    def packed(self) -> bytes:
        """Its bytes."""


class View(NamedTuple):
    """
    What there is.

    Attributes:
        now: Seconds since the boot of the machine.
        records: By key.
        added: Where the turns begin that are not in the loads of the records.
    """

    now: float
    records: Records
    added: int = 0


class Turns(Protocol):
    """The turns of a place, while it is open; places are in bytes."""

    def read(self, begin: int, end: int | None = None) -> tuple[list[Turn], int]:
        """The turns from *begin* to *end*, and where they end."""

    def append(self, turn: Turn) -> int:
        """Append *turn*; where it begins."""


class SharedPlace(Protocol):
    """Where the processes of a machine share what they know: `SharedFile`, or one of a test."""

    def now(self) -> float:
        """See `SharedFile.now`."""

    def read(self, keys: Iterable[bytes], unpacked: Unpacked = ...) -> View | None:
        """See `SharedFile.read`."""

    def update(
        self,
        keys: Iterable[bytes],
        change: Callable[[View], Iterable[Slot]],
        unpacked: Unpacked = ...,
    ) -> bool:
        """See `SharedFile.update`."""

    def turns(self) -> AbstractContextManager[Turns]:
        """See `SharedFile.turns`."""


class SharedFile:
    """The two files, in a `SharedFolder`: one of that *path*.  For one thread at a time."""

    def __init__(self, path: str | None = None, folder: SharedFolder | None = None):
        self._folder = folder or SharedFolder(path)
        self._asked: tuple[object, ...] = ()
        self._answer: tuple[Records, int] = {}, 0

    def another(self) -> SharedFile:
        """The same for another thread; a lock that one waited for in vain, no other waits for."""
        return SharedFile(folder=self._folder)

    def now(self) -> float:
        """Seconds since the boot of the machine."""
        return now_of_boot()

    def read(self, keys: Iterable[bytes], unpacked: Unpacked = Record.unpacked) -> View | None:
        """
        The records with those *keys*, without a lock; None if there is no file.

        They are the same object as long as nothing has changed in the file.
        """
        try:
            with self._folder.opened(_STATE, os.O_RDWR) as file:
                data = _read(file.number)
            now, header = now_of_boot(), _header()
        except OSError:
            return None
        asked = data, keys, unpacked
        if asked != self._asked:
            self._asked, self._answer = asked, ({}, 0)
            if data.startswith(header):
                found = _found(data, _slots(data), keys, now, unpacked)
                self._answer = found, *_ADDED.unpack_from(data, _ADDED_AT)
        return View(now, *self._answer)

    def update(
        self,
        keys: Iterable[bytes],
        change: Callable[[View], Iterable[Slot]],
        unpacked: Unpacked = Record.unpacked,
    ) -> bool:
        """
        Read the records with those *keys* and write those that *change* returns, under the lock.

        Args:
            keys: Of the records; one that there is not yet, or that is damaged, is left out.
            change: Is given what there is.  It may not be called at all, and is called once at
                most.
            unpacked: Makes records of bytes; None of those that are not sound.

        Returns:
            Whether it was called, and all that it returned is written.
        """
        try:
            with self._folder.opened(_STATE, os.O_RDWR) as file:
                file.lock(self._limit())
                self._write(file.number, keys, change, unpacked)
        except BlockingIOError:
            self._gave_up()
            return False
        except OSError:
            return False
        return True

    def _write(
        self,
        file: int,
        keys: Iterable[bytes],
        change: Callable[[View], Iterable[Slot]],
        unpacked: Unpacked,
    ) -> None:
        now, data = now_of_boot(), _read(file)
        if not data.startswith(_header()):
            os.ftruncate(file, 0)
            data = _header() + bytes(SIZE - _HEADER.size)
            _pwrite(file, data, 0)
        data, added = self._with_turns(file, data, now)
        slots = _Slots(data, now)
        for record in change(View(now, _found(data, slots.places, keys, now, unpacked), added)):
            if (place := slots.give(record.key)) is not None:
                _pwrite(file, record.packed(), place)

    def _with_turns(self, state: int, data: bytes, now: float) -> tuple[bytes, int]:
        """*data* with the turns in the loads, if there are many; and where the others begin."""
        (added,) = _ADDED.unpack_from(data, _ADDED_AT)
        with self._open_turns() as journal:
            turns, end = journal.read(added)
        if end - added < _MANY_TURNS and added <= end:
            return data, added
        slots, changed = _Slots(data, now), bytearray(data)
        loads = loads_of(turns, now)
        records = _found(data, slots.places, loads, now)
        for key, load in loads.items():
            record = records.get(key, Record(key)).with_load(load, now)
            if (place := slots.give(key)) is not None:
                changed[place : place + SIZE] = record.packed()
        if end >= _LONG:
            with self._open_turns() as journal:
                journal.clear()
            end = 0
        changed[_ADDED_AT : _ADDED_AT + _ADDED.size] = _ADDED.pack(end)
        _pwrite(state, bytes(changed), 0)
        return bytes(changed), end

    def turns(self) -> OpenTurns:
        """
        The file of turns, under a lock of its own if it can be had in time.

        Raises:
            OSError: There is none.
        """
        turns = self._open_turns()
        try:
            turns.file.lock(self._limit())
        except BlockingIOError:
            self._gave_up()
        except BaseException:
            turns.__exit__()
            raise
        return turns

    def _open_turns(self) -> OpenTurns:
        return OpenTurns(self._folder.opened(_TURNS, os.O_RDWR | os.O_APPEND))

    def _limit(self) -> float:
        """Seconds to wait for a lock: not once more for one that was just waited for in vain."""
        return 0.0 if time.monotonic() < self._folder.not_before else LIMIT

    def _gave_up(self) -> None:
        self._folder.not_before = time.monotonic() + _PAUSE


class OpenTurns:
    """The *file* of turns, until the end of a block."""

    def __init__(self, file: OpenFile):
        self.file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.__exit__()

    def read(self, begin: int, end: int | None = None) -> tuple[list[Turn], int]:
        """The turns from place *begin* to *end*, the last ones if they are very many; their end."""
        size = os.lseek(self.file.number, 0, os.SEEK_END)
        if begin > size:  # it has started again
            begin = 0
        # A damaged place may be within a turn.
        begin = max(begin, size - _MOST_TURNS) // TURN_SIZE * TURN_SIZE
        most = _MOST_TURNS if end is None else max(0, end - begin)
        data = os.pread(self.file.number, most, begin)
        whole = data[: len(data) // TURN_SIZE * TURN_SIZE]
        return Turn.unpacked(whole, now_of_boot()), begin + len(whole)

    def append(self, turn: Turn) -> int:
        """
        Append *turn*; the place where it begins.

        Raises:
            OSError: There is no room.
        """
        _whole(os.write(self.file.number, turn.packed()), TURN_SIZE)
        place = os.lseek(self.file.number, 0, os.SEEK_CUR) - TURN_SIZE
        if place % TURN_SIZE:  # behind half a turn, from when there was no room
            self.clear()
            raise OSError("damaged")
        return place

    def clear(self) -> None:
        """Remove all."""
        os.ftruncate(self.file.number, 0)


def now_of_boot() -> float:
    """Seconds since the boot of the machine."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_BOOT = "/proc/sys/kernel/random/boot_id"
_HEADERS: list[bytes] = []
_IS_BOOT = re.compile("[0-9a-f]{32}", re.IGNORECASE | re.ASCII).fullmatch


def _header() -> bytes:
    """What the file begins with in this boot of the machine."""
    if not _HEADERS:
        # Not as ASCII: a new process would look for the module of that encoding for 0.3 ms.
        with open(_BOOT, encoding="utf-8", errors="replace") as boot:
            text = boot.read().strip().replace("-", "")
        if not _IS_BOOT(text):
            raise OSError(f"no boot id: {text!r}")
        names = b"impala-ha", bytes.fromhex(text)
        _HEADERS.append(_HEADER.pack(*names, zlib.crc32(b"".join(names))))
    return _HEADERS[0]


def _read(file: int) -> bytes:
    data = os.pread(file, (1 + MOST_SLOTS) * SIZE, 0)
    return data[: len(data) // SIZE * SIZE]


def _slots(data: bytes) -> dict[bytes, int]:
    """Where the records are, by key."""
    return {data[at : at + KEY_SIZE]: at for at in range(SIZE, len(data), SIZE)}


def _found(
    data: bytes,
    slots: dict[bytes, int],
    keys: Iterable[bytes],
    now: float,
    unpacked: Unpacked = Record.unpacked,
) -> Records:
    """The sound ones of the records with those *keys*."""
    found = {}
    for key in keys:
        if key in slots:
            record = unpacked(data[slots[key] : slots[key] + SIZE], now)
            if record is not None:
                found[key] = record
    return found


class _Slots:
    """Where the records of *data* are, and who makes room for others at *now*."""

    def __init__(self, data: bytes, now: float):
        self.places = _slots(data)
        self._data = data
        self._now = now
        self._end = max([SIZE, *(at + SIZE for at in self.places.values())])
        self._given: set[bytes] = set()
        self._oldest: Iterator[bytes] | None = None

    def give(self, key: bytes) -> int | None:
        """
        The place of *key*: its own, the next one, or that of the oldest record.

        Returns:
            None where all are given to others.
        """
        self._given.add(key)
        if key not in self.places and self._end < (1 + MOST_SLOTS) * SIZE:
            self.places[key] = self._end
            self._end += SIZE
        elif key not in self.places:
            self._oldest = self._oldest or iter(sorted(self.places, key=self._age))
            other = next((each for each in self._oldest if each not in self._given), None)
            if other is not None:
                self.places[key] = self.places.pop(other)
        return self.places.get(key)

    def _age(self, key: bytes) -> float:
        at = self.places[key]
        record = Record.unpacked(self._data[at : at + SIZE], self._now)
        return record.at if record else -1.0


def _pwrite(file: int, data: bytes, at: int) -> None:
    _whole(os.pwrite(file, data, at), len(data))


def _whole(written: int, wanted: int) -> None:
    if written != wanted:
        raise OSError("no room")
