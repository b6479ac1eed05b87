"""OpenTelemetry's SDK for the stand-alone server, configured by its own ``OTEL_…`` variables."""

from __future__ import annotations

from typing import Final

DEFAULT_SERVICE: Final = "openclaw-webhooks"


def start_tracing() -> None:
    """Send this process's spans by OTLP over HTTP from now on; to be called in each worker, for it starts a thread."""
    # Imported where traces are wanted: the packages are an extra.
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    named = Resource({"service.name": DEFAULT_SERVICE}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=named)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def stop_tracing() -> None:
    """Send what waits; takes a second at most."""
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush(timeout_millis=1000)
