"""
Spans and metrics of OpenTelemetry, by its stable conventions for database clients (v1.44)::

    import impala_ha.opentelemetry

    impala_ha.opentelemetry.instrument()

From then on each connection that is opened and each statement is a span of kind CLIENT, with a
child span for each attempt, and is counted in the histogram ``db.client.operation.duration``
(seconds).  ``server.address`` and ``server.port`` are those of the coordinator that served it, or
failed last.  A call that reads a result is a span only where it failed or went on elsewhere.

``db.query.text`` has ``?`` in the place of each literal.  Over HTTP a statement is sent with the
trace id in ``X-Request-Id``, which Impala 5.0 shows in its own trace.

It takes the extra ``opentelemetry``: the API; the program brings SDK and exporter.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from . import __version__
from .core import observers
from .core.events import Event
from .core.extras import import_extra
from .core.model import Attempt, Coordinator
from .core.observers import ObservedCall
from .sql.summary import Summary, summarize

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

__all__ = ["instrument", "uninstrument"]

#: Seconds; those of the conventions.
_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
_SYSTEM = "impala"  # the conventions name none for it, and allow one's own then
_NANO = 1_000_000_000

Attributes = dict[str, str | int]


def instrument(
    tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> None:
    """
    Let the connections of this process be traced and measured; a second time replaces the first.

    Args:
        tracer_provider: Where spans go; by default the global one.
        meter_provider: Where metrics go; by default the global one.

    Raises:
        MissingExtra: opentelemetry-api is not installed.
    """
    telemetry = _Telemetry(tracer_provider, meter_provider)
    uninstrument()
    _active.append(telemetry)
    observers.add(telemetry)


def uninstrument() -> None:
    """Undo `instrument`."""
    while _active:
        observers.remove(_active.pop())


_active: list[_Telemetry] = []


class _Started(NamedTuple):
    span: Span
    token: Token[Context]
    at: int
    summary: Summary


class _Telemetry:
    """The observer."""

    def __init__(self, tracer_provider: TracerProvider | None, meters: MeterProvider | None):
        self._trace = import_extra("opentelemetry.trace", "opentelemetry")
        self._context = import_extra("opentelemetry.context", "opentelemetry")
        metrics = import_extra("opentelemetry.metrics", "opentelemetry")
        about = "https://opentelemetry.io/schemas/1.44.0"
        self._tracer = self._trace.get_tracer(__name__, __version__, tracer_provider, about)
        meter = metrics.get_meter(__name__, __version__, meters, about)
        self._duration = meter.create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="Duration of database client operations.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )

    def started(self, call: ObservedCall) -> _Started | None:
        """Begin the span of *call*, if it asks for new work."""
        if not call.proof or call.operation == "cursor":
            return None
        return self._begin(call, time.time_ns())

    def _begin(self, call: ObservedCall, at: int) -> _Started:
        summary = summarize(call.text)
        span = self._tracer.start_span(
            str(summary) or call.operation,
            kind=self._trace.SpanKind.CLIENT,
            attributes=_of_statement(call, summary),
            start_time=at,
        )
        context = span.get_span_context()
        if context.is_valid:
            call.request_id = self._trace.format_trace_id(context.trace_id)
        token = self._context.attach(self._trace.set_span_in_context(span))
        return _Started(span, token, at, summary)

    def ended(
        self,
        started: object,
        call: ObservedCall,
        attempts: Sequence[Attempt],
        error: BaseException | None,
    ) -> None:
        """End the span of *call*; begin one, if it did not go well."""
        if not isinstance(started, _Started):
            if error is None and all(each.fault is None for each in attempts):
                return
            took = attempts[-1].since + attempts[-1].elapsed if attempts else 0.0
            started = self._begin(call, time.time_ns() - int(took * _NANO))
        span, token, at, summary = started
        try:
            for each in attempts:
                self._attempt(each, at)
        finally:
            self._context.detach(token)
        found: Attributes = _of_server(attempts[-1].coordinator) if attempts else {}
        if error is not None:
            found["error.type"] = _name(error)
            span.set_status(self._trace.StatusCode.ERROR, attempts[-1].reason if attempts else None)
        span.set_attributes(found)
        span.set_attributes(_of_result(call, attempts))
        span.end()
        labels = {"db.system.name": _SYSTEM, "db.operation.name": _operation(call, summary)}
        if call.database:
            labels["db.namespace"] = call.database
        self._duration.record((time.time_ns() - at) / _NANO, labels | found)

    def _attempt(self, attempt: Attempt, at: int) -> None:
        """A child span: one attempt of a call that began *at*."""
        begin = at + int(attempt.since * _NANO)
        attributes = _of_server(attempt.coordinator) | {"impala_ha.attempt": attempt.number}
        span = self._tracer.start_span("attempt", attributes=attributes, start_time=begin)
        if attempt.fault is not None:
            span.set_attribute("error.type", attempt.fault.name)
            span.set_status(self._trace.StatusCode.ERROR, attempt.reason)
        span.end(begin + int(attempt.elapsed * _NANO))

    def happened(self, event: Event) -> None:
        """Add an event to the span that is under way."""
        span = self._trace.get_current_span()
        if span.is_recording():
            attributes: Attributes = _of_server(event.coordinator)
            span.add_event(f"impala_ha.{type(event).__name__}", attributes)


def _operation(call: ObservedCall, summary: Summary) -> str:
    return summary.operation or call.operation


def _of_statement(call: ObservedCall, summary: Summary) -> Attributes:
    found: Attributes = {
        "db.system.name": _SYSTEM,
        "db.operation.name": _operation(call, summary),
    }
    if call.database:
        found["db.namespace"] = call.database
    if summary.text:
        found |= {"db.query.text": summary.text, "db.query.summary": str(summary)}
    if len(summary.targets) == 1:
        found["db.collection.name"] = summary.targets[0]
    return found


def _of_server(coordinator: Coordinator) -> Attributes:
    return {"server.address": coordinator.host, "server.port": coordinator.port}


def _of_result(call: ObservedCall, attempts: Sequence[Attempt]) -> Attributes:
    found: Attributes = {"impala_ha.attempts": len(attempts)}
    named = {"impala_ha.query_id": call.query_id, "impala_ha.statement_tag": call.tag}
    return found | {name: value for name, value in named.items() if value}


def _name(error: BaseException) -> str:
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
