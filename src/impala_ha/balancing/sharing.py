"""
What the processes of one user on one machine share of a cluster: whose turn it is, and who is out.

What the others have found is read before a decision, and what it changed is written after it.  The
file has the last word on the health of a coordinator; where there is no file, each process goes on
with what it knows.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, TypeVar

from impala_ha.core.model import Coordinator

from .circuit_breaker import CircuitBreaker, Health
from .health_log import News
from .members import Loads, Members
from .outage import Wait
from .shared_file import SharedPlace, Turns, View
from .shared_records import TURN_SIZE, Record, Turn, key_of

Chosen = TypeVar("Chosen", Coordinator, Coordinator | Wait)
Got = TypeVar("Got")
_TIMES = 3  # that a turn is given back because others chose the same at the same moment
_MANY_TURNS = 200  # since somebody has added them up
_AVOIDED = 1e9  # a load


class _Read(NamedTuple):
    """
    One coordinator, as it was before the decision.

    Attributes:
        coordinator: The coordinator.
        options_key: Of the table.
        record: As it stands in the file, or a new one.
        health: In the table of this process, now that it has been read.
    """

    coordinator: Coordinator
    options_key: str
    record: Record
    health: Health


class Sharing:
    """Keeps the members of a cluster and the file in step.  Called under the cluster's lock."""

    def __init__(
        self,
        coordinators: Sequence[Coordinator],
        members: Members,
        breaker: CircuitBreaker,
        rng: random.Random,
        place: SharedPlace,
    ):
        self._coordinators = coordinators
        self._members = members
        self._longest = max(breaker.max_ejection, breaker.lease_time) + 1.0
        self._rng = rng
        self._file = place
        self._keys = {key_of(each): each for each in coordinators}
        self._for_all = {key: (each, "") for key, each in self._keys.items()}
        self._connect_times: dict[Coordinator, float] = {}
        self._measured: dict[Coordinator, float] = {}
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
        view = self._file.read(places)
        if view is None:
            return choose(None)
        read = list(self._merge(places, view, now))
        if all(each.health.ejected_until is None for each in read):
            return self._take_turn(read, view, choose)
        # Who tries one that is not well tells the others first.
        made: list[Chosen] = []

        def change(view: View) -> Iterable[Record]:
            read = list(self._merge(places, view, now))
            made.append(self._choose_once(read, view, choose))
            where = made[0] if isinstance(made[0], Coordinator) else None
            return list(self._changes(read, view, now, where))

        self._file.update(places, change)
        if made:
            return made[0]
        ejected = {each.coordinator for each in read if each.health.ejected_until is not None}
        return self._choose_once(read, view, choose, ejected)

    def change(self, now: float, options_key: str, act: Callable[[], Got]) -> Got:
        """What *act* returns, which changes the health of the members; it is called once."""
        places = self._places(options_key)
        made: list[Got] = []

        def change(view: View) -> Iterable[Record]:
            read = list(self._merge(places, view, now))
            made.append(act())
            return list(self._changes(read, view, now))

        self._file.update(places, change)
        return made[0] if made else act()

    def measured(self, coordinator: Coordinator, seconds: float) -> bool:
        """
        Note how long opening a connection took.

        Returns:
            Whether the others should know: it took twice as long as they know, or half as long.
        """
        known = self._connect_times.get(coordinator, 0.0)
        if 0 < seconds / 2 < known < 2 * seconds:
            return False
        self._measured[coordinator] = seconds
        return True

    def _places(self, options_key: str) -> dict[bytes, tuple[Coordinator, str]]:
        """Whom the records are about, by key."""
        if not options_key:
            return self._for_all
        return self._for_all | {
            key_of(c, options_key): (c, options_key) for c in self._coordinators
        }

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
            if known != health:
                self._members.set_health(coordinator, known, options_key)
            if (known.ejected_until is None) is not (health.ejected_until is None):
                ejected = None if known.ejected_until is None else known.ejected_until - now
                reason = record.fault.label if record.fault else "failed"
                self._news.append(News(coordinator, options_key, ejected, reason))
            if record.next_try:
                outage = self._members.table(options_key).outage
                outage.note_others(coordinator, record.next_try + offset)
            if not options_key:
                self._connect_times[coordinator] = record.connect_time
            yield _Read(coordinator, options_key, record, known)

    def _changes(
        self, read: Iterable[_Read], view: View, now: float, chosen: Coordinator | None = None
    ) -> Iterator[Record]:
        """The records that are not as they were read."""
        offset, members = now - view.now, self._members
        for each in read:
            where, options_key, record, before = each
            health, after = members.health(where, options_key), record
            table = members.table(options_key)
            if health != (before if record.key in view.records else Health()):
                attempt = table.failures.get(where)
                fault = attempt.fault if attempt else None
                after = record.with_health(health, offset, view.now, fault)
            if record.ejected_until and not after.ejected_until:
                self._begin_with_the_others(where, read, view)
            if where == chosen and health.ejected_until is not None:
                after = replace(after, next_try=max(0.0, table.outage.next_try(where) - offset))
            if not options_key and (seconds := self._measured.pop(where, None)):
                mean = (record.connect_time + seconds) / 2 if record.connect_time else seconds
                after = replace(after, connect_time=mean)
            if after != record:
                yield replace(
                    after, at=view.now, load=record.load_at(view.now), process=os.getpid()
                )

    # -- turns -----------------------------------------------------------------------------------

    def _loads(self, read: Iterable[_Read], view: View, turns: Turns) -> _MachineLoads:
        """The loads of the coordinators, with the turns that are not in the records yet."""
        known = {
            each.coordinator: each.record.load_at(view.now)
            for each in read
            if not each.options_key and each.record.load
        }
        found, end = turns.read(view.added)
        loads = _MachineLoads(self._keys, known, self._rng, view, end)
        loads.add(found, view.now)
        return loads

    def _take_turn(
        self, read: Iterable[_Read], view: View, choose: Callable[[Loads | None], Chosen]
    ) -> Chosen:
        """Choose, and choose again if others have chosen meanwhile: who wrote first, keeps it."""
        try:
            with self._file.turns() as turns:
                loads = self._loads(read, view, turns)
                for left in reversed(range(_TIMES)):
                    chosen = choose(loads)
                    if not isinstance(chosen, Coordinator):
                        break
                    turn = loads.turn_of(chosen)
                    place = turns.append(turn)
                    if place <= loads.end or not left:
                        break
                    loads.add(turns.read(loads.end, place)[0], turn.at)
                    if choose(loads) == chosen:
                        break
                    loads.end = turns.append(turn._replace(load=-turn.load)) + TURN_SIZE
        except OSError:
            # Or all processes would choose the same one, for as long as nobody can write.
            return choose(None)
        if loads.end - loads.begin > _MANY_TURNS * TURN_SIZE:
            self._file.update((), lambda _: ())
        return chosen

    def _choose_once(
        self,
        read: Iterable[_Read],
        view: View,
        choose: Callable[[Loads | None], Chosen],
        avoided: Collection[Coordinator] = (),
    ) -> Chosen:
        made: list[Chosen] = []
        try:
            with self._file.turns() as turns:
                loads = self._loads(read, view, turns)
                loads.avoided = avoided
                made.append(choose(loads))
                if isinstance(made[0], Coordinator):
                    turns.append(loads.turn_of(made[0]))
        except OSError:
            where = made[0] if made else None
            if where is None or (isinstance(where, Coordinator) and self._members.is_well(where)):
                return choose(None)
        return made[0]

    def _begin_with_the_others(self, where: Coordinator, read: Iterable[_Read], view: View) -> None:
        """Let *where*, which is back, not make up for the turns that it has missed."""
        others = [
            each for each in self._coordinators if each != where and self._members.is_well(each)
        ]
        with suppress(OSError), self._file.turns() as turns:
            loads = self._loads(read, view, turns)
            if missed := loads.missed_by(where, others):
                turns.append(Turn(key_of(where), view.now, missed))


