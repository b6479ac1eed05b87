"""OpenTelemetry spans of calls and of their phases: an observer of records, made after the fact from their marks.

A span costs 30 µs or more, which nobody waits for here. The tracer is OpenTelemetry's global one: who sets up its SDK
decides what is sampled and where it goes.

Source: OpenTelemetry, "Semantic conventions for HTTP spans"; W3C "Trace Context".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from openclaw_webhooks.calls.journey import PHASES, measure
from openclaw_webhooks.calls.record import CallRecord

_PREFIX: Final = "openclaw_webhooks"
_propagator = TraceContextTextMapPropagator()


class CallTracer:
    """Makes a span for each call, below the caller's where it sent ``traceparent``, and one below it for each phase."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        """Use the global tracer where none is given."""
        self._tracer = tracer or trace.get_tracer(_PREFIX)

    def __call__(self, calls: Sequence[CallRecord]) -> None:
        """Make the spans of these calls."""
        for call in calls:
            self._trace(call)

    def _trace(self, call: CallRecord) -> None:
        began_ns = call.started_at_ms * 1_000_000
        span = self._tracer.start_span(
            f"webhook {call.route_id}",
            context=_propagator.extract({"traceparent": call.traceparent}, Context()),
            kind=SpanKind.SERVER,
            start_time=began_ns,
            attributes=_describe(call),
        )
        if call.status >= 500:
            span.set_status(Status(StatusCode.ERROR, call.code))
        if span.is_recording():
            self._trace_phases(call, began_ns, trace.set_span_in_context(span, Context()))
        span.end(began_ns + call.duration_us * 1000)

    def _trace_phases(self, call: CallRecord, began_ns: int, parent: Context) -> None:
        durations = measure(call.marks, started_ns=call.started_ns, duration_us=call.duration_us)
        for phase, duration_us in zip(PHASES, durations, strict=False):
            if duration_us is not None:
                span = self._tracer.start_span(phase.value, context=parent, start_time=began_ns)
                began_ns += duration_us * 1000
                span.end(began_ns)


def _describe(call: CallRecord) -> dict[str, str | int]:
    known = {
        "http.response.status_code": call.status or None,
        "client.address": call.client,
        f"{_PREFIX}.route": call.route_id,
        f"{_PREFIX}.request_id": call.request_id,
        f"{_PREFIX}.action": call.action,
        f"{_PREFIX}.code": call.code,
        f"{_PREFIX}.refused_by": call.refused_by.value if call.refused_by is not None else None,
        f"{_PREFIX}.flow_id": call.flow_id,
    }
    return {name: value for name, value in known.items() if value is not None}
