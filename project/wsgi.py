"""The WSGI application of the stand-alone server: the routes in front, Django behind."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from openclaw_webhooks.wsgi import mount

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

application = mount(get_wsgi_application())
