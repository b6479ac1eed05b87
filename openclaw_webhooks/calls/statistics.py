"""The numbers that the pages show, in a number of queries that grows with neither routes nor calls.

They come from the numbers by the minute. So a span is made of whole minutes: the last hour is the running minute and
the sixty before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from django.db import connection
from django.db.models import F, Q, Sum

from openclaw_webhooks.calls.batch import minute_of
from openclaw_webhooks.calls.record import Step
from openclaw_webhooks.models import Call, CallMinute, Outcome

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

LIMIT_STEPS: Final = (Step.RATE_LIMIT.value, Step.IN_FLIGHT_LIMIT.value)
Facet: TypeAlias = Literal["route_id", "action", "status_class", "code", "refused_by"]


@dataclass(frozen=True, slots=True)
class Span:
    """How many calls had which outcome in a span of time."""

    numbers: Mapping[Outcome, int] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """Return the number of all calls, those included whose record was dropped."""
        return sum(self.numbers.values())

    @property
    def accepted(self) -> int:
        """Return how many the engine was asked for and answered."""
        return self.numbers.get(Outcome.ACCEPTED, 0)

    @property
    def refused(self) -> int:
        """Return how many a guard or the schema refused."""
        return self.numbers.get(Outcome.REFUSED, 0)

    @property
    def failed(self) -> int:
        """Return how many were answered with a 5xx."""
        return self.numbers.get(Outcome.FAILED, 0)

    @property
    def gone(self) -> int:
        """Return how many callers went away before an answer."""
        return self.numbers.get(Outcome.GONE, 0)

    @property
    def lost(self) -> int:
        """Return how many were served and not recorded."""
        return self.numbers.get(Outcome.LOST, 0)


class Durations(NamedTuple):
    """How long calls took, in microseconds: the median, and what 95 in a hundred stay below."""

    p50_us: int
    p95_us: int
    of_calls: int


@dataclass(frozen=True, slots=True)
class RouteNumbers:
    """What is known of one route's calls. ``last_at_ms`` is ``None`` where none is kept."""

    hour: Span = field(default_factory=Span)
    day: Span = field(default_factory=Span)
    last_at_ms: int | None = None


def fetch_route_numbers(*, now_ms: int) -> dict[str, RouteNumbers]:
    """Return the numbers of every route that has calls, by route id: two queries."""
    hours: dict[str, dict[Outcome, int]] = {}
    days: dict[str, dict[Outcome, int]] = {}
    for route_id, name, hour, day in _fetch_spans(now_ms):
        hours.setdefault(route_id, {})[Outcome(name)] = hour or 0
        days.setdefault(route_id, {})[Outcome(name)] = day
    return {
        route_id: RouteNumbers(Span(hours.get(route_id, {})), Span(days.get(route_id, {})), last_at_ms)
        for route_id, last_at_ms in _fetch_last_calls()
    }


def _fetch_spans(now_ms: int) -> list[tuple[str, str, int | None, int]]:
    since_hour = Q(minute_ms__gte=minute_of(now_ms - HOUR_MS))
    minutes = CallMinute.objects.filter(minute_ms__gte=minute_of(now_ms - DAY_MS)).order_by()
    numbers = minutes.values("route_id", "outcome").annotate(hour=Sum("count", filter=since_hour), day=Sum("count"))
    return list(numbers.values_list("route_id", "outcome", "hour", "day"))


def _fetch_last_calls() -> list[tuple[str, int]]:
    """Return each route with the time of its last call; each costs two looks into an index."""
    table = CallMinute._meta.db_table
    last_minute = f"SELECT MAX(minute_ms) FROM {table} l WHERE l.route_id = v.value"  # noqa: S608 - names of our own
    last_at = f"SELECT MAX(last_at_ms) FROM {table} m WHERE m.route_id = v.value AND m.minute_ms = ({last_minute})"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(_leap(table, "route_id", f"v.value, ({last_at})"))
        return list(cursor.fetchall())


