"""What a connection changed a moment ago, which other coordinators may not know yet."""

from __future__ import annotations

import re
from typing import NamedTuple

from impala_ha.core.clock import Clock
from impala_ha.core.model import Coordinator
from impala_ha.sql.scanner import identifiers

_MOST = 100  # changes that are remembered
_MISSING = re.compile(r"(?:reference: '|does not exist: )([\w.]+)")


class _Change(NamedTuple):
    """Where it was made, and the names in its statement."""

    where: Coordinator
    names: frozenset[str]


class RecentChanges:
    """The recent changes of one connection."""

    def __init__(self, clock: Clock, lag: float):
        """
        Args:
            clock: Where time comes from.
            lag: Seconds in which another coordinator may not know a change.
        """
        self._clock = clock
        self._lag = lag
        self._made: dict[_Change, float] = {}  # when, the oldest first

    def add(self, where: Coordinator, text: str) -> None:
        """Note that a statement with that *text* has just changed tables, on *where*."""
        change = _Change(where, identifiers(text))
        self._made.pop(change, None)
        self._made[change] = self._clock.now()
        if len(self._made) > _MOST:
            del self._made[next(iter(self._made))]

    def may_lag(self, where: Coordinator, error: str) -> bool:
        """May *error* of *where* come from a change that it does not know yet?"""
        missing = {name.lower().split(".")[-1] for name in _MISSING.findall(error)}
        return any(
            change.where != where and self._is_recent(then) and not missing.isdisjoint(change.names)
            for change, then in self._made.items()
        )

    def any(self) -> bool:
        """Is there one that another coordinator may not know yet?"""
        return any(map(self._is_recent, self._made.values()))

    def _is_recent(self, then: float) -> bool:
        return self._clock.now() - then < self._lag
