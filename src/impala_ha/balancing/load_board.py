"""
What the processes of a machine know of the loads of coordinators, and who reads them next.

A reading is shared as health is, in the same file; without it each process has its own.  Who opens
a connection reads what is due, under a lease, so that nobody waits for him and no page is read
twice at a time.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, cast

from impala_ha.core.model import Coordinator

from .policies import LeastLoaded, Policy
from .readings import Load, Reading, Told
from .shared_file import SharedFile, View
from .shared_records import key_of

if TYPE_CHECKING:
    from .members import Members

INTERVAL = 5.0  # seconds between two readings, and up to a fifth more or less
EXPIRES = 60.0  # seconds; what was read before says nothing any more
_LEASE = 1.0  # seconds, for a reader that never says how it went
UNREADABLE_FOR = 60.0  # seconds until pages are tried again that could not be read
REFUSED_FOR = 3600.0  # seconds, where a login was refused: accounts are locked for less

_Known = dict[bytes, Reading]


class State(Protocol):
    """That of a cluster, as far as it is asked here."""

    board: LoadBoard
    members: Members


class LoadBoard:
    """The loads of the coordinators of a cluster.  Safe for use by many threads."""

    def __init__(self, rng: random.Random, *, shares: bool):
        """
        Args:
            rng: Spreads readings over time.
            shares: Whether other processes share them.
        """
        self._rng = rng
        self._file = SharedFile() if shares else None
        self._own: _Known = {}  # where there is no file
        self._lock = threading.Lock()

    def forked(self) -> None:
        """In a child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def told(self, whose: Iterable[Coordinator], now: float) -> dict[Coordinator, Told]:
        """What is known of some at *now*, without what is too old."""
        keys = self._keys(whose)
        with self._lock:
            view = self._file.read(keys, Reading.unpacked) if self._file else None
        known, now = (self._own, now) if view is None else (_readings(view), view.now)
        return {
            keys[key]: Told(each.load.figure, max(0.0, now - each.read_at), each.load.threads)
            for key, each in known.items()
            if key in keys and each.read_at and now - each.read_at <= EXPIRES
        }

    def note_port(self, where: Coordinator, port: int, now: float) -> None:
        """Note on which *port* the web server of a coordinator is."""

        def change(_: float, known: _Known) -> Iterable[Reading]:
            (key,) = self._keys([where])
            before = known.get(key, Reading(key))
            if before.port == port:
                return []
            return [replace(before, port=port, next_at=0.0 if before.port else before.next_at)]

        self._change([where], now, change)

    def lease(self, among: Iterable[Coordinator], now: float) -> tuple[Coordinator, int] | None:
        """Whose pages the caller is to read now, of some, and their port; None: nobody's."""
        among = tuple(among)
        keys = self._keys(among)
        leased: list[Reading] = []

        def change(now: float, known: _Known) -> Iterable[Reading]:
            due = [
                each
                for each in known.values()
                if each.port and max(each.next_at, each.leased_until) <= now
            ]
            if due:
                oldest = min(due, key=lambda each: each.read_at)
                leased.append(replace(oldest, leased_until=now + _LEASE))
            return leased

        self._change(among, now, change)
        return (keys[leased[0].key], leased[0].port) if leased else None

    def note(self, where: Coordinator, load: Load | None, now: float) -> None:
        """Note what was read; None: nothing could be."""
        pause = UNREADABLE_FOR if load is None else INTERVAL
        pause *= self._rng.uniform(0.8, 1.2)

        def change(now: float, known: _Known) -> Iterable[Reading]:
            (key,) = self._keys([where])
            after = replace(known.get(key, Reading(key)), leased_until=0.0, next_at=now + pause)
            return [after if load is None else replace(after, load=load, read_at=now)]

        self._change([where], now, change)

    def refused(self, whose: Iterable[Coordinator], now: float) -> None:
        """Note that one of some refused a login: none is asked again for long."""
        keys = self._keys(whose)

        def change(now: float, known: _Known) -> Iterable[Reading]:
            before = (known.get(key, Reading(key)) for key in keys)
            return [replace(each, next_at=now + REFUSED_FOR) for each in before]

        self._change(keys.values(), now, change)

    def _keys(self, coordinators: Iterable[Coordinator]) -> dict[bytes, Coordinator]:
        return {key_of(each, _KIND): each for each in coordinators}

    def _change(
        self,
        whose: Iterable[Coordinator],
        now: float,
        change: Callable[[float, _Known], Iterable[Reading]],
    ) -> None:
        """Let *change* see the readings of some at the present moment, and keep what it returns."""
        keys = self._keys(whose)
        done = False

        def shared(view: View) -> Iterable[Reading]:
            nonlocal done
            done = True
            return [replace(each, at=view.now) for each in change(view.now, _readings(view))]

        with self._lock:
            if self._file is not None:
                self._file.update(keys, shared, Reading.unpacked)
                if done or self._file.read(keys) is not None:
                    return  # somebody else holds the lock: the next one will do it
            known = {key: self._own[key] for key in keys if key in self._own}
            self._own.update({each.key: each for each in change(now, known)})


def informed(policy: Policy, state: State, now: float) -> Policy:
    """*policy*, which knows the loads of now if it goes by them."""
    if isinstance(policy, LeastLoaded):
        policy.told = state.board.told(state.members.coordinators, now)
    return policy


_KIND = "\nload"  # no key of options looks like that


def _readings(view: View) -> _Known:
    return cast("_Known", view.records)
