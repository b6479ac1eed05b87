"""What an engine knows of flows and tasks, as frozen values; knows neither HTTP nor Django.

Source: contract.md sections 5 and 6.
"""

from __future__ import annotations

from enum import StrEnum

from openclaw_webhooks.values import UNSET, JsonValue, Unset, value

__all__ = [
    "ACTIVE_TASK_STATUSES",
    "FAILED_TASK_STATUSES",
    "TERMINAL_FLOW_STATUSES",
    "FlowRecord",
    "FlowRevision",
    "FlowStatus",
    "NotifyPolicy",
    "TaskRecord",
    "TaskRuntime",
    "TaskStatus",
    "TaskSummary",
]


class FlowStatus(StrEnum):
    """Where a flow stands. ``TERMINAL_FLOW_STATUSES`` have an ``ended_at_ms``."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    BLOCKED = "blocked"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


TERMINAL_FLOW_STATUSES = frozenset({FlowStatus.SUCCEEDED, FlowStatus.FAILED, FlowStatus.CANCELLED, FlowStatus.LOST})


class TaskStatus(StrEnum):
    """Where a child task stands. Active: queued and running; every other status is an end."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    LOST = "lost"


ACTIVE_TASK_STATUSES = frozenset({TaskStatus.QUEUED, TaskStatus.RUNNING})
FAILED_TASK_STATUSES = frozenset({TaskStatus.FAILED, TaskStatus.TIMED_OUT, TaskStatus.LOST})


class TaskRuntime(StrEnum):
    """What runs a task. Routes may ask for the first two; summaries count all four."""

    SUBAGENT = "subagent"
    ACP = "acp"
    CLI = "cli"
    CRON = "cron"


class NotifyPolicy(StrEnum):
    """Which changes of a flow or task are announced, from quiet to loud: silent, done_only, state_changes."""

    DONE_ONLY = "done_only"
    STATE_CHANGES = "state_changes"
    SILENT = "silent"


@value(kw_only=True)
class FlowRecord:
    """One managed TaskFlow as an engine knows it. The session that owns it is deliberately no part of it.

    Text that was never set or was cleared is ``None``. ``state_json`` and ``wait_json`` are ``UNSET`` until set, and
    ``None`` once set to null. Times are Unix milliseconds.
    """

    flow_id: str
    revision: int
    status: FlowStatus
    notify_policy: NotifyPolicy
    goal: str
    created_at_ms: int
    updated_at_ms: int
    sync_mode: str = "managed"
    controller_id: str | None = None
    current_step: str | None = None
    blocked_task_id: str | None = None
    blocked_summary: str | None = None
    state_json: JsonValue | Unset = UNSET
    wait_json: JsonValue | Unset = UNSET
    cancel_requested_at_ms: int | None = None
    ended_at_ms: int | None = None


@value(kw_only=True)
class FlowRevision:
    """A flow as one change left it, and who made that change. Text, JSON and times are as in ``FlowRecord``.

    Attributes:
        actor: Kind and name, such as ``route zapier`` or ``user alice``; empty where nobody said.
        request_id: That of the call which made the change; empty where it was none.
    """

    revision: int
    status: FlowStatus
    updated_at_ms: int
    actor: str = ""
    request_id: str = ""
    current_step: str | None = None
    blocked_task_id: str | None = None
    blocked_summary: str | None = None
    state_json: JsonValue | Unset = UNSET
    wait_json: JsonValue | Unset = UNSET
    cancel_requested_at_ms: int | None = None
    ended_at_ms: int | None = None


@value(kw_only=True)
class TaskRecord:
    """One child task of a flow. Absent text is ``None``; times are Unix milliseconds."""

    task_id: str
    runtime: TaskRuntime
    task: str
    status: TaskStatus
    notify_policy: NotifyPolicy
    created_at_ms: int
    scope_kind: str = "session"
    delivery_status: str = "pending"
    source_id: str | None = None
    child_session_key: str | None = None
    parent_flow_id: str | None = None
    parent_task_id: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    label: str | None = None
    error: str | None = None
    progress_summary: str | None = None
    terminal_summary: str | None = None
    terminal_outcome: str | None = None
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    last_event_at_ms: int | None = None
    cleanup_after_ms: int | None = None


@value(kw_only=True)
class TaskSummary:
    """How many tasks of a flow are in which status and runtime; every status and every runtime is a key."""

    by_status: dict[TaskStatus, int]
    by_runtime: dict[TaskRuntime, int]
