"""The coordinators of a local cluster together: where they are, what they did, healed at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pocket_impala.local_coordinator import LocalCoordinator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pocket_impala.coordinator.journal import Event
    from pocket_impala.coordinator.layout import Layout
    from pocket_impala.local_coordinator import Mode


class Coordinators:
    """A sequence of coordinators, while their cluster runs.

    Args:
        plan: The cluster as it was asked for.
        layout: The cluster as it runs; None while it does not.
    """

    def __init__(self, plan: Layout, layout: Layout | None = None) -> None:
        self._plan = plan
        self._layout = layout
        self._past: list[Event] = []

    def __repr__(self) -> str:
        state = self.hosts if self._layout is not None else "not running"
        return f"<LocalCluster of {self._plan.size}: {state}>"

    @property
    def directory(self) -> Path:
        """The private directory, by which another process can `attach`."""
        return Path(self._running().directory)

    @property
    def warehouse(self) -> Path:
        """The folder of the tables."""
        return Path(self._running().warehouse)

    @property
    def hosts(self) -> str:
        """``"127.0.0.1:21050,127.0.0.2:21050"``: what `impala_ha.connect` takes."""
        return ",".join(f"{host}:{port}" for host, port in self._running().addresses)

    @property
    def kerberos_hosts(self) -> str:
        """The same with Kerberos names: ``"127.0.0.1:21050?krb_host=coord1.test,..."``."""
        return ",".join(f"{each.address}?krb_host={each.kerberos_host}" for each in self)

    @property
    def http_hosts(self) -> str:
        """As `hosts`, for HiveServer2 over HTTP.

        Raises:
            RuntimeError: The cluster was started without ``http=True``.
        """
        layout = self._running()
        if not layout.http:
            raise RuntimeError("the cluster was started without http=True")
        return ",".join(f"{host}:{port}" for host, port in layout.http_addresses)

    def __len__(self) -> int:
        return self._plan.size

    def __getitem__(self, index: int) -> LocalCoordinator:
        layout = self._running()
        return LocalCoordinator(layout, range(layout.size)[index])

    def __iter__(self) -> Iterator[LocalCoordinator]:
        return (self[index] for index in range(len(self)))

    def heal(self) -> None:
        """Undo what was done to any coordinator."""
        for coordinator in self:
            coordinator.heal()

    def journal(self) -> list[Event]:
        """Return what all coordinators wrote down, oldest first; also after `stop`."""
        if self._layout is None:
            return list(self._past)
        return _read_journals(self._layout)

    def executions(self, sql: str, *, mode: Mode = "started") -> int:
        """Count how often a statement ran, on all coordinators together; also after `stop`.

        Args:
            sql: Its exact text; white space around it does not count.
            mode: As for `LocalCoordinator.executions`.
        """
        text = sql.strip()
        return sum(event.event == mode and event.sql == text for event in self.journal())

    def _leave(self) -> None:
        """Keep what the journals say; the coordinators are out of reach from now on."""
        self._past = self.journal()
        self._layout = None

    def _running(self) -> Layout:
        if self._layout is None:
            raise RuntimeError("the cluster is not running")
        return self._layout


def _read_journals(layout: Layout) -> list[Event]:
    events = [
        event for index in range(layout.size) for event in LocalCoordinator(layout, index).journal()
    ]
    return sorted(events, key=lambda event: event.time)
