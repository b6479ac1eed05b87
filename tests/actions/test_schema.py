"""``parse_action``: bodies become actions or name their first fault; serializers and compiled schemas agree."""

from __future__ import annotations

import dataclasses
import json
import timeit
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_webhooks.actions import values
from openclaw_webhooks.actions.schema import check_whole_numbers, compile_schema, parse_action
from openclaw_webhooks.actions.serializers import ACTION_SERIALIZERS, ActionSerializer, CreateFlowSerializer
from openclaw_webhooks.actions.values import Action, CreateFlow, Fault, GetFlow, ListFlows, RunTask, SetWaiting
from openclaw_webhooks.engines.records import (
    FlowStatus,
    NotifyPolicy,
    TaskRuntime,
    TaskStatus,
)
from openclaw_webhooks.guards.json_body import parse_json
from openclaw_webhooks.values import UNSET
from tests.actions.bodies import ACTION_BODIES, ANY_BODIES

SURROGATES = st.text(st.characters(categories=["Cs", "Cc", "L"]), max_size=3)
HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | SURROGATES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
SERIALIZERS: dict[str, type[ActionSerializer]] = {cls.value_class.name: cls for cls in ACTION_SERIALIZERS}
NAMES_TEXT = "'create_flow' | 'get_flow' | 'list_flows' | 'find_latest_flow' | 'resolve_flow' | 'get_task_summary' | "
NAMES_TEXT += "'set_waiting' | 'resume_flow' | 'finish_flow' | 'fail_flow' | 'request_cancel' | 'cancel_flow' | "
NAMES_TEXT += "'run_task'"


def fault_text(body: Any) -> str:
    fault = parse_action(body)
    assert isinstance(fault, Fault)
    return str(fault)


def run_task(**fields: Any) -> dict[str, Any]:
    return {"action": "run_task", "flowId": "f", "runtime": "acp", "task": "Inspect", **fields}


def test_the_specifications_examples_are_actions() -> None:
    assert parse_action(
        {"action": "create_flow", "goal": "Review inbound queue", "status": "queued", "notifyPolicy": "done_only"}
    ) == CreateFlow(goal="Review inbound queue", status=FlowStatus.QUEUED, notify_policy=NotifyPolicy.DONE_ONLY)
    assert parse_action(
        {
            "action": "run_task",
            "flowId": "flow_123",
            "runtime": "acp",
            "childSessionKey": "agent:main:acp:worker",
            "task": "Inspect the next message batch",
        }
    ) == RunTask(
        flow_id="flow_123",
        runtime=TaskRuntime.ACP,
        child_session_key="agent:main:acp:worker",
        task="Inspect the next message batch",
    )


def test_absent_is_not_null() -> None:
    body = {"action": "set_waiting", "flowId": " f ", "expectedRevision": 1.0, "currentStep": None, "stateJson": None}
    action = parse_action(body)
    assert action == SetWaiting(flow_id="f", expected_revision=1, current_step=None, state_json=None)
    assert isinstance(action, SetWaiting)
    assert action.wait_json is UNSET
    assert action.blocked_task_id is UNSET


def test_a_running_task_takes_everything() -> None:
    action = parse_action(
        run_task(status="running", startedAt=10, lastEventAt=12, progressSummary=None, preferMetadata=True)
    )
    assert isinstance(action, RunTask)
    assert (action.status, action.started_at, action.last_event_at) == (TaskStatus.RUNNING, 10, 12)
    assert action.progress_summary is None
    assert action.prefer_metadata is True


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (None, "Invalid input: expected object, received null"),
        ([], "Invalid input: expected object, received array"),
        ({}, f"action: Invalid discriminator value. Expected {NAMES_TEXT}"),
        ({"action": ["get_flow"], "x": 1}, f"action: Invalid discriminator value. Expected {NAMES_TEXT}"),
        ({"action": " list_flows "}, f"action: Invalid discriminator value. Expected {NAMES_TEXT}"),
        ({"action": "create_flow"}, "goal: Invalid input: expected string, received undefined"),
        ({"action": "create_flow", "goal": None}, "goal: Invalid input: expected string, received null"),
        ({"action": "create_flow", "status": "x", "goal": "", "b": 1}, "goal: Too small"),
        ({"action": "list_flows", "extra": 1}, 'Unrecognized key: "extra"'),
        ({"b": 1, "action": "create_flow", "goal": "g", 'q"': 2}, 'Unrecognized keys: "b", "q""'),
        ({"action": "create_flow", "goal": "a\0b"}, "goal: "),
        ({"action": "create_flow", "goal": "g", "stateJson": [float("inf")]}, "stateJson: Invalid input"),
        ({"action": "create_flow", "goal": "g", "controllerId": None}, "controllerId: Invalid input: expected string"),
        ({"action": "finish_flow", "flowId": "f"}, "expectedRevision: Invalid input: expected number, received und"),
        ({"action": "run_task", "flowId": "f", "task": "t"}, 'runtime: Invalid option: expected one of "subagent"|"a'),
        (run_task(startedAt=1), "status: status must be running when startedAt, lastEventAt, or progressSummary is"),
        (run_task(progressSummary=None), "status: status must be running"),
        (run_task(status="queued", lastEventAt=1), "status: status must be running"),
        (run_task(startedAt=-1), "startedAt: Too small: expected number to be >=0"),
        (run_task(startedAt=1, pad=1), 'Unrecognized key: "pad"'),
        (run_task(preferMetadata="yes"), "preferMetadata: Invalid input: expected boolean, received string"),
    ],
)
def test_the_first_fault_is_named(body: Any, text: str) -> None:
    assert fault_text(body).startswith(text)


