"""The operator's pages in Django's admin: routes, calls, flows, tasks, and where accounts signed in from.

Nothing here can be edited: a change past the engine would bypass a flow's revision, and a record of calls that can be
edited is none. What a person may do about a flow or a task (``acting``), the engine does; an address can be forgotten.
The pages work without JavaScript, hold no inline script or style, and read through indexes only.
"""

from __future__ import annotations

from openclaw_webhooks.admin.calls import CallAdmin
from openclaw_webhooks.admin.flows import FlowAdmin
from openclaw_webhooks.admin.known_addresses import KnownAddressAdmin
from openclaw_webhooks.admin.routes import RouteAdmin
from openclaw_webhooks.admin.tasks import TaskAdmin

__all__ = ["CallAdmin", "FlowAdmin", "KnownAddressAdmin", "RouteAdmin", "TaskAdmin"]
