"""An action and the flows of one session become an outcome: the one dispatch of pipeline, admin and commands.

Owns which engine method an action calls and what an absent field means there. Judges nothing: the action has passed
its schema, and the engine decides.

Source: contract.md sections 4 and 5.
"""

from __future__ import annotations

from typing import Final, TypeVar, assert_never

from openclaw_webhooks.actions.values import (
    Action,
    CancelFlow,
    CreateFlow,
    FailFlow,
    FindLatestFlow,
    FinishFlow,
    GetFlow,
    GetTaskSummary,
    ListFlows,
    RequestCancel,
    ResolveFlow,
    ResumeFlow,
    RunTask,
    SetWaiting,
)
from openclaw_webhooks.engines.base import BoundFlows, WritesFlows
from openclaw_webhooks.engines.records import FlowStatus, NotifyPolicy, TaskStatus
from openclaw_webhooks.engines.results import CreateResult, MutationResult, RunTaskResult
from openclaw_webhooks.exceptions import EngineError
from openclaw_webhooks.outcomes import (
    EngineResult,
    FlowRead,
    FlowsRead,
    FlowsWritten,
    Outcome,
    ReadResult,
    SummaryRead,
    build_error_outcome,
    build_outcome,
)
from openclaw_webhooks.values import Unset

BRIEF_CHANGES: Final = (CreateFlow, RunTask, SetWaiting, ResumeFlow, FinishFlow, FailFlow, RequestCancel)
"""The actions that change one flow and wait for nobody else, as ``cancel_flow`` does for its child tasks' agents."""

T = TypeVar("T")


def perform(action: Action, flows: BoundFlows, *, default_controller_id: str) -> Outcome:
    """Carry out an action and return what a caller gets to know; blocks until the engine has answered.

    Args:
        action: What to do.
        flows: The flows of the session that the route is bound to.
        default_controller_id: The controller of a flow that is created without one.
    """
    try:
        result = dispatch(action, flows, default_controller_id=default_controller_id)
    except EngineError as error:
        return build_error_outcome(action, error)
    return build_outcome(result)


def dispatch(action: Action, flows: BoundFlows, *, default_controller_id: str) -> EngineResult:
    """Carry out an action and return what the engine said, for callers in Python.

    Raises:
        EngineError: As the engine's methods do.
    """
    match action:
        case CreateFlow():
            return _create_flow(action, flows, default_controller_id)
        case RunTask():
            return _run_task(action, flows)
        case CancelFlow():
            return flows.cancel_flow(action.flow_id)
        case SetWaiting() | ResumeFlow() | FinishFlow() | FailFlow() | RequestCancel():
            return _change_flow(action, flows)
        case _:
            return _read(action, flows)


def _read(action: GetFlow | ListFlows | FindLatestFlow | ResolveFlow | GetTaskSummary, flows: BoundFlows) -> ReadResult:
    match action:
        case GetFlow(flow_id=flow_id):
            return FlowRead(flows.get_flow(flow_id))
        case ListFlows():
            # As records, a list of ten thousand flows takes five times as long.
            return (
                FlowsWritten(flows.write_flows()) if isinstance(flows, WritesFlows) else FlowsRead(flows.list_flows())
            )
        case FindLatestFlow():
            return FlowRead(flows.find_latest_flow())
        case ResolveFlow(token=token):
            return FlowRead(flows.resolve_flow(token))
        case GetTaskSummary(flow_id=flow_id):
            return SummaryRead(flows.get_task_summary(flow_id))
        case _:
            assert_never(action)


def _change_flow(
    action: SetWaiting | ResumeFlow | FinishFlow | FailFlow | RequestCancel, flows: BoundFlows
) -> MutationResult:
    match action:
        case SetWaiting():
            return _set_waiting(action, flows)
        case ResumeFlow():
            return _resume_flow(action, flows)
        case FinishFlow():
            return flows.finish_flow(
                action.flow_id, expected_revision=action.expected_revision, state_json=action.state_json
            )
        case FailFlow():
            return _fail_flow(action, flows)
        case RequestCancel():
            return flows.request_cancel(action.flow_id, expected_revision=action.expected_revision)
        case _:
            assert_never(action)


def _create_flow(action: CreateFlow, flows: BoundFlows, default_controller_id: str) -> CreateResult:
    return flows.create_flow(
        controller_id=_given(action.controller_id, default_controller_id),
        goal=action.goal,
        status=_given(action.status, FlowStatus.QUEUED),
        notify_policy=_given(action.notify_policy, NotifyPolicy.DONE_ONLY),
        current_step=_given(action.current_step, None),
        state_json=action.state_json,
        wait_json=action.wait_json,
    )


def _set_waiting(action: SetWaiting, flows: BoundFlows) -> MutationResult:
    return flows.set_waiting(
        action.flow_id,
        expected_revision=action.expected_revision,
        current_step=action.current_step,
        state_json=action.state_json,
        wait_json=action.wait_json,
        blocked_task_id=action.blocked_task_id,
        blocked_summary=action.blocked_summary,
    )


def _resume_flow(action: ResumeFlow, flows: BoundFlows) -> MutationResult:
    return flows.resume_flow(
        action.flow_id,
        expected_revision=action.expected_revision,
        status=_given(action.status, FlowStatus.QUEUED),
        current_step=action.current_step,
        state_json=action.state_json,
    )


def _fail_flow(action: FailFlow, flows: BoundFlows) -> MutationResult:
    return flows.fail_flow(
        action.flow_id,
        expected_revision=action.expected_revision,
        state_json=action.state_json,
        blocked_task_id=action.blocked_task_id,
        blocked_summary=action.blocked_summary,
    )


def _run_task(action: RunTask, flows: BoundFlows) -> RunTaskResult:
    return flows.run_task(
        action.flow_id,
        runtime=action.runtime,
        task=action.task,
        source_id=_given(action.source_id, None),
        child_session_key=_given(action.child_session_key, None),
        parent_task_id=_given(action.parent_task_id, None),
        agent_id=_given(action.agent_id, None),
        run_id=_given(action.run_id, None),
        label=_given(action.label, None),
        prefer_metadata=_given(action.prefer_metadata, False),
        notify_policy=_given(action.notify_policy, None),
        status=_given(action.status, TaskStatus.QUEUED),
        started_at_ms=_given(action.started_at, None),
        last_event_at_ms=_given(action.last_event_at, None),
        progress_summary=_given(action.progress_summary, None),
    )


def _given(value: T | Unset, otherwise: T) -> T:
    """Return what was sent, or what its absence means."""
    return otherwise if isinstance(value, Unset) else value
