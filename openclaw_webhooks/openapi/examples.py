"""An example of every answer that a route can give, made by the code that answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

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
