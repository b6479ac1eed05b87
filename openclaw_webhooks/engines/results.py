"""What an engine answers to a change: done, or why not. Knows neither HTTP nor Django.

Source: contract.md section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeAlias

from openclaw_webhooks.engines.records import FlowRecord, TaskRecord
from openclaw_webhooks.values import value

__all__ = [
    "Applied",
    "CancelRefusal",
    "CancelResult",
    "Cancelled",
    "CreateResult",
    "FlowCreated",
    "FlowNotCreated",
    "MutationRefusal",
    "MutationResult",
    "NotApplied",
    "NotCancelled",
    "RunTaskRefusal",
    "RunTaskResult",
    "TaskCreated",
    "TaskNotCreated",
]


class MutationRefusal(StrEnum):
    """Why a revision-checked change was not applied."""

    NOT_FOUND = "not_found"
    NOT_MANAGED = "not_managed"
    REVISION_CONFLICT = "revision_conflict"
    PERSIST_FAILED = "persist_failed"
    OTHER = "mutation_rejected"


class CancelRefusal(StrEnum):
    """Why ``cancel_flow`` did not cancel."""

    NOT_FOUND = "not_found"
    PENDING = "cancel_pending"
    REVISION_CONFLICT = "revision_conflict"
    TERMINAL = "terminal"
    PERSIST_FAILED = "persist_failed"
    OTHER = "cancel_rejected"


class RunTaskRefusal(StrEnum):
    """Why ``run_task`` made no task, in the order in which they are judged."""

    NOT_FOUND = "not_found"
    NOT_MANAGED = "not_managed"
    CANCEL_REQUESTED = "cancel_requested"
    TERMINAL = "terminal"
    PERSIST_FAILED = "persist_failed"
    OTHER = "task_not_created"


@value()
class FlowCreated:
    """The new flow, committed."""

    flow: FlowRecord


@value()
class FlowNotCreated:
    """The engine refused to create; a storage failure raises ``PersistFailed`` instead."""


CreateResult: TypeAlias = FlowCreated | FlowNotCreated


@value()
class Applied:
    """The flow as the change left it, committed."""

    flow: FlowRecord


@value()
class NotApplied:
    """Nothing changed; ``current`` is the flow as it is, wherever it is known."""

    code: MutationRefusal
    current: FlowRecord | None = None


MutationResult: TypeAlias = Applied | NotApplied


@value()
class Cancelled:
    """The flow is cancelled. ``tasks``: all of the flow, newest created first."""

    flow: FlowRecord
    tasks: Sequence[TaskRecord]


@value()
class NotCancelled:
    """The flow is not cancelled (yet). ``reason`` is an English sentence that carries no session data, or ``None``.

    ``flow`` and ``tasks`` are ``None`` only for ``NOT_FOUND``, and where the engine could not tell.
    """

    code: CancelRefusal
    reason: str | None = None
    flow: FlowRecord | None = None
    tasks: Sequence[TaskRecord] | None = None


CancelResult: TypeAlias = Cancelled | NotCancelled


@value()
class TaskCreated:
    """The task, new or found again by its run id, and its flow, whose revision did not move."""

    flow: FlowRecord
    task: TaskRecord


@value()
class TaskNotCreated:
    """No task was made. ``reason`` is an English sentence that carries no session data, or ``None``."""

    code: RunTaskRefusal
    reason: str | None = None
    flow: FlowRecord | None = None


RunTaskResult: TypeAlias = TaskCreated | TaskNotCreated
