"""
What is found: one report for each coordinator, one row for each layer.

The names of layers and conditions, and the keys of facts, are what ``--json`` prints: programs
rely on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from impala_ha.core.model import Coordinator


class Layer(Enum):
    """What a connection consists of, from the bottom to the top."""

    NAME = "name"
    ADDRESSES = "addresses"
    TCP = "tcp"
    TLS = "tls"
    SECRET = "secret"  # noqa: S105 - the name of a layer
    TICKET = "ticket"
    PRINCIPAL = "principal"
    PROTOCOL = "protocol"
    LOGIN = "login"
    HTTP = "http"
    SESSION = "session"
    PING = "ping"
    VERSION = "version"
    STATE = "state"


class Status(Enum):
    """How a layer is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Row:
    """
    One layer.

    Attributes:
        status: How it is.
        text: What was found, in a few words.
        seconds: How long it took; None where nothing was waited for.
        facts: What was found, for programs.
    """

    status: Status
    text: str = ""
    seconds: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """
    What is wrong.

    Attributes:
        layer: Where.
        problem: What is wrong, with the words of whoever said so.
        advice: What to do.
        fault: The name of the fault in the log and in `attempt.fault`; empty if none was judged.
    """

    layer: Layer
    problem: str
    advice: str
    fault: str = ""


@dataclass(slots=True)
class Report:
    """
    What is known of one coordinator.

    Attributes:
        coordinator: Which.
        layers: Those that matter in this form of connection, in their order.
        rows: What was found, by layer.
        diagnosis: What is wrong; None if nothing is.
        seconds: How long the check took.
    """

    coordinator: Coordinator
    layers: tuple[Layer, ...]
    rows: dict[Layer, Row] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Is everything as it should be?"""
        return self.diagnosis is None

    def put(
        self,
        layer: Layer,
        text: str = "",
        seconds: float | None = None,
        *,
        status: Status = Status.OK,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down what was found of *layer*, in place of what was there."""
        self.rows[layer] = Row(status, text, seconds, dict(facts or {}))

    def shown(self) -> list[tuple[Layer, Row]]:
        """All layers in their order; those that were not reached are skipped."""
        shown = [layer for layer in Layer if layer in self.layers or layer in self.rows]
        return [(layer, self.rows.get(layer, Row(Status.SKIPPED))) for layer in shown]

    def as_data(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        found = self.diagnosis
        return {
            "coordinator": str(self.coordinator),
            "ok": self.ok,
            "layer": found.layer.value if found else None,
            "fault": found.fault or None if found else None,
            "problem": found.problem if found else None,
            "advice": found.advice if found else None,
            "seconds": round(self.seconds, 6),
            "steps": [
                {
                    "layer": layer.value,
                    "status": row.status.value,
                    "seconds": None if row.seconds is None else round(row.seconds, 6),
                    "text": row.text,
                    "facts": row.facts,
                }
                for layer, row in self.shown()
            ],
        }


_BINARY = (
    Layer.NAME,
    Layer.ADDRESSES,
    Layer.TCP,
    Layer.LOGIN,
    Layer.SESSION,
    Layer.PING,
    Layer.VERSION,
    Layer.STATE,
)


def empty_report(coordinator: Coordinator, *, tls: bool, http: bool, kerberos: bool) -> Report:
    """An empty report for that form of connection."""
    wanted = {*_BINARY}
    if tls:
        wanted.add(Layer.TLS)
    if http:
        wanted.add(Layer.HTTP)
    if kerberos:
        wanted |= {Layer.TICKET, Layer.PRINCIPAL}
    return Report(coordinator, tuple(layer for layer in Layer if layer in wanted))
