from __future__ import annotations

import pytest

from openclaw_webhooks.engines.base import BoundSession
from openclaw_webhooks.engines.records import (
    FlowStatus,
    NotifyPolicy,
    TaskRecord,
    TaskRuntime,
    TaskStatus,
)
from openclaw_webhooks.engines.results import (
    CancelRefusal,
    MutationRefusal,
    NotApplied,
    NotCancelled,
    RunTaskRefusal,
    TaskCreated,
    TaskNotCreated,
)
from tests.contract.adapters import EngineUnderTest
from tests.contract.builders import applied, create, run


def test_a_new_task_has_the_defaults(session: BoundSession) -> None:
    flow = create(session)
    result = session.run_task(flow.flow_id, runtime=TaskRuntime.ACP, task="Inspect")
    assert isinstance(result, TaskCreated)
    assert result.flow == flow
    task = result.task
    assert task == TaskRecord(
        task_id=task.task_id,
        runtime=TaskRuntime.ACP,
        task="Inspect",
        status=TaskStatus.QUEUED,
        notify_policy=NotifyPolicy.DONE_ONLY,
        created_at_ms=task.created_at_ms,
        last_event_at_ms=task.created_at_ms,
        parent_flow_id=flow.flow_id,
        agent_id="tester",
    )
    assert session.get_flow(flow.flow_id) == flow


def test_a_task_keeps_what_it_was_given(session: BoundSession) -> None:
    task = run(
        session,
        create(session),
        runtime=TaskRuntime.SUBAGENT,
        source_id="s",
        child_session_key="agent:main:acp:worker",
        parent_task_id="p",
        agent_id="helper",
        run_id="r",
        label="l",
        notify_policy=NotifyPolicy.SILENT,
        status=TaskStatus.RUNNING,
        started_at_ms=5000,
        last_event_at_ms=6000,
        progress_summary=" half \n\tway\ufeff through ",
    )
    assert (task.runtime, task.source_id, task.parent_task_id) == (TaskRuntime.SUBAGENT, "s", "p")
    assert (task.child_session_key, task.agent_id, task.run_id) == ("agent:main:acp:worker", "helper", "r")
    assert (task.label, task.notify_policy, task.status) == ("l", NotifyPolicy.SILENT, TaskStatus.RUNNING)
    assert (task.created_at_ms, task.started_at_ms, task.last_event_at_ms) == (5000, 5000, 6000)
    assert task.progress_summary == "half way through"


@pytest.mark.parametrize(
    ("started", "last_event", "expected"),
    [
        (5000, None, (5000, 5000, 5000)),
        (5000, 3000, (3000, 5000, 5000)),
        (3000, 5000, (3000, 3000, 5000)),
        (None, 4000, (4000, None, 4000)),
        (0, 0, (0, 0, 0)),
    ],
)
def test_given_times(
    session: BoundSession, started: int | None, last_event: int | None, expected: tuple[int, int | None, int]
) -> None:
    task = run(session, create(session), status=TaskStatus.RUNNING, started_at_ms=started, last_event_at_ms=last_event)
    assert (task.created_at_ms, task.started_at_ms, task.last_event_at_ms) == expected


def test_a_start_in_the_future_does_not_move_the_creation(session: BoundSession) -> None:
    flow = create(session)
    task = run(session, flow, status=TaskStatus.RUNNING, started_at_ms=2**53 - 1)
    assert flow.created_at_ms <= task.created_at_ms < 2**53 - 1
    assert task.last_event_at_ms == 2**53 - 1


@pytest.mark.parametrize(
    ("child_session_key", "agent"),
    [
        ("agent:Ops:X", "ops"),
        ("AGENT:b:c:d", "b"),
        ("agent::b:c", "tester"),
        ("agent:a:", "tester"),
        ("agent:a::b", "tester"),
        ("agent: :b", "tester"),
        ("other:a:b", "tester"),
        (None, "tester"),
    ],
)
def test_the_agent_comes_from_the_child_session_or_the_own(
    session: BoundSession, child_session_key: str | None, agent: str
) -> None:
    assert run(session, create(session), child_session_key=child_session_key).agent_id == agent


