"""What every part of a bound session stands on: the engine's resources, and one flow held under its lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeAlias

from django.db.backends.utils import CursorWrapper

from openclaw_webhooks.call_context import get_call_context
from openclaw_webhooks.engines.announcements import announce_flow, announce_task
from openclaw_webhooks.engines.embedded import statements
from openclaw_webhooks.engines.embedded.cancellers import Cancellers
from openclaw_webhooks.engines.embedded.changes import Change
from openclaw_webhooks.engines.embedded.database import Database
from openclaw_webhooks.engines.embedded.rows import Cell, build_flow, build_task, build_task_row
from openclaw_webhooks.engines.records import (
    FlowRecord,
    FlowStatus,
    TaskRecord,
    TaskStatus,
)
from openclaw_webhooks.exceptions import EngineUnavailable, PersistFailed

Clock: TypeAlias = Callable[[], int]
"""Returns Unix milliseconds."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What the sessions of one engine share.

    Attributes:
        long_reads: Held while SQLite writes a list of flows.
    """

    database: Database
    clock: Clock
    new_id: Callable[[], str]
    cancellers: Cancellers
    sender: type
    long_reads: Lock = field(default_factory=Lock)


def signed(change: Change) -> Change:
    """Add to a change who makes it."""
    context = get_call_context()
    return {**change, "actor": context.actor, "request_id": context.request_id}


class Bound:
    """The flows of one session key. Parts of a session derive from it; it offers nothing of its own to callers."""

    __slots__ = ("_resources", "_session_key")

    def __init__(self, resources: Resources, session_key: str) -> None:
        """Keep both; made for every request, so nothing is looked up here."""
        self._resources = resources
        self._session_key = session_key

    def _lock(self, cursor: CursorWrapper, condition: str, subject: str) -> LockedFlow | None:
        """Hold one flow until the transaction ends; ``condition`` says how ``subject`` names it."""
        sql = statements.lock_flow(condition, vendor=self._resources.database.vendor)
        cursor.execute(sql, (subject, self._session_key))
        row = cursor.fetchall()
        return LockedFlow(cursor, self._session_key, row[0]) if row else None

    def _look(self, flow_id: str) -> FlowRecord | None:
        """Read on behalf of a change: where that fails, the change has certainly not happened."""
        try:
            rows = self._resources.database.fetch(statements.GET_FLOW, (flow_id, self._session_key))
        except EngineUnavailable as error:
            raise PersistFailed(str(error)) from None
        return build_flow(rows[0]) if rows else None

    def _announce_flow(self, flow: FlowRecord, previous_status: FlowStatus | None) -> None:
        resources, key = self._resources, self._session_key
        announce_flow(flow, previous_status, session_key=key, sender=resources.sender, using=resources.database.using)

    def _announce_task(self, task: TaskRecord, previous_status: TaskStatus | None) -> None:
        resources, key = self._resources, self._session_key
        announce_task(task, previous_status, session_key=key, sender=resources.sender, using=resources.database.using)


class LockedFlow:
    """One flow inside the transaction that holds it: what is read here stays true until that ends.

    Attributes:
        flow: The flow as this transaction has left it so far.
    """

    def __init__(self, cursor: CursorWrapper, session_key: str, row: Sequence[Any]) -> None:
        """Take the row of ``statements.lock_flow``."""
        self._cursor = cursor
        self._session_key = session_key
        self._key: int = row[0]
        self.flow = build_flow(row[1:])

    def change(self, change: Change) -> None:
        """Apply a change to the flow, which must be a managed one; the lock makes the revision certain."""
        change = signed(change)
        parameters = (*change.values(), self.flow.flow_id, self._session_key, self.flow.revision)
        self._cursor.execute(statements.change_flow(tuple(change)), parameters)
        self.flow = build_flow(self._cursor.fetchall()[0])

    def has_active_task(self) -> bool:
        """Tell whether a task of the flow is queued or running."""
        self._cursor.execute(statements.HAS_ACTIVE_TASK, (self._key,))
        return bool(self._cursor.fetchall())

    def list_tasks(self) -> list[TaskRecord]:
        """Return all tasks of the flow, newest created first."""
        return self._fetch_tasks(statements.TASKS_OF_LOCKED_FLOW, (self._key,))

    def list_runs(self, run_key: str) -> list[TaskRecord]:
        """Return the tasks with that run key in the order of insertion; none for an empty one."""
        return self._fetch_tasks(statements.FIND_RUNS, (self._key, run_key)) if run_key else []

    def get_task(self, task_id: str) -> TaskRecord:
        """Return a task that is known to be the flow's."""
        return self._fetch_tasks(statements.GET_TASK_OF_LOCKED_FLOW, (task_id,))[0]

    def add_task(self, task: TaskRecord) -> None:
        """Store a new task of the flow."""
        self._cursor.execute(statements.INSERT_TASK, (self._key, *build_task_row(task)))

    def save_task(self, task: TaskRecord) -> None:
        """Store what a task of the flow has become."""
        self._cursor.execute(statements.UPDATE_TASK, (*build_task_row(task), task.task_id))

    def _fetch_tasks(self, sql: str, parameters: Sequence[Cell]) -> list[TaskRecord]:
        self._cursor.execute(sql, parameters)
        return [build_task(row, self.flow.flow_id) for row in self._cursor.fetchall()]
