"""``REDIS_URL`` made into Django's ``CACHES``, where the windows of the request limits are counted."""

from __future__ import annotations

from typing import Any, Final

from openclaw_webhooks.conf.limits import RedisUrl

TIMEOUT_SECONDS: Final = 0.5
"""How long the server is waited for; afterwards requests are answered 503 at once until it answers."""


def build_caches(redis_url: RedisUrl | None) -> dict[str, dict[str, Any]]:
    """Build Django's caches: none shared without a server, as nothing else here uses a cache."""
    if redis_url is None:
        return {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    return {
        "default": {
            "BACKEND": "openclaw_webhooks.guards.limits.redis_cache.CountingRedisCache",
            # A list: text would be split where the password has a comma or a semicolon.
            "LOCATION": [redis_url],
            "OPTIONS": {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS},
        }
    }
