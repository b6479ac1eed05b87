"""``openclaw_webhooks.taskflows``: the same rules and revisions as over HTTP, as exceptions and values."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction

from openclaw_webhooks import taskflows
from openclaw_webhooks.engines.base import EngineCapabilities
from openclaw_webhooks.taskflows import (
    ActionRefused,
    FlowNotFound,
    FlowStatus,
    InvalidAction,
    RevisionConflict,
    TaskFlows,
    TaskNotFound,
    TaskRuntime,
    TaskStatus,
    UnknownRoute,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def flows() -> TaskFlows:
    return taskflows.bind_session("agent:tests:taskflows", actor="worker t")


def test_a_flow_goes_its_way(flows: TaskFlows) -> None:
    flow = flows.create_flow(" Review ", status=FlowStatus.RUNNING, state_json={"n": 1, "big": 2**60})
    assert (flow.goal, flow.controller_id, flow.state_json) == ("Review", "python", {"n": 1, "big": 2**60})
    flow = flows.set_waiting(flow, current_step="approve", wait_json=None, blocked_summary="Bob")
    assert (flow.status, flow.wait_json, flow.blocked_summary) == ("blocked", None, "Bob")
    flow = flows.resume_flow(flow, status=FlowStatus.RUNNING, current_step=None)
    assert (flow.status, flow.current_step) == ("running", None)
    flow = flows.fail_flow(flow, blocked_summary="no disk")
    flow = flows.finish_flow(flow, state_json=[1])
    assert (flow.status, flow.revision, flow.state_json) == ("succeeded", 4, [1])
    assert (flows.get_flow(flow.flow_id), flows.find_latest_flow(), flows.list_flows()) == (flow, flow, [flow])
    assert {each.actor for each in flows.list_revisions(flow.flow_id)} == {"worker t"}
    assert len(flows.list_revisions(flow.flow_id)) == 5


def test_tasks_go_theirs(flows: TaskFlows) -> None:
    flow = flows.create_flow("g")
    task = flows.run_task(flow.flow_id, "t", runtime=TaskRuntime.ACP, run_id="r", label="l")
    assert flows.run_task(flow.flow_id, "t", runtime=TaskRuntime.ACP, run_id="r").task_id == task.task_id
    assert flows.start_task(task.task_id).status is TaskStatus.RUNNING
    assert flows.report_progress(task.task_id, "3 of 9").progress_summary == "3 of 9"
    with pytest.raises(ActionRefused) as pending:
        flows.cancel_flow(flow.flow_id)
    assert pending.value.code == "cancel_pending"
    assert "still active" in str(pending.value)
    assert pending.value.current is not None
    assert pending.value.current.cancel_requested_at_ms is not None
    ended = flows.end_task(task.task_id, TaskStatus.SUCCEEDED, summary="9 of 9")
    assert flows.get_task(task.task_id) == ended
    assert flows.list_tasks(flow.flow_id) == [ended]
    summary = flows.get_task_summary(flow.flow_id)
    assert summary is not None
    assert summary.by_status[TaskStatus.SUCCEEDED] == 1
    found = flows.get_flow(flow.flow_id)
    assert found is not None
    assert found.status is FlowStatus.CANCELLED


def test_cancelling_returns_the_flow(flows: TaskFlows) -> None:
    flow = flows.request_cancel(flows.create_flow("g"))
    assert (flow.status, flow.cancel_requested_at_ms is None) == ("queued", False)
    assert flows.cancel_flow(flow.flow_id).status is FlowStatus.CANCELLED
    with pytest.raises(ActionRefused) as refused:
        flows.cancel_flow(flow.flow_id)
    assert refused.value.code == "terminal"


def test_a_stale_change_has_the_flow_as_it_is(flows: TaskFlows) -> None:
    stale = flows.create_flow("g")
    now = flows.finish_flow(stale)
    with pytest.raises(RevisionConflict) as conflict:
        flows.fail_flow(stale)
    assert (conflict.value.code, conflict.value.current) == ("revision_conflict", now)
    assert flows.get_flow(stale.flow_id) == now


def test_what_is_not_there_is_said(flows: TaskFlows) -> None:
    foreign = taskflows.bind_session("agent:tests:another").create_flow("g")
    assert flows.get_flow(foreign.flow_id) is None
    with pytest.raises(FlowNotFound):
        flows.finish_flow(foreign)
    with pytest.raises(FlowNotFound):
        flows.run_task("f", "t", runtime=TaskRuntime.ACP)
    for report in (
        lambda: flows.start_task("t"),
        lambda: flows.report_progress("t", "p"),
        lambda: flows.end_task("t", TaskStatus.LOST),
    ):
        with pytest.raises(TaskNotFound):
            report()


@pytest.mark.parametrize(
    ("act", "named"),
    [
        (lambda flows: flows.create_flow(" "), "goal"),
        (lambda flows: flows.create_flow("g", status="odd"), "status"),
        (lambda flows: flows.create_flow("g", state_json={"at": datetime.now(UTC)}), "datetime"),
        (lambda flows: flows.create_flow("g", state_json=float("nan")), "JSON"),
        (lambda flows: flows.run_task("f", "t", runtime="cron"), "runtime"),
        (lambda flows: flows.run_task("f", "t", runtime=TaskRuntime.ACP, started_at=-1), "startedAt"),
    ],
)
def test_arguments_are_judged_as_bodies_are(flows: TaskFlows, act: Callable[[TaskFlows], object], named: str) -> None:
    with pytest.raises(InvalidAction, match=named):
        act(flows)
    assert flows.list_flows() == []


def test_a_number_that_the_engine_would_round_is_refused(flows: TaskFlows, monkeypatch: pytest.MonkeyPatch) -> None:
    rounding = EngineCapabilities(reports_tasks=True, prunes=True, keeps_history=True, keeps_whole_numbers=False)
    monkeypatch.setattr(type(flows._engine), "capabilities", rounding)
    with pytest.raises(InvalidAction, match="stateJson"):
        flows.create_flow("g", state_json={"n": 2**53 + 1})


def test_a_route_lends_its_session_and_its_controller() -> None:
    flow = taskflows.bind_route("ci").create_flow("g")
    assert flow.controller_id == "webhooks/ci"
    assert taskflows.bind_session("agent:ops:ci").get_flow(flow.flow_id) == flow
    with pytest.raises(UnknownRoute, match="nowhere"):
        taskflows.bind_route("nowhere")
    with pytest.raises(ValueError, match="session_key"):
        taskflows.bind_session(" ")


def test_a_rollback_takes_the_change_along(flows: TaskFlows) -> None:
    class Undo(Exception):
        pass

    def create_and_undo() -> None:
        with transaction.atomic():
            flows.create_flow("g")
            raise Undo

    with pytest.raises(Undo):
        create_and_undo()
    assert flows.list_flows() == []


@pytest.mark.django_db(transaction=True)
def test_every_method_has_an_asynchronous_twin(flows: TaskFlows) -> None:
    names = {name for name, _ in inspect.getmembers(TaskFlows, inspect.isfunction) if not name.startswith("_")}
    twins = {name for name in names if inspect.iscoroutinefunction(getattr(TaskFlows, name))}
    assert {f"a{name}" for name in names - twins} == twins
    for name in names - twins:
        assert inspect.signature(getattr(TaskFlows, f"a{name}")) == inspect.signature(getattr(TaskFlows, name))

    async def drive() -> Any:
        flow = await flows.acreate_flow("g")
        await flows.arun_task(flow.flow_id, "t", runtime=TaskRuntime.ACP)
        with pytest.raises(RevisionConflict):
            await flows.afail_flow(await flows.afinish_flow(flow) and flow)
        return await flows.aget_flow(flow.flow_id)

    assert asyncio.run(drive()).status is FlowStatus.SUCCEEDED
