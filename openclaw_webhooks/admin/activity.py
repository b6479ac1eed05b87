"""How the routes fare, as the page of routes shows it: charts, durations, and who is at a limit now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from django.template.defaultfilters import pluralize
from django.utils.safestring import SafeString

from openclaw_webhooks.admin.charts import draw_bars, name_moment
from openclaw_webhooks.admin.formatting import format_count
from openclaw_webhooks.calls.batch import DAY_MS, HOUR_MS, MINUTE_MS, minute_of
from openclaw_webhooks.calls.lookups import fetch_limited_clients
from openclaw_webhooks.calls.statistics import (
    Durations,
    RouteNumbers,
    Span,
    add_up,
    fetch_durations,
    fetch_totals,
)
from openclaw_webhooks.models import Outcome


class SpanChoice(NamedTuple):
    """One span of time that the timeline can show."""

    name: str
    label: str
    step: str
    step_ms: int
    steps: int


CHOICES: Final = (
    SpanChoice("1h", "last hour", "minute", MINUTE_MS, 60),
    SpanChoice("1d", "last 24 hours", "hour", HOUR_MS, 24),
    SpanChoice("7d", "last 7 days", "hour", HOUR_MS, 168),
    SpanChoice("30d", "last 30 days", "day", DAY_MS, 30),
)


@dataclass(frozen=True, slots=True)
class Activity:
    """What is known of one route's traffic.

    Attributes:
        hour: The numbers of the last hour in words, by the names that ``Span`` has for them; empty for none.
        day: Those of the last day.
        minutes: The calls of the last hour by the minute, drawn.
        hours: Those of the last day by the hour, drawn.
        durations: ``None`` where no call is recorded.
        limited: Callers that a limit refused within the last minute.
    """

    hour: Mapping[str, str]
    day: Mapping[str, str]
    minutes: SafeString
    hours: SafeString
    durations: Durations | None
    limited: Sequence[str]


@dataclass(frozen=True, slots=True)
class Timeline:
    """All routes together over the chosen span. ``in_flight`` is ``None`` where the limits do not tell."""

    choices: Sequence[SpanChoice]
    chosen: SpanChoice
    picture: SafeString
    total: Span
    largest: int
    first: str
    last: str
    in_flight: int | None


def fetch_activity(numbers: Mapping[str, RouteNumbers], *, now_ms: int) -> dict[str, Activity]:
    """Return the activity of these routes, in a number of queries that grows with neither routes nor calls."""
    hour_since = minute_of(now_ms) - 59 * MINUTE_MS
    day_since = _start_of(now_ms, HOUR_MS) - 23 * HOUR_MS
    durations = fetch_durations(list(numbers))
    limited = fetch_limited_clients(now_ms=now_ms)
    return {
        route_id: Activity(
            _say(of_route.hour),
            _say(of_route.day),
            draw_bars(
                of_route.minutes or [Span()] * 60,
                title="Calls per minute of the last hour",
                since_ms=hour_since,
                step_ms=MINUTE_MS,
            ),
            draw_bars(
                of_route.hours or [Span()] * 24,
                title="Calls per hour of the last day",
                since_ms=day_since,
                step_ms=HOUR_MS,
            ),
            durations.get(route_id),
            limited.get(route_id, ()),
        )
        for route_id, of_route in numbers.items()
    }


def fetch_timeline(name: str | None, *, now_ms: int, in_flight: int | None) -> Timeline:
    """Return the timeline of the span of that name, of the last hour where there is none such: one query."""
    chosen = next((choice for choice in CHOICES if choice.name == name), CHOICES[0])
    since_ms = _start_of(now_ms, chosen.step_ms) - (chosen.steps - 1) * chosen.step_ms
    spans = fetch_totals(since_ms=since_ms, step_ms=chosen.step_ms, steps=chosen.steps)
    return Timeline(
        choices=CHOICES,
        chosen=chosen,
        picture=draw_bars(
            spans, title=f"Calls of the {chosen.label}", since_ms=since_ms, step_ms=chosen.step_ms, height=600
        ),
        total=add_up(spans),
        largest=max(span.accepted + span.refused + span.failed for span in spans),
        first=name_moment(since_ms, chosen.step_ms),
        last=name_moment(since_ms + (chosen.steps - 1) * chosen.step_ms, chosen.step_ms),
        in_flight=in_flight,
    )


def _start_of(at_ms: int, step_ms: int) -> int:
    return at_ms - at_ms % step_ms


def _say(span: Span) -> dict[str, str]:
    """Put into words what a template would take ten times as long to format, for every route again."""
    if not span.calls:
        return {}
    said = {"calls": f"{format_count(span.calls)} call{pluralize(span.calls)}"}
    told = zip(Span._fields, Outcome.labels, span, strict=True)
    return said | {name: f"{format_count(count)} {label}" if count else "" for name, label, count in told}
