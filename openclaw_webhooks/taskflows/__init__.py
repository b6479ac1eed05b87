"""TaskFlows from Python: what a route can do, and what a worker reports, for views, commands and task queues.

    from openclaw_webhooks import taskflows

    flows = taskflows.bind_route("ci")
    flow = flows.create_flow("Deploy 1.4")
    flow = flows.finish_flow(flow, state_json={"version": "1.4"})

The same engine as the routes', the same rules for every field, the same revisions: a change takes the flow as its
caller has seen it and raises ``RevisionConflict`` where somebody was faster. Every method has an asynchronous twin
whose name starts with ``a``. Methods return once their change is committed, or join a transaction of the caller's.

Source: contract.md sections 4 to 6.
"""

from __future__ import annotations

from typing import Final

from openclaw_webhooks.engines.records import (
    FlowRecord,
    FlowRevision,
    FlowStatus,
    NotifyPolicy,
    TaskRecord,
    TaskRuntime,
    TaskStatus,
    TaskSummary,
)
from openclaw_webhooks.exceptions import (
    EngineError,
    EngineRefused,
    EngineUnavailable,
    OutcomeUnknown,
    PersistFailed,
)
from openclaw_webhooks.runtime import get_runtime
from openclaw_webhooks.taskflows.flows import TaskFlows
from openclaw_webhooks.taskflows.refusals import (
    ActionRefused,
    FlowNotFound,
    InvalidAction,
    RevisionConflict,
    TaskNotFound,
    UnknownRoute,
)
from openclaw_webhooks.values import UNSET, JsonValue, Unset

__all__ = [
    "UNSET",
    "ActionRefused",
    "EngineError",
    "EngineRefused",
    "EngineUnavailable",
    "FlowNotFound",
    "FlowRecord",
    "FlowRevision",
    "FlowStatus",
    "InvalidAction",
    "JsonValue",
    "NotifyPolicy",
    "OutcomeUnknown",
    "PersistFailed",
    "RevisionConflict",
    "TaskFlows",
    "TaskNotFound",
    "TaskRecord",
    "TaskRuntime",
    "TaskStatus",
    "TaskSummary",
    "UnknownRoute",
    "Unset",
    "bind_route",
    "bind_session",
]

_DEFAULT_ACTOR: Final = "python"


def bind_route(route_id: str, *, actor: str = _DEFAULT_ACTOR) -> TaskFlows:
    """Return the flows that a route works on, and create flows under its controller.

    Args:
        route_id: A route that is served.
        actor: Who the history of a flow shall name, such as ``worker deploy`` or ``user alice``.

    Raises:
        UnknownRoute: No such route is served.
        ImproperlyConfigured: ``settings.OPENCLAW_WEBHOOKS`` is faulty.
    """
    runtime = get_runtime()
    for route in runtime.configuration.routes:
        if route.route_id == route_id:
            return TaskFlows(runtime.engine, route.session_key, controller_id=route.controller_id, actor=actor)
    raise UnknownRoute(f"no route {route_id!r} is served")


def bind_session(session_key: str, *, controller_id: str = _DEFAULT_ACTOR, actor: str = _DEFAULT_ACTOR) -> TaskFlows:
    """Return the flows of a session.

    Args:
        session_key: The owner, such as ``agent:main:main``.
        controller_id: The controller of flows that are created without one.
        actor: As for ``bind_route``.

    Raises:
        ValueError: The session key is empty.
        ImproperlyConfigured: ``settings.OPENCLAW_WEBHOOKS`` is faulty.
    """
    if not session_key.strip():
        raise ValueError("session_key must not be empty")
    return TaskFlows(get_runtime().engine, session_key, controller_id=controller_id, actor=actor)
