"""The open connections of a process to each coordinator of a cluster."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import Protocol

from impala_ha.core.model import Coordinator

_MOST_OPENED = 1000  # pairs of options and coordinator


class OpenLink(Protocol):
    """An open connection; counted until it is detached or collected."""

    coordinator: Coordinator


class OpenLinks:
    """
    The open connections to each coordinator.

    One that is dropped without close() is counted until it is collected.
    """

    def __init__(self, coordinators: Iterable[Coordinator]):
        self._links: dict[Coordinator, set[weakref.ref[OpenLink]]] = {
            c: set() for c in coordinators
        }
        self._changed: set[Coordinator] = set()
        self._attached: set[Coordinator] = set()
        self._opened_with: set[tuple[str, Coordinator]] = set()

    def attach(self, link: OpenLink, options_key: str = "") -> None:
        """Count *link*, which was opened with those options, until it is detached or collected."""
        coordinator = link.coordinator
        if len(self._opened_with) >= _MOST_OPENED:
            self._opened_with.clear()
        self._opened_with.add((options_key, coordinator))
        if coordinator in self._links:
            links, changed = self._links[coordinator], self._changed

            def collected(link: weakref.ref[OpenLink]) -> None:
                links.discard(link)
                changed.add(coordinator)

            links.add(weakref.ref(link, collected))
            changed.add(coordinator)
            self._attached.add(coordinator)

    def detach(self, link: OpenLink) -> None:
        """Stop counting *link*, if it is counted."""
        if link.coordinator in self._links:
            self._links[link.coordinator].discard(weakref.ref(link))
            self._changed.add(link.coordinator)

    def count(self, coordinator: Coordinator) -> int:
        """How many there are to *coordinator*."""
        return len(self._links[coordinator])

    def was_opened(self, coordinator: Coordinator) -> bool:
        """Has any connection to *coordinator* been opened?"""
        return coordinator in self._attached

    def was_opened_with(self, coordinator: Coordinator, options_key: str) -> bool:
        """Has a connection to *coordinator* been opened with those options?"""
        return (options_key, coordinator) in self._opened_with

    def changes(self) -> Iterator[tuple[Coordinator, int]]:
        """The coordinators whose number has changed since the last call, and the number."""
        while self._changed:
            coordinator = self._changed.pop()
            yield coordinator, self.count(coordinator)

    def forked(self) -> None:
        """In a child: they belong to its parent."""
        self._links = {coordinator: set() for coordinator in self._links}
        self._changed.update(self._links)
