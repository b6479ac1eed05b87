"""A project that asked for no server: the app's doors and pages where none of the extras can be imported."""

from __future__ import annotations

import subprocess
import sys

from tests.live import ROOT

EXTRAS = [
    "gunicorn",
    "uvicorn",
    "httptools",
    "uvloop",
    "django_ratelimit",
    "redis",
    "greenlet",
    "whitenoise",
    "psycopg",
]

PROJECT = f"""
import asyncio, sys
for name in {EXTRAS!r}:
    sys.modules[name] = None

from django.conf import settings
settings.configure(
    SECRET_KEY="x",
    ALLOWED_HOSTS=["*"],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
    INSTALLED_APPS=[
        "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.messages",
        "django.contrib.sessions", "rest_framework", "openclaw_webhooks",
    ],
    MIDDLEWARE=[
        "openclaw_webhooks.middleware.WebhookRoutesMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[{{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {{"context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]}},
    }}],
    ROOT_URLCONF="openclaw_webhooks.urls",
    USE_TZ=True,
    OPENCLAW_WEBHOOKS={{
        "ROUTES": {{"zapier": {{"sessionKey": "agent:main:main", "secret": "a-secret-of-twenty-characters"}}}},
        "RECORD_CALLS": False,
    }},
)
import django
django.setup()

from importlib import import_module
from django.core.management import call_command
from django.test import Client
call_command("check")
call_command("migrate", verbosity=0)
for name in ("admin", "asgi", "wsgi", "urls", "middleware", "views", "exchange", "testing", "taskflows"):
    import_module(f"openclaw_webhooks.{{name}}")

answer = Client().post(
    "/plugins/webhooks/zapier",
    b'{{"action":"create_flow","goal":"Review inbound queue"}}',
    content_type="application/json",
    headers={{"authorization": "Bearer a-secret-of-twenty-characters"}},
)
print(answer.status_code, answer.json()["result"]["flow"]["goal"])

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from openclaw_webhooks import asgi, wsgi
asgi.mount(get_asgi_application())
wsgi.mount(get_wsgi_application())
print(sorted({{name for name in {EXTRAS!r} if sys.modules.get(name)}}))
"""


def test_nothing_that_was_not_asked_for_is_imported() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROJECT], capture_output=True, text=True, check=False, cwd=ROOT, timeout=60
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-2:] == ["200 Review inbound queue", "[]"], told.stdout
