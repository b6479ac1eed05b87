"""A kit for the pytest-django suites of projects that use this app; ``pytest_plugin`` has its fixtures.

Everything is real but the clock and the secrets: URLs, guards, engine and database are those that serve. Import nothing
else of this package; ``docs/testing.md`` shows a whole suite.
"""

from __future__ import annotations

from openclaw_webhooks.testing.client import WebhookAnswer, WebhookClient
from openclaw_webhooks.testing.clock import TestClock
from openclaw_webhooks.testing.engine import ControlledEngine
from openclaw_webhooks.testing.routes import TestRoute

__all__ = ["ControlledEngine", "TestClock", "TestRoute", "WebhookAnswer", "WebhookClient"]
