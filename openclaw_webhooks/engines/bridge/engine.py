"""The engine over the bridge: sessions of a Gateway's flows, what it can do, and how it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from openclaw_webhooks.engines.base import BoundSession, EngineCapabilities
from openclaw_webhooks.engines.bridge.client import BridgeClient
from openclaw_webhooks.engines.bridge.session import BridgeSession
from openclaw_webhooks.pausing import CAN_PAUSE

_CAPABILITIES: Final = EngineCapabilities(
    reports_tasks=False, prunes=False, keeps_history=False, keeps_whole_numbers=False
)


class BridgeEngine:
    """A Gateway's flows. One instance serves a process; it is safe to use from several threads and after a fork."""

    capabilities = _CAPABILITIES
    pauses_on_loop = CAN_PAUSE

    def __init__(self, client: BridgeClient) -> None:
        """Use the client; connects to nothing yet."""
        self._client = client

    def bind_session(self, session_key: str) -> BoundSession:
        """Return the flows of one session."""
        return BridgeSession(self._client, session_key)

    def check_health(self) -> str:
        """Ask the bridge what it is and return that in a few words.

        Raises:
            EngineUnavailable: It cannot be used; the message says why.
        """
        health = self.fetch_health()
        return f"Gateway {health.get('gateway') or 'of unknown version'}, plugin {health.get('plugin')}"

    def fetch_health(self) -> Mapping[str, Any]:
        """Return what the bridge tells of itself: docs/bridge-protocol.md, ``GET /v1/health``. Raises the same."""
        return self._client.check_health()
