from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openclaw_webhooks import services
from openclaw_webhooks.actions.values import ListFlows
from openclaw_webhooks.engines.base import BoundSession, WritesFlows
from openclaw_webhooks.engines.records import FlowRecord, FlowStatus, NotifyPolicy
from openclaw_webhooks.engines.results import Applied, MutationRefusal, NotApplied
from openclaw_webhooks.outcomes import FlowsRead, FlowsWritten, build_outcome, envelope
from openclaw_webhooks.values import UNSET
from tests.contract.adapters import EngineUnderTest
from tests.contract.builders import applied, create

TEXTS = st.text(st.characters(codec=None, categories=None), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def test_a_new_flow_has_the_defaults(session: BoundSession) -> None:
    flow = create(session)
    assert flow == FlowRecord(
        flow_id=flow.flow_id,
        revision=0,
        status=FlowStatus.QUEUED,
        notify_policy=NotifyPolicy.DONE_ONLY,
        goal="Review inbound queue",
        created_at_ms=flow.created_at_ms,
        updated_at_ms=flow.created_at_ms,
        sync_mode="managed",
        controller_id="webhooks/test",
    )
    assert session.get_flow(flow.flow_id) == flow


def test_a_new_flow_keeps_what_it_was_given(session: BoundSession) -> None:
    flow = create(
        session,
        status=FlowStatus.BLOCKED,
        notify_policy=NotifyPolicy.SILENT,
        current_step="triage",
        state_json={"cursor": 7},
        wait_json=None,
    )
    assert (flow.status, flow.notify_policy, flow.current_step) == (FlowStatus.BLOCKED, NotifyPolicy.SILENT, "triage")
    assert (flow.state_json, flow.wait_json) == ({"cursor": 7}, None)
    assert session.get_flow(flow.flow_id) == flow


def test_ids_differ(session: BoundSession) -> None:
    assert len({create(session).flow_id for _ in range(20)}) == 20


def test_unknown_flows_are_none(session: BoundSession) -> None:
    assert session.get_flow("no-such-flow") is None
    assert session.get_task_summary("no-such-flow") is None
    assert session.resolve_flow("no-such-flow") is None
    assert session.find_latest_flow() is None
    assert list(session.list_flows()) == []


def test_lists_are_newest_created_first_and_ties_earlier_inserted_first(session: BoundSession) -> None:
    flows = [create(session, goal=str(number)) for number in range(12)]
    listed = session.list_flows()
    assert list(listed) == sorted(flows, key=lambda flow: -flow.created_at_ms)  # sorted() keeps ties in order


NASTY = '"\\ \b\f\n\r\t\x01\x1f\x7f/\u2028é漢🦀 {"a":1} \'%s\' '


def test_a_list_that_the_engine_writes_is_told_with_the_bytes_of_its_records(session: BoundSession) -> None:
    if not isinstance(session, WritesFlows):
        pytest.skip("engine lacks write_flows")
    assert told(FlowsWritten(session.write_flows())) == told(FlowsRead([]))
    create(session)
    create(
        session, goal=NASTY, controller_id=NASTY, current_step=NASTY, state_json=None, wait_json={NASTY: [NASTY, "\0"]}
    )
    blocked = create(session, state_json={"half a pair": "\ud800", "number": 1.5e300, "long": 2**60}, wait_json="")
    text = "".join(map(chr, range(1, 0x180)))
    session.set_waiting(blocked.flow_id, expected_revision=0, blocked_task_id=text, blocked_summary=NASTY)
    session.finish_flow(create(session).flow_id, expected_revision=0, state_json=[])
    session.request_cancel(create(session).flow_id, expected_revision=0)
    flows = session.list_flows()
    assert len(flows) == 5
    assert told(FlowsWritten(session.write_flows())) == told(FlowsRead(flows))
    assert services.dispatch(ListFlows(), session, default_controller_id="c") == FlowsWritten(session.write_flows())


def told(result: FlowsRead | FlowsWritten) -> bytes:
    return envelope("zapier", build_outcome(result))


def test_the_latest_flow_is_the_last_updated(session: BoundSession) -> None:
    first, second = create(session), create(session)
    assert session.find_latest_flow() == second
    changed = first
    while changed.updated_at_ms <= second.updated_at_ms:
        changed = applied(session.request_cancel(first.flow_id, expected_revision=changed.revision))
    assert session.find_latest_flow() == changed


def test_resolve_takes_a_flow_id_or_exactly_the_session_key(under_test: EngineUnderTest) -> None:
    key = under_test.new_session_key()
    session = under_test.engine.bind_session(key)
    assert session.resolve_flow(key) is None
    first, second = create(session), create(session)
    assert session.resolve_flow(first.flow_id) == first
    assert session.resolve_flow(key) == second
    assert session.resolve_flow(key.upper()) is None
    assert session.resolve_flow(key + ":x") is None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
def test_json_comes_back_as_it_was_sent(under_test: EngineUnderTest, value: object) -> None:
    if not under_test.engine.capabilities.keeps_whole_numbers:
        pytest.skip("engine lacks keeps_whole_numbers")
    session = under_test.new_session()
    flow = create(session, state_json=value)
    stored = session.get_flow(flow.flow_id)
    assert stored is not None
    assert repr(stored.state_json) == repr(value)


def test_waiting(session: BoundSession) -> None:
    flow = create(session)
    waiting = applied(session.set_waiting(flow.flow_id, expected_revision=0, current_step="s", wait_json={"for": 1}))
    assert waiting == replace(
        flow,
        status=FlowStatus.WAITING,
        revision=1,
        current_step="s",
        wait_json={"for": 1},
        updated_at_ms=waiting.updated_at_ms,
    )
    assert waiting.updated_at_ms >= flow.updated_at_ms
    assert session.get_flow(flow.flow_id) == waiting


@pytest.mark.parametrize("fields", [{"blocked_task_id": "t"}, {"blocked_summary": "why"}])
def test_a_blocked_field_blocks(session: BoundSession, fields: dict[str, str]) -> None:
    flow = applied(session.set_waiting(create(session).flow_id, expected_revision=0, **fields))
    assert flow.status is FlowStatus.BLOCKED
    assert {name: getattr(flow, name) for name in fields} == fields
    again = applied(session.set_waiting(flow.flow_id, expected_revision=1))
    assert again.status is FlowStatus.WAITING
    assert {name: getattr(again, name) for name in fields} == fields


def test_null_clears_text_and_stores_null_json(session: BoundSession) -> None:
    flow = create(session, current_step="s", state_json=1, wait_json=2)
    kept = applied(session.set_waiting(flow.flow_id, expected_revision=0))
    assert (kept.current_step, kept.state_json, kept.wait_json) == ("s", 1, 2)
    cleared = applied(
        session.set_waiting(
            flow.flow_id,
            expected_revision=1,
            current_step=None,
            state_json=None,
            wait_json=None,
            blocked_task_id=None,
            blocked_summary=None,
        )
    )
    assert (cleared.current_step, cleared.state_json, cleared.wait_json) == (None, None, None)
    assert cleared.status is FlowStatus.WAITING


def test_what_was_never_set_stays_unset(session: BoundSession) -> None:
    flow = applied(session.set_waiting(create(session).flow_id, expected_revision=0))
    assert flow.state_json is UNSET
    assert flow.wait_json is UNSET


def test_resume_clears_what_was_waited_for(session: BoundSession) -> None:
    flow = create(session, state_json={"keep": True})
    session.set_waiting(flow.flow_id, expected_revision=0, wait_json=[1], blocked_task_id="t", blocked_summary="b")
    resumed = applied(session.resume_flow(flow.flow_id, expected_revision=1))
    assert resumed.status is FlowStatus.QUEUED
    assert (resumed.blocked_task_id, resumed.blocked_summary, resumed.wait_json) == (None, None, None)
    assert resumed.state_json == {"keep": True}
    running = applied(
        session.resume_flow(
            flow.flow_id, expected_revision=2, status=FlowStatus.RUNNING, current_step="go", state_json=None
        )
    )
    assert (running.status, running.current_step, running.state_json) == (FlowStatus.RUNNING, "go", None)


def test_finish(session: BoundSession) -> None:
    flow = create(session)
    session.set_waiting(flow.flow_id, expected_revision=0, wait_json=1, blocked_summary="b", blocked_task_id="t")
    done = applied(session.finish_flow(flow.flow_id, expected_revision=1, state_json={"result": "ok"}))
    assert (done.status, done.wait_json, done.state_json) == (FlowStatus.SUCCEEDED, None, {"result": "ok"})
    assert (done.blocked_task_id, done.blocked_summary) == (None, None)
    assert done.ended_at_ms == done.updated_at_ms


def test_fail_keeps_the_blocked_fields_unless_given(session: BoundSession) -> None:
    flow = create(session, wait_json=1)
    session.set_waiting(flow.flow_id, expected_revision=0, blocked_task_id="t", blocked_summary="b")
    failed = applied(session.fail_flow(flow.flow_id, expected_revision=1, blocked_summary=None))
    assert (failed.status, failed.wait_json) == (FlowStatus.FAILED, None)
    assert (failed.blocked_task_id, failed.blocked_summary) == ("t", None)
    assert failed.ended_at_ms == failed.updated_at_ms
    again = applied(session.fail_flow(flow.flow_id, expected_revision=2, blocked_summary="quota", state_json=3))
    assert (again.blocked_summary, again.state_json) == ("quota", 3)


def test_request_cancel_leaves_the_status_and_may_be_repeated(session: BoundSession) -> None:
    flow = create(session, status=FlowStatus.RUNNING)
    first = applied(session.request_cancel(flow.flow_id, expected_revision=0))
    assert (first.status, first.revision, first.ended_at_ms) == (FlowStatus.RUNNING, 1, None)
    assert first.cancel_requested_at_ms is not None
    # The Gateway reads its clock once for each of the two.
    assert flow.updated_at_ms <= first.cancel_requested_at_ms <= first.updated_at_ms
    second = applied(session.request_cancel(flow.flow_id, expected_revision=1))
    assert second.cancel_requested_at_ms is not None
    assert second.revision == 2
    assert first.updated_at_ms <= second.cancel_requested_at_ms <= second.updated_at_ms


def test_a_finished_flow_is_reopened_at_its_revision(session: BoundSession) -> None:
    flow = create(session)
    session.finish_flow(flow.flow_id, expected_revision=0)
    waiting = applied(session.set_waiting(flow.flow_id, expected_revision=1))
    assert (waiting.status, waiting.ended_at_ms) == (FlowStatus.WAITING, None)
    session.fail_flow(flow.flow_id, expected_revision=2)
    assert applied(session.resume_flow(flow.flow_id, expected_revision=3)).ended_at_ms is None


@pytest.mark.parametrize("action", ["set_waiting", "resume_flow", "finish_flow", "fail_flow", "request_cancel"])
@pytest.mark.parametrize("revision", [0, 2, 2**53 - 1])
def test_another_revision_is_a_conflict(session: BoundSession, action: str, revision: int) -> None:
    flow = create(session)
    current = applied(session.set_waiting(flow.flow_id, expected_revision=0))
    result = getattr(session, action)(flow.flow_id, expected_revision=revision)
    assert result == NotApplied(MutationRefusal.REVISION_CONFLICT, current)
    assert session.get_flow(flow.flow_id) == current


@pytest.mark.parametrize("action", ["set_waiting", "resume_flow", "finish_flow", "fail_flow", "request_cancel"])
def test_changes_of_an_unknown_flow(session: BoundSession, action: str) -> None:
    assert getattr(session, action)("no-such-flow", expected_revision=0) == NotApplied(MutationRefusal.NOT_FOUND)
    assert isinstance(getattr(session, action)(create(session).flow_id, expected_revision=0), Applied)