@given(HOSTILE | st.fixed_dictionaries({"action": st.sampled_from(sorted(SERIALIZERS))}, optional={"goal": HOSTILE}))
def test_any_json_is_an_action_or_a_fault_that_names_a_field_or_the_body(value: Any) -> None:
    result = parse_action(value)
    if isinstance(result, Fault):
        assert result.path or result.message.startswith(("Invalid input: expected object", "Unrecognized key"))
        assert result.message
    else:
        assert result.name == value["action"]


def outcome_of_serializer(body: Any) -> Action | tuple[str, str]:
    """What the framework's own way makes of a body: the action, or the first of its errors."""
    serializer = SERIALIZERS[body["action"]](data=body)
    if serializer.is_valid():
        return serializer.to_action()
    path, messages = next(iter(serializer.errors.items()))
    return "" if path == "non_field_errors" else path, str(messages[0])


@settings(max_examples=400)
@given(ACTION_BODIES)
def test_serializer_and_compiled_schema_always_agree(body: Any) -> None:
    compiled = parse_action(body)
    expected = (compiled.path, compiled.message) if isinstance(compiled, Fault) else compiled
    assert outcome_of_serializer(body) == expected


@given(ANY_BODIES)
def test_a_body_from_bytes_gets_the_same_verdict(body: Any) -> None:
    from_bytes, direct = parse_action(parse_json(json.dumps(body).encode())), parse_action(body)
    assert type(from_bytes) is type(direct)
    if isinstance(direct, Fault):
        assert from_bytes == direct


@pytest.mark.parametrize("serializer_class", ACTION_SERIALIZERS)
def test_every_field_of_an_action_is_declared_and_no_other(serializer_class: type[ActionSerializer]) -> None:
    declared = [name for _, name, _, _ in compile_schema(serializer_class).fields]
    assert declared == [field.name for field in dataclasses.fields(serializer_class.value_class)]


def test_there_is_one_serializer_for_each_action() -> None:
    named = [cls.value_class for cls in ACTION_SERIALIZERS]
    assert named == list(values.Action.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("data", [None, [], "text", 5])
def test_a_serializer_refuses_a_body_that_is_no_object(data: Any) -> None:
    serializer = CreateFlowSerializer(data=data)
    assert not serializer.is_valid()
    assert "expected object" in serializer.errors["non_field_errors"][0]


def test_a_serializer_refuses_another_actions_name() -> None:
    serializer = CreateFlowSerializer(data={"action": "get_flow", "goal": "g"})
    assert not serializer.is_valid()
    assert serializer.errors == {"action": ["Invalid discriminator value. Expected 'create_flow'"]}


def test_a_projects_own_validators_run() -> None:
    class Shouting(CreateFlowSerializer):
        def validate_goal(self, value: str) -> str:
            return value.upper()

    serializer = Shouting(data={"action": "create_flow", "goal": " g "})
    assert serializer.is_valid()
    assert serializer.to_action() == CreateFlow(goal="G")


def test_whole_numbers_are_checked_for_engines_that_alter_them() -> None:
    exact, altered = [2**53, 10**20], [2**53 + 1]
    assert check_whole_numbers(CreateFlow(goal="g", state_json=exact, wait_json={"a": 1})) is None
    assert check_whole_numbers(ListFlows()) is None
    fault = check_whole_numbers(CreateFlow(goal="g", state_json=exact, wait_json={"a": altered}))
    assert fault is not None
    assert (fault.path, fault.action) == ("waitJson", "create_flow")


def test_parsing_takes_microseconds() -> None:
    """Ten are the goal; the bound leaves room for a busy machine and none for a serializer per request."""
    body = {"action": "create_flow", "goal": "Review inbound queue", "status": "queued", "notifyPolicy": "done_only"}
    assert parse_action({"action": "get_flow", "flowId": "f"}) == GetFlow(flow_id="f")
    assert min(timeit.repeat(lambda: parse_action(body), number=200, repeat=20)) / 200 < 50e-6
