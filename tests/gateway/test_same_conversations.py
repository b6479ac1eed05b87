"""This server and a real Gateway, asked the same two thousand things in the same order, tell the same story."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pathlib
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.actions.bodies import ACTION_BODIES, ANY_BODIES, collect_bodies
from tests.actions.test_against_gateway import ORDER_DIFFERS
from tests.gateway_peer import GatewayPeer, Reply, run_gateway
from tests.live import serve, write_config

REQUESTS = int(os.environ.get("GATEWAY_EXAMPLES", "2000"))
TIMES = {"createdAt", "updatedAt", "endedAt", "cancelRequestedAt", "lastEventAt", "startedAt"}
EXACT = 2**53


class Teller:
    """One of the two servers, and the names that the story has for its ids."""

    def __init__(self, peer: GatewayPeer) -> None:
        self._peer = peer
        self._names: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    def tell(self, body: Any) -> Reply:
        raw = json.dumps(self._with_ids(body)).encode()
        reply = self._peer.post(raw)
        return Reply(reply.status, self._with_names(reply.body))

    def _with_ids(self, body: Any) -> Any:
        if isinstance(body, dict) and isinstance(body.get("flowId"), str):
            return body | {"flowId": self._ids.get(body["flowId"], body["flowId"])}
        return body

    def _with_names(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self._with_names(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._with_names(inner) for inner in value]
        if key in {"flowId", "taskId", "parentFlowId"} and isinstance(value, str):
            name = self._names.setdefault(value, f"#{key[0]}{len(self._names)}")
            self._ids[name] = value
            return name
        return "<ms>" if key in TIMES and isinstance(value, int) and value > 1_000_000_000_000 else value


def _known_difference(body: Any) -> bool:
    """Leave out what docs/differences.md lists and one request can show."""
    if not isinstance(body, dict):
        return False
    if body.get("action") in ["find_latest_flow", "resolve_flow", "list_flows"]:
        return True  # the latest updated, not the latest created; ties within a millisecond fall as they fall
    return bool(body.get("runId")) or _loses_digits(body)


def _loses_digits(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_loses_digits, itertools.chain(value, value.values())))
    if isinstance(value, list):
        return any(map(_loses_digits, value))
    if isinstance(value, str):
        return "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value)
    return isinstance(value, float) or (isinstance(value, int) and abs(value) >= EXACT)


@pytest.fixture(scope="module")
def tellers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Teller, Teller]]:
    folder: pathlib.Path = tmp_path_factory.mktemp("conversation")
    config = write_config(folder, {"fresh": {"sessionKey": "agent:main:fresh", "secret": "fresh-secret"}})
    with contextlib.ExitStack() as stack:
        theirs = stack.enter_context(run_gateway(folder / "gateway"))
        ours = stack.enter_context(serve("gunicorn-asgi", folder, config=config, workers=1))
        yield Teller(GatewayPeer(ours.address[1], subnet=30)), Teller(theirs)


def test_two_thousand_requests_are_answered_alike(tellers: tuple[Teller, Teller]) -> None:
    ours, theirs = tellers
    dice, flows, revisions = random.Random(7), [], [0, 0, 0, 1, 1, 2, 3]
    statuses: set[int] = set()
    for body in itertools.filterfalse(
        _known_difference, collect_bodies(REQUESTS, st.one_of(ACTION_BODIES, ACTION_BODIES, ACTION_BODIES, ANY_BODIES))
    ):
        if isinstance(body, dict) and "flowId" in body and flows and dice.random() < 0.7:
            body["flowId"] = dice.choice(flows[-6:])
        if isinstance(body, dict) and "expectedRevision" in body and dice.random() < 0.7:
            body["expectedRevision"] = dice.choice(revisions)
        mine, yours = ours.tell(body), theirs.tell(body)
        statuses.add(mine.status)
        if (mine.verdict.field, yours.verdict.field) in ORDER_DIFFERS:
            continue
        assert mine == yours, json.dumps(body)
        if isinstance(mine.body, dict) and mine.status == 200 and mine.body["result"].get("created"):
            flows.append(mine.body["result"]["flow"]["flowId"])
    assert {200, 400, 404, 409} <= statuses
