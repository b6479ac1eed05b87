"""What is looked up among the calls, each by an index: who and what occurs in them, which id, and when.

The numbers that the pages show are ``statistics``'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from django.db import connection
from django.db.models import Q

from openclaw_webhooks.calls.batch import HOUR_MS, MINUTE_MS
from openclaw_webhooks.calls.record import Step
from openclaw_webhooks.models import Call

_LIMIT_STEPS: Final = (Step.RATE_LIMIT.value, Step.IN_FLIGHT_LIMIT.value)
Facet: TypeAlias = Literal["route_id", "action", "status_class", "code", "refused_by", "client"]


def build_leap(table: str, column: str, selected: str, *, at_most: int = 100) -> str:
    """Build a statement that leaps from each value of an indexed column to the next, and selects something for each.

    ``SELECT DISTINCT`` would read every entry of the index, on both databases. In ``column`` and ``selected`` the
    values are ``v.value``; an expression has to be as its index has it.
    """
    first = f"SELECT MIN({column}) FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - names of our own, here and below
    following = f"SELECT MIN({column}) FROM {table} WHERE {column} > v.value"  # noqa: S608
    values = f"{first} UNION ALL SELECT ({following}) FROM v WHERE v.value IS NOT NULL"  # noqa: S608
    return f"WITH RECURSIVE v(value) AS ({values}) SELECT {selected} FROM v WHERE v.value IS NOT NULL LIMIT {at_most}"  # noqa: S608


def fetch_values(facet: Facet) -> list[str | int]:
    """Return the values that occur in a column of the calls, in order: as many looks into its index as values."""
    with connection.cursor() as cursor:
        cursor.execute(build_leap(Call._meta.db_table, facet, "v.value"))
        return [value for (value,) in cursor.fetchall()]


def fetch_recent_clients(*, latest: int = 500) -> list[str]:
    """Return who made the latest calls, the busiest first."""
    clients = Call.objects.order_by("-at_ms").values_list("client", flat=True)[:latest]
    return [client for client, _ in Counter(clients).most_common()]


def fetch_limited_clients(*, now_ms: int) -> dict[str, list[str]]:
    """Return the callers that a limit has refused within the last minute, by route id."""
    recent = Q(at_ms__gte=now_ms - MINUTE_MS) | Q(last_at_ms__gte=now_ms - MINUTE_MS)
    # A folded row begins in the minute in which its last call came: two minutes of the index hold all.
    refused = Call.objects.filter(recent, refused_by__in=_LIMIT_STEPS, at_ms__gte=now_ms - 2 * MINUTE_MS)
    clients: dict[str, list[str]] = {}
    for route_id, client in refused.order_by("client").values_list("route_id", "client").distinct():
        clients.setdefault(route_id, []).append(client)
    return clients


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
