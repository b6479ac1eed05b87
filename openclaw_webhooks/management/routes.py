"""What commands that act for a route need: the route, its secret, its flows."""

from __future__ import annotations

import os

from django.core.management.base import CommandError

from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.secrets.resolver import SecretResolver


def find_route(route_id: str) -> RouteConfig:
    """Return a route that is served.

    Raises:
        CommandError: There is none of that name; the message has those that there are.
    """
    routes = {route.route_id: route for route in get_configuration().routes}
    try:
        return routes[route_id]
    except KeyError:
        known = ", ".join(sorted(routes)) or "none; `manage.py check` says why"
        raise CommandError(f"There is no route {route_id!r} that serves. There are: {known}") from None


def build_resolver() -> SecretResolver:
    """Return what looks secrets up; a command reports failures itself."""
    return SecretResolver(get_configuration().secrets, environ=os.environ, logs_reasons=False)
