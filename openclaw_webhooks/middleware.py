"""Answers the routes and the pages for monitoring before any other middleware sees them.

For projects that serve routes through Django itself.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from openclaw_webhooks.monitor_door import is_page, view_of_page
from openclaw_webhooks.runtime import get_runtime
from openclaw_webhooks.views import view_of

__all__ = ["WebhookRoutesMiddleware"]


class WebhookRoutesMiddleware:
    """List it first in ``MIDDLEWARE``: routes then answer whatever the Host header says, and cost no other middleware.

    ``ALLOWED_HOSTS`` goes on guarding every other page. Without it the routes are served by the URLconf, behind
    whatever the project lists: ``CommonMiddleware`` refuses a tunnel's Host with a 400 there.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the rest of the chain for every other path."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the path of a route or of a page for monitoring; pass on any other."""
        path = request.path_info
        route = get_runtime().routes.get(path)
        if route is not None:
            return view_of(route)(request)
        return view_of_page(path)(request) if is_page(path) else self._get_response(request)
