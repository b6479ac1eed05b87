"""The bytes of answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.actions.values import (
    Fault,
)
from openclaw_webhooks.outcomes import (
    FlowRead,
    FlowsWritten,
    Outcome,
    build_outcome,
    envelope,
    fault_envelope,
)
from tests.stub_engine import build_flow


@pytest.mark.parametrize(
    ("outcome", "body"),
    [
        (Outcome(200, None, None, {"flow": None}), '{"ok":true,"routeId":"zapier","result":{"flow":null}}'),
        (
            Outcome(202, "cancel_pending", None, {}),
            '{"ok":true,"routeId":"zapier","code":"cancel_pending","result":{}}',
        ),
        (
            Outcome(404, "not_found", "No.", {}),
            '{"ok":false,"routeId":"zapier","code":"not_found","error":"No.","result":{}}',
        ),
        (Outcome(200, None, None, {"é": "🦀\u2028"}), '{"ok":true,"routeId":"zapier","result":{"é":"🦀\u2028"}}'),
        (
            Outcome(200, None, None, {"s": "\ud800é\0\x7f\n/"}),
            '{"ok":true,"routeId":"zapier","result":{"s":"\\ud800é\\u0000\x7f\\n/"}}',
        ),
    ],
)
def test_envelopes_are_the_bytes_of_json_stringify(outcome: Outcome, body: str) -> None:
    assert envelope("zapier", outcome) == body.encode()


def test_a_list_that_the_engine_has_written_is_passed_on_and_read_by_whoever_looks() -> None:
    outcome = build_outcome(FlowsWritten('[{"flowId":"f","goal":"é"}]'))
    assert envelope("z", outcome) == '{"ok":true,"routeId":"z","result":{"flows":[{"flowId":"f","goal":"é"}]}}'.encode()
    assert dict(outcome.result) == {"flows": [{"flowId": "f", "goal": "é"}]}
    assert (len(outcome.result), outcome.result.get("flow")) == (1, None)


def test_a_fault_is_told_without_a_route() -> None:
    assert fault_envelope(Fault("goal", "No.")) == b'{"ok":false,"code":"invalid_request","error":"goal: No."}'
    assert json.loads(fault_envelope(Fault("", 'Key: "\ud800"')))["error"] == 'Key: "\ud800"'


@given(st.recursive(st.text(st.characters()) | st.integers(), lambda inner: st.dictionaries(st.text(), inner)))
def test_any_state_survives_the_envelope(state: Any) -> None:
    flow = build_flow(state_json=state)
    answer = json.loads(envelope("r", build_outcome(FlowRead(flow))))
    assert answer["result"]["flow"]["stateJson"] == state


def test_a_number_that_json_cannot_spell_never_gets_out() -> None:
    with pytest.raises(ValueError, match="JSON"):
        envelope("r", Outcome(200, None, None, {"n": float("inf")}))
