"""What the Gateway answers to a change, as this app's results. Closed by default.

A code or reason that is not known here becomes the action's fallback, and a reason is passed on only where it is one of
the sentences below, which carry no session data.

Source: the reasons that Gateways 2026.7.1 and 2026.9.6 give; contract.md section 5.
"""

from __future__ import annotations

import re
from typing import Any, Final

from openclaw_webhooks.engines.bridge.decoding import Undecodable, decode_flow, decode_task
from openclaw_webhooks.engines.records import FlowRecord, FlowStatus, TaskRecord
from openclaw_webhooks.engines.results import (
    Applied,
    Cancelled,
    CancelRefusal,
    CancelResult,
    MutationRefusal,
    MutationResult,
    NotApplied,
    NotCancelled,
    RunTaskRefusal,
    RunTaskResult,
    TaskCreated,
    TaskNotCreated,
)

_ALREADY = re.compile(rf"Flow is already (?:{'|'.join(FlowStatus)})\.\Z")

_CANCEL_REASONS: Final = {
    "Flow not found.": CancelRefusal.NOT_FOUND,
    "One or more child tasks are still active.": CancelRefusal.PENDING,
    "Flow changed while cancellation was in progress.": CancelRefusal.REVISION_CONFLICT,
    "Flow persistence failed.": CancelRefusal.PERSIST_FAILED,
}
_RUN_REASONS: Final = {
    "Flow not found.": RunTaskRefusal.NOT_FOUND,
    "Flow does not accept managed child tasks.": RunTaskRefusal.NOT_MANAGED,
    "Flow cancellation has already been requested.": RunTaskRefusal.CANCEL_REQUESTED,
    "Task persistence failed.": RunTaskRefusal.PERSIST_FAILED,
}
_HARMLESS: Final = frozenset(
    {
        *_CANCEL_REASONS,
        *_RUN_REASONS,
        "One or more child tasks remain provisionally cancelled.",
        "Subagent completion is still being finalized.",
        "Task backing ownership could not be verified.",
        "Task was not created.",
    }
)
"""Every reason that callers may read, besides ``Flow is already STATUS.``."""


def map_mutation(value: Any) -> MutationResult:
    """Map the answer to a revision-checked change.

    Raises:
        Undecodable: It is no such answer, so that nobody knows what happened.
    """
    if value.get("applied") is True:
        return Applied(decode_flow(value.get("flow")))
    if value.get("applied") is not False:
        raise Undecodable("applied")
    code = value.get("code")
    known = code in set(MutationRefusal) if isinstance(code, str) else False
    return NotApplied(MutationRefusal(code) if known else MutationRefusal.OTHER, _flow_or_none(value.get("current")))


def map_cancel(value: Any) -> CancelResult:
    """Map the answer to ``cancel``; raises as ``map_mutation`` does."""
    flow, tasks = _flow_or_none(value.get("flow")), _tasks_or_none(value.get("tasks"))
    if value.get("cancelled") is True and flow is not None:
        return Cancelled(flow, tasks or [])
    if value.get("cancelled") is not False:
        raise Undecodable("cancelled")
    reason = _harmless(value.get("reason"))
    if value.get("found") is not True:
        return NotCancelled(CancelRefusal.NOT_FOUND, reason or "Flow not found.")
    fallback = CancelRefusal.TERMINAL if reason and _ALREADY.match(reason) else CancelRefusal.OTHER
    return NotCancelled(_CANCEL_REASONS.get(reason or "", fallback), reason, flow, tasks)


def map_run_task(value: Any) -> RunTaskResult:
    """Map the answer to ``runTask``; raises as ``map_mutation`` does."""
    if value.get("created") is True:
        return TaskCreated(decode_flow(value.get("flow")), decode_task(value.get("task")))
    if value.get("created") is not False:
        raise Undecodable("created")
    reason = _harmless(value.get("reason"))
    if value.get("found") is not True:
        return TaskNotCreated(RunTaskRefusal.NOT_FOUND, reason or "Flow not found.")
    fallback = RunTaskRefusal.TERMINAL if reason and _ALREADY.match(reason) else RunTaskRefusal.OTHER
    return TaskNotCreated(_RUN_REASONS.get(reason or "", fallback), reason, _flow_or_none(value.get("flow")))


def _harmless(reason: Any) -> str | None:
    is_known = isinstance(reason, str) and (reason in _HARMLESS or _ALREADY.match(reason) is not None)
    return reason if is_known else None


def _flow_or_none(raw: Any) -> FlowRecord | None:
    """Return the flow beside a refusal; one that this app cannot read does not make the refusal uncertain."""
    try:
        return decode_flow(raw)
    except Undecodable:
        return None


def _tasks_or_none(raw: Any) -> list[TaskRecord] | None:
    try:
        return [decode_task(task) for task in raw] if isinstance(raw, list) else None
    except Undecodable:
        return None
