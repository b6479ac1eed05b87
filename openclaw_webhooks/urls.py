"""One path per configured route, and the pages for monitoring and of the schema that are switched on.

Include it at the root: ``path("", include("openclaw_webhooks.urls"))``.

Route paths are absolute. Included under a prefix they would move, which a system check says.
"""

from __future__ import annotations

import re

from django.urls import URLPattern, path, re_path

from openclaw_webhooks.conf.configuration import Configuration, get_configuration
from openclaw_webhooks.conf.monitoring import Monitoring
from openclaw_webhooks.conf.settings import SchemaPages, read_settings
from openclaw_webhooks.monitor_door import view_of_page
from openclaw_webhooks.monitoring.pages import HEALTH_PATH, METRICS_PATH, READY_PATH
from openclaw_webhooks.openapi.pages import serve_document, serve_page
from openclaw_webhooks.views import view_of

__all__ = ["urlpatterns"]


def build_urlpatterns(configuration: Configuration) -> list[URLPattern]:
    """Return a pattern per healthy, enabled route; one trailing slash reaches the route too."""
    return [
        re_path(
            rf"^{re.escape(route.path.removeprefix('/'))}/?$", view_of(route), name=f"openclaw-webhook-{route.route_id}"
        )
        for route in configuration.routes
    ]


def build_page_patterns(monitoring: Monitoring) -> list[URLPattern]:
    """Return a pattern per page for monitoring that the settings switch on."""
    paths = (HEALTH_PATH, READY_PATH) * monitoring.health + (METRICS_PATH,) * monitoring.metrics
    return [
        re_path(rf"^{name.removeprefix('/')}$", view_of_page(name), name=f"openclaw-webhooks-{name[1:]}")
        for name in paths
    ]


def build_schema_patterns(pages: SchemaPages) -> list[URLPattern]:
    """Return the addresses of the OpenAPI document and its page, where the settings switch them on."""
    if pages is SchemaPages.OFF:
        return []
    return [
        path("openclaw-webhooks/schema/", serve_page, name="openclaw-webhooks-schema-page"),
        path("openclaw-webhooks/schema.json", serve_document, name="openclaw-webhooks-schema"),
    ]


_settings = read_settings()[0]
urlpatterns = [
    *build_urlpatterns(get_configuration()),
    *build_page_patterns(_settings.monitoring),
    *build_schema_patterns(_settings.schema_pages),
]
