"""Child tasks as values: a new one, one found again by its run id, and what a worker's report makes of one. Pure.

Source: contract.md section 6 (``run_task``); the Gateway 2026.7.1, asked over HTTP, for what the text leaves open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from openclaw_webhooks.engines.records import (
    ACTIVE_TASK_STATUSES,
    NotifyPolicy,
    TaskRecord,
    TaskRuntime,
    TaskStatus,
)
from openclaw_webhooks.values import WHITE_SPACE

_WHITE_SPACE: Final = re.compile(f"[{WHITE_SPACE}]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOrder:
    """What ``run_task`` was asked for, as its arguments are named in ``BoundFlows``."""

    runtime: TaskRuntime
    task: str
    source_id: str | None
    child_session_key: str | None
    parent_task_id: str | None
    agent_id: str | None
    run_id: str | None
    label: str | None
    prefer_metadata: bool
    notify_policy: NotifyPolicy | None
    status: TaskStatus
    started_at_ms: int | None
    last_event_at_ms: int | None
    progress_summary: str | None


def collapse(text: str | None) -> str | None:
    """Make every run of white space one space and trim; nothing left is ``None``."""
    return _WHITE_SPACE.sub(" ", text).strip(" ") or None if text else None


def parse_agent(session_key: str | None) -> str | None:
    """Return NAME of ``agent:NAME:REST``, lower-cased; ``None`` for a key of another shape."""
    parts = (session_key or "").strip(WHITE_SPACE).lower().split(":")
    if len(parts) < 3 or parts[0] != "agent" or not parts[2]:
        return None
    return parts[1].strip(WHITE_SPACE) or None


def choose_agent(order: TaskOrder, session_key: str) -> str | None:
    """Return the agent that was named, else the child session's, else the owning session's."""
    return order.agent_id or parse_agent(order.child_session_key) or parse_agent(session_key)


def build_child(order: TaskOrder, *, task_id: str, flow_id: str, agent_id: str | None, now_ms: int) -> TaskRecord:
    """Return a new task. It may have been created, by its given times, before now."""
    last_event_at_ms = order.last_event_at_ms if order.last_event_at_ms is not None else order.started_at_ms
    return _in_order(
        TaskRecord(
            task_id=task_id,
            parent_flow_id=flow_id,
            runtime=order.runtime,
            task=order.task,
            status=order.status,
            notify_policy=order.notify_policy or NotifyPolicy.DONE_ONLY,
            source_id=order.source_id,
            child_session_key=order.child_session_key,
            parent_task_id=order.parent_task_id,
            agent_id=agent_id,
            run_id=order.run_id,
            label=order.label,
            progress_summary=collapse(order.progress_summary),
            created_at_ms=now_ms,
            started_at_ms=order.started_at_ms,
            last_event_at_ms=now_ms if last_event_at_ms is None else last_event_at_ms,
        )
    )


def choose_run(order: TaskOrder, candidates: Sequence[TaskRecord]) -> TaskRecord | None:
    """Return the task that this run already has, ``None`` where it is a new one.

    Args:
        order: What is asked for.
        candidates: The flow's tasks of the same runtime, child session and run id, in the order of insertion.
    """
    for candidate in candidates:
        if (candidate.label, candidate.task) == (order.label, order.task):
            return candidate
    if order.runtime is TaskRuntime.ACP:
        return min(candidates, key=lambda task: task.created_at_ms, default=None)
    return None


def merge_child(existing: TaskRecord, order: TaskOrder, *, agent_id: str | None) -> TaskRecord:
    """Fill in what the existing task lacks; its status, times and progress stay."""
    label, task = existing.label or order.label, existing.task
    if order.prefer_metadata:
        label, task = order.label or existing.label, order.task
    policy = existing.notify_policy
    if policy is NotifyPolicy.SILENT:
        policy = order.notify_policy or NotifyPolicy.DONE_ONLY
    return replace(
        existing,
        source_id=existing.source_id or order.source_id,
        parent_task_id=existing.parent_task_id or order.parent_task_id,
        agent_id=existing.agent_id or agent_id,
        label=label,
        task=task,
        notify_policy=policy,
    )


def start_child(task: TaskRecord, *, now_ms: int) -> TaskRecord:
    """Return a queued task running; one that runs or has ended stays as it is."""
    if task.status is not TaskStatus.QUEUED:
        return task
    return _in_order(replace(task, status=TaskStatus.RUNNING, started_at_ms=now_ms, last_event_at_ms=now_ms))


def note_progress(task: TaskRecord, *, summary: str, now_ms: int) -> TaskRecord:
    """Return an active task running, with its progress; one that has ended stays as it is."""
    if task.status not in ACTIVE_TASK_STATUSES:
        return task
    started = start_child(task, now_ms=now_ms)
    return _in_order(replace(started, progress_summary=collapse(_storable(summary)), last_event_at_ms=now_ms))


def end_child(
    task: TaskRecord, *, status: TaskStatus, summary: str | None, error: str | None, now_ms: int
) -> TaskRecord:
    """Return an active task ended; one that has ended stays as it is.

    Raises:
        ValueError: The status is no end, or none at all.
    """
    status = TaskStatus(status)  # workers write it by hand, and a text equals its enum
    if status in ACTIVE_TASK_STATUSES:
        raise ValueError(f"a task does not end as {status.value}")
    if task.status not in ACTIVE_TASK_STATUSES:
        return task
    ended = replace(
        task,
        status=status,
        error=_storable(error) or None if error else None,
        terminal_summary=collapse(_storable(summary)) if summary else None,
        terminal_outcome=TaskStatus.SUCCEEDED.value if status is TaskStatus.SUCCEEDED else None,
        ended_at_ms=now_ms,
        last_event_at_ms=now_ms,
    )
    return _in_order(ended)


def _in_order(task: TaskRecord) -> TaskRecord:
    """Let no time of a task lie before its creation, nor its last event or end before its start."""
    times = (task.created_at_ms, task.started_at_ms, task.last_event_at_ms, task.ended_at_ms)
    created = min(time for time in times if time is not None)
    floor = created if task.started_at_ms is None else task.started_at_ms
    return replace(
        task,
        created_at_ms=created,
        last_event_at_ms=None if task.last_event_at_ms is None else max(task.last_event_at_ms, floor),
        ended_at_ms=None if task.ended_at_ms is None else max(task.ended_at_ms, floor),
    )


def _storable(text: str) -> str:
    """Replace what no database keeps as text: a worker's words must not cost it the report."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
