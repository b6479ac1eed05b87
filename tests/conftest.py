"""The test kit's fixtures, which an installed package would bring along by itself."""

from __future__ import annotations

from openclaw_webhooks.pytest_plugin import (  # noqa: F401
    _webhook_stage,
    webhook_client,
    webhook_clock,
    webhook_engine,
    webhook_route,
)
