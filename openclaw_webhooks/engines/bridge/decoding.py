"""The Gateway's records as this app's: known fields only, so that nothing else a Gateway adds can leak.

Source: contract.md sections 5 and 7.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from openclaw_webhooks.engines.records import (
    FlowRecord,
    FlowStatus,
    NotifyPolicy,
    TaskRecord,
    TaskRuntime,
    TaskStatus,
    TaskSummary,
)
from openclaw_webhooks.values import UNSET

logger = logging.getLogger(__name__)


class Undecodable(Exception):
    """What was answered is no such record; the message names the field."""


def decode_flow(raw: Any) -> FlowRecord:
    """Make a flow record.

    Raises:
        Undecodable: A required field is missing or has another type.
    """
    fields = _Fields(raw)
    return FlowRecord(
        flow_id=fields.text("flowId"),
        revision=fields.whole("revision"),
        status=fields.member("status", FlowStatus),
        notify_policy=fields.member("notifyPolicy", NotifyPolicy),
        goal=fields.text("goal"),
        created_at_ms=fields.whole("createdAt"),
        updated_at_ms=fields.whole("updatedAt"),
        sync_mode=fields.text("syncMode"),
        controller_id=fields.text_or_none("controllerId"),
        current_step=fields.text_or_none("currentStep"),
        blocked_task_id=fields.text_or_none("blockedTaskId"),
        blocked_summary=fields.text_or_none("blockedSummary"),
        state_json=fields.raw.get("stateJson", UNSET),
        wait_json=fields.raw.get("waitJson", UNSET),
        cancel_requested_at_ms=fields.whole_or_none("cancelRequestedAt"),
        ended_at_ms=fields.whole_or_none("endedAt"),
    )


def decode_flow_or_none(raw: Any) -> FlowRecord | None:
    """Make a flow record where there is a flow; raises as ``decode_flow`` does."""
    return None if raw is None else decode_flow(raw)


def decode_flows(raw: Any) -> list[FlowRecord]:
    """Make a record of each flow that can be read.

    Raises:
        Undecodable: It is no list.
    """
    if not isinstance(raw, list):
        raise Undecodable("a list is missing")
    return [flow for flow in map(_decode_or_note, raw) if flow is not None]


def _decode_or_note(raw: Any) -> FlowRecord | None:
    """Leave out, and tell the log, what a later Gateway made of one flow: the others can still be listed."""
    try:
        return decode_flow(raw)
    except Undecodable as error:
        flow_id = raw.get("flowId") if isinstance(raw, dict) else None
        logger.error("The Gateway listed a flow that cannot be read, id %r: %s. It is left out.", flow_id, error)
        return None


def decode_task(raw: Any) -> TaskRecord:
    """Make a task record.

    Raises:
        Undecodable: A required field is missing or has another type.
    """
    fields = _Fields(raw)
    return TaskRecord(
        task_id=fields.text("taskId"),
        runtime=fields.member("runtime", TaskRuntime),
        task=fields.text("task"),
        status=fields.member("status", TaskStatus),
        notify_policy=fields.member("notifyPolicy", NotifyPolicy),
        created_at_ms=fields.whole("createdAt"),
        scope_kind=fields.text("scopeKind"),
        delivery_status=fields.text("deliveryStatus"),
        source_id=fields.text_or_none("sourceId"),
        child_session_key=fields.text_or_none("childSessionKey"),
        parent_flow_id=fields.text_or_none("parentFlowId"),
        parent_task_id=fields.text_or_none("parentTaskId"),
        agent_id=fields.text_or_none("agentId"),
        run_id=fields.text_or_none("runId"),
        label=fields.text_or_none("label"),
        error=fields.text_or_none("error"),
        progress_summary=fields.text_or_none("progressSummary"),
        terminal_summary=fields.text_or_none("terminalSummary"),
        terminal_outcome=fields.text_or_none("terminalOutcome"),
        started_at_ms=fields.whole_or_none("startedAt"),
        ended_at_ms=fields.whole_or_none("endedAt"),
        last_event_at_ms=fields.whole_or_none("lastEventAt"),
        cleanup_after_ms=fields.whole_or_none("cleanupAfter"),
    )


def decode_summary_or_none(raw: Any) -> TaskSummary | None:
    """Make a task summary where there is one; a status or runtime that the Gateway does not name counts 0.

    Raises:
        Undecodable: A count is no whole number.
    """
    if raw is None:
        return None
    fields = _Fields(raw)
    by_status, by_runtime = _Fields(fields.raw.get("byStatus")), _Fields(fields.raw.get("byRuntime"))
    return TaskSummary(
        by_status={status: by_status.whole_or_none(status.value) or 0 for status in TaskStatus},
        by_runtime={runtime: by_runtime.whole_or_none(runtime.value) or 0 for runtime in TaskRuntime},
    )


class _Fields:
    """Typed reading of an object's fields."""

    def __init__(self, raw: Any) -> None:
        if not isinstance(raw, dict):
            raise Undecodable("an object is missing")
        self.raw: Mapping[str, Any] = raw

    def text(self, name: str) -> str:
        value = self.raw.get(name)
        if not isinstance(value, str):
            raise Undecodable(name)
        return value

    def text_or_none(self, name: str) -> str | None:
        """Return text; blank text is none, as in the Gateway's own answers."""
        return self.text(name) or None if self.raw.get(name) is not None else None

    def whole(self, name: str) -> int:
        value = self.raw.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Undecodable(name)
        return value

    def whole_or_none(self, name: str) -> int | None:
        return self.whole(name) if self.raw.get(name) is not None else None

    def member(self, name: str, kind: Any) -> Any:
        """Return the member of an enum that a text names."""
        try:
            return kind(self.raw.get(name))
        except ValueError:
            raise Undecodable(name) from None