def fetch_series(*, since_ms: int, step_ms: int, steps: int) -> dict[str, list[Span]]:
    """Return each route's calls in equal steps of time, by route id: one query.

    Args:
        since_ms: When the first step begins, at the start of a minute.
        step_ms: How long a step is, whole minutes.
        steps: How many there are; later calls are left out.
    """
    minutes = CallMinute.objects.filter(minute_ms__gte=since_ms, minute_ms__lt=since_ms + steps * step_ms).order_by()
    counts = minutes.annotate(step=(F("minute_ms") - since_ms) / step_ms).values_list("route_id", "step", "outcome")
    numbers: dict[str, list[dict[Outcome, int]]] = {}
    for route_id, step, name, count in counts.annotate(calls=Sum("count")):
        numbers.setdefault(route_id, [{} for _ in range(steps)])[step][Outcome(name)] = count
    return {route_id: [Span(each) for each in of_route] for route_id, of_route in numbers.items()}


def fetch_durations(route_ids: Sequence[str], *, latest: int = 500) -> dict[str, Durations]:
    """Return how long the latest calls of each route took, folded ones left out: a query per hundred routes."""
    found: dict[str, list[int]] = {}
    for start in range(0, len(route_ids), 100):
        part = route_ids[start : start + 100]
        # One look into the index by route for each, in one statement: both databases plan them apart.
        each = (
            f"SELECT * FROM (SELECT route_id, duration_us FROM {Call._meta.db_table} WHERE route_id = %s AND count = 1"  # noqa: S608
            f" ORDER BY at_ms DESC LIMIT {latest}) latest"
        )
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join([each] * len(part)), part)
            for route_id, duration_us in cursor.fetchall():
                found.setdefault(route_id, []).append(duration_us)
    return {route_id: _summarize(sorted(durations)) for route_id, durations in found.items()}


def _summarize(durations: Sequence[int]) -> Durations:
    count = len(durations)
    return Durations(durations[count // 2], durations[count * 95 // 100], count)


def fetch_limited_clients(*, now_ms: int) -> dict[str, list[str]]:
    """Return the callers that a limit has refused within the last minute, by route id."""
    recent = Q(at_ms__gte=now_ms - MINUTE_MS) | Q(last_at_ms__gte=now_ms - MINUTE_MS)
    # A folded row begins in the minute in which its last call came: two minutes of the index hold all.
    refused = Call.objects.filter(recent, refused_by__in=LIMIT_STEPS, at_ms__gte=now_ms - 2 * MINUTE_MS)
    clients: dict[str, list[str]] = {}
    for route_id, client in refused.order_by("client").values_list("route_id", "client").distinct():
        clients.setdefault(route_id, []).append(client)
    return clients


def fetch_values(facet: Facet) -> list[str | int]:
    """Return the values that occur in a column of the calls, in order: as many looks into its index as values."""
    with connection.cursor() as cursor:
        cursor.execute(_leap(Call._meta.db_table, facet, "v.value"))
        return [value for (value,) in cursor.fetchall()]


def _leap(table: str, column: str, selected: str) -> str:
    """Build a statement that leaps from each value of an indexed column to the next, and selects something for each.

    ``SELECT DISTINCT`` would read every entry of the index, on both databases.
    """
    first = f"SELECT MIN({column}) FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - names of our own, here and below
    following = f"SELECT MIN(t.{column}) FROM {table} t WHERE t.{column} > v.value"  # noqa: S608
    values = f"{first} UNION ALL SELECT ({following}) FROM v WHERE v.value IS NOT NULL"  # noqa: S608
    return f"WITH RECURSIVE v(value) AS ({values}) SELECT {selected} FROM v WHERE v.value IS NOT NULL"  # noqa: S608


def fetch_hours() -> range:
    """Return the hours since the epoch in which calls are kept: what a search through an index by hour has to try."""
    first, last = Call.objects.order_by("at_ms").first(), Call.objects.order_by("-at_ms").first()
    return range(first.at_hour, last.at_hour + 1) if first is not None and last is not None else range(0)
