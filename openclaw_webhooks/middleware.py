"""Answers the routes before any other middleware sees them; for projects that serve routes through Django itself."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from openclaw_webhooks.runtime import get_runtime
from openclaw_webhooks.views import view_of


class WebhookRoutesMiddleware:
    """List it first in ``MIDDLEWARE``: routes then answer whatever the Host header says, and cost no other middleware.

    ``ALLOWED_HOSTS`` goes on guarding every other page. Without it the routes are served by the URLconf, behind
    whatever the project lists: ``CommonMiddleware`` refuses a tunnel's Host with a 400 there.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the rest of the chain for every other path."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a route's path; pass on any other."""
        route = get_runtime().routes.get(request.path_info)
        return self._get_response(request) if route is None else view_of(route)(request)
