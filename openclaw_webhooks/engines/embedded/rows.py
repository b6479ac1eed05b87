"""Rows of the two tables and the records of the contract, both ways. Pure: no statement is run here.

Absent text is the empty string in a row and ``None`` in a record; JSON is compact ASCII text, so that whole numbers
of any size, NUL and lone surrogates come back as they were sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from django.db.models import Model

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
from openclaw_webhooks.models import Flow, Task
from openclaw_webhooks.models import FlowRevision as RevisionRow
from openclaw_webhooks.values import UNSET, JsonValue, Unset

Cell: TypeAlias = "str | int | None"
"""What a column of these tables holds."""

# A dictionary is asked in a third of the time that calling an enum takes, and a list asks 10,000 times.
_FLOW_STATUSES: Final = {status.value: status for status in FlowStatus}
_TASK_STATUSES: Final = {status.value: status for status in TaskStatus}
_RUNTIMES: Final = {runtime.value: runtime for runtime in TaskRuntime}
_POLICIES: Final = {policy.value: policy for policy in NotifyPolicy}
_NO_STATUSES: Final = dict.fromkeys(TaskStatus, 0)
_NO_RUNTIMES: Final = dict.fromkeys(TaskRuntime, 0)

_encode_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_encode_ascii = json.JSONEncoder(separators=(",", ":")).encode
_decode_json = json.JSONDecoder().raw_decode  # without ``loads``' search for white space, which is never there


def _columns(model: type[Model], names: str) -> tuple[str, ...]:
    """Look the columns up by field name, so that a renamed field is found out at import."""
    columns = {field.name: field.get_attname_column()[1] or "" for field in model._meta.concrete_fields}
    return tuple(columns[name] for name in names.split())


FLOW_COLUMNS: Final = _columns(
    Flow,
    "flow_id sync_mode controller_id revision status notify_policy goal current_step blocked_task_id blocked_summary"
    " state_json wait_json cancel_requested_at_ms created_at_ms updated_at_ms ended_at_ms",
)
REVISION_COLUMNS: Final = _columns(
    RevisionRow,
    "revision status current_step blocked_task_id blocked_summary state_json wait_json cancel_requested_at_ms"
    " updated_at_ms ended_at_ms actor request_id",
)
TASK_COLUMNS: Final = _columns(
    Task,
    "task_id runtime source_id child_session_key parent_task_id agent_id run_id run_key label task status"
    " delivery_status notify_policy error progress_summary terminal_summary terminal_outcome created_at_ms"
    " started_at_ms ended_at_ms last_event_at_ms cleanup_after_ms",
)


def build_json_text(value: JsonValue | Unset) -> str:
    """Write a value for its column, spelt as answers spell it; ``UNSET`` is the empty text, null is ``null``.

    A NUL and half a surrogate pair, which no column holds, can only stand in strings, where JSON has escapes for them.

    Raises:
        ValueError: A number that is not finite.
    """
    if value is UNSET:
        return ""
    text = _encode_json(value)
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def parse_json_text(text: str) -> JsonValue | Unset:
    """Read what ``build_json_text`` wrote."""
    if not text:
        return UNSET
    value: JsonValue = _decode_json(text)[0]
    return value


def build_flow(row: Sequence[Any]) -> FlowRecord:
    """Make the record of a row that holds ``FLOW_COLUMNS``."""
    return FlowRecord(
        flow_id=row[0],
        sync_mode=row[1],
        controller_id=row[2] or None,
        revision=row[3],
        status=_FLOW_STATUSES[row[4]],
        notify_policy=_POLICIES[row[5]],
        goal=row[6],
        current_step=row[7] or None,
        blocked_task_id=row[8] or None,
        blocked_summary=row[9] or None,
        state_json=parse_json_text(row[10]) if row[10] else UNSET,
        wait_json=parse_json_text(row[11]) if row[11] else UNSET,
        cancel_requested_at_ms=row[12],
        created_at_ms=row[13],
        updated_at_ms=row[14],
        ended_at_ms=row[15],
    )


def build_flow_row(flow: FlowRecord) -> tuple[Cell, ...]:
    """Return the values of ``FLOW_COLUMNS`` for a record."""
    return (
        flow.flow_id,
        flow.sync_mode,
        flow.controller_id or "",
        flow.revision,
        flow.status.value,
        flow.notify_policy.value,
        flow.goal,
        flow.current_step or "",
        flow.blocked_task_id or "",
        flow.blocked_summary or "",
        build_json_text(flow.state_json),
        build_json_text(flow.wait_json),
        flow.cancel_requested_at_ms,
        flow.created_at_ms,
        flow.updated_at_ms,
        flow.ended_at_ms,
    )


def build_revision(row: Sequence[Any]) -> FlowRevision:
    """Make the record of a row that holds ``REVISION_COLUMNS``."""
    return FlowRevision(
        revision=row[0],
        status=_FLOW_STATUSES[row[1]],
        current_step=row[2] or None,
        blocked_task_id=row[3] or None,
        blocked_summary=row[4] or None,
        state_json=parse_json_text(row[5]),
        wait_json=parse_json_text(row[6]),
        cancel_requested_at_ms=row[7],
        updated_at_ms=row[8],
        ended_at_ms=row[9],
        actor=row[10],
        request_id=row[11],
    )


def build_task(row: Sequence[Any], flow_id: str) -> TaskRecord:
    """Make the record of a row that starts with ``TASK_COLUMNS``; ``flow_id`` is the parent's."""
    return TaskRecord(
        parent_flow_id=flow_id,
        task_id=row[0],
        runtime=_RUNTIMES[row[1]],
        source_id=row[2] or None,
        child_session_key=row[3] or None,
        parent_task_id=row[4] or None,
        agent_id=row[5] or None,
        run_id=row[6] or None,
        label=row[8] or None,
        task=row[9],
        status=_TASK_STATUSES[row[10]],
        delivery_status=row[11],
        notify_policy=_POLICIES[row[12]],
        error=row[13] or None,
        progress_summary=row[14] or None,
        terminal_summary=row[15] or None,
        terminal_outcome=row[16] or None,
        created_at_ms=row[17],
        started_at_ms=row[18],
        ended_at_ms=row[19],
        last_event_at_ms=row[20],
        cleanup_after_ms=row[21],
    )


