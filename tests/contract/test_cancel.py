from __future__ import annotations

from dataclasses import replace

import pytest

from openclaw_webhooks.engines.base import BoundSession
from openclaw_webhooks.engines.records import FlowStatus, TaskStatus
from openclaw_webhooks.engines.results import Cancelled, CancelRefusal, NotCancelled
from tests.contract.adapters import EngineUnderTest
from tests.contract.builders import applied, create, run

PENDING = "One or more child tasks are still active."


def test_a_flow_without_children_is_cancelled_in_two_revisions(session: BoundSession) -> None:
    flow = create(session, wait_json={"for": "x"})
    session.set_waiting(flow.flow_id, expected_revision=0, blocked_task_id="t", blocked_summary="b")
    result = session.cancel_flow(flow.flow_id)
    assert isinstance(result, Cancelled)
    assert list(result.tasks) == []
    assert (result.flow.status, result.flow.revision) == (FlowStatus.CANCELLED, 3)
    assert (result.flow.blocked_task_id, result.flow.blocked_summary, result.flow.wait_json) == (None, None, None)
    assert result.flow.cancel_requested_at_ms is not None
    assert result.flow.ended_at_ms == result.flow.updated_at_ms
    assert session.get_flow(flow.flow_id) == result.flow


def test_after_a_request_one_revision_is_left(session: BoundSession) -> None:
    flow = create(session)
    requested = applied(session.request_cancel(flow.flow_id, expected_revision=0))
    result = session.cancel_flow(flow.flow_id)
    assert isinstance(result, Cancelled)
    assert result.flow.revision == 2
    assert result.flow.cancel_requested_at_ms == requested.cancel_requested_at_ms


def test_an_unknown_flow(under_test: EngineUnderTest) -> None:
    flow = create(under_test.new_session())
    expected = NotCancelled(CancelRefusal.NOT_FOUND, "Flow not found.")
    assert under_test.new_session().cancel_flow(flow.flow_id) == expected


@pytest.mark.parametrize("end", ["finish_flow", "fail_flow"])
def test_a_terminal_flow(session: BoundSession, end: str) -> None:
    flow = applied(getattr(session, end)(create(session).flow_id, expected_revision=0))
    expected = NotCancelled(CancelRefusal.TERMINAL, f"Flow is already {flow.status.value}.", flow, [])
    assert session.cancel_flow(flow.flow_id) == expected


def test_a_repeat_is_terminal(session: BoundSession) -> None:
    first = session.cancel_flow(create(session).flow_id)
    assert isinstance(first, Cancelled)
    expected = NotCancelled(CancelRefusal.TERMINAL, "Flow is already cancelled.", first.flow, [])
    assert session.cancel_flow(first.flow.flow_id) == expected


def test_active_children_leave_it_pending_and_a_repeat_moves_nothing(session: BoundSession) -> None:
    flow = create(session, status=FlowStatus.RUNNING)
    tasks = [run(session, flow, task=name, status=TaskStatus.RUNNING, started_at_ms=1000) for name in "abc"]
    result = session.cancel_flow(flow.flow_id)
    assert isinstance(result, NotCancelled)
    assert (result.code, result.reason) == (CancelRefusal.PENDING, PENDING)
    assert result.flow is not None
    assert (result.flow.status, result.flow.revision) == (FlowStatus.RUNNING, 1)
    assert list(result.tasks or ()) == tasks[::-1]  # all were created at 1000: the later inserted first
    assert session.cancel_flow(flow.flow_id) == result


def test_the_last_childs_end_cancels_the_flow(reporting_session: BoundSession) -> None:
    session = reporting_session
    flow = create(session)
    first, second = run(session, flow), run(session, flow)
    session.cancel_flow(flow.flow_id)
    session.end_task(first.task_id, status=TaskStatus.SUCCEEDED)
    pending = session.get_flow(flow.flow_id)
    assert pending is not None
    assert (pending.status, pending.revision) == (FlowStatus.QUEUED, 1)
    ended = session.end_task(second.task_id, status=TaskStatus.LOST)
    assert ended is not None
    cancelled = session.get_flow(flow.flow_id)
    assert cancelled == replace(
        pending,
        status=FlowStatus.CANCELLED,
        revision=2,
        wait_json=None,
        ended_at_ms=ended.ended_at_ms,
        updated_at_ms=ended.ended_at_ms,
    )


def test_a_childs_end_cancels_no_flow_that_did_not_ask(reporting_session: BoundSession) -> None:
    session = reporting_session
    flow = create(session)
    session.end_task(run(session, flow).task_id, status=TaskStatus.FAILED)
    assert session.get_flow(flow.flow_id) == flow


def test_a_childs_end_leaves_a_flow_that_has_ended(reporting_session: BoundSession) -> None:
    session = reporting_session
    flow = create(session)
    task = run(session, flow)
    session.cancel_flow(flow.flow_id)
    finished = applied(session.finish_flow(flow.flow_id, expected_revision=1))
    session.end_task(task.task_id, status=TaskStatus.CANCELLED)
    assert session.get_flow(flow.flow_id) == finished
