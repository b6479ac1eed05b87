"""The embedded engine: flows and tasks in the project's own database. See docs/engines.md."""

from __future__ import annotations

from openclaw_webhooks.engines.embedded.cancellers import Canceller, Cancellers, register_canceller
from openclaw_webhooks.engines.embedded.engine import EmbeddedEngine

__all__ = ["Canceller", "Cancellers", "EmbeddedEngine", "register_canceller"]
