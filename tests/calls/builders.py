"""Small builders of records and recorders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openclaw_webhooks.calls.record import CallRecord, Step
from openclaw_webhooks.calls.recorder import CallRecorder
from openclaw_webhooks.models import Call, CallMinute

NOON_MS = 1_700_000_040_000


def build_record(**changes: Any) -> CallRecord:
    known: dict[str, Any] = {
        "started_at_ms": NOON_MS,
        "route_id": "zapier",
        "request_id": "request-1",
        "client": "127.0.0.1",
        "action": "create_flow",
        "status": 200,
        "duration_us": 300,
        "engine_us": 200,
        "body_bytes": 120,
    }
    return CallRecord(**known | changes)


def build_refusal(**changes: Any) -> CallRecord:
    known = {"refused_by": Step.AUTHENTICATION, "status": 401, "action": None, "engine_us": None, "body_bytes": None}
    return build_record(**known | changes)


@contextmanager
def running_recorder(**options: Any) -> Iterator[CallRecorder]:
    recorder = CallRecorder(**{"queue_size": 10_000, "flush_seconds": 0.01} | options)
    try:
        yield recorder
    finally:
        recorder.close()


def count_rows() -> int:
    return sum(Call.objects.values_list("count", flat=True))


def count_minutes(*outcomes: str) -> int:
    minutes = CallMinute.objects.filter(outcome__in=outcomes) if outcomes else CallMinute.objects.all()
    return sum(minutes.values_list("count", flat=True))
