"""Child tasks of a session: ``run_task``, and what workers report. Each change is one short transaction.

All of them hold the flow's row first, so that a task is never added to a flow that is being cancelled, and the end of
the last child is seen by exactly one transaction.

Source: contract.md section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from django.db.backends.utils import CursorWrapper

from openclaw_webhooks.engines.embedded import changes, children, statements
from openclaw_webhooks.engines.embedded.bound import Bound, LockedFlow
from openclaw_webhooks.engines.embedded.children import TaskOrder
from openclaw_webhooks.engines.embedded.rows import build_run_key, build_task, build_task_row
from openclaw_webhooks.engines.records import (
    ACTIVE_TASK_STATUSES,
    TERMINAL_FLOW_STATUSES,
    FlowRecord,
    FlowStatus,
    NotifyPolicy,
    TaskRecord,
    TaskRuntime,
    TaskStatus,
)
from openclaw_webhooks.engines.results import (
    RunTaskRefusal,
    RunTaskResult,
    TaskCreated,
    TaskNotCreated,
)


class TaskActions(Bound):
    """The action that adds a child task, and the reports of workers (``BoundTasks``)."""

    __slots__ = ()

    def run_task(
        self,
        flow_id: str,
        *,
        runtime: TaskRuntime,
        task: str,
        source_id: str | None = None,
        child_session_key: str | None = None,
        parent_task_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        label: str | None = None,
        prefer_metadata: bool = False,
        notify_policy: NotifyPolicy | None = None,
        status: TaskStatus = TaskStatus.QUEUED,
        started_at_ms: int | None = None,
        last_event_at_ms: int | None = None,
        progress_summary: str | None = None,
    ) -> RunTaskResult:
        """Create a child task, or find the one with the same run id again."""
        order = TaskOrder(
            runtime=runtime,
            task=task,
            source_id=source_id,
            child_session_key=child_session_key,
            parent_task_id=parent_task_id,
            agent_id=agent_id,
            run_id=run_id,
            label=label,
            prefer_metadata=prefer_metadata,
            notify_policy=notify_policy,
            status=status,
            started_at_ms=started_at_ms,
            last_event_at_ms=last_event_at_ms,
            progress_summary=progress_summary,
        )
        added = None if run_id else self._add(flow_id, order)
        if added is not None:
            self._announce_task(added.task, None)
            return added
        work = partial(self._place, flow_id=flow_id, order=order)
        result, is_new = self._resources.database.transact(work, flow_id=flow_id)
        if is_new and isinstance(result, TaskCreated):
            self._announce_task(result.task, None)
        return result

    def list_tasks(self, flow_id: str) -> Sequence[TaskRecord]:
        """Return the tasks of one flow, newest created first; empty where the session has no such flow."""
        rows = self._resources.database.fetch(statements.LIST_TASKS, (flow_id, self._session_key))
        return [build_task(row, flow_id) for row in rows]

    def get_task(self, task_id: str) -> TaskRecord | None:
        """Return one task of the session."""
        rows = self._resources.database.fetch(statements.GET_TASK, (task_id, self._session_key))
        return build_task(rows[0], str(rows[0][-1])) if rows else None

    def start_task(self, task_id: str) -> TaskRecord | None:
        """Mark a queued task running."""
        return self._report(task_id, partial(children.start_child, now_ms=self._resources.clock()))

    def report_progress(self, task_id: str, *, summary: str) -> TaskRecord | None:
        """Note progress, white space collapsed; a queued task becomes running."""
        now_ms = self._resources.clock()
        return self._report(task_id, partial(children.note_progress, summary=summary, now_ms=now_ms))

    def end_task(
        self, task_id: str, *, status: TaskStatus, summary: str | None = None, error: str | None = None
    ) -> TaskRecord | None:
        """End a task with a terminal status; a flow that waited for its last child to be cancelled then is.

        Raises:
            ValueError: The status is no end.
        """
        now_ms = self._resources.clock()
        end = partial(children.end_child, status=status, summary=summary, error=error, now_ms=now_ms)
        return self._report(task_id, end)

    def _add(self, flow_id: str, order: TaskOrder) -> TaskCreated | None:
        """Add a task without a run id, as two statements that hold nothing between them.

        Returns:
            ``None`` where the flow takes no task, or was changed in between: then it has to be held to tell.
        """
        flow = self._look(flow_id)
        if flow is None or _refuse_task(flow) is not None:
            return None
        task = self._build(flow_id, order)
        sql = statements.add_task(vendor=self._resources.database.vendor)
        parameters = (*build_task_row(task), flow_id, self._session_key, flow.revision)
        is_added = bool(self._resources.database.execute(sql, parameters, flow_id=flow_id))
        return TaskCreated(flow, task) if is_added else None

    def _build(self, flow_id: str, order: TaskOrder) -> TaskRecord:
        resources, agent_id = self._resources, children.choose_agent(order, self._session_key)
        return children.build_child(
            order, task_id=resources.new_id(), flow_id=flow_id, agent_id=agent_id, now_ms=resources.clock()
        )

    def _place(self, cursor: CursorWrapper, *, flow_id: str, order: TaskOrder) -> tuple[RunTaskResult, bool]:
        """Add the task or find it again, and tell whether it is new."""
        locked = self._lock(cursor, statements.OF_FLOW, flow_id)
        if locked is None:
            return TaskNotCreated(RunTaskRefusal.NOT_FOUND, "Flow not found."), False
        refusal = _refuse_task(locked.flow)
        if refusal is not None:
            return refusal, False
        runs = locked.list_runs(build_run_key(order.runtime, order.child_session_key, order.run_id))
        existing = children.choose_run(order, runs)
        if existing is not None:
            agent_id = children.choose_agent(order, self._session_key)
            return TaskCreated(locked.flow, _merged(locked, existing, order, agent_id)), False
        task = self._build(flow_id, order)
        locked.add_task(task)
        return TaskCreated(locked.flow, task), True

    def _report(self, task_id: str, report: Callable[[TaskRecord], TaskRecord]) -> TaskRecord | None:
        """Make of a task what a worker reports, and announce what came of it."""
        work = partial(self._note, task_id=task_id, report=report)
        noted = self._resources.database.transact(work)
        if noted is None:
            return None
        before, after, locked, flow_status = noted
        self._announce_task(after, before.status)
        self._announce_flow(locked.flow, flow_status)
        return after

    def _note(
        self, cursor: CursorWrapper, *, task_id: str, report: Callable[[TaskRecord], TaskRecord]
    ) -> tuple[TaskRecord, TaskRecord, LockedFlow, FlowStatus] | None:
        locked = self._lock(cursor, statements.OF_TASK, task_id)
        if locked is None:
            return None
        flow_status, before = locked.flow.status, locked.get_task(task_id)
        after = report(before)
        if after != before:
            locked.save_task(after)
            _settle_cancellation(locked, after)
        return before, after, locked, flow_status


def _refuse_task(flow: FlowRecord) -> TaskNotCreated | None:
    """Return why the flow takes no child, judged in the contract's order."""
    if flow.sync_mode != "managed":
        return TaskNotCreated(RunTaskRefusal.NOT_MANAGED, "Flow does not accept managed child tasks.", flow)
    if flow.cancel_requested_at_ms is not None:
        reason = "Flow cancellation has already been requested."
        return TaskNotCreated(RunTaskRefusal.CANCEL_REQUESTED, reason, flow)
    if flow.status in TERMINAL_FLOW_STATUSES:
        return TaskNotCreated(RunTaskRefusal.TERMINAL, f"Flow is already {flow.status.value}.", flow)
    return None


def _merged(locked: LockedFlow, existing: TaskRecord, order: TaskOrder, agent_id: str | None) -> TaskRecord:
    merged = children.merge_child(existing, order, agent_id=agent_id)
    if merged != existing:
        locked.save_task(merged)
    return merged


def _settle_cancellation(locked: LockedFlow, task: TaskRecord) -> None:
    """Cancel the flow at its last child's end, where that was all it waited for."""
    flow = locked.flow
    is_waiting = flow.cancel_requested_at_ms is not None and flow.status not in TERMINAL_FLOW_STATUSES
    if task.ended_at_ms is None or task.status in ACTIVE_TASK_STATUSES or not is_waiting:
        return
    if not locked.has_active_task():
        locked.change(changes.cancel(task.ended_at_ms))
