"""The page of five minutes is what the first start does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from openclaw_webhooks.testing import TestRoute
from project.starter import write_starter
from tests.docs.test_snippets import blocks
from tests.live import ROOT

PAGE = ROOT / "docs" / "start.md"
ROUTE_ID = "starter"


def shape_of(value: object) -> object:
    """Return the keys of an answer, whatever their values."""
    return {key: shape_of(each) for key, each in value.items()} if isinstance(value, dict) else None


def test_the_answer_is_the_one_that_the_starter_route_gives(webhook_route: Callable[..., TestRoute]) -> None:
    answer = webhook_route(ROUTE_ID, sessionKey="agent:main:main").client.post(
        "create_flow", goal="Review inbound queue"
    )
    (shown,) = [json.loads(block) for block in blocks(PAGE, "json")]
    assert shape_of(shown) == shape_of(answer.body)
    changing = {"flowId", "createdAt", "updatedAt"}
    flow = {name: value for name, value in answer.flow.items() if name not in changing}
    assert {name: value for name, value in shown["result"]["flow"].items() if name not in changing} == flow
    assert shown["routeId"] == ROUTE_ID


def test_the_commands_name_the_starter_route(tmp_path: Path) -> None:
    write_starter(tmp_path / "openclaw.json", secret="s")
    assert f"\n            {ROUTE_ID}: {{" in (tmp_path / "openclaw.json").read_text()
    named = re.findall(r"webhooks_flows list (\w+)", "\n".join(blocks(PAGE, "console")))
    assert named == [ROUTE_ID]