def test_refusals_in_order(session: BoundSession) -> None:
    order = {"runtime": TaskRuntime.ACP, "task": "t"}
    assert session.run_task("no-such-flow", **order) == TaskNotCreated(RunTaskRefusal.NOT_FOUND, "Flow not found.")
    finished = applied(session.finish_flow(create(session).flow_id, expected_revision=0))
    reason = "Flow is already succeeded."
    assert session.run_task(finished.flow_id, **order) == TaskNotCreated(RunTaskRefusal.TERMINAL, reason, finished)
    requested = applied(session.request_cancel(finished.flow_id, expected_revision=1))
    reason = "Flow cancellation has already been requested."
    expected = TaskNotCreated(RunTaskRefusal.CANCEL_REQUESTED, reason, requested)
    assert session.run_task(finished.flow_id, **order) == expected
    cancelled = create(session)
    session.cancel_flow(cancelled.flow_id)
    refused = session.run_task(cancelled.flow_id, **order)
    assert isinstance(refused, TaskNotCreated)
    assert refused.code is RunTaskRefusal.CANCEL_REQUESTED


@pytest.mark.parametrize("runtime", [TaskRuntime.ACP, TaskRuntime.SUBAGENT])
def test_without_a_run_id_every_task_is_new(session: BoundSession, runtime: TaskRuntime) -> None:
    flow = create(session)
    assert run(session, flow, runtime=runtime).task_id != run(session, flow, runtime=runtime).task_id


@pytest.mark.parametrize("runtime", [TaskRuntime.ACP, TaskRuntime.SUBAGENT])
def test_the_same_run_is_the_same_task(session: BoundSession, runtime: TaskRuntime) -> None:
    flow = create(session)
    first = run(session, flow, runtime=runtime, run_id="r", status=TaskStatus.RUNNING, progress_summary="p")
    again = run(session, flow, runtime=runtime, run_id="r")
    assert again == first
    assert run(session, flow, runtime=runtime, run_id="r" * 5000).task_id != first.task_id


def test_another_text_is_the_same_run_for_acp_only(session: BoundSession) -> None:
    flow = create(session)
    acp = run(session, flow, run_id="r", task="one")
    assert run(session, flow, run_id="r", task="two") == acp
    subagent = run(session, flow, runtime=TaskRuntime.SUBAGENT, run_id="r", task="one")
    other = run(session, flow, runtime=TaskRuntime.SUBAGENT, run_id="r", task="two")
    assert len({acp.task_id, subagent.task_id, other.task_id}) == 3


def test_another_child_session_or_flow_is_another_run(session: BoundSession) -> None:
    flow = create(session)
    tasks = [
        run(session, flow, run_id="r", runtime=TaskRuntime.SUBAGENT),
        run(session, flow, run_id="r", runtime=TaskRuntime.SUBAGENT, child_session_key="c"),
        run(session, create(session), run_id="r", runtime=TaskRuntime.SUBAGENT),
    ]
    assert len({task.task_id for task in tasks}) == 3


def test_a_repeat_fills_in_what_is_missing(session: BoundSession) -> None:
    flow = create(session)
    first = run(session, flow, run_id="r", notify_policy=NotifyPolicy.SILENT)
    filled = run(
        session,
        flow,
        run_id="r",
        source_id="s",
        parent_task_id="p",
        agent_id="other",
        label="l",
        task="another text",
        notify_policy=NotifyPolicy.STATE_CHANGES,
        status=TaskStatus.RUNNING,
        started_at_ms=1,
        progress_summary="x",
    )
    assert (filled.task_id, filled.source_id, filled.parent_task_id, filled.label) == (first.task_id, "s", "p", "l")
    assert (filled.agent_id, filled.task, filled.status) == ("tester", first.task, TaskStatus.QUEUED)
    assert (filled.created_at_ms, filled.started_at_ms, filled.progress_summary) == (first.created_at_ms, None, None)
    assert filled.notify_policy is NotifyPolicy.STATE_CHANGES
    kept = run(session, flow, run_id="r", source_id="s2", label="l2", notify_policy=NotifyPolicy.SILENT)
    assert kept == filled


