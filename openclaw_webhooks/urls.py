"""One path per configured route; include it at the root: ``path("", include("openclaw_webhooks.urls"))``.

Route paths are absolute. Included under a prefix they would move, which a system check says.
"""

from __future__ import annotations

import re

from django.urls import URLPattern, re_path

from openclaw_webhooks.conf.configuration import Configuration, get_configuration
from openclaw_webhooks.views import view_of


def build_urlpatterns(configuration: Configuration) -> list[URLPattern]:
    """Return a pattern per healthy, enabled route; one trailing slash reaches the route too."""
    return [
        re_path(
            rf"^{re.escape(route.path.removeprefix('/'))}/?$", view_of(route), name=f"openclaw-webhook-{route.route_id}"
        )
        for route in configuration.routes
    ]


urlpatterns = build_urlpatterns(get_configuration())
