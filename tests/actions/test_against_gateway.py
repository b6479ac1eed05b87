"""The schemas against a real Gateway: same status, code, field and text for the same bytes."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from openclaw_webhooks.actions.schema import parse_action
from openclaw_webhooks.actions.values import Fault
from openclaw_webhooks.exceptions import BodyNotJson
from openclaw_webhooks.guards.json_body import parse_json
from openclaw_webhooks.outcomes import envelope, fault_envelope
from openclaw_webhooks.services import perform
from tests.actions.bodies import ANY_BODIES, encoded
from tests.gateway_peer import GatewayPeer, Reply, Verdict, run_gateway
from tests.stub_engine import StubFlows

EXAMPLES = int(os.environ.get("GATEWAY_EXAMPLES", "150"))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayPeer]:
    folder: pathlib.Path = tmp_path_factory.mktemp("gateway")
    with run_gateway(folder) as peer:
        yield peer


def answer(body: bytes) -> Reply:
    """Answer as the pipeline does from step 7 on, over an engine that holds nothing."""
    try:
        value = parse_json(body)
    except BodyNotJson:
        return Reply(400, "invalid request body")
    action = parse_action(value)
    if isinstance(action, Fault):
        return Reply(400, json.loads(fault_envelope(action)))
    outcome = perform(action, StubFlows(), default_controller_id="webhooks/fresh")
    return Reply(outcome.status, json.loads(envelope("fresh", outcome)))


ORDER_DIFFERS = {
    ("goal", "controllerId"),
    *(("task", name) for name in ("sourceId", "childSessionKey", "parentTaskId", "agentId", "runId", "label")),
}
"""Of two faulty fields the contract names the first of each pair, Gateway 2026.7.1 the second (docs/differences.md)."""


OK = Verdict(200, None, "")
NOT_JSON = Verdict(400, None, "")


def fault(field: str) -> Verdict:
    return Verdict(400, "invalid_request", field)


def refusal(reply: Reply) -> Any:
    """The whole of a refusal; of a success no more than that it is one."""
    return (reply.status, reply.body if reply.status >= 400 else reply.verdict)


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=encoded(ANY_BODIES))
def test_answers_as_the_gateway_does(gateway: GatewayPeer, body: bytes) -> None:
    theirs, ours = gateway.post(body), answer(body)
    if (ours.verdict.field, theirs.verdict.field) in ORDER_DIFFERS:
        assert ours.status == theirs.status == 400
        return
    assert ours.verdict == theirs.verdict
    assert refusal(ours) == refusal(theirs)


DELIBERATE: list[tuple[str, bytes, Verdict, Verdict]] = [
    ("NUL in text", rb'{"action":"create_flow","goal":"a\u0000b"}', OK, fault("goal")),
    ("half a surrogate pair in text", rb'{"action":"create_flow","goal":"a\ud800b"}', OK, fault("goal")),
    ("not UTF-8", b'{"action":"get_flow","flowId":"\xff"}', OK, NOT_JSON),
    ("white space that is not JSON's", b'\xc2\xa0{"action":"list_flows"}\x0b', OK, NOT_JSON),
    ("two byte order marks", b'\xef\xbb\xbf\xef\xbb\xbf{"action":"list_flows"}', OK, NOT_JSON),
    ("201 levels", b'{"action":"create_flow","goal":"g","stateJson":' + b"[" * 200 + b"]" * 200 + b"}", OK, NOT_JSON),
    ("a key named __proto__", b'{"action":"create_flow","goal":"g","__proto__":1}', OK, fault("")),
    ("two faults, create_flow", b'{"action":"create_flow","controllerId":""}', fault("controllerId"), fault("goal")),
    (
        "two faults, run_task",
        b'{"action":"run_task","flowId":"f","runtime":"acp","label":""}',
        fault("label"),
        fault("task"),
    ),
]


@pytest.mark.parametrize(("name", "body", "theirs", "ours"), DELIBERATE, ids=[row[0] for row in DELIBERATE])
def test_the_deliberate_differences_are_what_the_docs_say(
    gateway: GatewayPeer, name: str, body: bytes, theirs: Verdict, ours: Verdict
) -> None:
    assert answer(body).verdict == ours
    assert gateway.post(body).verdict == theirs


@pytest.mark.parametrize(
    ("literal", "theirs", "ours"),
    [
        ("9007199254740993", "9007199254740992", "9007199254740993"),
        ("1.0", "1", "1"),
        ("-0.0", "0", "0"),
        ("1e20", "100000000000000000000", "100000000000000000000"),
        ("1.152921504606846976e18", "1152921504606847000", "1152921504606847000"),
        (r'"a\u0000\ud800"', r'"a\u0000\ud800"', r'"a\u0000\ud800"'),
        ('{"__proto__":1}', "{}", '{"__proto__":1}'),
    ],
)
def test_json_comes_back_as_from_the_gateway(gateway: GatewayPeer, literal: str, theirs: str, ours: str) -> None:
    body = b'{"action":"create_flow","goal":"g","stateJson":' + literal.encode() + b"}"
    returned = gateway.post(body).body["result"]["flow"]["stateJson"]
    assert json.dumps(returned, separators=(",", ":")) == theirs
    read = parse_json(literal.encode())
    assert json.dumps(read, separators=(",", ":")) == ours
