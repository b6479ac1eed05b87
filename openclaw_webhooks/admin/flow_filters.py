"""Filters of the list of flows: status, age, session and controller.

They have no indexes of their own, which every change of a flow would pay for: a hundred thousand flows are looked
through in some twenty milliseconds, and finished ones are pruned.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator

from openclaw_webhooks.admin.narrowing import SpanFilter, ValueFilter
from openclaw_webhooks.calls.batch import HOUR_MS
from openclaw_webhooks.calls.statistics import DAY_MS, build_leap
from openclaw_webhooks.engines.records import FlowStatus
from openclaw_webhooks.models import Flow

_OFFERED = 30
_LOOKED_AT = 1000


class FlowStatusFilter(ValueFilter):
    """By status."""

    title, parameter_name = "status", "status"
    column = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return all of them, without asking the table."""
        return [(status.value, status.value) for status in FlowStatus]


class AgeFilter(SpanFilter):
    """By how long ago the flow was created."""

    title, parameter_name = "age", "age"
    spans: ClassVar[dict[str, tuple[str, int]]] = {
        "1h": ("Under an hour", HOUR_MS),
        "1d": ("Under a day", DAY_MS),
        "7d": ("Under 7 days", 7 * DAY_MS),
        "older-1d": ("Over a day", DAY_MS),
        "older-7d": ("Over 7 days", 7 * DAY_MS),
        "older-30d": ("Over 30 days", 30 * DAY_MS),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the spans."""
        return [(key, name) for key, (name, _) in self.spans.items()]

    def keep(self, rows: QuerySet[Flow]) -> QuerySet[Flow]:
        """Keep the flows of that age."""
        key = self.value() or ""
        if key not in self.spans:
            return rows
        since_ms = int(time.time() * 1000) - self.spans[key][1]
        return rows.filter(**{"created_at_ms__lt" if key.startswith("older") else "created_at_ms__gte": since_ms})


class SessionFilter(ValueFilter):
    """By the session that owns the flow."""

    title, parameter_name = "session", "session"
    column = "session_key"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the sessions that own flows."""
        with connection.cursor() as cursor:
            cursor.execute(build_leap(Flow._meta.db_table, "session_key", "v.value", at_most=_OFFERED))
            return _offer([value for (value,) in cursor.fetchall()], self.value())


class ControllerFilter(ValueFilter):
    """By controller: offers the busiest of the latest flows, and takes any, as a caller may name any."""

    title, parameter_name = "controller", "controller"
    column = "controller_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return those of the latest flows, and the one that is asked for."""
        latest = Flow.objects.order_by("-id").values_list("controller_id", flat=True)[:_LOOKED_AT]
        busiest = [controller for controller, _ in Counter(latest).most_common(_OFFERED) if controller]
        return _offer(busiest, self.value())


def _offer(values: Sequence[str], asked: str | None) -> list[tuple[str, str]]:
    return [(value, _shorten(value)) for value in (*values, *([asked] if asked and asked not in values else ()))]


def _shorten(text: str) -> str:
    """Return as much as fits beside a list."""
    return Truncator(text).chars(60)
