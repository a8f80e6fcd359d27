"""
Metrics for Prometheus::

    import impala_ha.prometheus

    impala_ha.prometheus.instrument()

| metric | labels | what it is |
|---|---|---|
| ``impala_ha_call_seconds`` | operation, coordinator, error | histogram of calls of a coordinator |
| ``impala_ha_attempts_total`` | coordinator, fault | tries; *fault* is empty where it went well |
| ``impala_ha_lost_seconds_total`` | operation | seconds of calls in tries that failed and waiting |
| ``impala_ha_events_total`` | event, coordinator | ejected, back, failed over, hedged, ... |
| ``impala_ha_coordinator_ejected`` | coordinator | 1 while it is ejected in this process, else 0 |

It takes the extra ``prometheus``; the program brings the way out (``start_http_server``, say).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .core import observers
from .core.events import Back, Ejected, Event
from .core.extras import import_extra
from .core.model import Attempt
from .core.observers import ObservedCall

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["instrument", "uninstrument"]

#: Seconds: those of OpenTelemetry's conventions for databases, and for statements that take long.
_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800)


def instrument(registry: CollectorRegistry | None = None) -> None:
    """
    Count what the connections of this process do; a second time replaces the first.

    Args:
        registry: Where the metrics are registered; by default the global one.

    Raises:
        MissingExtra: prometheus-client is not installed.
        ValueError: Others have registered metrics of these names there.
    """
    uninstrument()
    metrics = _Metrics(registry)
    _active.append(metrics)
    observers.add(metrics)


def uninstrument() -> None:
    """Undo `instrument`, and take the metrics out of their registry."""
    while _active:
        metrics = _active.pop()
        observers.remove(metrics)
        metrics.unregister()


class _Metrics:
    """The observer."""

    def __init__(self, registry: CollectorRegistry | None):
        client = import_extra("prometheus_client", "prometheus")
        self._registry: CollectorRegistry = registry or client.REGISTRY
        to = {"registry": self._registry}
        self._calls = client.Histogram(
            "impala_ha_call_seconds",
            "Calls of a coordinator.",
            ["operation", "coordinator", "error"],
            buckets=_BUCKETS,
            **to,
        )
        self._attempts = client.Counter(
            "impala_ha_attempts", "Tries at a coordinator.", ["coordinator", "fault"], **to
        )
        self._lost = client.Counter(
            "impala_ha_lost_seconds", "In tries that failed and waiting.", ["operation"], **to
        )
        self._events = client.Counter(
            "impala_ha_events", "What happened.", ["event", "coordinator"], **to
        )
        self._ejected = client.Gauge(
            "impala_ha_coordinator_ejected", "Is it ejected?", ["coordinator"], **to
        )

    def unregister(self) -> None:
        """Take them out of the registry."""
        for each in (self._calls, self._attempts, self._lost, self._events, self._ejected):
            self._registry.unregister(each)

    def started(self, call: ObservedCall) -> float:  # noqa: ARG002
        """Look at the clock."""
        return time.perf_counter()

    def ended(
        self,
        started: object,
        call: ObservedCall,
        attempts: Sequence[Attempt],
        error: BaseException | None,
    ) -> None:
        """Count it."""
        for each in attempts:
            fault = each.fault.name if each.fault is not None else ""
            self._attempts.labels(str(each.coordinator), fault).inc()
        if not attempts or not isinstance(started, float):
            return
        last, kind = attempts[-1], type(error).__name__ if error is not None else ""
        took = time.perf_counter() - started
        self._calls.labels(call.operation, str(last.coordinator), kind).observe(took)
        if any(each.fault is not None for each in attempts):
            lost = took if last.fault is not None else last.since
            self._lost.labels(call.operation).inc(lost)

    def happened(self, event: Event) -> None:
        """Count it, and keep who is ejected."""
        where = str(event.coordinator)
        self._events.labels(type(event).__name__, where).inc()
        if isinstance(event, (Ejected, Back)):
            self._ejected.labels(where).set(isinstance(event, Ejected))


_active: list[_Metrics] = []