class _MachineLoads:
    """
    The loads of coordinators, as *known* from a *view*, with turns from there to *end*.

    One that is not known is next, and then has the least load of the others.
    """

    def __init__(
        self,
        keys: Mapping[bytes, Coordinator],
        known: dict[Coordinator, float],
        rng: random.Random,
        view: View,
        end: int,
    ):
        self._keys = keys
        self._known = known
        self._rng = rng
        self._now, self.begin, self.end = view.now, view.added, end
        self.avoided: Collection[Coordinator] = ()

    def add(self, turns: Iterable[Turn], now: float) -> None:
        """Add what the *turns* add at *now*."""
        for turn in turns:
            if (where := self._keys.get(turn.key)) is not None:
                self._known[where] = self._known.get(where, 0.0) + turn.load_at(now)

    def turn_of(self, where: Coordinator) -> Turn:
        """The turn of who has chosen *where*."""
        missed = 0.0 if where in self._known else self._of(where)
        return Turn(key_of(where), self._now, missed + 1 / where.weight)

    def missed_by(self, where: Coordinator, others: Iterable[Coordinator]) -> float:
        """What *where* has less than the *others*."""
        least = min(map(self._of, others), default=0.0)
        return max(0.0, least - self._known.get(where, 0.0))

    def _of(self, where: Coordinator) -> float:
        if (known := self._known.get(where)) is not None:
            return known
        return max(0.0, min(self._known.values(), default=0.0) - 1 / where.weight)

    def __call__(self, coordinators: Sequence[Coordinator]) -> Sequence[float]:
        return [
            self._of(each) + (_AVOIDED if each in self.avoided else self._chance())
            for each in coordinators
        ]

    def _chance(self) -> float:
        """So little that it only decides between equals."""
        return 1e-9 * self._rng.random()
