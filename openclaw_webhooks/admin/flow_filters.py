"""Filters of the list of flows: status, age, session and controller, each through an index that ends in the age."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from django.db import connection
from django.db.models import F, QuerySet
from django.http import HttpRequest

from openclaw_webhooks.admin.narrowing import SpanFilter, ValueFilter
from openclaw_webhooks.calls.batch import HOUR_MS
from openclaw_webhooks.calls.statistics import DAY_MS, build_leap
from openclaw_webhooks.engines.records import FlowStatus
from openclaw_webhooks.models import CONTROLLER_START, Flow

_OFFERED = 30


class FlowStatusFilter(ValueFilter):
    """By status."""

    title, parameter_name = "status", "status"
    column = F("status")

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
    column = F("session_key")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the sessions that own flows."""
        return _offer("session_key", self.value())


class ControllerFilter(ValueFilter):
    """By controller, or by the start of a long one: a caller may name any."""

    title, parameter_name = "controller", "controller"
    column = CONTROLLER_START

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the controllers that have flows."""
        return _offer("SUBSTR(controller_id, 1, 64)", self.value())

    def value(self) -> str | None:
        """Return as much as the index holds."""
        value = super().value()
        return value[:64] if value else None


def _offer(column: str, asked: str | None) -> list[tuple[str, str]]:
    """Return the first values that occur in an indexed column, and the one that is asked for."""
    with connection.cursor() as cursor:
        cursor.execute(build_leap(Flow._meta.db_table, column, "v.value", at_most=_OFFERED))
        values = [value for (value,) in cursor.fetchall() if value]
    return [(value, value) for value in (*values, *([asked] if asked and asked not in values else ()))]
