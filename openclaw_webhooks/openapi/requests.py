"""An example body for every action."""

from __future__ import annotations

from typing import Any, Final

_FLOW_ID: Final = "6f0c8a52-3d6c-4a52-9a3e-0e6a4b8a7c11"

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "create_flow": {
        "action": "create_flow",
        "goal": "Review inbound queue",
        "status": "queued",
        "notifyPolicy": "done_only",
        "stateJson": {"answered": 0},
    },
    "get_flow": {"action": "get_flow", "flowId": _FLOW_ID},
    "list_flows": {"action": "list_flows"},
    "find_latest_flow": {"action": "find_latest_flow"},
    "resolve_flow": {"action": "resolve_flow", "token": _FLOW_ID},
    "get_task_summary": {"action": "get_task_summary", "flowId": _FLOW_ID},
    "set_waiting": {
        "action": "set_waiting",
        "flowId": _FLOW_ID,
        "expectedRevision": 0,
        "currentStep": "approval",
        "waitJson": {"for": "Bob"},
    },
    "resume_flow": {"action": "resume_flow", "flowId": _FLOW_ID, "expectedRevision": 1, "status": "running"},
    "finish_flow": {
        "action": "finish_flow",
        "flowId": _FLOW_ID,
        "expectedRevision": 2,
        "stateJson": {"answered": 7},
    },
    "fail_flow": {
        "action": "fail_flow",
        "flowId": _FLOW_ID,
        "expectedRevision": 2,
        "blockedSummary": "The mailbox is locked",
    },
    "request_cancel": {"action": "request_cancel", "flowId": _FLOW_ID, "expectedRevision": 2},
    "cancel_flow": {"action": "cancel_flow", "flowId": _FLOW_ID},
    "run_task": {
        "action": "run_task",
        "flowId": _FLOW_ID,
        "runtime": "acp",
        "task": "Inspect the next message batch",
        "runId": "batch-17",
    },
}
"""By action name, in the order of the serializers."""
