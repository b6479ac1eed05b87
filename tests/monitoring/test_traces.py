"""Spans are made of a call's marks, below the caller's span, and reach a collector and the bridge."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from openclaw_webhooks.call_context import call_context
from openclaw_webhooks.calls.record import Step
from openclaw_webhooks.conf.bridge import BridgeAddress
from openclaw_webhooks.engines.bridge.client import BridgeClient
from openclaw_webhooks.engines.bridge.transport import Transport
from openclaw_webhooks.guards.head import RequestHead
from openclaw_webhooks.guards.request_id import read_traceparent
from openclaw_webhooks.monitoring.traces import CallTracer
from tests.calls.builders import NOON_MS, build_record
from tests.live import LIVE, serve

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(spans: InMemorySpanExporter) -> CallTracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return CallTracer(provider.get_tracer("test"))


def test_a_call_is_a_span_of_its_caller_and_each_phase_one_of_the_call(
    tracer: CallTracer, spans: InMemorySpanExporter
) -> None:
    marks = [1_000_000 + number * 10_000 for number in (1, 2, 0, 5)]
    marks[2] = 0  # skipped
    tracer([build_record(traceparent=TRACEPARENT, started_ns=1_000_000, marks=marks, duration_us=70, flow_id="f-1")])
    *phases, call = spans.get_finished_spans()
    assert call.context is not None
    assert call.parent is not None
    assert (f"{call.context.trace_id:032x}", f"{call.parent.span_id:016x}") == (TRACE, CALLER)
    assert (call.name, call.start_time, call.end_time) == ("webhook zapier", NOON_MS * 10**6, NOON_MS * 10**6 + 70_000)
    assert call.attributes is not None
    assert call.attributes["http.response.status_code"] == 200
    assert call.attributes["openclaw_webhooks.flow_id"] == "f-1"
    lengths = {phase.name: (phase.end_time or 0) - (phase.start_time or 0) for phase in phases}
    assert lengths == {"head": 10_000, "rate_limit": 10_000, "authentication": 30_000, "body": 20_000}
    assert phases[-1].end_time == call.end_time
    assert {phase.parent and phase.parent.span_id for phase in phases} == {call.context.span_id}


def test_only_what_this_server_could_not_do_is_an_error(tracer: CallTracer, spans: InMemorySpanExporter) -> None:
    tracer([build_record(status=401, refused_by=Step.AUTHENTICATION), build_record(status=503, code="persist_failed")])
    calls = [span for span in spans.get_finished_spans() if span.name.startswith("webhook")]
    assert [call.status.is_ok for call in calls] == [True, False]
    assert [call.parent for call in calls] == [None, None]


@pytest.mark.parametrize("given", [None, "", "00-xyz", TRACEPARENT.upper(), TRACEPARENT + "\n", "x" * 5000])
def test_what_is_no_traceparent_is_left_out(given: str | None) -> None:
    headers = {} if given is None else {"traceparent": given}
    assert read_traceparent(RequestHead(method="POST", peer="127.0.0.1", headers=headers)) == ""


class Listener(http.server.BaseHTTPRequestHandler):
    """Takes whatever is posted, and answers as the bridge would."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append((self.headers, body))  # type: ignore[attr-defined]
        answer = json.dumps({"ok": True, "value": None}).encode() if self.path == "/v1/call" else b""
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def listener() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        server.heard = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_bridge_is_told_the_names_of_the_call(listener: http.server.ThreadingHTTPServer) -> None:
    transport = Transport(
        BridgeAddress(host="127.0.0.1", port=listener.server_port), connect_seconds=2, total_seconds=10
    )
    client = BridgeClient(transport)
    with call_context("route zapier", request_id="request-7", traceparent=TRACEPARENT):
        client.call("agent:main:main", "get", {"flowId": "f"})
    client.call("agent:main:main", "get", {"flowId": "f"})
    transport.close()
    (named, _), (unnamed, _) = listener.heard  # type: ignore[attr-defined]
    assert (named["x-request-id"], named["traceparent"]) == ("request-7", TRACEPARENT)
    assert (unnamed["x-request-id"], unnamed["traceparent"]) == (None, None)


@pytest.mark.parametrize("door", ["gunicorn-asgi", "gunicorn-wsgi"])
def test_the_server_sends_its_spans_to_a_collector(
    door: str, tmp_path: Path, listener: http.server.ThreadingHTTPServer
) -> None:
    environ = {
        "OPENCLAW_WEBHOOKS_TRACES": "on",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{listener.server_port}",
        "OTEL_SERVICE_NAME": "ingress",
    }
    with serve(door, tmp_path, environ=environ) as server:  # type: ignore[arg-type]
        status, _ = server.call(LIVE, {"action": "list_flows"}, headers={"traceparent": TRACEPARENT})
    assert status == 200
    sent = [ExportTraceServiceRequest.FromString(body) for _, body in listener.heard]  # type: ignore[attr-defined]
    resources = [resource for request in sent for resource in request.resource_spans]
    assert {pair.value.string_value for each in resources for pair in each.resource.attributes} >= {"ingress"}
    spans: list[Span] = [span for each in resources for scope in each.scope_spans for span in scope.spans]
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert {"webhook live", "queue", "engine"} <= {span.name for span in spans}
