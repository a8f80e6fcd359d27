"""Where everything of one cluster lies: the private directory and the plan in it.

The plan is written once, by whoever starts the cluster, and read by the supervisor and by every
process that attaches.  The directory is open to its owner only: the plan may hold passwords.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pocket_impala.coordinator.security import Security

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAN = "cluster.json"


@dataclass(frozen=True, slots=True)
class Layout:
    """The plan of a cluster.

    Attributes:
        directory: The private directory.
        size: How many coordinators.
        port: The port that was asked for; None for any that is free.
        addresses: Host and port of each coordinator; empty until the supervisor has reserved them.
        web: Host and port of each coordinator's web page, likewise.
        warehouse: The folder of the tables.
        data: The folder whose files become tables; None for none.
        security: Who may come in, and over what.
        memory_limit: What one engine may use, such as ``"512MB"``.
        flags: Impala's start-up flags.
        workload_management: Whether there are the tables of Impala's workload management.
        query_log_delay: Seconds after which a statement that is over is in its log.
        engine: Where the engine comes from: ``"module:function"``.
        http: Whether each coordinator has a port for HiveServer2 over HTTP.
        http_addresses: Host and port of each of these, likewise.
    """

    directory: str
    size: int
    port: int | None
    warehouse: str
    data: str | None
    memory_limit: str
    engine: str
    security: Security = field(default_factory=Security)
    flags: Mapping[str, object] = field(default_factory=dict)
    workload_management: bool = True
    query_log_delay: float = 0.0
    addresses: tuple[tuple[str, int], ...] = ()
    web: tuple[tuple[str, int], ...] = ()
    http: bool = False
    http_addresses: tuple[tuple[str, int], ...] = ()

    @property
    def supervisor(self) -> Path:
        """The socket on which the supervisor takes commands."""
        return Path(self.directory, "supervisor.sock")

    @property
    def log(self) -> Path:
        """The log of the supervisor and of all coordinators."""
        return Path(self.directory, "log.txt")

    def control(self, index: int) -> Path:
        """Return the socket on which coordinator *index* takes commands."""
        return Path(self.directory, f"{index}.sock")

    def journal(self, index: int) -> Path:
        """Return the file in which coordinator *index* writes down what it does."""
        return Path(self.directory, f"{index}.journal")

    def web_address(self, index: int) -> str:
        """Return ``"host:port"`` of the web page of coordinator *index*."""
        host, port = self.web[index]
        return f"{host}:{port}"

    def query_log(self, index: int) -> Path:
        """Return the file in which coordinator *index* writes down which statements are over."""
        return Path(self.directory, f"{index}.query_log")

    def within(self, directory: str, warehouse: str) -> Layout:
        """Return the same plan for a directory and a warehouse."""
        return replace(self, directory=directory, warehouse=warehouse)

    def at(
        self,
        addresses: list[tuple[str, int]],
        web: list[tuple[str, int]],
        http: list[tuple[str, int]],
    ) -> Layout:
        """Return the same plan with the addresses that were found."""
        return replace(self, addresses=tuple(addresses), web=tuple(web), http_addresses=tuple(http))

    def write(self) -> None:
        """Write the plan down."""
        path = Path(self.directory, _PLAN)
        fresh = path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file)
        fresh.replace(path)


def read_layout(directory: str | os.PathLike[str]) -> Layout:
    """Read the plan of the cluster in *directory*.

    Raises:
        FileNotFoundError: No cluster lives there.
    """
    plan = json.loads(Path(directory, _PLAN).read_text())
    for name in ("addresses", "web", "http_addresses"):
        plan[name] = tuple((host, port) for host, port in plan[name])
    security = plan["security"]
    security["certificates"] = tuple(security["certificates"])
    plan["security"] = Security(**security)
    return Layout(**plan)
