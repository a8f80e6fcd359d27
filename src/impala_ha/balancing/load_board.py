"""
What the processes of a machine know of the loads of coordinators, and who reads them next.

A reading is shared as health is, in the same file; without it each process has its own.  Who is
about to open a connection reads what is due of the few that he chooses from, under a lease, so that
nobody waits for him and no page is read twice at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from impala_ha.core.model import Coordinator

from .policies import LeastLoaded, Policy
from .readings import Load, LoadReport, Reading
from .shared_file import SharedPlace, View
from .shared_records import key_of

if TYPE_CHECKING:
    from .members import Members

INTERVAL = 1.0  # seconds between two readings of a coordinator
EXPIRES = 60.0  # seconds; what was read before says nothing any more
_LEASE = 1.0  # seconds, for a reader that never says how it went
UNREADABLE_FOR = 60.0  # seconds until pages are tried again that could not be read
REFUSED_FOR = 3600.0  # seconds, where a login was refused: accounts are locked for less

_Known = dict[bytes, Reading]


class Due(NamedTuple):
    """
    Whose pages are to be read.

    Attributes:
        coordinator: The coordinator.
        port: Of its web server.
        threads: Its service threads, which stay the same; 0: not known.
    """

    coordinator: Coordinator
    port: int
    threads: int = 0


class State(Protocol):
    """That of a cluster, as far as it is asked here."""

    board: LoadBoard
    members: Members


class LoadBoard:
    """The loads of the coordinators of a cluster.  Safe for use by many threads."""

    def __init__(self, place: SharedPlace | None = None):
        """Share the loads with other processes at *place*, if there is one."""
        self._file = place
        self._own: _Known = {}  # where there is no file
        self._lock = threading.Lock()

    def forked(self) -> None:
        """In a child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def reports(self, whose: Iterable[Coordinator], now: float) -> dict[Coordinator, LoadReport]:
        """What is known of some at *now*, without what is too old."""
        keys = self._keys(whose)
        with self._lock:
            view = self._file.read(keys, Reading.unpacked) if self._file else None
        known, now = (self._own, now) if view is None else (_readings(view), view.now)
        return {
            keys[key]: LoadReport(each.load.figure, max(0.0, now - each.read_at), each.load.threads)
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

    def lease(self, among: Iterable[Coordinator], now: float) -> Due | None:
        """Whose pages the caller is to read now, of some; None: nobody's."""
        among = tuple(among)
        keys = self._keys(among)
        leased: list[Reading] = []
        threads = 0

        def change(now: float, known: _Known) -> Iterable[Reading]:
            nonlocal threads
            due = [
                each
                for each in known.values()
                if each.port and max(each.next_at, each.leased_until) <= now
            ]
            if due:
                oldest = min(due, key=lambda each: each.read_at)
                if oldest.read_at and now - oldest.read_at <= EXPIRES:
                    threads = oldest.load.threads
                leased.append(replace(oldest, leased_until=now + _LEASE))
            return leased

        self._change(among, now, change)
        return Due(keys[leased[0].key], leased[0].port, threads) if leased else None

    def note(self, where: Coordinator, load: Load | None, now: float) -> None:
        """Note what was read; None: nothing could be."""
        pause = UNREADABLE_FOR if load is None else INTERVAL

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


def informed(
    policy: Policy, state: State, now: float, asked: Collection[Coordinator] = ()
) -> Policy:
    """*policy*, which knows the loads of those that were *asked*, or of all, if it goes by them."""
    if isinstance(policy, LeastLoaded):
        policy.reports = state.board.reports(asked or state.members.coordinators, now)
        policy.asked = asked
    return policy


_KIND = "\nload"  # no key of options looks like that


def _readings(view: View) -> _Known:
    return cast("_Known", view.records)
