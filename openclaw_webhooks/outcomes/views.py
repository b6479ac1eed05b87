"""Flows, tasks and summaries as callers see them.

A view lists what may leave. Whatever else a record may come to hold, such as an owner or a session key, can never get
out, because nothing copies a record as a whole.

Source: specification.txt ("Response shape"), contract.md section 5; the order of fields is the Gateway's.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Final, TypeAlias

from openclaw_webhooks.actions.names import to_wire_name
from openclaw_webhooks.engines.records import (
    ACTIVE_TASK_STATUSES,
    FAILED_TASK_STATUSES,
    FlowRecord,
    TaskRecord,
    TaskRuntime,
    TaskStatus,
    TaskSummary,
)
from openclaw_webhooks.values import UNSET, JsonValue

JsonObject: TypeAlias = dict[str, JsonValue]

_TASK_ATTRIBUTES: Final = (
    "task_id",
    "runtime",
    "source_id",
    "child_session_key",
    "parent_flow_id",
    "parent_task_id",
    "agent_id",
    "run_id",
    "label",
    "error",
    "progress_summary",
    "terminal_summary",
    "terminal_outcome",
    "scope_kind",
    "task",
    "status",
    "delivery_status",
    "notify_policy",
    "created_at_ms",
    "started_at_ms",
    "ended_at_ms",
    "last_event_at_ms",
    "cleanup_after_ms",
)
_TASK_KEYS: Final = tuple(map(to_wire_name, _TASK_ATTRIBUTES))
_get_task_attributes = attrgetter(*_TASK_ATTRIBUTES)
# Walking over an enum class costs as much as all else of a summary.
_TASK_STATUSES: Final = tuple((status.value, status) for status in TaskStatus)
_TASK_RUNTIMES: Final = tuple((runtime.value, runtime) for runtime in TaskRuntime)


def build_flow_view(flow: FlowRecord) -> JsonObject:
    """Return a flow as callers see it: empty text is absent, JSON is absent until it was set.

    Spelt out where ``build_task_view`` has a table: a session lists thousands of flows, and this takes a fifth.
    """
    view: JsonObject = {"flowId": flow.flow_id, "syncMode": flow.sync_mode}
    if flow.controller_id:
        view["controllerId"] = flow.controller_id
    if flow.current_step:
        view["currentStep"] = flow.current_step
    if flow.blocked_task_id:
        view["blockedTaskId"] = flow.blocked_task_id
    if flow.blocked_summary:
        view["blockedSummary"] = flow.blocked_summary
    view["revision"] = flow.revision
    view["status"] = flow.status
    view["notifyPolicy"] = flow.notify_policy
    view["goal"] = flow.goal
    _add_json_and_times(view, flow)
    return view


def _add_json_and_times(view: JsonObject, flow: FlowRecord) -> None:
    if flow.state_json is not UNSET:
        view["stateJson"] = flow.state_json
    if flow.wait_json is not UNSET:
        view["waitJson"] = flow.wait_json
    if flow.cancel_requested_at_ms is not None:
        view["cancelRequestedAt"] = flow.cancel_requested_at_ms
    view["createdAt"] = flow.created_at_ms
    view["updatedAt"] = flow.updated_at_ms
    if flow.ended_at_ms is not None:
        view["endedAt"] = flow.ended_at_ms


def build_task_view(task: TaskRecord) -> JsonObject:
    """Return a task as callers see it; what is not known is absent."""
    attributes = zip(_TASK_KEYS, _get_task_attributes(task), strict=True)
    return {key: value for key, value in attributes if value is not None and value != ""}


def build_summary_view(summary: TaskSummary) -> JsonObject:
    """Return a task summary as callers see it: every status and every runtime has its count."""
    by_status = summary.by_status
    total = sum(by_status.values())
    active = sum([by_status.get(status, 0) for status in ACTIVE_TASK_STATUSES])
    return {
        "total": total,
        "active": active,
        "terminal": total - active,
        "failures": sum([by_status.get(status, 0) for status in FAILED_TASK_STATUSES]),
        "byStatus": {name: by_status.get(status, 0) for name, status in _TASK_STATUSES},
        "byRuntime": {name: summary.by_runtime.get(runtime, 0) for name, runtime in _TASK_RUNTIMES},
    }
