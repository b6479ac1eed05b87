"""The list of flows, told from rows, beside the same list told from views."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.engines.embedded.rows import build_flow, build_flow_row
from openclaw_webhooks.engines.flow_rows import StoredFlows
from openclaw_webhooks.engines.records import FlowRecord, FlowStatus, NotifyPolicy
from openclaw_webhooks.outcomes import FlowsRead, build_flow_view, build_outcome, envelope
from openclaw_webhooks.values import UNSET
from tests.stub_engine import build_flow as build_record

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
TIMES = st.integers(0, 2**53)
JSON = st.just(UNSET) | st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=5,
)
FLOWS = st.builds(
    FlowRecord,
    flow_id=TEXT,
    revision=TIMES,
    status=st.sampled_from(FlowStatus),
    notify_policy=st.sampled_from(NotifyPolicy),
    goal=TEXT,
    created_at_ms=TIMES,
    updated_at_ms=TIMES,
    controller_id=st.none() | TEXT,
    current_step=st.none() | TEXT,
    blocked_task_id=st.none() | TEXT,
    blocked_summary=st.none() | TEXT,
    state_json=JSON,
    wait_json=JSON,
    cancel_requested_at_ms=st.none() | TIMES,
    ended_at_ms=st.none() | TIMES,
)


def tell(flows: Any) -> bytes:
    return envelope("zapier", build_outcome(FlowsRead(flows)))


@given(st.lists(FLOWS, max_size=3))
def test_rows_and_records_are_told_with_the_same_bytes(flows: list[FlowRecord]) -> None:
    stored = StoredFlows([build_flow_row(flow) for flow in flows], build_flow)
    assert tell(stored) == tell(flows)
    assert json.loads(tell(stored))["result"]["flows"] == json.loads(
        json.dumps([build_flow_view(one) for one in flows])
    )


def test_stored_flows_are_a_sequence_of_records() -> None:
    flows = [build_record(flow_id=f"flow-{number}", state_json={"n": number}) for number in range(3)]
    stored = StoredFlows([build_flow_row(flow) for flow in flows], build_flow)
    assert (len(stored), stored[1], stored[-1:], list(stored)) == (3, flows[1], flows[-1:], flows)
    assert stored == flows
    assert stored != flows[:2]
    assert stored != 3


def test_the_views_are_there_for_whoever_looks() -> None:
    flow = build_record()
    result = build_outcome(FlowsRead([flow])).result
    assert dict(result) == {"flows": [build_flow_view(flow)]}
    assert (len(result), result.get("flow")) == (1, None)
