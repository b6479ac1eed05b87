"""The dispatch: each action calls its method of the engine, with what an absent field means there."""

from __future__ import annotations

from typing import Any

import pytest

from openclaw_webhooks.actions.schema import parse_action
from openclaw_webhooks.actions.values import (
    Action,
    CancelFlow,
    CreateFlow,
    FailFlow,
    Fault,
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
from openclaw_webhooks.engines.records import (
    FlowStatus,
    NotifyPolicy,
    TaskRuntime,
    TaskStatus,
)
from openclaw_webhooks.engines.results import FlowNotCreated, MutationRefusal, NotApplied
from openclaw_webhooks.exceptions import EngineRefused, EngineUnavailable, PersistFailed
from openclaw_webhooks.outcomes import FlowRead
from openclaw_webhooks.services import dispatch, perform
from openclaw_webhooks.values import UNSET
from tests.stub_engine import StubFlows, build_flow

CREATE_OPTIONS: dict[str, Any] = {
    "controller_id": "webhooks/zapier",
    "goal": "g",
    "status": FlowStatus.QUEUED,
    "notify_policy": NotifyPolicy.DONE_ONLY,
    "current_step": None,
    "state_json": UNSET,
    "wait_json": UNSET,
}
RUN_OPTIONS: dict[str, Any] = {
    "runtime": TaskRuntime.ACP,
    "task": "t",
    "source_id": None,
    "child_session_key": None,
    "parent_task_id": None,
    "agent_id": None,
    "run_id": None,
    "label": None,
    "prefer_metadata": False,
    "notify_policy": None,
    "status": TaskStatus.QUEUED,
    "started_at_ms": None,
    "last_event_at_ms": None,
    "progress_summary": None,
}
WAITING_OPTIONS: dict[str, Any] = {
    "expected_revision": 2,
    "current_step": UNSET,
    "state_json": UNSET,
    "wait_json": UNSET,
    "blocked_task_id": UNSET,
    "blocked_summary": UNSET,
}


def run(action: Action, flows: StubFlows) -> Any:
    return perform(action, flows, default_controller_id="webhooks/zapier")


@pytest.mark.parametrize(
    ("action", "name", "args", "options"),
    [
        (GetFlow(flow_id="f"), "get_flow", ("f",), {}),
        (ListFlows(), "list_flows", (), {}),
        (FindLatestFlow(), "find_latest_flow", (), {}),
        (ResolveFlow(token="t"), "resolve_flow", ("t",), {}),
        (GetTaskSummary(flow_id="f"), "get_task_summary", ("f",), {}),
        (CancelFlow(flow_id="f"), "cancel_flow", ("f",), {}),
        (CreateFlow(goal="g"), "create_flow", (), CREATE_OPTIONS),
        (
            CreateFlow(
                goal="g",
                controller_id="c",
                status=FlowStatus.BLOCKED,
                notify_policy=NotifyPolicy.SILENT,
                current_step="s",
                state_json=None,
                wait_json=[1],
            ),
            "create_flow",
            (),
            {
                "controller_id": "c",
                "goal": "g",
                "status": FlowStatus.BLOCKED,
                "notify_policy": NotifyPolicy.SILENT,
                "current_step": "s",
                "state_json": None,
                "wait_json": [1],
            },
        ),
        (SetWaiting(flow_id="f", expected_revision=2), "set_waiting", ("f",), WAITING_OPTIONS),
        (
            SetWaiting(
                flow_id="f",
                expected_revision=2,
                current_step=None,
                state_json=1,
                wait_json=2,
                blocked_task_id="t",
                blocked_summary="b",
            ),
            "set_waiting",
            ("f",),
            {
                "expected_revision": 2,
                "current_step": None,
                "state_json": 1,
                "wait_json": 2,
                "blocked_task_id": "t",
                "blocked_summary": "b",
            },
        ),
        (
            ResumeFlow(flow_id="f", expected_revision=2),
            "resume_flow",
            ("f",),
            {"expected_revision": 2, "status": FlowStatus.QUEUED, "current_step": UNSET, "state_json": UNSET},
        ),
        (
            ResumeFlow(flow_id="f", expected_revision=2, status=FlowStatus.RUNNING, current_step="s", state_json=1),
            "resume_flow",
            ("f",),
            {"expected_revision": 2, "status": FlowStatus.RUNNING, "current_step": "s", "state_json": 1},
        ),
        (
            FinishFlow(flow_id="f", expected_revision=2, state_json=None),
            "finish_flow",
            ("f",),
            {"expected_revision": 2, "state_json": None},
        ),
        (
            FailFlow(flow_id="f", expected_revision=2, state_json=1, blocked_task_id="t", blocked_summary="b"),
            "fail_flow",
            ("f",),
            {"expected_revision": 2, "state_json": 1, "blocked_task_id": "t", "blocked_summary": "b"},
        ),
        (RequestCancel(flow_id="f", expected_revision=2), "request_cancel", ("f",), {"expected_revision": 2}),
        (RunTask(flow_id="f", runtime=TaskRuntime.ACP, task="t"), "run_task", ("f",), RUN_OPTIONS),
        (
            RunTask(
                flow_id="f",
                runtime=TaskRuntime.SUBAGENT,
                task="t",
                source_id="1",
                child_session_key="2",
                parent_task_id="3",
                agent_id="4",
                run_id="5",
                label="6",
                prefer_metadata=True,
                notify_policy=NotifyPolicy.SILENT,
                status=TaskStatus.RUNNING,
                started_at=7,
                last_event_at=8,
                progress_summary="9",
            ),
            "run_task",
            ("f",),
            {
                "runtime": TaskRuntime.SUBAGENT,
                "task": "t",
                "source_id": "1",
                "child_session_key": "2",
                "parent_task_id": "3",
                "agent_id": "4",
                "run_id": "5",
                "label": "6",
                "prefer_metadata": True,
                "notify_policy": NotifyPolicy.SILENT,
                "status": TaskStatus.RUNNING,
                "started_at_ms": 7,
                "last_event_at_ms": 8,
                "progress_summary": "9",
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_each_action_calls_its_method(action: Action, name: str, args: Any, options: Any) -> None:
    flows = StubFlows()
    run(action, flows)
    assert flows.calls == [(name, args, options)]


def test_python_callers_get_the_engines_own_answer() -> None:
    flow = build_flow()
    assert dispatch(GetFlow(flow_id="f"), StubFlows(get_flow=flow), default_controller_id="c") == FlowRead(flow)
    with pytest.raises(PersistFailed):
        dispatch(CreateFlow(goal="g"), StubFlows(create_flow=PersistFailed("x")), default_controller_id="c")


@pytest.mark.parametrize(
    ("body", "answers", "status", "code"),
    [
        ({"action": "get_flow", "flowId": "f"}, {"get_flow": EngineUnavailable("x")}, 503, "engine_unavailable"),
        ({"action": "create_flow", "goal": "g"}, {"create_flow": PersistFailed("x")}, 503, "persist_failed"),
        ({"action": "create_flow", "goal": "g"}, {"create_flow": FlowNotCreated()}, 409, "create_rejected"),
        ({"action": "list_flows"}, {"list_flows": EngineRefused("x")}, 409, "request_rejected"),
        (
            {"action": "finish_flow", "flowId": "f", "expectedRevision": 0},
            {"finish_flow": NotApplied(MutationRefusal.OTHER)},
            409,
            "mutation_rejected",
        ),
        ({"action": "create_flow", "goal": "g"}, {}, 200, None),
    ],
)
def test_from_body_to_outcome(body: Any, answers: Any, status: int, code: str | None) -> None:
    action = parse_action(body)
    assert not isinstance(action, Fault)
    outcome = run(action, StubFlows(**answers))
    assert (outcome.status, outcome.code) == (status, code)


def test_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(KeyError):
        run(ListFlows(), StubFlows(list_flows=KeyError("bug")))
