"""Filters of the list of calls. Each offers the values that occur, and reads them and its rows from one index."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest

from openclaw_webhooks.admin.narrowing import IndexedFilter, SpanFilter
from openclaw_webhooks.calls.batch import DAY_MS, HOUR_MS
from openclaw_webhooks.calls.lookups import Facet, fetch_recent_clients, fetch_values
from openclaw_webhooks.models import Call

_CLASS_NAMES = {0: "no answer", 2: "2xx", 4: "4xx", 5: "5xx"}


class CallFilter(IndexedFilter):
    """Keeps the calls that have one value in one column."""

    facet: ClassVar[Facet]

    def __init_subclass__(cls) -> None:
        """Make the column of the facet."""
        cls.column = cls.facet

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the values that occur."""
        return [(str(value), self.name_of(value)) for value in fetch_values(self.facet)]

    def name_of(self, value: str | int) -> str:
        """Return a value as the operator reads it."""
        return str(value)


class RouteFilter(CallFilter):
    """By route id."""

    title, parameter_name, facet = "route", "route", "route_id"


class ActionFilter(CallFilter):
    """By action."""

    title, parameter_name, facet = "action", "action", "action"


class CodeFilter(CallFilter):
    """By the answer's code."""

    title, parameter_name, facet = "code", "code", "code"


class RefusedByFilter(CallFilter):
    """By the step that refused."""

    title, parameter_name, facet = "refused by", "refused_by", "refused_by"

    def name_of(self, value: str | int) -> str:
        """Return the step's name in words."""
        return str(value).replace("_", " ")


class CallerFilter(CallFilter):
    """By the caller's address: offers the busiest of the latest calls, and takes any."""

    title, parameter_name, facet = "caller", "caller", "client"
    _offered: ClassVar[int] = 8

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return who called lately, and the one that is asked for."""
        offered = fetch_recent_clients()[: self._offered]
        asked = request.GET.get("caller")
        return [(client, client) for client in (*offered, *([asked] if asked and asked not in offered else ()))]


class StatusFilter(CallFilter):
    """By the first digit of the HTTP status."""

    title, parameter_name, facet = "status", "status", "status_class"

    def name_of(self, value: str | int) -> str:
        """Return the class as it is usually written."""
        return _CLASS_NAMES.get(int(value), f"{value}xx")

    def value(self) -> str | None:
        """Return the digit; anything else asks for nothing."""
        value = super().value()
        return value if value is not None and value.isascii() and value.isdigit() and len(value) == 1 else None


class TimeFilter(SpanFilter):
    """By how long ago the call began."""

    title, parameter_name = "time", "since"
    _spans: ClassVar[dict[str, tuple[str, int]]] = {
        "10m": ("Last 10 minutes", HOUR_MS // 6),
        "1h": ("Last hour", HOUR_MS),
        "1d": ("Last 24 hours", DAY_MS),
        "7d": ("Last 7 days", 7 * DAY_MS),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the spans."""
        return [(key, name) for key, (name, _) in self._spans.items()]

    def keep(self, rows: QuerySet[Call]) -> QuerySet[Call]:
        """Keep what began within the span."""
        span = self._spans.get(self.value() or "")
        return rows if span is None else rows.filter(at_ms__gte=int(time.time() * 1000) - span[1])