def test_a_silent_task_is_done_only_after_a_repeat_without_policy(session: BoundSession) -> None:
    flow = create(session)
    run(session, flow, run_id="r", notify_policy=NotifyPolicy.SILENT)
    assert run(session, flow, run_id="r").notify_policy is NotifyPolicy.DONE_ONLY


def test_prefer_metadata_takes_the_new_label_and_text(session: BoundSession) -> None:
    flow = create(session)
    first = run(session, flow, run_id="r", label="old", task="old text")
    renamed = run(session, flow, run_id="r", label="new", task="new text", prefer_metadata=True)
    assert (renamed.task_id, renamed.label, renamed.task) == (first.task_id, "new", "new text")
    relabelled = run(session, flow, run_id="r", task="newer text", prefer_metadata=True)
    assert (relabelled.label, relabelled.task) == ("new", "newer text")


def test_an_equal_task_wins_over_the_oldest(session: BoundSession) -> None:
    flow = create(session)
    run(session, flow, run_id="r", task="one")
    other_flow_of_run = create(session)
    run(session, other_flow_of_run, run_id="r", task="two")
    assert run(session, flow, run_id="r", task="one", label=None).task == "one"


def test_summary_counts_by_status_and_runtime(session: BoundSession) -> None:
    flow = create(session)
    empty = session.get_task_summary(flow.flow_id)
    assert empty is not None
    assert set(empty.by_status) == set(TaskStatus)
    assert set(empty.by_runtime) == set(TaskRuntime)
    assert sum(empty.by_status.values()) == sum(empty.by_runtime.values()) == 0
    run(session, flow)
    run(session, flow, status=TaskStatus.RUNNING)
    run(session, flow, runtime=TaskRuntime.SUBAGENT, status=TaskStatus.RUNNING)
    run(session, create(session))
    summary = session.get_task_summary(flow.flow_id)
    assert summary is not None
    assert {status: count for status, count in summary.by_status.items() if count} == {
        TaskStatus.QUEUED: 1,
        TaskStatus.RUNNING: 2,
    }
    assert {runtime: count for runtime, count in summary.by_runtime.items() if count} == {
        TaskRuntime.ACP: 2,
        TaskRuntime.SUBAGENT: 1,
    }


def test_nothing_of_another_session_is_seen_or_changed(under_test: EngineUnderTest) -> None:
    owner, stranger = under_test.new_session(), under_test.new_session()
    flow = create(owner, status=FlowStatus.RUNNING)
    task = run(owner, flow)
    assert stranger.get_flow(flow.flow_id) is None
    assert stranger.get_task_summary(flow.flow_id) is None
    assert stranger.resolve_flow(flow.flow_id) is None
    assert stranger.find_latest_flow() is None
    assert list(stranger.list_flows()) == []
    refused = stranger.run_task(flow.flow_id, runtime=TaskRuntime.ACP, task="t")
    assert refused == TaskNotCreated(RunTaskRefusal.NOT_FOUND, "Flow not found.")
    for change in (
        stranger.set_waiting,
        stranger.resume_flow,
        stranger.finish_flow,
        stranger.fail_flow,
        stranger.request_cancel,
    ):
        assert change(flow.flow_id, expected_revision=flow.revision) == NotApplied(MutationRefusal.NOT_FOUND)
    assert stranger.cancel_flow(flow.flow_id) == NotCancelled(CancelRefusal.NOT_FOUND, "Flow not found.")
    if under_test.engine.capabilities.reports_tasks:
        assert stranger.get_task(task.task_id) is None
        assert stranger.start_task(task.task_id) is None
        assert stranger.report_progress(task.task_id, summary="s") is None
        assert stranger.end_task(task.task_id, status=TaskStatus.FAILED) is None
        assert list(stranger.list_tasks(flow.flow_id)) == []
        assert owner.get_task(task.task_id) == task
    assert owner.get_flow(flow.flow_id) == flow
