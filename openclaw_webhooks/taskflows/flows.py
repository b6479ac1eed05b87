"""The flows of one session, with a method for each action and each report, and a twin of each for coroutines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from openclaw_webhooks import services
from openclaw_webhooks.actions.names import to_wire_name
from openclaw_webhooks.actions.schema import check_whole_numbers, parse_action
from openclaw_webhooks.actions.values import (
    CancelFlow,
    CreateFlow,
    FailFlow,
    Fault,
    FinishFlow,
    RequestCancel,
    ResumeFlow,
    RunTask,
    SetWaiting,
)
from openclaw_webhooks.call_context import call_context
from openclaw_webhooks.engines.base import BoundSession, Engine
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
from openclaw_webhooks.engines.results import Applied, Cancelled, FlowCreated, TaskCreated
from openclaw_webhooks.outcomes import EngineResult
from openclaw_webhooks.taskflows.calling import as_json, asynchronous
from openclaw_webhooks.taskflows.refusals import InvalidAction, TaskNotFound, refuse
from openclaw_webhooks.values import UNSET, JsonValue, Unset


class TaskFlows:
    """The flows and tasks of one session. Cheap to make, safe to share between threads.

    Every method may raise an ``EngineError``: ``EngineUnavailable`` and ``PersistFailed`` (nothing was changed) or
    ``OutcomeUnknown``. Methods that change a flow take it as a ``FlowRecord``, apply at its revision only, and return
    it as it is now. ``UNSET`` keeps a field, ``None`` clears a text, and is a value of JSON fields.
    """

    def __init__(self, engine: Engine, session_key: str, *, controller_id: str, actor: str) -> None:
        """Bind; ``bind_route`` and ``bind_session`` do."""
        self._engine = engine
        self._session: BoundSession = engine.bind_session(session_key)
        self._controller_id = controller_id
        self._actor = actor

    def create_flow(
        self,
        goal: str,
        *,
        controller_id: str | Unset = UNSET,
        status: FlowStatus | Unset = UNSET,
        notify_policy: NotifyPolicy | Unset = UNSET,
        current_step: str | Unset | None = UNSET,
        state_json: JsonValue | Unset = UNSET,
        wait_json: JsonValue | Unset = UNSET,
    ) -> FlowRecord:
        """Create a flow at revision 0; ``queued`` and ``done_only`` unless told otherwise."""
        result = self._perform(
            CreateFlow.name,
            goal=goal,
            controller_id=controller_id,
            status=status,
            notify_policy=notify_policy,
            current_step=current_step,
            state_json=state_json,
            wait_json=wait_json,
        )
        return result.flow if isinstance(result, FlowCreated) else refuse(result)

    def get_flow(self, flow_id: str) -> FlowRecord | None:
        """Return one flow; ``None`` where the session has no such."""
        return self._session.get_flow(flow_id)

    def list_flows(self) -> Sequence[FlowRecord]:
        """Return all flows of the session, newest first."""
        return self._session.list_flows()

    def find_latest_flow(self) -> FlowRecord | None:
        """Return the flow that changed last."""
        return self._session.find_latest_flow()

    def get_task_summary(self, flow_id: str) -> TaskSummary | None:
        """Count the tasks of a flow by status and runtime; ``None`` where the session has no such flow."""
        return self._session.get_task_summary(flow_id)

    def list_revisions(self, flow_id: str) -> Sequence[FlowRevision]:
        """Return what a flow was, latest first (embedded engine)."""
        return self._session.list_revisions(flow_id)

    def set_waiting(
        self,
        flow: FlowRecord,
        *,
        current_step: str | Unset | None = UNSET,
        state_json: JsonValue | Unset = UNSET,
        wait_json: JsonValue | Unset = UNSET,
        blocked_task_id: str | Unset | None = UNSET,
        blocked_summary: str | Unset | None = UNSET,
    ) -> FlowRecord:
        """Mark the flow waiting, or blocked where a blocked field is given and not empty."""
        return self._change(
            SetWaiting.name,
            flow,
            current_step=current_step,
            state_json=state_json,
            wait_json=wait_json,
            blocked_task_id=blocked_task_id,
            blocked_summary=blocked_summary,
        )

    def resume_flow(
        self,
        flow: FlowRecord,
        *,
        status: FlowStatus | Unset = UNSET,
        current_step: str | Unset | None = UNSET,
        state_json: JsonValue | Unset = UNSET,
    ) -> FlowRecord:
        """Set the flow queued or running again, and clear what it waited for."""
        return self._change(ResumeFlow.name, flow, status=status, current_step=current_step, state_json=state_json)

    def finish_flow(self, flow: FlowRecord, *, state_json: JsonValue | Unset = UNSET) -> FlowRecord:
        """Mark the flow succeeded."""
        return self._change(FinishFlow.name, flow, state_json=state_json)

    def fail_flow(
        self,
        flow: FlowRecord,
        *,
        state_json: JsonValue | Unset = UNSET,
        blocked_task_id: str | Unset | None = UNSET,
        blocked_summary: str | Unset | None = UNSET,
    ) -> FlowRecord:
        """Mark the flow failed."""
        return self._change(
            FailFlow.name,
            flow,
            state_json=state_json,
            blocked_task_id=blocked_task_id,
            blocked_summary=blocked_summary,
        )

    def request_cancel(self, flow: FlowRecord) -> FlowRecord:
        """Record that cancellation is wanted; the status stays."""
        return self._change(RequestCancel.name, flow)

    def cancel_flow(self, flow_id: str) -> FlowRecord:
        """Cancel the flow at whatever revision it is.

        Raises:
            ActionRefused: Code ``cancel_pending`` where children are still active: the request is recorded, and their
                last end cancels the flow.
        """
        result = self._perform(CancelFlow.name, flow_id=flow_id)
        return result.flow if isinstance(result, Cancelled) else refuse(result)

    def run_task(
        self,
        flow_id: str,
        task: str,
        *,
        runtime: TaskRuntime,
        source_id: str | Unset = UNSET,
        child_session_key: str | Unset = UNSET,
        parent_task_id: str | Unset = UNSET,
        agent_id: str | Unset = UNSET,
        run_id: str | Unset = UNSET,
        label: str | Unset = UNSET,
        prefer_metadata: bool | Unset = UNSET,
        notify_policy: NotifyPolicy | Unset = UNSET,
        status: TaskStatus | Unset = UNSET,
        started_at: int | Unset = UNSET,
        last_event_at: int | Unset = UNSET,
        progress_summary: str | Unset | None = UNSET,
    ) -> TaskRecord:
        """Create a child task, or find the one with the same run id again; times in Unix milliseconds."""
        result = self._perform(
            RunTask.name,
            flow_id=flow_id,
            task=task,
            runtime=runtime,
            source_id=source_id,
            child_session_key=child_session_key,
            parent_task_id=parent_task_id,
            agent_id=agent_id,
            run_id=run_id,
            label=label,
            prefer_metadata=prefer_metadata,
            notify_policy=notify_policy,
            status=status,
            started_at=started_at,
            last_event_at=last_event_at,
            progress_summary=progress_summary,
        )
        return result.task if isinstance(result, TaskCreated) else refuse(result)

    def list_tasks(self, flow_id: str) -> Sequence[TaskRecord]:
        """Return the tasks of a flow, newest first (embedded engine)."""
        return self._session.list_tasks(flow_id)

    def get_task(self, task_id: str) -> TaskRecord | None:
        """Return one task; ``None`` where the session has no such (embedded engine)."""
        return self._session.get_task(task_id)

    def start_task(self, task_id: str) -> TaskRecord:
        """Mark a queued task running (embedded engine)."""
        return self._report(lambda: self._session.start_task(task_id))

    def report_progress(self, task_id: str, summary: str) -> TaskRecord:
        """Note progress; a queued task becomes running (embedded engine)."""
        return self._report(lambda: self._session.report_progress(task_id, summary=summary))

    def end_task(
        self, task_id: str, status: TaskStatus, *, summary: str | None = None, error: str | None = None
    ) -> TaskRecord:
        """End a task; one that has ended stays as it is (embedded engine).

        Raises:
            ValueError: The status is no end.
        """
        return self._report(lambda: self._session.end_task(task_id, status=status, summary=summary, error=error))

    acreate_flow = asynchronous(create_flow)
    aget_flow = asynchronous(get_flow)
    alist_flows = asynchronous(list_flows)
    afind_latest_flow = asynchronous(find_latest_flow)
    aget_task_summary = asynchronous(get_task_summary)
    alist_revisions = asynchronous(list_revisions)
    aset_waiting = asynchronous(set_waiting)
    aresume_flow = asynchronous(resume_flow)
    afinish_flow = asynchronous(finish_flow)
    afail_flow = asynchronous(fail_flow)
    arequest_cancel = asynchronous(request_cancel)
    acancel_flow = asynchronous(cancel_flow)
    arun_task = asynchronous(run_task)
    alist_tasks = asynchronous(list_tasks)
    aget_task = asynchronous(get_task)
    astart_task = asynchronous(start_task)
    areport_progress = asynchronous(report_progress)
    aend_task = asynchronous(end_task)

    def _change(self, action_name: str, flow: FlowRecord, **fields: Any) -> FlowRecord:
        result = self._perform(action_name, flow_id=flow.flow_id, expected_revision=flow.revision, **fields)
        return result.flow if isinstance(result, Applied) else refuse(result)

    def _perform(self, action_name: str, **fields: Any) -> EngineResult:
        """Check the arguments as a caller's body is checked, and carry the action out."""
        given = {to_wire_name(name): value for name, value in fields.items() if value is not UNSET}
        action = parse_action(as_json({"action": action_name, **given}))
        if not isinstance(action, Fault) and not self._engine.capabilities.keeps_whole_numbers:
            action = check_whole_numbers(action) or action
        if isinstance(action, Fault):
            raise InvalidAction(str(action))
        with call_context(self._actor):
            return services.dispatch(action, self._session, default_controller_id=self._controller_id)

    def _report(self, report: Callable[[], TaskRecord | None]) -> TaskRecord:
        with call_context(self._actor):
            task = report()
        if task is None:
            raise TaskNotFound("Task not found.", code="not_found")
        return task