def build_task_row(task: TaskRecord) -> tuple[Cell, ...]:
    """Return the values of ``TASK_COLUMNS`` for a record."""
    return (
        task.task_id,
        task.runtime.value,
        task.source_id or "",
        task.child_session_key or "",
        task.parent_task_id or "",
        task.agent_id or "",
        task.run_id or "",
        build_run_key(task.runtime, task.child_session_key, task.run_id),
        task.label or "",
        task.task,
        task.status.value,
        task.delivery_status,
        task.notify_policy.value,
        task.error or "",
        task.progress_summary or "",
        task.terminal_summary or "",
        task.terminal_outcome or "",
        task.created_at_ms,
        task.started_at_ms,
        task.ended_at_ms,
        task.last_event_at_ms,
        task.cleanup_after_ms,
    )


def build_run_key(runtime: TaskRuntime, child_session_key: str | None, run_id: str | None) -> str:
    """Digest what makes a run the same run within its flow; empty without a run id."""
    if not run_id:
        return ""
    identity = _encode_ascii([runtime.value, child_session_key or "", run_id])
    return hashlib.sha256(identity.encode("ascii")).hexdigest()


def build_summary(rows: Sequence[Sequence[Any]]) -> TaskSummary:
    """Add up rows of (status, runtime, count); a row without a status counts nothing."""
    by_status, by_runtime = _NO_STATUSES.copy(), _NO_RUNTIMES.copy()
    for status, runtime, count in rows:
        if status is not None:
            by_status[_TASK_STATUSES[status]] += count
            by_runtime[_RUNTIMES[runtime]] += count
    return TaskSummary(by_status=by_status, by_runtime=by_runtime)
