"""Every metric: its name, its kind, its labels and what it says. The page and docs/observability.md are made of it.

Labels are bounded: by the configuration (route), by the code (action, status, step, code, source) or by an enum.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """Prometheus's kinds of metrics."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of series; times are seconds."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


PREFIX: Final = "openclaw_webhooks"
BUCKETS_US: Final = (
    *(50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000),
    *(100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 15_000_000),
)
"""Upper bounds of the histograms' buckets, in microseconds."""

_metrics: list[Metric] = []


def _define(name: str, kind: Kind, text: str, *labels: str) -> Metric:
    metric = Metric(f"{PREFIX}_{name}", kind, text, labels)
    _metrics.append(metric)
    return metric


REQUESTS: Final = _define(
    *("requests_total", Kind.COUNTER, "Calls that reached a route; status 0: the caller left before an answer."),
    *("route", "action", "status", "refused_by"),
)
REQUEST_SECONDS: Final = _define("request_duration_seconds", Kind.HISTOGRAM, "Time in the pipeline.", "route")
STEP_SECONDS: Final = _define(
    "step_duration_seconds", Kind.HISTOGRAM, "Time in one phase of a call, queue and engine apart.", "step"
)
ENGINE_SECONDS: Final = _define("engine_duration_seconds", Kind.HISTOGRAM, "Time in the engine.", "action")
ENGINE_ERRORS: Final = _define(
    *("engine_errors_total", Kind.COUNTER, "Calls that the engine answered with a 5xx; code is the answer's."),
    *("action", "code"),
)
IN_FLIGHT: Final = _define(
    "in_flight_requests", Kind.GAUGE, "Slots held now, over everything that shares the limits store."
)
LIMIT_KEYS: Final = _define("limit_keys", Kind.GAUGE, "Callers tracked by the limits store.")
LIMIT_EVICTIONS: Final = _define(
    "limit_evictions_total", Kind.COUNTER, "Running windows forgotten to make room for another caller."
)
LIMIT_ROOM_REFUSALS: Final = _define(
    "limit_room_refusals_total", Kind.COUNTER, "Requests refused because every tracked caller had slots in flight."
)
LIMIT_OUTLIVED: Final = _define(
    "limit_outlived_leases_total", Kind.COUNTER, "Slots taken back from a request that did not renew them."
)
LIMIT_FAILURES: Final = _define("limit_store_failures_total", Kind.COUNTER, "Questions the limits store left open.")
LIMIT_UP: Final = _define("limit_store_up", Kind.GAUGE, "Whether the limits store answered this scrape.")
SECRETS: Final = _define(
    "secret_resolutions_total", Kind.COUNTER, "SecretRefs looked up, by what came of it.", "source", "outcome"
)
SIGN_INS: Final = _define(
    "sign_ins_total", Kind.COUNTER, "Attempts to sign in to the admin, by what became of them.", "outcome"
)
RECORDS_WAITING: Final = _define("call_records_waiting", Kind.GAUGE, "Call records that wait to be written.")
RECORDS_DROPPED: Final = _define(
    "call_records_dropped_total", Kind.COUNTER, "Call records dropped; their calls are in every other number."
)
UNOBSERVED: Final = _define("calls_unobserved_total", Kind.COUNTER, "Calls missing in these metrics: too many at once.")
FLOWS: Final = _define("flows", Kind.GAUGE, "Flows of the embedded engine, up to ten seconds old.", "status")
DATABASE_UP: Final = _define("database_up", Kind.GAUGE, "Whether the flows could be counted.")
WORKERS: Final = _define("workers", Kind.GAUGE, "Processes that have served a call or a sign-in and live.")

METRICS: Final = tuple(_metrics)
