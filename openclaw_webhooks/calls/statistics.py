"""The numbers that the pages show, in a number of queries that grows with neither routes nor calls.

They come from the numbers by the minute and by the hour. So a span is made of whole minutes: the last hour is the
running minute and the sixty before it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from django.db import connection

from openclaw_webhooks.calls.batch import DAY_MS, HOUR_MS, MINUTE_MS, minute_of
from openclaw_webhooks.calls.lookups import build_leap
from openclaw_webhooks.models import Call, CallHour, CallMinute, Outcome


class Span(NamedTuple):
    """How many calls had which outcome in a span of time, in the order of ``Outcome``.

    Attributes:
        accepted: The engine was asked and answered.
        refused: A guard or the schema refused them.
        failed: They were answered with a 5xx.
        gone: The caller went away before an answer.
        lost: They were served and not recorded.
    """

    accepted: int = 0
    refused: int = 0
    failed: int = 0
    gone: int = 0
    lost: int = 0

    @property
    def calls(self) -> int:
        """Return the number of all calls, those included whose record was dropped."""
        return sum(self)


_STEPS: Final[Mapping[type[CallMinute | CallHour], tuple[str, int]]] = {
    CallMinute: ("minute_ms", MINUTE_MS),
    CallHour: ("hour_ms", HOUR_MS),
}
_JOIN: Final = {"sqlite": "group_concat(duration_us)", "postgresql": "string_agg(duration_us::text, ',')"}
_PLACES: Final = {outcome.value: place for place, outcome in enumerate(Outcome)}
_SUMS: Final = " || ',' || ".join(
    f"COALESCE(SUM(count) FILTER (WHERE outcome = '{outcome}'), 0)" for outcome in _PLACES
)
"""Joined, because a query within another one has one value."""


def add_up(spans: Iterable[Span]) -> Span:
    """Return the sum of several spans."""
    return Span(*map(sum, zip(*spans, strict=True)))


class Durations(NamedTuple):
    """How long calls took, in microseconds: the median, and what 95 in a hundred stay below."""

    p50_us: int
    p95_us: int
    of_calls: int


_NONE: Final = Span()


@dataclass(frozen=True, slots=True)
class RouteNumbers:
    """What is known of one route's calls.

    Attributes:
        hour: The calls of the last hour, all together.
        day: Those of the last day.
        last_at_ms: ``None`` where no call is kept.
        minutes: The running minute at the end, and the 59 before it; empty without calls in that time.
        hours: The running hour at the end, and the 23 before it; empty without calls in that time.
    """

    hour: Span = _NONE
    day: Span = _NONE
    last_at_ms: int | None = None
    minutes: Sequence[Span] = ()
    hours: Sequence[Span] = ()


def fetch_route_numbers(*, now_ms: int) -> dict[str, RouteNumbers]:
    """Return the numbers of every route that has calls, by route id: four queries."""
    minute_ms, day_ms = minute_of(now_ms - HOUR_MS), minute_of(now_ms - DAY_MS)
    whole_hours_ms = day_ms + -day_ms % HOUR_MS
    minutes = fetch_series(CallMinute, since_ms=minute_ms, until_ms=now_ms)
    hours = fetch_series(CallHour, since_ms=whole_hours_ms, until_ms=now_ms)
    # A day is as many hours as are whole, and the minutes before the first of them.
    before = _fetch_sums(since_ms=day_ms, until_ms=whole_hours_ms)
    return {
        route_id: RouteNumbers(
            add_up(minutes.get(route_id, ())),
            add_up([before.get(route_id, _NONE), *hours.get(route_id, ())]),
            last_at_ms,
            minutes.get(route_id, ())[-60:],
            hours.get(route_id, ())[-24:],
        )
        for route_id, last_at_ms in _fetch_last_calls()
    }


def _fetch_sums(*, since_ms: int, until_ms: int) -> dict[str, Span]:
    """Return each route's calls of these minutes, the last left out, all together."""
    sql = f"{_select_sums(CallMinute, 'route_id', since='%s', until='%s')} GROUP BY route_id"
    with connection.cursor() as cursor:
        cursor.execute(sql, [since_ms, until_ms])
        return {route_id: _parse_sums(text) for route_id, text in cursor.fetchall()}


def _parse_sums(text: str) -> Span:
    return Span(*map(int, text.split(",")))


def _fetch_last_calls() -> list[tuple[str, int]]:
    """Return each route with the time of its last call; each costs two looks into an index."""
    table = CallMinute._meta.db_table
    last_minute = f"SELECT MAX(minute_ms) FROM {table} l WHERE l.route_id = v.value"  # noqa: S608 - names of our own
    last_at = f"SELECT MAX(last_at_ms) FROM {table} m WHERE m.route_id = v.value AND m.minute_ms = ({last_minute})"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(build_leap(table, "route_id", f"v.value, ({last_at})"))
        return list(cursor.fetchall())


