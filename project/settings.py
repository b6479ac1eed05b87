"""Django settings of the stand-alone server. The one place where its environment variables are read.

A wrong variable is a line on standard error and exit status 1, all of them together; see docs/deployment.md.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Final

from openclaw_webhooks.conf.settings import BRIDGE_ENGINE, AppSettings
from project.caches import TIMEOUT_SECONDS, build_caches
from project.data_folder import CONFIGURATION_NAME, make_data_folder, read_secret_key
from project.databases import find_missing_folder
from project.environment import LOCAL_HOSTS, ServerEnvironment, parse_environment
from project.log_lines import build_logging
from project.page_bodies import BODY_LIMITS

_ENGINES: Final = {"embedded": AppSettings().engine, "bridge": BRIDGE_ENGINE}


def _load_server() -> ServerEnvironment:
    parsed = parse_environment(os.environ)
    if isinstance(parsed, ServerEnvironment):
        return parsed
    for problem in parsed:
        print(problem, file=sys.stderr)  # noqa: T201 - logging is not configured yet
    raise SystemExit(1)


def _load_secret_key(server: ServerEnvironment) -> str:
    """Return the secret key; make the data folder where that or the database needs it, as any command may be first."""
    try:
        if find_missing_folder(server.database) == server.data_folder:
            make_data_folder(server.data_folder)
        return server.secret_key or read_secret_key(server.data_folder)
    except OSError as error:
        print(f"OPENCLAW_WEBHOOKS_DATA_DIR: {error}", file=sys.stderr)  # noqa: T201 - logging is not configured yet
        raise SystemExit(1) from None


def _check_database_folder(server: ServerEnvironment) -> None:
    # SQLite itself says no more than "unable to open database file".
    folder = find_missing_folder(server.database)
    if folder is not None:
        text = f"DATABASE_URL: the database cannot be used: there is no folder {str(folder)!r}"
        print(text, file=sys.stderr)  # noqa: T201 - logging is not configured yet
        raise SystemExit(1)


SERVER: Final = _load_server()

SECRET_KEY = _load_secret_key(SERVER)
_check_database_folder(SERVER)
DEBUG = SERVER.debug
ALLOWED_HOSTS = list(SERVER.allowed_hosts)
# Behind a proxy that ends TLS the browser's Origin says https where Django sees http.
CSRF_TRUSTED_ORIGINS = [
    f"https://{'*' if host.startswith('.') else ''}{host}" for host in ALLOWED_HOSTS if host not in (*LOCAL_HOSTS, "*")
]

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
    # First: routes answer whatever the Host header says, and pay for nothing that the admin needs.
    "openclaw_webhooks.middleware.WebhookRoutesMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Behind Django's own: what those refuse is no attempt.
    "openclaw_webhooks.middleware.SignInLimitMiddleware",
]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
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

DATABASES = {"default": SERVER.database}
CACHES = build_caches(SERVER.redis_url)
# One hash at a time in a worker, behind everything else that it does.
PASSWORD_HASHERS = ["openclaw_webhooks.sign_ins.hashers.OneAtATimePBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
STATIC_URL = "static/"
# The files of the installed packages are served as they are: no collectstatic, no folder to keep in step.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
# No page takes uploads: without a handler a file in a form is read past and kept nowhere.
FILE_UPLOAD_HANDLERS: list[str] = []
DATA_UPLOAD_MAX_MEMORY_SIZE = BODY_LIMITS.each_bytes
LOGGING = build_logging(SERVER.log_format)

X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "openclaw_webhooks_session"
CSRF_COOKIE_NAME = "openclaw_webhooks_csrf"

OPENCLAW_WEBHOOKS: dict[str, Any] = {
    "FALLBACK_CONFIG_PATH": str(SERVER.data_folder / CONFIGURATION_NAME),
    "ENGINE": _ENGINES[SERVER.engine],
    "ENGINE_THREADS": SERVER.threads,
    "LIMITS_FAIL_OPEN": SERVER.limits_fail_open,
    "RATE_LIMIT_HEADERS": SERVER.rate_limit_headers,
    "REDIS_URL": SERVER.redis_url,
    "REDIS_TIMEOUT_SECONDS": TIMEOUT_SECONDS,
    "BRIDGE_URL": SERVER.bridge_url,
    "BRIDGE_TOKEN": SERVER.bridge_token,
    "HOST_TOKEN": SERVER.host_token,
    "HEALTH": True,
    "METRICS": SERVER.metrics,
    "METRICS_TOKEN": SERVER.metrics_token,
    "MONITORING_NETWORKS": SERVER.monitoring_networks,
    "CALL_LOG": SERVER.call_log,
    "TRACES": SERVER.traces,
    "SCHEMA_PAGES": SERVER.schema_pages,
    "SERVER_URL": SERVER.binds[0].server_url,
}
