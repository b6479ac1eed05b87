"""Every answer of a route with its schema and an example; the examples are made by the code that answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from openclaw_webhooks import refusals
from openclaw_webhooks.actions.schema import parse_action
from openclaw_webhooks.actions.values import Action, Fault
from openclaw_webhooks.engines.records import (
    FlowRecord,
    FlowStatus,
    NotifyPolicy,
    TaskRecord,
    TaskRuntime,
    TaskStatus,
    TaskSummary,
)
from openclaw_webhooks.engines.results import (
    Applied,
    Cancelled,
    CancelRefusal,
    FlowCreated,
    FlowNotCreated,
    MutationRefusal,
    NotApplied,
    NotCancelled,
    RunTaskRefusal,
    TaskCreated,
    TaskNotCreated,
)
from openclaw_webhooks.exceptions import EngineRefused, EngineUnavailable, OutcomeUnknown, PersistFailed
from openclaw_webhooks.openapi.requests import EXAMPLES
from openclaw_webhooks.outcomes import (
    EngineResult,
    FlowRead,
    FlowsRead,
    Outcome,
    SummaryRead,
    build_error_outcome,
    build_outcome,
    envelope,
    fault_envelope,
)

JsonSchema: TypeAlias = dict[str, Any]

_TIME: Final[JsonSchema] = {"type": "integer", "minimum": 0, "description": "Unix milliseconds"}
_TEXT: Final[JsonSchema] = {"type": "string"}
_COUNT: Final[JsonSchema] = {"type": "integer", "minimum": 0}

_FLOW: Final = FlowRecord(
    flow_id="6f0c8a52-3d6c-4a52-9a3e-0e6a4b8a7c11",
    revision=0,
    status=FlowStatus.QUEUED,
    notify_policy=NotifyPolicy.DONE_ONLY,
    goal="Review inbound queue",
    created_at_ms=1_764_000_000_000,
    updated_at_ms=1_764_000_000_000,
    controller_id="webhooks/zapier",
    state_json={"answered": 0},
)
_TASK: Final = TaskRecord(
    task_id="b1d3a2c4-77aa-4f0e-8a1b-2f6f0d1c9e55",
    runtime=TaskRuntime.ACP,
    task="Inspect the next message batch",
    status=TaskStatus.QUEUED,
    notify_policy=NotifyPolicy.SILENT,
    created_at_ms=1_764_000_001_000,
    parent_flow_id=_FLOW.flow_id,
    run_id="batch-17",
)
_SUMMARY: Final = TaskSummary(by_status={TaskStatus.QUEUED: 1}, by_runtime={TaskRuntime.ACP: 1})


@dataclass(frozen=True, slots=True)
class Example:
    """One answer.

    Attributes:
        name: ``action: code``, unique among the answers of its status and media type.
        value: The JSON, or the text of a plain answer.
    """

    status: int
    media_type: str
    name: str
    value: Any


def list_examples(route_id: str) -> Iterator[Example]:
    """Yield an example of every answer that a route can give."""
    for name, result in _RESULTS:
        yield _of_outcome(name, build_outcome(result), route_id)
    for name, error in _ERRORS:
        action = _action_of(name)
        yield _of_outcome(name, build_error_outcome(action, error), route_id)
    fault = Fault("goal", "Invalid input: expected string, received undefined", "create_flow")
    yield Example(HTTPStatus.BAD_REQUEST, "application/json", "invalid_request", json.loads(fault_envelope(fault)))
    for refusal in _REFUSALS:
        yield Example(refusal.status, "text/plain", refusal.step.value, refusal.text)


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


SCHEMA_OF_STATUS: Final[dict[int, str]] = {
    HTTPStatus.OK: "Answer",
    HTTPStatus.ACCEPTED: "Pending",
    HTTPStatus.BAD_REQUEST: "InvalidRequest",
    HTTPStatus.NOT_FOUND: "Refusal",
    HTTPStatus.CONFLICT: "Refusal",
    HTTPStatus.SERVICE_UNAVAILABLE: "Refusal",
}
"""The component that a JSON answer of each status is."""

DESCRIPTIONS: Final[dict[int, str]] = {
    HTTPStatus.OK: "Done, or read.",
    HTTPStatus.ACCEPTED: "The cancellation is recorded; the flow is cancelled when its last active child has ended.",
    HTTPStatus.BAD_REQUEST: "The body is not JSON, or is no action: the text names the field.",
    HTTPStatus.UNAUTHORIZED: "The secret is missing, wrong, or does not resolve on the server.",
    HTTPStatus.NOT_FOUND: "The route's session has no such flow.",
    HTTPStatus.METHOD_NOT_ALLOWED: "Routes take POST only.",
    HTTPStatus.REQUEST_TIMEOUT: "The body was not complete in time.",
    HTTPStatus.CONFLICT: "The engine did not accept the change; nothing was changed.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than the limit.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The media type is not JSON.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests in the window, or at once. Retry-After says when to come back.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Store or limits cannot be reached. `outcome_unknown`: look before you retry.",
}


def _of_outcome(name: str, outcome: Outcome, route_id: str) -> Example:
    label = f"{name}: {outcome.code}" if outcome.code else name
    return Example(outcome.status, "application/json", label, json.loads(envelope(route_id, outcome)))


def _action_of(name: str) -> Action:
    action = parse_action(EXAMPLES[name])
    if isinstance(action, Fault):  # pragma: no cover - a test parses every example
        raise ValueError(f"{name}: {action}")
    return action


def _changed(status: FlowStatus) -> Applied:
    return Applied(replace(_FLOW, revision=1, status=status))


_RESULTS: Final[tuple[tuple[str, EngineResult], ...]] = (
    ("create_flow", FlowCreated(_FLOW)),
    ("create_flow", FlowNotCreated()),
    ("get_flow", FlowRead(_FLOW)),
    ("get_flow of another session", FlowRead(None)),
    ("list_flows", FlowsRead([_FLOW])),
    ("find_latest_flow", FlowRead(_FLOW)),
    ("resolve_flow", FlowRead(_FLOW)),
    ("get_task_summary", SummaryRead(_SUMMARY)),
    ("set_waiting", _changed(FlowStatus.WAITING)),
    ("resume_flow", _changed(FlowStatus.RUNNING)),
    ("finish_flow", _changed(FlowStatus.SUCCEEDED)),
    ("fail_flow", _changed(FlowStatus.FAILED)),
    ("request_cancel", Applied(replace(_FLOW, revision=1, cancel_requested_at_ms=_FLOW.updated_at_ms))),
    *(
        ("finish_flow", NotApplied(code, None if code is MutationRefusal.NOT_FOUND else _FLOW))
        for code in MutationRefusal
    ),
    ("cancel_flow", Cancelled(replace(_FLOW, revision=2, status=FlowStatus.CANCELLED), [])),
    *(
        (
            "cancel_flow",
            NotCancelled(code) if code is CancelRefusal.NOT_FOUND else NotCancelled(code, None, _FLOW, [_TASK]),
        )
        for code in CancelRefusal
    ),
    ("run_task", TaskCreated(_FLOW, _TASK)),
    *(
        ("run_task", TaskNotCreated(code, None, None if code is RunTaskRefusal.NOT_FOUND else _FLOW))
        for code in RunTaskRefusal
    ),
)
_ERRORS: Final = (
    ("create_flow", PersistFailed("example")),
    ("create_flow", OutcomeUnknown("example")),
    ("create_flow", EngineRefused("example")),
    ("list_flows", EngineUnavailable("example")),
)
_REFUSALS: Final = (
    refusals.METHOD,
    refusals.MEDIA_TYPE,
    refusals.RATE_LIMIT,
    refusals.IN_FLIGHT_LIMIT,
    refusals.LIMITS_UNAVAILABLE,
    refusals.SECRET,
    refusals.TOO_LARGE,
    refusals.TOO_SLOW,
    refusals.NOT_JSON,
)


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
