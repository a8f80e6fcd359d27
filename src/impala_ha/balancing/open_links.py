"""
The open connections to each coordinator, and those that there were.

A connection that is dropped without ``close()`` is counted until it is collected.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Hashable
from typing import Protocol, TypeVar

from impala_ha.core.model import Coordinator

Value = TypeVar("Value", bound=Hashable)
_MOST_OPENED = 1000  # pairs of options and coordinator


class BoundedSet(set[Value]):
    """One that begins again where it would have more than *most*."""

    def __init__(self, most: int):
        super().__init__()
        self._most = most

    def add(self, value: Value) -> None:
        """Add *value*."""
        if len(self) >= self._most:
            self.clear()
        super().add(value)


class OpenLink(Protocol):
    """An open connection; counted until it is detached or collected."""

    coordinator: Coordinator


class OpenLinks:
    """
    The connections of this process.

    Attributes:
        changed: Coordinators whose number of connections may be another one since it was last
            emptied.
    """

    def __init__(self) -> None:
        self.changed: set[Coordinator] = set()
        self._links: dict[Coordinator, set[weakref.ref[OpenLink]]] = {}
        self._opened_with: BoundedSet[tuple[str, Coordinator]] = BoundedSet(_MOST_OPENED)

    def count(self, coordinator: Coordinator) -> int:
        """How many there are to *coordinator*."""
        return len(self._links.get(coordinator, ()))

    def attach(self, link: OpenLink) -> None:
        """Count *link* until it is detached or collected."""
        coordinator, changed = link.coordinator, self.changed
        links = self._links.setdefault(coordinator, set())

        def collected(link: weakref.ref[OpenLink]) -> None:
            links.discard(link)
            changed.add(coordinator)

        links.add(weakref.ref(link, collected))
        changed.add(coordinator)

    def detach(self, link: OpenLink) -> None:
        """Stop counting *link*, if it is counted."""
        self._links.get(link.coordinator, set()).discard(weakref.ref(link))
        self.changed.add(link.coordinator)

    def was_opened(self, coordinator: Coordinator) -> bool:
        """Has any connection to *coordinator* been opened?"""
        return coordinator in self._links

    def mark_opened(self, coordinator: Coordinator, options_key: str) -> None:
        """Note that a connection to *coordinator* was opened with those options."""
        self._opened_with.add((options_key, coordinator))

    def was_opened_with(self, coordinator: Coordinator, options_key: str) -> bool:
        """Has a connection to *coordinator* been opened with those options?"""
        return (options_key, coordinator) in self._opened_with

    def restrict(self, coordinators: Collection[Coordinator]) -> None:
        """Forget all but these *coordinators*, and those to which there are connections."""
        self._links = {
            each: links for each, links in self._links.items() if links or each in coordinators
        }
        self.changed.update(self._links)

    def forked(self) -> None:
        """In a child: connections belong to its parent."""
        self.changed.update(self._links)
        self._links = {coordinator: set() for coordinator in self._links}
