"""The WSGI application of the stand-alone server: the routes in front, Django's pages behind."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from openclaw_webhooks.wsgi import mount
from project.page_heads import simplify_heads
from project.settings import SERVER
from project.wsgi_pages import BoundedBodies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

application = mount(BoundedBodies(simplify_heads(get_wsgi_application()), threads=SERVER.threads))
