from __future__ import annotations

import pytest

from openclaw_webhooks.engines.base import BoundSession
from openclaw_webhooks.engines.records import ACTIVE_TASK_STATUSES, TaskRuntime, TaskStatus
from tests.contract.builders import create, run

ENDS = sorted(set(TaskStatus) - ACTIVE_TASK_STATUSES)


def test_start_progress_and_end(reporting_session: BoundSession) -> None:
    session = reporting_session
    flow = create(session)
    queued = run(session, flow)
    started = session.start_task(queued.task_id)
    assert started is not None
    assert started.status is TaskStatus.RUNNING
    assert queued.created_at_ms <= (started.started_at_ms or 0) == started.last_event_at_ms
    assert session.start_task(queued.task_id) == started
    progressed = session.report_progress(queued.task_id, summary=" 3 of\n 9 ")
    assert progressed is not None
    assert (progressed.progress_summary, progressed.started_at_ms) == ("3 of 9", started.started_at_ms)
    ended = session.end_task(queued.task_id, status=TaskStatus.SUCCEEDED, summary=" all \n done ")
    assert ended is not None
    assert (ended.status, ended.terminal_summary, ended.terminal_outcome) == (
        TaskStatus.SUCCEEDED,
        "all done",
        "succeeded",
    )
    assert ended.ended_at_ms == ended.last_event_at_ms
    assert session.get_task(queued.task_id) == ended
    assert list(session.list_tasks(flow.flow_id)) == [ended]
    assert session.get_flow(flow.flow_id) == flow


def test_progress_starts_a_queued_task(reporting_session: BoundSession) -> None:
    task = run(reporting_session, create(reporting_session))
    progressed = reporting_session.report_progress(task.task_id, summary="going")
    assert progressed is not None
    assert progressed.status is TaskStatus.RUNNING
    assert progressed.started_at_ms is not None


@pytest.mark.parametrize("status", ENDS)
def test_every_end_is_final(reporting_session: BoundSession, status: TaskStatus) -> None:
    session = reporting_session
    flow = create(session)
    task = run(session, flow)
    ended = session.end_task(task.task_id, status=status, error="why")
    assert ended is not None
    assert (ended.status, ended.error) == (status, "why")
    assert (ended.terminal_outcome == "succeeded") is (status is TaskStatus.SUCCEEDED)
    assert session.start_task(task.task_id) == ended
    assert session.report_progress(task.task_id, summary="late") == ended
    assert session.end_task(task.task_id, status=TaskStatus.LOST, error="late") == ended
    summary = session.get_task_summary(flow.flow_id)
    assert summary is not None
    assert summary.by_status[status] == 1


@pytest.mark.parametrize("status", sorted(ACTIVE_TASK_STATUSES))
def test_a_task_does_not_end_active(reporting_session: BoundSession, status: TaskStatus) -> None:
    task = run(reporting_session, create(reporting_session))
    with pytest.raises(ValueError, match="does not end"):
        reporting_session.end_task(task.task_id, status=status)
    assert reporting_session.get_task(task.task_id) == task


def test_a_status_written_by_hand(reporting_session: BoundSession) -> None:
    task = run(reporting_session, create(reporting_session))
    with pytest.raises(ValueError, match="'done' is not a valid"):
        reporting_session.end_task(task.task_id, status="done")  # type: ignore[arg-type]
    ended = reporting_session.end_task(task.task_id, status="lost")  # type: ignore[arg-type]
    assert ended is not None
    assert ended.status is TaskStatus.LOST


def test_an_end_is_never_before_the_start(reporting_session: BoundSession) -> None:
    future = 2**53 - 1
    task = run(reporting_session, create(reporting_session), status=TaskStatus.RUNNING, started_at_ms=future)
    ended = reporting_session.end_task(task.task_id, status=TaskStatus.TIMED_OUT)
    assert ended is not None
    assert (ended.started_at_ms, ended.ended_at_ms, ended.last_event_at_ms) == (future, future, future)


def test_an_unknown_task(reporting_session: BoundSession) -> None:
    assert reporting_session.get_task("no-such-task") is None
    assert reporting_session.start_task("no-such-task") is None
    assert list(reporting_session.list_tasks("no-such-flow")) == []


def test_words_that_no_database_keeps_do_not_cost_the_report(reporting_session: BoundSession) -> None:
    task = run(reporting_session, create(reporting_session))
    ended = reporting_session.end_task(
        task.task_id, status=TaskStatus.FAILED, summary="a\0b \ud800", error="exit\0\udcff"
    )
    assert ended is not None
    assert ended == reporting_session.get_task(task.task_id)
    assert (ended.terminal_summary, ended.error) == ("a\ufffdb ?", "exit\ufffd?")


def test_a_finished_run_is_found_again_and_stays_finished(reporting_session: BoundSession) -> None:
    session = reporting_session
    flow = create(session)
    task = run(session, flow, run_id="r", runtime=TaskRuntime.SUBAGENT)
    ended = session.end_task(task.task_id, status=TaskStatus.SUCCEEDED)
    assert run(session, flow, run_id="r", runtime=TaskRuntime.SUBAGENT, status=TaskStatus.RUNNING) == ended


def test_the_oldest_of_a_run_is_found_for_another_text(reporting_session: BoundSession) -> None:
    session = reporting_session
    flow = create(session)
    late = run(session, flow, run_id="r", task="late", status=TaskStatus.RUNNING, started_at_ms=9000)
    assert run(session, flow, run_id="r", task="other") == late
