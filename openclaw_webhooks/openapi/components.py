"""The schemas that the answers of a route share, by component name."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from openclaw_webhooks.engines.records import FlowStatus, NotifyPolicy, TaskRuntime, TaskStatus

JsonSchema: TypeAlias = dict[str, Any]

_TIME: Final[JsonSchema] = {"type": "integer", "minimum": 0, "description": "Unix milliseconds"}
_TEXT: Final[JsonSchema] = {"type": "string"}
_COUNT: Final[JsonSchema] = {"type": "integer", "minimum": 0}


def build_components() -> dict[str, JsonSchema]:
    """Return the schemas that the answers share, by component name."""
    return {
        "Flow": _object(_FLOW_PROPERTIES, optional=_OPTIONAL_FLOW_KEYS),
        "Task": _object(_TASK_PROPERTIES, optional=_OPTIONAL_TASK_KEYS),
        "TaskSummary": _object(
            {
                **dict.fromkeys(("total", "active", "terminal", "failures"), _COUNT),
                "byStatus": _object({status.value: _COUNT for status in TaskStatus}),
                "byRuntime": _object({runtime.value: _COUNT for runtime in TaskRuntime}),
            }
        ),
        "Answer": _envelope({"ok": {"const": True}}, _SUCCESSES),
        "Refusal": _envelope({"ok": {"const": False}, "code": _TEXT, "error": _TEXT}, _REFUSED_RESULTS),
        "Pending": _envelope({"ok": {"const": True}, "code": {"const": "cancel_pending"}}, [_NOT_CANCELLED]),
        "InvalidRequest": _object(
            {"ok": {"const": False}, "code": {"const": "invalid_request"}, "error": _TEXT},
        ),
    }


def _object(properties: dict[str, JsonSchema], *, optional: frozenset[str] = frozenset()) -> JsonSchema:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _ref(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{COMPONENT_PREFIX}{name}"}


COMPONENT_PREFIX: Final = "Webhook"
"""What the names of components start with, so that they fit into a project's own document."""

_FLOW_PROPERTIES: Final[dict[str, JsonSchema]] = {
    "flowId": _TEXT,
    "syncMode": {"type": "string", "examples": ["managed"]},
    "controllerId": _TEXT,
    "currentStep": _TEXT,
    "blockedTaskId": _TEXT,
    "blockedSummary": _TEXT,
    "revision": {**_COUNT, "description": "One more with every change."},
    "status": {"enum": [status.value for status in FlowStatus]},
    "notifyPolicy": {"enum": [policy.value for policy in NotifyPolicy]},
    "goal": _TEXT,
    "stateJson": {"description": "Any JSON."},
    "waitJson": {"description": "Any JSON."},
    "cancelRequestedAt": _TIME,
    "createdAt": _TIME,
    "updatedAt": _TIME,
    "endedAt": _TIME,
}
_OPTIONAL_FLOW_KEYS: Final = frozenset(
    {
        *("controllerId", "currentStep", "blockedTaskId", "blockedSummary", "stateJson", "waitJson"),
        *("cancelRequestedAt", "endedAt"),
    }
)
_TASK_PROPERTIES: Final[dict[str, JsonSchema]] = {
    "taskId": _TEXT,
    "runtime": {"enum": [runtime.value for runtime in TaskRuntime]},
    "sourceId": _TEXT,
    "childSessionKey": _TEXT,
    "parentFlowId": _TEXT,
    "parentTaskId": _TEXT,
    "agentId": _TEXT,
    "runId": _TEXT,
    "label": _TEXT,
    "error": _TEXT,
    "progressSummary": _TEXT,
    "terminalSummary": _TEXT,
    "terminalOutcome": _TEXT,
    "scopeKind": _TEXT,
    "task": _TEXT,
    "status": {"enum": [status.value for status in TaskStatus]},
    "deliveryStatus": _TEXT,
    "notifyPolicy": {"enum": [policy.value for policy in NotifyPolicy]},
    "createdAt": _TIME,
    "startedAt": _TIME,
    "endedAt": _TIME,
    "lastEventAt": _TIME,
    "cleanupAfter": _TIME,
}
_OPTIONAL_TASK_KEYS: Final = frozenset(_TASK_PROPERTIES) - {
    *("taskId", "runtime", "task", "status", "notifyPolicy", "createdAt", "scopeKind", "deliveryStatus")
}
_NOT_CANCELLED: Final = _object(
    {
        "found": {"type": "boolean"},
        "cancelled": {"const": False},
        "reason": _TEXT,
        "flow": _ref("Flow"),
        "tasks": {"type": "array", "items": _ref("Task")},
    },
    optional=frozenset({"flow", "tasks"}),
)
_SUCCESSES: Final[list[JsonSchema]] = [
    _object({"created": {"const": True}, "flow": _ref("Flow")}),
    _object({"flow": {"anyOf": [_ref("Flow"), {"type": "null"}]}}),
    _object({"flows": {"type": "array", "items": _ref("Flow")}}),
    _object({"summary": {"anyOf": [_ref("TaskSummary"), {"type": "null"}]}}),
    _object({"applied": {"const": True}, "flow": _ref("Flow")}),
    _object(
        {
            "found": {"const": True},
            "cancelled": {"const": True},
            "flow": _ref("Flow"),
            "tasks": {"type": "array", "items": _ref("Task")},
        },
        optional=frozenset({"tasks"}),
    ),
    _object({"created": {"const": True}, "flow": _ref("Flow"), "task": _ref("Task")}),
]
_REFUSED_RESULTS: Final[list[JsonSchema]] = [
    _object({"created": {"const": False}, "code": _TEXT}),
    _object({"applied": {"const": False}, "code": _TEXT, "current": _ref("Flow")}, optional=frozenset({"current"})),
    _NOT_CANCELLED,
    _object(
        {"found": {"type": "boolean"}, "created": {"const": False}, "reason": _TEXT, "flow": _ref("Flow")},
        optional=frozenset({"flow"}),
    ),
    _object({"flowId": _TEXT}, optional=frozenset({"flowId"})),
]


def _envelope(properties: dict[str, JsonSchema], results: list[JsonSchema]) -> JsonSchema:
    result = results[0] if len(results) == 1 else {"anyOf": results}
    return _object({**properties, "routeId": _TEXT, "result": result})
