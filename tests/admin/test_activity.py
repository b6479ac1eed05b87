"""Charts, durations, and who is at a limit, on the page of routes."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from openclaw_webhooks.admin.activity import CHOICES, fetch_activity, fetch_timeline
from openclaw_webhooks.admin.charts import draw_bars
from openclaw_webhooks.calls.batch import HOUR_MS, MINUTE_MS
from openclaw_webhooks.calls.lookups import fetch_limited_clients
from openclaw_webhooks.calls.statistics import (
    RouteNumbers,
    Span,
    add_up,
    fetch_durations,
    fetch_route_numbers,
    fetch_series,
    fetch_totals,
)
from openclaw_webhooks.models import Call, CallHour, CallMinute, Outcome
from tests.admin.builders import sign_in

pytestmark = pytest.mark.django_db

NOW_MS = 1_764_000_000_000 // HOUR_MS * HOUR_MS + 59 * MINUTE_MS + 30_000


def count(route_id: str, outcome: Outcome, calls: int, at_ms: int) -> None:
    minute_ms = at_ms - at_ms % MINUTE_MS
    CallMinute.objects.create(minute_ms=minute_ms, route_id=route_id, outcome=outcome, count=calls, last_at_ms=at_ms)
    key = {"hour_ms": at_ms - at_ms % HOUR_MS, "route_id": route_id, "outcome": outcome}
    hour, _ = CallHour.objects.get_or_create(**key, defaults={"count": 0})
    CallHour.objects.filter(pk=hour.pk).update(count=hour.count + calls)


def record(**changes: Any) -> Call:
    known = {"at_ms": NOW_MS, "route_id": "ci", "status": 200, "client": "127.0.0.1", "duration_us": 500}
    return Call.objects.create(**known | changes)


def test_calls_are_added_up_by_steps() -> None:
    count("ci", Outcome.ACCEPTED, 3, NOW_MS)
    count("ci", Outcome.ACCEPTED, 4, NOW_MS - 2 * MINUTE_MS)
    count("ci", Outcome.FAILED, 1, NOW_MS - 2 * MINUTE_MS)
    count("other", Outcome.REFUSED, 5, NOW_MS)
    since_ms = NOW_MS - NOW_MS % MINUTE_MS - 2 * MINUTE_MS
    series = fetch_series(CallMinute, since_ms=since_ms, until_ms=NOW_MS)
    assert [(span.accepted, span.failed) for span in series["ci"]] == [(4, 1), (0, 0), (3, 0)]
    assert [span.refused for span in series["other"]] == [0, 0, 5]
    (hour,) = fetch_series(CallHour, since_ms=NOW_MS - NOW_MS % HOUR_MS, until_ms=NOW_MS)["ci"]
    assert (hour.accepted, hour.failed) == (7, 1)
    assert fetch_totals(since_ms=since_ms, step_ms=MINUTE_MS, steps=3) == [Span(4, 0, 1), Span(), Span(3, 5)]
    assert fetch_totals(since_ms=since_ms, step_ms=3 * MINUTE_MS, steps=1) == [Span(7, 5, 1)]
    assert add_up(series["ci"]) == Span(7, 0, 1)
    assert add_up([]) == Span()


def test_durations_are_of_the_latest_calls_that_are_not_folded() -> None:
    for number in range(100):
        record(duration_us=number + 1, at_ms=NOW_MS + number)
    record(duration_us=10**9, count=1000, at_ms=NOW_MS + 1000)
    record(route_id="other", duration_us=7)
    found = fetch_durations(["ci", "other", "none"], latest=10)
    assert found == {"ci": (96, 100, 10), "other": (7, 7, 1)}
    assert fetch_durations([]) == {}
    assert fetch_durations([f"r{number}" for number in range(205)]) == {}


def test_callers_at_a_limit_are_those_of_the_last_minute() -> None:
    record(refused_by="rate_limit", status=429, client="192.0.2.1", at_ms=NOW_MS - 30_000)
    record(refused_by="in_flight_limit", status=429, client="192.0.2.2", at_ms=NOW_MS - 90_000, last_at_ms=NOW_MS - 1)
    record(refused_by="rate_limit", status=429, client="192.0.2.3", at_ms=NOW_MS - 90_000)
    record(refused_by="authentication", status=401, client="192.0.2.4")
    assert fetch_limited_clients(now_ms=NOW_MS) == {"ci": ["192.0.2.1", "192.0.2.2"]}


def test_the_chart_draws_every_outcome_and_says_all_of_it() -> None:
    span = Span(accepted=1_000_000, refused=1, failed=1, gone=2, lost=3)
    picture = draw_bars([Span(), span], title="Calls", since_ms=NOW_MS, step_ms=MINUTE_MS)
    drawn = re.findall(r'class="ow-(\w+)" d="M(\d+) (\d+)h3v(\d+)h-3z"', picture)
    assert drawn == [("accepted", "4", "31", "249"), ("refused", "4", "21", "10"), ("failed", "4", "11", "10")]
    assert '<rect x="4" width="4" height="280"><title>' in picture
    said = "1000000 accepted, 1 refused, 1 failed, 2 gone, 3 not recorded"
    assert picture.count(said) == 2
    assert "style=" not in picture
    assert "<rect" not in draw_bars([Span()], title="Calls", since_ms=0, step_ms=MINUTE_MS)


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: str(choice.name))
def test_the_timeline_holds_the_whole_span_and_no_more(choice: Any) -> None:
    count("ci", Outcome.ACCEPTED, 1, NOW_MS)
    count("ci", Outcome.REFUSED, 2, NOW_MS - choice.step_ms * (choice.steps - 1))
    count("ci", Outcome.FAILED, 4, NOW_MS - choice.step_ms * choice.steps)
    timeline = fetch_timeline(choice.name, now_ms=NOW_MS, in_flight=None)
    assert (timeline.total.accepted, timeline.total.refused, timeline.total.failed) == (1, 2, 0)
    assert timeline.largest == 2


def test_a_span_nobody_knows_is_the_last_hour() -> None:
    assert fetch_timeline("odd", now_ms=NOW_MS, in_flight=3).chosen.name == "1h"


def test_activity_is_of_the_routes_asked_for() -> None:
    count("ci", Outcome.ACCEPTED, 3, NOW_MS)
    numbers = {"quiet": RouteNumbers(), "ci": fetch_route_numbers(now_ms=NOW_MS)["ci"]}
    activity = fetch_activity(numbers, now_ms=NOW_MS)
    assert "3 accepted" in activity["ci"].minutes
    assert "3 accepted" in activity["ci"].hours
    assert "<rect" not in activity["quiet"].minutes


def test_the_page_shows_them() -> None:
    now_ms = int(time.time() * 1000)
    count("ci", Outcome.REFUSED, 3, now_ms)
    for number in range(7):
        record(refused_by="rate_limit", status=429, client=f"192.0.2.{number}", at_ms=now_ms)
    page = " ".join(sign_in("view_call").get("/admin/openclaw_webhooks/route/?span=7d").content.decode().split())
    for part in ("last 7 days", "refused: 3", "in flight now: 0", "and 2 more", "p50 500", "Try it"):
        assert part in page, part
