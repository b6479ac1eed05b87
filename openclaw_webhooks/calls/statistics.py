"""The numbers that the pages show, in a number of queries that grows with neither routes nor calls.

They come from the numbers by the minute and by the hour. So a span is made of whole minutes: the last hour is the
running minute and the sixty before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from django.db import connection
from django.db.models import F, Q, QuerySet, Sum

from openclaw_webhooks.calls.batch import HOUR_MS, MINUTE_MS, minute_of
from openclaw_webhooks.calls.record import Step
from openclaw_webhooks.models import Call, CallHour, CallMinute, Outcome

DAY_MS = 24 * HOUR_MS

LIMIT_STEPS: Final = (Step.RATE_LIMIT.value, Step.IN_FLIGHT_LIMIT.value)
Facet: TypeAlias = Literal["route_id", "action", "status_class", "code", "refused_by", "client"]


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
    """Return the numbers of every route that has calls, by route id: four queries."""
    minute_ms, day_ms = minute_of(now_ms - HOUR_MS), minute_of(now_ms - DAY_MS)
    whole_hours_ms = day_ms + -day_ms % HOUR_MS
    minutes, hours = CallMinute.objects.order_by(), CallHour.objects.order_by()
    # Bounded on both sides: else SQLite takes the other index, and reads all of it.
    last_hour = _add_up(minutes.filter(minute_ms__gte=minute_ms, minute_ms__lte=now_ms))
    # A day is as many hours as are whole, and the minutes before the first of them.
    before = minutes.filter(minute_ms__gte=day_ms, minute_ms__lt=whole_hours_ms)
    last_day = _add_up(before, hours.filter(hour_ms__gte=whole_hours_ms, hour_ms__lte=now_ms))
    return {
        route_id: RouteNumbers(Span(last_hour.get(route_id, {})), Span(last_day.get(route_id, {})), last_at_ms)
        for route_id, last_at_ms in _fetch_last_calls()
    }


def _add_up(*tables: QuerySet[Any]) -> dict[str, Counter[Outcome]]:
    sums: dict[str, Counter[Outcome]] = {}
    for rows in tables:
        for route_id, name, calls in rows.values_list("route_id", "outcome").annotate(calls=Sum("count")):
            sums.setdefault(route_id, Counter())[Outcome(name)] += calls
    return sums


def _fetch_last_calls() -> list[tuple[str, int]]:
    """Return each route with the time of its last call; each costs two looks into an index."""
    table = CallMinute._meta.db_table
    last_minute = f"SELECT MAX(minute_ms) FROM {table} l WHERE l.route_id = v.value"  # noqa: S608 - names of our own
    last_at = f"SELECT MAX(last_at_ms) FROM {table} m WHERE m.route_id = v.value AND m.minute_ms = ({last_minute})"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(build_leap(table, "route_id", f"v.value, ({last_at})"))
        return list(cursor.fetchall())


def fetch_series(*, since_ms: int, step_ms: int, steps: int) -> dict[str, list[Span]]:
    """Return each route's calls in equal steps of time, by route id: one query.

    Args:
        since_ms: When the first step begins, at the start of a minute; of an hour, for steps of hours.
        step_ms: How long a step is, whole minutes.
        steps: How many there are; later calls are left out.
    """
    numbers: dict[str, list[dict[Outcome, int]]] = {}
    counted = _count_by_step(since_ms, step_ms, steps)
    for step, name, route_id, count in counted.values_list("step", "outcome", "route_id").annotate(calls=Sum("count")):
        if route_id not in numbers:
            numbers[route_id] = [{} for _ in range(steps)]
        numbers[route_id][step][Outcome(name)] = count
    return {route_id: [Span(each) for each in of_route] for route_id, of_route in numbers.items()}


def fetch_totals(*, since_ms: int, step_ms: int, steps: int) -> list[Span]:
    """Return the calls of all routes together in equal steps of time, as ``fetch_series``."""
    numbers: list[dict[Outcome, int]] = [{} for _ in range(steps)]
    counted = _count_by_step(since_ms, step_ms, steps)
    for step, name, count in counted.values_list("step", "outcome").annotate(calls=Sum("count")):
        numbers[step][Outcome(name)] = count
    return [Span(each) for each in numbers]


def _count_by_step(since_ms: int, step_ms: int, steps: int) -> QuerySet[Any]:
    column, table = ("hour_ms", CallHour) if step_ms % HOUR_MS == 0 else ("minute_ms", CallMinute)
    span = {f"{column}__gte": since_ms, f"{column}__lt": since_ms + steps * step_ms}
    return table._default_manager.filter(**span).order_by().annotate(step=(F(column) - since_ms) / step_ms)


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
        cursor.execute(build_leap(Call._meta.db_table, facet, "v.value"))
        return [value for (value,) in cursor.fetchall()]


def fetch_recent_clients(*, latest: int = 500) -> list[str]:
    """Return who made the latest calls, the busiest first."""
    clients = Call.objects.order_by("-at_ms").values_list("client", flat=True)[:latest]
    return [client for client, _ in Counter(clients).most_common()]


def build_leap(table: str, column: str, selected: str, *, at_most: int = 100) -> str:
    """Build a statement that leaps from each value of an indexed column to the next, and selects something for each.

    ``SELECT DISTINCT`` would read every entry of the index, on both databases. In ``column`` and ``selected`` the
    values are ``v.value``; an expression has to be as its index has it.
    """
    first = f"SELECT MIN({column}) FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - names of our own, here and below
    following = f"SELECT MIN({column}) FROM {table} WHERE {column} > v.value"  # noqa: S608
    values = f"{first} UNION ALL SELECT ({following}) FROM v WHERE v.value IS NOT NULL"  # noqa: S608
    return f"WITH RECURSIVE v(value) AS ({values}) SELECT {selected} FROM v WHERE v.value IS NOT NULL LIMIT {at_most}"  # noqa: S608


def search_ids(term: str, *, at_most: int) -> list[int]:
    """Return the keys of the calls with this request id or on this flow, through the two indexes led by the hour."""
    table = Call._meta.db_table
    first, last = (f"SELECT {name}(at_ms) / {HOUR_MS} FROM {table}" for name in ("MIN", "MAX"))  # noqa: S608
    following = f"SELECT hour + 1 FROM hours WHERE hour < ({last})"  # noqa: S608
    hours = f"WITH RECURSIVE hours(hour) AS ({first} UNION ALL {following})"
    each = " UNION ".join(
        f"SELECT c.id FROM hours CROSS JOIN {table} c WHERE c.at_hour = hours.hour AND c.{column} = %s"  # noqa: S608
        for column in ("request_id", "flow_id")
    )
    with connection.cursor() as cursor:
        cursor.execute(f"{hours} {each} LIMIT {at_most}", [term, term])
        return [pk for (pk,) in cursor.fetchall()]


def fetch_bounds() -> tuple[int, int] | None:
    """Return the times of the first and of the last call, Unix milliseconds; ``None`` where there is none."""
    first, last = (
        Call.objects.order_by(order).values_list("at_ms", flat=True).first() for order in ("at_ms", "-at_ms")
    )
    return (first, last) if first is not None and last is not None else None


def fetch_busy(spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Tell for each span of time, from and before in Unix milliseconds, whether calls began in it: one query."""
    if not spans:
        return []
    # The order makes PostgreSQL take the index, too, where it thinks that most rows would do.
    first = f"SELECT at_ms FROM {Call._meta.db_table} WHERE at_ms >= %s AND at_ms < %s ORDER BY at_ms LIMIT 1"  # noqa: S608
    each = f"SELECT %s, ({first}) IS NOT NULL"
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join([each] * len(spans)),
            [value for number, span in enumerate(spans) for value in (number, *span)],
        )
        return [bool(busy) for _, busy in sorted(cursor.fetchall())]
