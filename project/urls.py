"""Addresses of the stand-alone server: the routes at the root, the admin, and the way from ``/`` to it."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

handler400 = "project.errors.serve_bad_request"
handler403 = "project.errors.serve_forbidden"
handler404 = "project.errors.serve_not_found"
handler500 = "project.errors.serve_error"
urlpatterns = [
    path("", include("openclaw_webhooks.urls")),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="index"),
]
