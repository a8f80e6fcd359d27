"""What the calls of one coordinator share: its flags, its sessions, its faults, its engine.

Also the two sentences that many calls may have to say: that it drains, and that a query failed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pocket_impala.coordinator.contract import ImpalaError
from pocket_impala.coordinator.progress import QueryState

if TYPE_CHECKING:
    from collections.abc import Callable

    from pocket_impala.coordinator.archive import Archive
    from pocket_impala.coordinator.contract import Engine
    from pocket_impala.coordinator.faults import Faults
    from pocket_impala.coordinator.flags import Flags
    from pocket_impala.coordinator.handles import Handle
    from pocket_impala.coordinator.http_wire import HttpWire
    from pocket_impala.coordinator.journal import Journal
    from pocket_impala.coordinator.registry import Registry
    from pocket_impala.coordinator.wire import Wire

_KRPC_PORT = 27000
_QUERY_ID_IN_ERRORS = (4, 5)
# Impala's defaults of --shutdown_grace_period_s and --shutdown_deadline_s.
_GRACE_SECONDS = 120
_DEADLINE_SECONDS = 3600


@dataclass(slots=True)
class Connection:
    """One connection of a client.

    Attributes:
        number: Counted from the start of the coordinator.
        wire: What Thrift reads and writes.
        user: Who authenticated; None where nobody has to.  Over HTTP each request says it anew.
        do_as: For whom ``?doAs=`` of an HTTP request wants to speak; None for nobody.
    """

    number: int
    wire: Wire | HttpWire
    user: str | None
    do_as: str | None = None


@dataclass(frozen=True, slots=True)
class Impalad:
    """One coordinator, as its calls see it.

    Attributes:
        host: Its loopback address.
        web_address: Where its web page is: the name by which clients tell coordinators apart.
        flags: Its start-up flags.
        archive: What is over.
        registry: Its sessions and queries.
        faults: What is wrong with it.
        journal: What it writes down.
        engine: What runs its SQL.
    """

    host: str
    web_address: str
    flags: Flags
    archive: Archive
    registry: Registry
    faults: Faults
    journal: Journal
    engine: Engine

    @property
    def version(self) -> str:
        """What it says it is."""
        major, minor = self.flags.version()
        return f"impalad version {major}.{minor}.0-RELEASE RELEASE (build {'0' * 40})"

    def check_not_draining(self) -> None:
        """Let a call pass that brings new work.

        Raises:
            ImpalaError: The coordinator is being shut down.
        """
        if self.faults.draining_since is not None:
            raise ImpalaError(f"Server is being shut down: {self.shutdown_status()}.")

    def shutdown_status(self) -> str:
        """How far the shutdown is, in Impala's words; 0 seconds when there is none."""
        since = self.faults.draining_since
        passed = 0.0 if since is None else time.monotonic() - since
        queries = self.registry.queries()
        running = sum(query.progress.state is QueryState.RUNNING for query in queries)
        return (
            f"shutdown grace period left: {duration(_GRACE_SECONDS - passed)}, "
            f"deadline left: {duration(_DEADLINE_SECONDS - passed)}, "
            f"queries registered on coordinator: {len(queries)}, "
            f"queries executing: {running}, fragment instances: {running}"
        )

    def error_formatter(self, query: Handle) -> Callable[[str], str]:
        """Return what puts an error of *query* into the words of this version."""
        if self.flags.version() < _QUERY_ID_IN_ERRORS:
            return str
        return lambda text: f"Query {query} failed:\n{text}\n"


def krpc_address(host: str) -> str:
    """Return the address at which impalads talk to each other: it names a backend."""
    return f"{host}:{_KRPC_PORT}"


def duration(seconds: float) -> str:
    """Write a duration as Impala does: ``59m59s``, ``1m30s``, ``12s345ms``."""
    milliseconds = max(0, int(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    if minutes:
        return f"{minutes}m{rest // 1000}s"
    return f"{rest // 1000}s{rest % 1000:03}ms"
