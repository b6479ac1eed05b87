"""TaskFlows from Python: what a route can do, and what a worker reports, for views, commands and task queues.

    from openclaw_webhooks import taskflows

    flows = taskflows.bind_route("ci")
    flow = flows.create_flow("Deploy 1.4")
    flow = flows.finish_flow(flow, state_json={"version": "1.4"})

The same engine as the routes', the same rules for every field, the same revisions: a change takes the flow as its
caller has seen it and raises ``RevisionConflict`` where somebody was faster. Every method has an asynchronous twin
whose name starts with ``a``. Methods return once their change is committed, or join a transaction of the caller's.

Source: contract.md sections 4 to 6.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Coroutine, Sequence
from enum import Enum
from typing import Any, Concatenate, Final, NoReturn, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

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
from openclaw_webhooks.engines.results import (
    Applied,
    Cancelled,
    FlowCreated,
    NotApplied,
    NotCancelled,
    TaskCreated,
    TaskNotCreated,
)
from openclaw_webhooks.exceptions import (
    BodyNotJson,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    OutcomeUnknown,
    PersistFailed,
    WebhooksError,
)
from openclaw_webhooks.guards.json_body import parse_json
from openclaw_webhooks.outcomes import EngineResult, build_outcome
from openclaw_webhooks.runtime import get_runtime
from openclaw_webhooks.values import UNSET, JsonValue, Unset

__all__ = [
    "UNSET",
    "ActionRefused",
    "EngineError",
    "EngineRefused",
    "EngineUnavailable",
    "FlowNotFound",
    "FlowRecord",
    "FlowRevision",
    "FlowStatus",
    "InvalidAction",
    "JsonValue",
    "NotifyPolicy",
    "OutcomeUnknown",
    "PersistFailed",
    "RevisionConflict",
    "TaskFlows",
    "TaskNotFound",
    "TaskRecord",
    "TaskRuntime",
    "TaskStatus",
    "TaskSummary",
    "UnknownRoute",
    "Unset",
    "bind_route",
    "bind_session",
]

_DEFAULT_ACTOR: Final = "python"

P = ParamSpec("P")
R = TypeVar("R")


class UnknownRoute(WebhooksError, LookupError):
    """No route of that id is served."""


class InvalidAction(WebhooksError, ValueError):
    """An argument is not what its field asks for; nothing was changed. The message names the field as the wire does."""


class ActionRefused(WebhooksError):
    """The engine refused; nothing was changed, but for ``cancel_flow``, which may have recorded the request.

    Attributes:
        code: The code that a webhook caller would get, such as ``revision_conflict``.
        current: The flow as it is, where that is known.
    """

    def __init__(self, message: str, *, code: str, current: FlowRecord | None = None) -> None:
        """Keep both beside the message."""
        super().__init__(message)
        self.code = code
        self.current = current


class FlowNotFound(ActionRefused, LookupError):
    """The session has no such flow."""


class TaskNotFound(ActionRefused, LookupError):
    """The session has no such task."""


class RevisionConflict(ActionRefused):
    """Somebody changed the flow since it was read: look at ``current`` and decide anew."""


_REFUSALS: Final[dict[str, type[ActionRefused]]] = {"not_found": FlowNotFound, "revision_conflict": RevisionConflict}


def bind_route(route_id: str, *, actor: str = _DEFAULT_ACTOR) -> TaskFlows:
    """Return the flows that a route works on, and create flows under its controller.

    Args:
        route_id: A route that is served.
        actor: Who the history of a flow shall name, such as ``worker deploy`` or ``user alice``.

    Raises:
        UnknownRoute: No such route is served.
        ImproperlyConfigured: ``settings.OPENCLAW_WEBHOOKS`` is faulty.
    """
    runtime = get_runtime()
    for route in runtime.configuration.routes:
        if route.route_id == route_id:
            return TaskFlows(runtime.engine, route.session_key, controller_id=route.controller_id, actor=actor)
    raise UnknownRoute(f"no route {route_id!r} is served")


def bind_session(session_key: str, *, controller_id: str = _DEFAULT_ACTOR, actor: str = _DEFAULT_ACTOR) -> TaskFlows:
    """Return the flows of a session.

    Args:
        session_key: The owner, such as ``agent:main:main``.
        controller_id: The controller of flows that are created without one.
        actor: As for ``bind_route``.

    Raises:
        ValueError: The session key is empty.
        ImproperlyConfigured: ``settings.OPENCLAW_WEBHOOKS`` is faulty.
    """
    if not session_key.strip():
        raise ValueError("session_key must not be empty")
    return TaskFlows(get_runtime().engine, session_key, controller_id=controller_id, actor=actor)


def _asynchronous(
    method: Callable[Concatenate[TaskFlows, P], R],
) -> Callable[Concatenate[TaskFlows, P], Coroutine[Any, Any, R]]:
    """Return the twin of a method for coroutines: as Django's own, it runs where the ORM may."""
    call = sync_to_async(method)

    @functools.wraps(method)
    async def twin(self: TaskFlows, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await call(self, *args, **kwargs)

    twin.__name__ = f"a{method.__name__}"
    return twin


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
        return result.flow if isinstance(result, FlowCreated) else _refuse(result)

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
        return result.flow if isinstance(result, Cancelled) else _refuse(result)

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
        return result.task if isinstance(result, TaskCreated) else _refuse(result)

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

    acreate_flow = _asynchronous(create_flow)
    aget_flow = _asynchronous(get_flow)
    alist_flows = _asynchronous(list_flows)
    afind_latest_flow = _asynchronous(find_latest_flow)
    aget_task_summary = _asynchronous(get_task_summary)
    alist_revisions = _asynchronous(list_revisions)
    aset_waiting = _asynchronous(set_waiting)
    aresume_flow = _asynchronous(resume_flow)
    afinish_flow = _asynchronous(finish_flow)
    afail_flow = _asynchronous(fail_flow)
    arequest_cancel = _asynchronous(request_cancel)
    acancel_flow = _asynchronous(cancel_flow)
    arun_task = _asynchronous(run_task)
    alist_tasks = _asynchronous(list_tasks)
    aget_task = _asynchronous(get_task)
    astart_task = _asynchronous(start_task)
    areport_progress = _asynchronous(report_progress)
    aend_task = _asynchronous(end_task)

    def _change(self, action_name: str, flow: FlowRecord, **fields: Any) -> FlowRecord:
        result = self._perform(action_name, flow_id=flow.flow_id, expected_revision=flow.revision, **fields)
        return result.flow if isinstance(result, Applied) else _refuse(result)

    def _perform(self, action_name: str, **fields: Any) -> EngineResult:
        """Check the arguments as a caller's body is checked, and carry the action out."""
        given = {to_wire_name(name): value for name, value in fields.items() if value is not UNSET}
        action = parse_action(_as_json({"action": action_name, **given}))
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


def _as_json(body: dict[str, Any]) -> JsonValue:
    """Make of Python values what a caller's body would be, so that both pass the same checks."""
    plain = {name: value.value if isinstance(value, Enum) else value for name, value in body.items()}
    try:
        return parse_json(json.dumps(plain, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError, BodyNotJson) as error:
        raise InvalidAction(f"an argument is not JSON: {error}") from error


def _refuse(result: EngineResult) -> NoReturn:
    """Raise what an engine's refusal means, in the words that a caller over HTTP reads."""
    outcome = build_outcome(result)
    code = outcome.code or "refused"
    current = result.current if isinstance(result, NotApplied) else None
    if isinstance(result, NotCancelled | TaskNotCreated):
        current = result.flow
    message = outcome.error or outcome.result.get("reason") or code
    raise _REFUSALS.get(code, ActionRefused)(str(message), code=code, current=current)