def fetch_series(table: type[CallMinute | CallHour], *, since_ms: int, until_ms: int) -> dict[str, Sequence[Span]]:
    """Return each route's calls by the minute or by the hour, by route id: one query.

    Args:
        table: Which of both.
        since_ms: When the first of them begins.
        until_ms: A time in the last of them.
    """
    column, step_ms = _STEPS[table]
    steps = (until_ms - since_ms) // step_ms + 1
    sums: defaultdict[str, list[list[int]]] = defaultdict(lambda: [[0] * len(Outcome) for _ in range(steps)])
    # Bounded on both sides: else SQLite takes the other index, and reads all of it.
    within = f"{column} >= %s AND {column} <= %s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT ({column} - %s) / %s, route_id, outcome, count FROM {table._meta.db_table} WHERE {within}",  # noqa: S608
            [since_ms, step_ms, since_ms, until_ms],
        )
        for step, route_id, outcome, count in cursor.fetchall():
            sums[route_id][step][_PLACES[outcome]] = count
    return {route_id: [Span(*each) for each in of_route] for route_id, of_route in sums.items()}


def fetch_totals(*, since_ms: int, step_ms: int, steps: int) -> list[Span]:
    """Return the calls of all routes together in equal steps of time: one query.

    Args:
        since_ms: When the first step begins, at the start of a minute; of an hour, for steps of hours.
        step_ms: How long a step is, whole minutes.
        steps: How many there are; later calls are left out.
    """
    table = CallHour if step_ms % HOUR_MS == 0 else CallMinute
    column, unit_ms = _STEPS[table]
    until_ms, totals = since_ms + steps * step_ms, [_NONE] * steps
    if step_ms == unit_ms:
        sql = f"{_select_sums(table, column, since='%s', until='%s')} GROUP BY {column}"
        values = [since_ms, until_ms]
    else:
        # A range of an index for each step and outcome: to group by them, SQLite sorts all rows, ten times as slowly.
        ranges = "SELECT %s, %s UNION ALL SELECT until, until + %s FROM steps WHERE until < %s"
        within = f"{column} >= since AND {column} < until"
        sums = " || ',' || ".join(
            f"(SELECT COALESCE(SUM(count), 0) FROM {table._meta.db_table} WHERE outcome = '{outcome}' AND {within})"  # noqa: S608
            for outcome in _PLACES
        )
        sql = f"WITH RECURSIVE steps(since, until) AS ({ranges}) SELECT since, {sums} FROM steps"  # noqa: S608
        values = [since_ms, since_ms + step_ms, step_ms, until_ms]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        for at_ms, text in cursor.fetchall():
            totals[(at_ms - since_ms) // step_ms] = _parse_sums(text)
    return totals


def _select_sums(table: type[CallMinute | CallHour], *columns: str, since: str, until: str) -> str:
    """Return the statement that selects these columns and the sums of a span of time, whose end is left out."""
    selected, (at_ms, _) = ", ".join([*columns, _SUMS]), _STEPS[table]
    return f"SELECT {selected} FROM {table._meta.db_table} WHERE {at_ms} >= {since} AND {at_ms} < {until}"  # noqa: S608


def fetch_durations(route_ids: Sequence[str], *, latest: int = 250) -> dict[str, Durations]:
    """Return how long the latest calls of each route took, folded ones left out: a query per hundred routes."""
    found: dict[str, Durations] = {}
    # One look into the index by route for each, in one statement: both databases plan them apart. Joined there: to
    # hand over thousands of rows takes longer than to find them. Not by equality: PostgreSQL would go through the calls
    # of all routes, in the order of their times.
    rows = (
        f"SELECT duration_us FROM {Call._meta.db_table} WHERE route_id BETWEEN %s AND %s AND count = 1"  # noqa: S608
        f" ORDER BY route_id DESC, at_ms DESC LIMIT {latest}"
    )
    each = f"SELECT %s, {_JOIN[connection.vendor]} FROM ({rows}) latest"  # noqa: S608
    for start in range(0, len(route_ids), 100):
        part = route_ids[start : start + 100]
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join([each] * len(part)), [value for one in part for value in [one] * 3])
            found |= {route_id: _summarize(sorted(json.loads(f"[{text}]"))) for route_id, text in cursor if text}
    return found


def _summarize(durations: Sequence[int]) -> Durations:
    count = len(durations)
    return Durations(durations[count // 2], durations[count * 95 // 100], count)
