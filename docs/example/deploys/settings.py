"""A project's settings: what they need for the app, and nothing else."""

import os

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only-for-this-example")
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "deploys.urls"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "openclaw_webhooks"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "example.sqlite3"}}

OPENCLAW_WEBHOOKS = {
    "ROUTES": {
        "ci": {
            "path": "/hooks/ci",
            "sessionKey": "agent:deploys:main",
            "secret": {"source": "env", "provider": "default", "id": "CI_WEBHOOK_SECRET"},
        },
    },
}
