"""The operator's pages in Django's admin: routes, calls, flows and tasks. All of them only show.

Nothing here can be edited: a change past the engine would bypass a flow's revision, and a record of calls that can be
edited is none. The pages work without JavaScript, hold no inline script or style, and read through indexes only.
"""

from __future__ import annotations

from openclaw_webhooks.admin.calls import CallAdmin
from openclaw_webhooks.admin.flows import FlowAdmin, TaskAdmin
from openclaw_webhooks.admin.routes import RouteAdmin

__all__ = ["CallAdmin", "FlowAdmin", "RouteAdmin", "TaskAdmin"]
