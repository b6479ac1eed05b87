"""Records to show, and what is to be seen of them."""

from __future__ import annotations

from typing import Any

from openclaw_webhooks.engines.records import (
    NotifyPolicy,
    TaskRecord,
    TaskRuntime,
    TaskStatus,
)

FULL_FLOW_KEYS = [
    "flowId",
    "syncMode",
    "controllerId",
    "currentStep",
    "blockedTaskId",
    "blockedSummary",
    "revision",
    "status",
    "notifyPolicy",
    "goal",
    "stateJson",
    "waitJson",
    "cancelRequestedAt",
    "createdAt",
    "updatedAt",
    "endedAt",
]
FULL_TASK_KEYS = [
    "taskId",
    "runtime",
    "sourceId",
    "childSessionKey",
    "parentFlowId",
    "parentTaskId",
    "agentId",
    "runId",
    "label",
    "error",
    "progressSummary",
    "terminalSummary",
    "terminalOutcome",
    "scopeKind",
    "task",
    "status",
    "deliveryStatus",
    "notifyPolicy",
    "createdAt",
    "startedAt",
    "endedAt",
    "lastEventAt",
    "cleanupAfter",
]
BARE_FLOW = {
    "flowId": "flow-1",
    "syncMode": "managed",
    "revision": 0,
    "status": "queued",
    "notifyPolicy": "done_only",
    "goal": "Review inbound queue",
    "createdAt": 1_700_000_000_000,
    "updatedAt": 1_700_000_000_001,
}


def build_task(**changes: Any) -> TaskRecord:
    record: dict[str, Any] = {
        "task_id": "task-1",
        "runtime": TaskRuntime.ACP,
        "task": "Inspect",
        "status": TaskStatus.QUEUED,
        "notify_policy": NotifyPolicy.DONE_ONLY,
        "created_at_ms": 1,
    }
    return TaskRecord(**{**record, **changes})
