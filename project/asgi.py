"""The ASGI application of the stand-alone server: the routes in front, Django behind."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from openclaw_webhooks.asgi import mount

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

application = mount(get_asgi_application())
