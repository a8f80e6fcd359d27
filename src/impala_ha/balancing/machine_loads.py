"""The loads of coordinators on a machine: how many connections went to each in the last seconds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from impala_ha.core.model import Coordinator

from .candidates import Candidate
from .shared_records import Record, Turn, decayed, key_of, loads_of

_AVOIDED = 1e9  # a load


class MachineLoads:
    """
    The loads of *coordinators* by their *records*, and by the turns that are added.

    One that is not known is next, and then has the least load of the others.

    Attributes:
        end: The place behind the last turn that was added.
    """

    def __init__(
        self,
        coordinators: Sequence[Coordinator],
        records: Mapping[bytes, Record],
        begin: int,
        now: float,
    ):
        """
        Args:
            coordinators: All of them.
            records: By key.
            begin: The place of the first turn that is not in the records.
            now: Of the loads, in seconds since the boot, as all times here.
        """
        self._keys = [key_of(each) for each in coordinators]
        pairs = ((key, records[key]) for key in self._keys if key in records)
        self._known = {key: record.load_at(now) for key, record in pairs if record.load}
        self._now = now
        self.end = begin

    def add(self, turns: Iterable[Turn], end: int, now: float) -> None:
        """Add *turns*, the last of which ends at the place *end*; the loads are those of *now*."""
        rest = decayed(1.0, now - self._now)
        self._known = {key: load * rest for key, load in self._known.items()}
        for key, load in loads_of(turns, now).items():
            if key in self._keys:
                self._known[key] = self._known.get(key, 0.0) + load
        self._now, self.end = now, end

    def turn_of(self, where: Coordinator) -> Turn:
        """The turn of who chooses *where*."""
        key = key_of(where)
        missed = 0.0 if key in self._known else self._of([where])[0]
        return Turn(key, self._now, missed + 1 / where.weight)

    def missed_by(self, where: Coordinator, others: Sequence[Coordinator]) -> float:
        """What *where* has less than the *others*."""
        least = min(self._of(others), default=0.0)
        return max(0.0, least - self._known.get(key_of(where), 0.0))

    def _of(self, coordinators: Sequence[Coordinator]) -> list[float]:
        least = min(self._known.values(), default=0.0)
        return [
            self._known.get(key_of(each), max(0.0, least - 1 / each.weight))
            for each in coordinators
        ]

    def __call__(
        self, candidates: Sequence[Candidate], avoided: Collection[Coordinator] = ()
    ) -> Sequence[float]:
        """
        The loads of those.

        Args:
            candidates: Some of the coordinators, or all, in their order.
            avoided: Those that are not chosen while there are others.
        """
        if len(candidates) == len(self._keys) == len(self._known) and not avoided:
            return [self._known[key] for key in self._keys]  # which is so most of the time
        coordinators = [each.coordinator for each in candidates]
        loads = zip(coordinators, self._of(coordinators), strict=True)
        return [load + _AVOIDED * (each in avoided) for each, load in loads]
