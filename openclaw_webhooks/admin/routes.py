"""The page of routes: what is configured, whether it serves, and how it fares."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.timesince import timesince

from openclaw_webhooks.admin.activity import fetch_activity, fetch_timeline
from openclaw_webhooks.admin.reading import ReadingAdmin
from openclaw_webhooks.calls.statistics import fetch_route_numbers
from openclaw_webhooks.conf.configuration import Configuration, get_configuration
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.exceptions import LimitStoreUnavailable
from openclaw_webhooks.guards.limits.base import LimitStats
from openclaw_webhooks.guards.limits.keys import hash_path
from openclaw_webhooks.models import Call, Route
from openclaw_webhooks.overview import RouteState, SecretsReader, build_overview
from openclaw_webhooks.secrets.resolver import SecretResolver

_MINUTE_MS = 60_000
_KINDS: dict[RouteState, str] = {"serving": "good", "no secret": "bad", "switched off": "quiet", "faulty": "bad"}


@dataclass(frozen=True, slots=True)
class Sources:
    """What the page is made of.

    Attributes:
        notices: What this process noticed while it served, and what callers run into, in words.
        troubles: What is not ready now, and what to do; the configuration's faults are told apart.
        limit_stats: What the limits store counts now, over ``limits_scope``; ``None`` where it does not tell.
    """

    configuration: Configuration
    secrets: SecretsReader
    limits_scope: str
    notices: Sequence[str] = ()
    limit_stats: LimitStats | None = None
    troubles: Sequence[str] = ()

    @property
    def in_flight(self) -> int | None:
        """Return how many requests hold a slot now."""
        return None if self.limit_stats is None else self.limit_stats.in_flight

    def in_flight_on(self, route: RouteConfig | None) -> int | None:
        """Return how many of them a route serves."""
        if self.limit_stats is None or route is None:
            return None
        return self.limit_stats.in_flight_by_path.get(hash_path(route.path), 0)


def fetch_sources() -> Sources:
    """Return what this process serves; with faulty settings, which serve nothing, what is wrong with them."""
    from openclaw_webhooks.runtime import get_runtime  # noqa: PLC0415 - every command imports the admin, none needs it

    try:
        runtime = get_runtime()
    except ImproperlyConfigured:
        configuration = get_configuration()
        resolver = SecretResolver(configuration.secrets, environ=os.environ, logs_reasons=False)
        return Sources(configuration, resolver, "")
    try:
        stats = runtime.limit_store.stats()
    except LimitStoreUnavailable:
        stats = None
    scope = runtime.limit_store.scope
    troubles = [finding.cause for finding in runtime.pages.find_troubles() if finding.name != "configuration"]
    notices = [*sorted(runtime.notices), *runtime.pages.find_advice()]
    return Sources(runtime.configuration, runtime.resolver, scope, notices, stats, troubles)


@admin.register(Route)
class RouteAdmin(ReadingAdmin):
    """One page, no detail: a route has no row in a table. Needs the permission to view calls."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the user may view calls."""
        return request.user.has_perm(f"{Call._meta.app_label}.view_{Call._meta.model_name}")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Tell whether the page belongs into the user's list."""
        return self.has_view_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show every route."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        sources, now_ms = fetch_sources(), int(time.time() * 1000)
        overview = build_overview(
            sources.configuration,
            secrets=sources.secrets,
            limits_scope=sources.limits_scope,
            numbers=fetch_route_numbers(now_ms=now_ms),
        )
        activity = fetch_activity({row.route_id: row.numbers for row in overview.rows}, now_ms=now_ms)
        context = {
            **self.admin_site.each_context(request),
            "title": "Routes",
            "opts": self.opts,
            "media": self.media,
            "overview": overview,
            "notices": sources.notices,
            "troubles": sources.troubles,
            "rows": [
                (
                    row,
                    _KINDS[row.state],
                    _age(row.numbers.last_at_ms, now_ms),
                    activity.get(row.route_id),
                    sources.in_flight_on(row.config),
                )
                for row in overview.rows
            ],
            "timeline": fetch_timeline(request.GET.get("span"), now_ms=now_ms, in_flight=sources.in_flight),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/openclaw_webhooks/route/change_list.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the one page that there is."""
        return self.changelist_view(request, extra_context)


def _age(at_ms: int | None, now_ms: int) -> str:
    if at_ms is None:
        return "never"
    if now_ms - at_ms < _MINUTE_MS:
        return "less than a minute ago"
    return f"{timesince(datetime.fromtimestamp(at_ms / 1000, UTC), datetime.fromtimestamp(now_ms / 1000, UTC))} ago"
