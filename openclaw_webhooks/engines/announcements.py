"""Which changes of flows and tasks are announced, and how: one place for every engine.

An engine calls these functions once a change is written. In autocommit the announcement goes out at once; inside a
transaction of the project it waits for that commit, and a rollback drops it.
"""

from __future__ import annotations

from functools import partial
from typing import assert_never

from django.db import transaction

from openclaw_webhooks.engines.records import (
    ACTIVE_TASK_STATUSES,
    TERMINAL_FLOW_STATUSES,
    FlowRecord,
    FlowStatus,
    NotifyPolicy,
    TaskRecord,
    TaskStatus,
)
from openclaw_webhooks.signals import flow_changed, task_changed

__all__ = ["announce_flow", "announce_task", "is_flow_heard"]


def is_flow_heard() -> bool:
    """Tell whether anything receives ``flow_changed``; engines skip what only an announcement needs."""
    return bool(flow_changed.receivers)


def announce_flow(
    flow: FlowRecord, previous_status: FlowStatus | None, *, session_key: str, sender: type, using: str
) -> None:
    """Send ``flow_changed`` after commit, where the flow's notify policy wants it told.

    Args:
        flow: The flow as the change left it.
        previous_status: Its status before, ``None`` for a new flow.
        session_key: The owner.
        sender: The engine's class.
        using: Alias of the database whose commit is awaited.
    """
    if not flow_changed.receivers or flow.status is previous_status:
        return
    if _wants(flow.notify_policy, is_end=flow.status in TERMINAL_FLOW_STATUSES):
        send = partial(
            flow_changed.send_robust, sender, flow=flow, previous_status=previous_status, session_key=session_key
        )
        transaction.on_commit(send, using=using)


def announce_task(
    task: TaskRecord, previous_status: TaskStatus | None, *, session_key: str, sender: type, using: str
) -> None:
    """Send ``task_changed`` after commit, where the task's notify policy wants it told; arguments as for flows."""
    if not task_changed.receivers or task.status is previous_status:
        return
    if _wants(task.notify_policy, is_end=task.status not in ACTIVE_TASK_STATUSES):
        send = partial(
            task_changed.send_robust, sender, task=task, previous_status=previous_status, session_key=session_key
        )
        transaction.on_commit(send, using=using)


def _wants(policy: NotifyPolicy, *, is_end: bool) -> bool:
    match policy:
        case NotifyPolicy.SILENT:
            return False
        case NotifyPolicy.DONE_ONLY:
            return is_end
        case NotifyPolicy.STATE_CHANGES:
            return True
        case _:  # pragma: no cover - closed set
            assert_never(policy)
