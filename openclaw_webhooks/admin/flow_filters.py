"""Filters of the list of flows: status, age, session and controller.

One index serves status and controller both, as there are few statuses to look for a controller in, and an index of
the engine's serves session and age, where there are not too many sessions to look in. An index for each would cost
every change of a flow.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest

from openclaw_webhooks.admin.formatting import shorten
from openclaw_webhooks.admin.narrowing import IndexedFilter, SpanFilter
from openclaw_webhooks.calls.batch import DAY_MS, HOUR_MS
from openclaw_webhooks.calls.lookups import build_leap
from openclaw_webhooks.engines.records import FlowStatus
from openclaw_webhooks.models import Flow

_OFFERED = 30
_LOOKED_AT = 1000
_LOOKED_IN = 100


class FlowStatusFilter(IndexedFilter):
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

    @property
    def is_asked(self) -> bool:
        """Tell whether an age is asked for."""
        return self.value() in self.spans

    def keep(self, rows: QuerySet[Flow]) -> QuerySet[Flow]:
        """Keep the flows of that age, through the index that leads with the session where that is possible."""
        if not self.is_asked:
            return rows
        sessions = _fetch_sessions(at_most=_LOOKED_IN + 1)
        aged = self.keep_unindexed(rows)
        return aged if len(sessions) > _LOOKED_IN else aged.filter(session_key__in=sessions)

    def keep_unindexed(self, rows: QuerySet[Flow]) -> QuerySet[Flow]:
        """Keep the same, whatever their sessions."""
        key = self.value() or ""
        since_ms = int(time.time() * 1000) - self.spans[key][1]
        return rows.filter(**{"created_at_ms__lt" if key.startswith("older") else "created_at_ms__gte": since_ms})


class SessionFilter(IndexedFilter):
    """By the session that owns the flow."""

    title, parameter_name = "session", "session"
    column = "session_key"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the sessions that own flows."""
        return _offer(_fetch_sessions(at_most=_OFFERED), self.value())


class ControllerFilter(IndexedFilter):
    """By controller: offers the busiest of the latest flows, and takes any, as a caller may name any."""

    title, parameter_name = "controller", "controller"
    column = "controller_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return those of the latest flows, and the one that is asked for."""
        latest = Flow.objects.order_by("-id").values_list("controller_id", flat=True)[:_LOOKED_AT]
        busiest = [controller for controller, _ in Counter(latest).most_common(_OFFERED) if controller]
        return _offer(busiest, self.value())

    def keep(self, rows: QuerySet[Flow]) -> QuerySet[Flow]:
        """Keep the controller's flows, through the index that leads with the status."""
        value = self.value()
        return rows if value is None else rows.filter(controller_id=value, status__in=list(FlowStatus))


def _fetch_sessions(*, at_most: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(build_leap(Flow._meta.db_table, "session_key", "v.value", at_most=at_most))
        return [value for (value,) in cursor.fetchall()]


def _offer(values: Sequence[str], asked: str | None) -> list[tuple[str, str]]:
    return [(value, shorten(value, 60)) for value in (*values, *([asked] if asked and asked not in values else ()))]
