"""
What the processes of one user on one machine share of a cluster: whose turn it is, and who is out.

What the others have found is read before a decision, and what it changed is written after it.  The
file has the last word on the health of a coordinator; where there is no file, each process goes on
with what it knows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from impala_ha.core.events import Listeners
from impala_ha.core.model import Attempt, Coordinator

from .circuit_breaker import CircuitBreaker, Health
from .machine_loads import MachineLoads
from .members import Loads, Members
from .outage import Wait
from .shared_file import MOST_SLOTS, SharedPlace, Turns, View
from .shared_records import TURN_SIZE, Record, Turn, key_of

Chosen = TypeVar("Chosen", Coordinator, Coordinator | Wait)
Got = TypeVar("Got")
_TIMES = 3  # that a turn is given back because others chose the same at the same moment
_MANY_TURNS = 24  # since somebody has added them up
_MEASURED_FOR = 10.0  # seconds: people read it, and many threads make it jitter


class News(NamedTuple):
    """
    What another process has found.

    Attributes:
        coordinator: About whom.
        options_key: For connections with those options; empty: for all.
        ejected_for: Seconds until its ejection ends; None if it is back.
        reason: Why it is ejected.
    """

    coordinator: Coordinator
    options_key: str
    ejected_for: float | None
    reason: str


class _Read(NamedTuple):
    """
    One coordinator, as it was before the decision.

    Attributes:
        coordinator: The coordinator.
        options_key: Of the table.
        record: As it stands in the file, or a new one.
        health: By that record; if it is a new one, in the table of this process.
    """

    coordinator: Coordinator
    options_key: str
    record: Record
    health: Health


class Shared(Protocol):
    """What the clusters of a process share, under a lock; and with other processes, if they do."""

    members: Members
    sharing: Sharing | None
    listeners: Listeners

    @property
    def lock(self) -> AbstractContextManager[object]:
        """Held for each decision."""


def choose(
    state: Shared, now: float, options_key: str, pick: Callable[[Loads | None], Chosen]
) -> Chosen:
    """What *pick* returns, under the lock, and in step with other processes."""
    with state.lock:
        if state.sharing is None:
            return pick(None)
        chosen, news = state.sharing.choose(now, options_key, pick), state.sharing.news()
    _tell(state.listeners, news, now)
    return chosen


def change(
    state: Shared, now: float, options_key: str, act: Callable[[], Got], matters: bool = True
) -> Got:
    """What *act* returns, under the lock, and if it *matters* in step with other processes."""
    with state.lock:
        if state.sharing is None or not matters:
            return act()
        got, news = state.sharing.change(now, options_key, act), state.sharing.news()
    _tell(state.listeners, news, now)
    return got


def matters(state: Shared, attempt: Attempt) -> bool:
    """May *attempt* be news for other processes?"""
    if attempt.counts or not state.members.is_well(attempt.coordinator, attempt.options_key):
        return True
    opened = attempt.fault is None and attempt.operation == "connect"
    return opened and state.sharing is not None and state.sharing.measured(attempt)


def _tell(listeners: Listeners, news: Iterable[News], now: float) -> None:
    for coordinator, options_key, seconds, reason in news:
        if seconds is None:
            listeners.back(coordinator, now)
        else:
            listeners.found_elsewhere(coordinator, max(0.0, seconds), options_key, reason, now)


class Sharing:
    """Keeps the members of a cluster and the file in step.  Called under the cluster's lock."""

    def __init__(
        self,
        members: Members,
        breaker: CircuitBreaker,
        place: SharedPlace,
    ):
        self._coordinators: Sequence[Coordinator] = ()
        self._members = members
        self._longest = max(breaker.max_ejection, breaker.lease_time) + 1.0
        self._file = place
        self._places_of: dict[str, dict[bytes, tuple[Coordinator, str]]] = {}
        self._seen: Mapping[bytes, Record] = {}
        self._any_held = False
        self._counted: Mapping[bytes, Record] | None = None
        self._loads = MachineLoads((), {}, 0, 0.0)
        self._unwritten: set[tuple[Coordinator, str]] = set()  # whose health the file has not
        self._measured: dict[Coordinator, float] = {}
        self._reported_until: dict[Coordinator, float] = {}  # no other time is written till then
        self._news: list[News] = []

    def news(self) -> list[News]:
        """What other processes have found since the last call."""
        found, self._news = self._news, []
        return found

    def choose(
        self, now: float, options_key: str, choose: Callable[[Loads | None], Chosen]
    ) -> Chosen:
        """
        What *choose* returns, which is given the loads of the machine.

        Args:
            now: Seconds of the cluster's clock.
            options_key: Of the connection.
            choose: Chooses a coordinator.  It is called again where another process has chosen the
                same one at the same moment, while all are healthy; a healthy one may be chosen
                again in any case.
        """
        places = self._places(options_key)
        view = self._file.read(places) if len(places) <= MOST_SLOTS else None
        if view is None:
            return choose(None)
        if view.records is not self._seen:
            self._seen = view.records
            self._any_held = any(map(_is_held, view.records.values()))
        take_turn, ejected = partial(self._take_turn, choose, options_key), set[Coordinator]()
        if self._any_held or not self._members.all_well(options_key):
            read = self._merge(places, view, now)
            ejected = {
                where
                for where, scope, _, _ in read
                if self._members.health(where, scope).ejected_until is not None
            }
        if not ejected:
            chosen = take_turn(view, times=_TIMES)
            if self._loads.end - view.added > _MANY_TURNS * TURN_SIZE:
                self._file.update((), lambda _: ())
            return chosen
        # Who tries one that is not well tells the others first.
        made: list[Chosen] = []

        def change(view: View) -> Iterable[Record]:
            read = list(self._merge(places, view, now))
            made.append(take_turn(view))
            where = made[0] if isinstance(made[0], Coordinator) else None
            return list(self._changes(read, view, now, where))

        self._file.update(places, change)
        return made[0] if made else take_turn(view, avoided=ejected)

    def change(self, now: float, options_key: str, act: Callable[[], Got]) -> Got:
        """What *act* returns, which changes the health of the members; it is called once."""
        places = self._places(options_key)
        made: list[Got] = []

        def change(view: View) -> Iterable[Record]:
            read = list(self._merge(places, view, now))
            self._seen = view.records
            made.append(act())
            return list(self._changes(read, view, now))

        if len(places) > MOST_SLOTS:
            return act()
        self._file.update(places, change)
        if made:
            return made[0]
        before = {place: self._members.health(*place) for place in places.values()}
        got = act()
        self._unwritten |= {
            place for place, health in before.items() if self._members.health(*place) != health
        }
        return got

    def measured(self, attempt: Attempt) -> bool:
        """
        Note how long it took to open a connection.

        Returns:
            Whether the others should know: it took twice as long as they know, or half as long, and
            this process has not told them just now.
        """
        coordinator, seconds = attempt.coordinator, attempt.elapsed
        record = self._seen.get(key_of(coordinator))
        known, now = record.connect_time if record else 0.0, self._file.now()
        recent = now < self._reported_until.get(coordinator, 0.0)
        if recent or 0 < seconds / 2 < known < 2 * seconds:
            return False
        self._measured[coordinator] = seconds
        self._reported_until[coordinator] = now + _MEASURED_FOR
        return True

    def _places(self, options_key: str) -> dict[bytes, tuple[Coordinator, str]]:
        """Whom the records are about, by key."""
        if self._coordinators is not self._members.coordinators:
            self._coordinators, self._places_of = self._members.coordinators, {}
            self._counted = None
        if options_key not in self._places_of:
            self._places_of = {  # those of the last options
                options_key: {
                    key_of(each, scope): (each, scope)
                    for scope in {"", options_key}
                    for each in self._coordinators
                }
            }
            self._unwritten.intersection_update(self._places_of[options_key].values())
        return self._places_of[options_key]

    def _merge(
        self, places: dict[bytes, tuple[Coordinator, str]], view: View, now: float
    ) -> Iterator[_Read]:
        """Take over what is found."""
        offset = now - view.now
        for key, (coordinator, options_key) in places.items():
            record, health = view.records.get(key), self._members.health(coordinator, options_key)
            if record is None:
                yield _Read(coordinator, options_key, Record(key, at=view.now), health)
                continue
            known = record.health(offset, view.now, self._longest)
            if (coordinator, options_key) in self._unwritten:
                yield _Read(coordinator, options_key, record, known)
                continue
            if known != health:
                self._members.set_health(coordinator, known, options_key)
            if (known.ejected_until is None) is not (health.ejected_until is None):
                ejected = None if known.ejected_until is None else known.ejected_until - now
                reason = record.fault.label if record.fault else "failed"
                self._news.append(News(coordinator, options_key, ejected, reason))
            if record.next_try:
                outage = self._members.table(options_key).outage
                outage.note_others(coordinator, record.next_try + offset)
            yield _Read(coordinator, options_key, record, known)

    def _changes(
        self, read: Iterable[_Read], view: View, now: float, chosen: Coordinator | None = None
    ) -> Iterator[Record]:
        """The records that are not as they were read."""
        offset, members = now - view.now, self._members
        for each in read:
            where, options_key, record, before = each
            self._unwritten.discard((where, options_key))
            health, after = members.health(where, options_key), record
            table = members.table(options_key)
            if health != (before if record.key in view.records else Health()):
                attempt = table.failures.get(where)
                fault = attempt.fault if attempt else None
                after = record.with_health(health, offset, view.now, fault)
            if record.ejected_until and not after.ejected_until:
                self._begin_with_the_others(where, view)
            if where == chosen and health.ejected_until is not None:
                after = after._replace(next_try=max(0.0, table.outage.next_try(where) - offset))
            if not options_key and (seconds := self._measured.pop(where, None)):
                mean = (record.connect_time + seconds) / 2 if record.connect_time else seconds
                after = after._replace(connect_time=mean)
            if after != record:
                yield after._replace(
                    at=view.now, load=record.load_at(view.now), process=os.getpid()
                )

    # -- turns -----------------------------------------------------------------------------------

    def _count(self, view: View, turns: Turns) -> MachineLoads:
        """The loads of the coordinators, with the turns that are not in the records yet."""
        if view.records is not self._counted:
            self._counted = view.records
            self._loads = MachineLoads(self._coordinators, view.records, view.added, view.now)
        self._loads.add(*turns.read(self._loads.end), self._file.now())
        return self._loads

    def _take_turn(
        self,
        choose: Callable[[Loads | None], Chosen],
        options_key: str,
        view: View,
        *,
        times: int = 1,
        avoided: Collection[Coordinator] = (),
    ) -> Chosen:
        """Choose, up to so many *times* if others choose meanwhile: who wrote first, keeps it."""
        made: list[Chosen] = []
        try:
            with self._file.turns() as turns:
                for left in reversed(range(times)):
                    loads = self._count(view, turns)
                    made = [choose(partial(loads, avoided=avoided))]
                    if not isinstance(made[0], Coordinator):
                        break
                    turn = loads.turn_of(made[0])
                    place = turns.append(turn)
                    if place <= loads.end or not left:
                        break
                    loads.add(turns.read(loads.end, place)[0], place, turn.at)
                    if choose(loads) == made[0]:
                        break
                    turns.append(turn._replace(load=-turn.load))
        except OSError:
            # Or all processes would choose the same one, for as long as nobody can write.
            if not made or (
                isinstance(made[0], Coordinator)
                and self._members.ejected_for(made[0], 0.0, options_key) is None
            ):
                return choose(None)
        return made[0]

    def _begin_with_the_others(self, where: Coordinator, view: View) -> None:
        """Let *where*, which is back, not make up for the turns that it has missed."""
        others = [
            each for each in self._coordinators if each != where and self._members.is_well(each, "")
        ]
        with suppress(OSError), self._file.turns() as turns:
            if missed := self._count(view, turns).missed_by(where, others):
                turns.append(Turn(key_of(where), view.now, missed))


def _is_held(record: Record) -> bool:
    """Is anything held against it?"""
    return bool(record.ejected_until or record.failures)
