"""URLs of the test suite: the admin, and the app mounted as its README says."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("", include("openclaw_webhooks.urls"))]
