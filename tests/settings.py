"""Settings of the test suite: the app alone, on SQLite or on the PostgreSQL that ``TEST_DATABASE_URL`` names."""

import os
import secrets
import tempfile
from pathlib import Path

import dj_database_url

# One per process: what shares a SECRET_KEY shares its limits.
SECRET_KEY = f"only-for-tests-{secrets.token_hex(8)}"
USE_TZ = True
ROOT_URLCONF = "tests.urls"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
STATIC_URL = "static/"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "openclaw_webhooks",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

_SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": ":memory:",
    # A file, not memory: threads and processes of the tests share it as a server's would.
    "TEST": {"NAME": str(Path(tempfile.gettempdir()) / f"openclaw-webhooks-test-{os.getpid()}.sqlite3")},
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 10,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    },
}
_POSTGRES_URL = os.environ.get("TEST_DATABASE_URL", "")
DATABASES = {"default": dj_database_url.parse(_POSTGRES_URL) if _POSTGRES_URL else _SQLITE}

OPENCLAW_WEBHOOKS = {
    "ROUTES": {
        "zapier": {"sessionKey": "agent:main:main", "secret": "zapier-secret-of-the-tests"},
        "ci": {"path": "/hooks/ci", "sessionKey": "agent:ops:ci", "secret": "ci-secret-of-the-tests"},
    },
}
