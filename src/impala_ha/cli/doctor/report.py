"""
What a doctor writes down: one chart for each coordinator, one row for each layer.

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


class Condition(Enum):
    """How a layer is."""

    WELL = "ok"
    DOUBTFUL = "warning"
    ILL = "ill"
    UNTRIED = "untried"


@dataclass(frozen=True, slots=True)
class Row:
    """
    One layer.

    Attributes:
        condition: How it is.
        text: What was found, in a few words.
        seconds: How long it took; None where nothing was waited for.
        facts: What was found, for programs.
    """

    condition: Condition
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
class Chart:
    """
    What is known of one coordinator.

    Attributes:
        coordinator: Which.
        layers: Those that matter in this form of connection, in their order.
        rows: What was found, by layer.
        diagnosis: What is wrong; None if nothing is.
        seconds: How long the examination took.
    """

    coordinator: Coordinator
    layers: tuple[Layer, ...]
    rows: dict[Layer, Row] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    seconds: float = 0.0

    @property
    def well(self) -> bool:
        """Is everything as it should be?"""
        return self.diagnosis is None

    def put(
        self,
        layer: Layer,
        text: str = "",
        seconds: float | None = None,
        *,
        condition: Condition = Condition.WELL,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down what was found of *layer*, in place of what was there."""
        self.rows[layer] = Row(condition, text, seconds, dict(facts or {}))

    def told(self) -> list[tuple[Layer, Row]]:
        """All layers in their order; those that were not come to are untried."""
        shown = [layer for layer in Layer if layer in self.layers or layer in self.rows]
        return [(layer, self.rows.get(layer, Row(Condition.UNTRIED))) for layer in shown]

    def as_data(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        found = self.diagnosis
        return {
            "coordinator": str(self.coordinator),
            "ok": self.well,
            "layer": found.layer.value if found else None,
            "fault": found.fault or None if found else None,
            "problem": found.problem if found else None,
            "advice": found.advice if found else None,
            "seconds": round(self.seconds, 6),
            "steps": [
                {
                    "layer": layer.value,
                    "condition": row.condition.value,
                    "seconds": None if row.seconds is None else round(row.seconds, 6),
                    "text": row.text,
                    "facts": row.facts,
                }
                for layer, row in self.told()
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


def blank(coordinator: Coordinator, *, tls: bool, http: bool, kerberos: bool) -> Chart:
    """An empty chart for that form of connection."""
    wanted = {*_BINARY}
    if tls:
        wanted.add(Layer.TLS)
    if http:
        wanted.add(Layer.HTTP)
    if kerberos:
        wanted |= {Layer.TICKET, Layer.PRINCIPAL}
    return Chart(coordinator, tuple(layer for layer in Layer if layer in wanted))
