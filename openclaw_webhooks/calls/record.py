"""One call as it is recorded. Holds no secret, no header and no body."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Step(StrEnum):
    """The steps of the pipeline in order; a record names the one that refused."""

    METHOD = "method"
    MEDIA_TYPE = "media_type"
    RATE_LIMIT = "rate_limit"
    IN_FLIGHT_LIMIT = "in_flight_limit"
    AUTHENTICATION = "authentication"
    BODY = "body"
    JSON = "json"
    SCHEMA = "schema"
    ENGINE = "engine"


@dataclass(slots=True, kw_only=True)
class CallRecord:
    """What is known of one call; the pipeline fills it in as the call moves on.

    Attributes:
        started_at_ms: Unix milliseconds.
        refused_by: The guard that refused, ``None`` once the engine was asked.
        status: HTTP status; 0 where the caller went away before an answer.
        code: The answer's ``code``, where it has one.
        client: Client address as the limits see it.
        duration_us: Whole time in the pipeline, microseconds; ``engine_us`` the engine's part of it.
        body_bytes: How many bytes of body were received, ``None`` where none was asked for.
        traceparent: The trace that the call belongs to, empty where its caller names none.
        started_ns: Nanoseconds of ``time.perf_counter_ns``, the clock of the marks.
        marks: When each of ``journey.PHASES`` ended, in order, by that clock; 0 for one that was skipped. The pipeline
            appends them itself: 0.1 µs each, at most eight a call, where a method and an enum cost 0.5 µs.
    """

    started_at_ms: int
    route_id: str
    request_id: str
    client: str
    traceparent: str = ""
    action: str | None = None
    refused_by: Step | None = None
    status: int = 0
    code: str | None = None
    flow_id: str | None = None
    duration_us: int = 0
    engine_us: int | None = None
    body_bytes: int | None = None
    started_ns: int = 0
    marks: list[int] = field(default_factory=list)


class CallSink(Protocol):
    """Where the pipeline leaves its records."""

    def add(self, record: CallRecord) -> None:
        """Take one record. Never blocks and never raises: what cannot be taken is counted as dropped."""
        ...
