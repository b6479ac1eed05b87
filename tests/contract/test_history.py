"""What an engine keeps of a flow's earlier revisions (``EngineCapabilities.keeps_history``)."""

from __future__ import annotations

import pytest

from openclaw_webhooks.call_context import ACTOR_LENGTH, call_context
from openclaw_webhooks.engines.records import FlowStatus
from openclaw_webhooks.engines.results import NotApplied
from openclaw_webhooks.exceptions import EngineRefused
from openclaw_webhooks.values import UNSET
from tests.contract.adapters import EngineUnderTest
from tests.contract.builders import applied, create, run


def test_an_engine_without_history_says_so(under_test: EngineUnderTest) -> None:
    if under_test.engine.capabilities.keeps_history:
        pytest.skip("keeps_history")
    with pytest.raises(EngineRefused):
        under_test.new_session().list_revisions("f")


@pytest.fixture
def keeping(under_test: EngineUnderTest) -> EngineUnderTest:
    if not under_test.engine.capabilities.keeps_history:
        pytest.skip("keeps_history")
    return under_test


def test_every_revision_says_what_the_flow_was_and_who_made_it(keeping: EngineUnderTest) -> None:
    session = keeping.new_session()
    with call_context("route zapier", request_id="request-1"):
        flow = create(session, state_json={"n": 1})
    with call_context("user alice"):
        flow = applied(
            session.set_waiting(flow.flow_id, expected_revision=0, current_step="approve", blocked_summary="by Bob")
        )
    flow = applied(session.finish_flow(flow.flow_id, expected_revision=1, state_json=None))
    latest, blocked, first = session.list_revisions(flow.flow_id)
    assert [(each.revision, each.actor, each.request_id) for each in (first, blocked, latest)] == [
        (0, "route zapier", "request-1"),
        (1, "user alice", ""),
        (2, "", ""),
    ]
    assert (first.status, first.state_json, first.updated_at_ms) == (FlowStatus.QUEUED, {"n": 1}, flow.created_at_ms)
    assert (blocked.status, blocked.current_step, blocked.blocked_summary) == (FlowStatus.BLOCKED, "approve", "by Bob")
    assert (blocked.wait_json, blocked.ended_at_ms) == (UNSET, None)
    assert (latest.status, latest.state_json, latest.ended_at_ms) == (FlowStatus.SUCCEEDED, None, flow.ended_at_ms)


def test_what_changes_nothing_makes_no_revision(keeping: EngineUnderTest) -> None:
    session = keeping.new_session()
    flow = create(session)
    assert isinstance(session.finish_flow(flow.flow_id, expected_revision=7), NotApplied)
    run(session, flow)
    assert [each.revision for each in session.list_revisions(flow.flow_id)] == [0]


def test_a_cancellation_is_two_revisions(keeping: EngineUnderTest) -> None:
    session = keeping.new_session()
    flow = create(session)
    with call_context("user " + "a" * 300):
        session.cancel_flow(flow.flow_id)
    cancelled, requested, _ = session.list_revisions(flow.flow_id)
    assert (requested.status, requested.cancel_requested_at_ms is None) == (FlowStatus.QUEUED, False)
    assert (cancelled.status, len(cancelled.actor)) == (FlowStatus.CANCELLED, ACTOR_LENGTH)


def test_the_latest_hundred_earlier_revisions_are_kept(keeping: EngineUnderTest) -> None:
    session = keeping.new_session()
    flow = create(session)
    for revision in range(105):
        applied(session.resume_flow(flow.flow_id, expected_revision=revision))
    assert [each.revision for each in session.list_revisions(flow.flow_id)] == list(range(105, 4, -1))


def test_a_session_sees_no_history_of_another(keeping: EngineUnderTest) -> None:
    flow = create(keeping.new_session())
    assert keeping.new_session().list_revisions(flow.flow_id) == []
