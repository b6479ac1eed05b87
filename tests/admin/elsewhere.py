"""An engine that is not the embedded one, with what the bridge can tell: no single tasks, no earlier revisions."""

from __future__ import annotations

from typing import Any

from openclaw_webhooks.engines.base import BoundSession, EngineCapabilities
from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.exceptions import EngineRefused, EngineUnavailable

DOTTED_PATH = "tests.admin.elsewhere.ElsewhereEngine"
SETTINGS = {
    "ENGINE": DOTTED_PATH,
    "ROUTES": {
        "zapier": {"sessionKey": "agent:main:main", "secret": "zapier-secret-of-the-tests"},
        "ci": {"sessionKey": "agent:ops:ci", "secret": "ci-secret-of-the-tests"},
    },
}


class Session:
    """A session of the embedded engine, that knows less."""

    def __init__(self, session: BoundSession) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        if ElsewhereEngine.is_dead:
            raise EngineUnavailable("nothing listens on the bridge's socket.")
        return getattr(self._session, name)

    def list_tasks(self, flow_id: str) -> Any:
        raise EngineRefused("no tasks")

    def list_revisions(self, flow_id: str) -> Any:
        raise EngineRefused("no revisions")


class ElsewhereEngine:
    """Keeps flows where no page looks by itself."""

    is_dead = False
    capabilities = EngineCapabilities(reports_tasks=False, prunes=False, keeps_history=False, keeps_whole_numbers=False)

    def bind_session(self, session_key: str) -> Any:
        return Session(EmbeddedEngine().bind_session(session_key))


class TellingEngine(ElsewhereEngine):
    """One that can tell everything."""

    capabilities = EngineCapabilities(reports_tasks=True, prunes=False, keeps_history=True, keeps_whole_numbers=True)

    def bind_session(self, session_key: str) -> Any:
        return EmbeddedEngine().bind_session(session_key)
