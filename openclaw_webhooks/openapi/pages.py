"""The document and a page that renders it, for staff or for everybody (``SCHEMA_PAGES``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.conf.settings import SchemaPages, get_settings

View = Callable[[HttpRequest], HttpResponseBase]


def _guarded(view: View) -> View:
    """Let pass whom the setting lets; staff is asked to sign in where the project has the admin."""

    @require_safe
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        pages = get_settings().schema_pages
        if pages is SchemaPages.OFF:
            return HttpResponseNotFound()
        user = getattr(request, "user", None)
        if pages is SchemaPages.PUBLIC or (user is not None and user.is_active and user.is_staff):
            return view(request)
        if user is not None and user.is_authenticated:
            raise PermissionDenied
        try:
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        except NoReverseMatch:
            raise PermissionDenied from None

    return guarded


@_guarded
def serve_document(_request: HttpRequest) -> HttpResponse:
    """Answer with the document of every route that serves."""
    from openclaw_webhooks.openapi.document import build_document  # noqa: PLC0415 - a second of imports, for this alone

    return JsonResponse(build_document(get_configuration().routes))


@_guarded
def serve_page(request: HttpRequest) -> HttpResponse:
    """Answer with the page that renders the document; its scripts and styles are this server's own."""
    return render(request, "openclaw_webhooks/schema.html")
