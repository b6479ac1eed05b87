"""An engine whose every call takes two seconds, and an ASGI application that serves it."""

from __future__ import annotations

import os
import time
from typing import Any

from openclaw_webhooks.engines.base import EngineCapabilities

SECONDS = 2.0


class SlowEngine:
    """Holds nothing, slowly."""

    capabilities = EngineCapabilities(reports_tasks=False, prunes=False, keeps_history=False, keeps_whole_numbers=True)

    def bind_session(self, session_key: str) -> SlowEngine:
        return self

    def __getattr__(self, name: str) -> Any:
        def answer(*args: object, **kwargs: object) -> None:
            time.sleep(SECONDS)

        return answer


def build_application() -> Any:
    """Build the application under the settings that need it; called by gunicorn."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.doors.slow_settings"
    from django.core.asgi import get_asgi_application

    from openclaw_webhooks.asgi import mount

    return mount(get_asgi_application())
