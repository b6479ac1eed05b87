"""What the test kit promises, where the example project does not show it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from openclaw_webhooks.runtime import get_runtime
from openclaw_webhooks.testing import ControlledEngine, TestClock, TestRoute, WebhookClient
from openclaw_webhooks.testing.engine import READS
from openclaw_webhooks.testing.stage import get_engine
from tests.live import ROOT
from tests.testing.running import run_pytest


def test_the_projects_route_is_served_with_a_secret_of_the_test(webhook_route: Callable[..., TestRoute]) -> None:
    ci = webhook_route("ci")
    assert (ci.config.path, ci.config.session_key) == ("/hooks/ci", "agent:ops:ci")
    assert ci.client.post("create_flow", goal="g").ok
    assert ci.client.with_secret("ci-secret-of-the-tests").post("list_flows").status == 401
    assert ci.client.with_secret(None).post("list_flows").status == 401
    assert ci.secret not in repr(ci.config)


def test_several_routes_and_the_projects_other_urls_are_served(webhook_route: Callable[..., TestRoute]) -> None:
    first, second = webhook_route("one"), webhook_route("two", path="/hooks/two", controllerId="c")
    assert first.client.post("create_flow", goal="g").ok
    assert second.client.path == "/hooks/two"
    assert second.client.post("create_flow", goal="g").flow["controllerId"] == "c"
    assert len(first.flows.list_flows()) == 1
    assert Client().get("/admin/login/").status_code == 200


def test_a_route_that_cannot_be_served_says_why(webhook_route: Callable[..., TestRoute]) -> None:
    with pytest.raises(AssertionError, match=r"odd.*sessionKey"):
        webhook_route("odd", sessionKey="")


def test_any_body_is_sent_as_it_is(webhook_client: WebhookClient) -> None:
    assert webhook_client.send(b"{").status == 400
    assert webhook_client.send({"action": "list_flows"}, headers={"Content-Type": "text/plain"}).status == 415
    answer = webhook_client.post("create_flow", goal="")
    assert (answer.ok, answer.code, answer.result) == (False, "invalid_request", {})
    with pytest.raises(AssertionError, match="invalid_request"):
        _ = answer.flow
    assert webhook_client.with_secret("no").post("list_flows").body == "unauthorized"
    assert webhook_client.post("list_flows").headers["x-request-id"]


@pytest.mark.parametrize("method", ["finish_flow", None])
def test_the_engine_fails_as_often_as_told(
    webhook_route: Callable[..., TestRoute], webhook_engine: ControlledEngine, method: str | None
) -> None:
    route = webhook_route()
    flow_id = route.client.post("create_flow", goal="g").flow["flowId"]
    webhook_engine.fail_next(method=method, times=2)
    answers = [route.client.post("finish_flow", flow_id=flow_id, expected_revision=0) for _ in range(3)]
    assert [answer.code for answer in answers] == ["persist_failed", "persist_failed", None]
    route.assert_history(flow_id, "queued", "succeeded")
    webhook_engine.fail_next(method="get_flow")
    assert route.client.post("list_flows").ok
    assert route.client.post("get_flow", flow_id=flow_id).code == "engine_unavailable"


def test_a_failure_that_cannot_come_is_refused(webhook_engine: ControlledEngine) -> None:
    with pytest.raises(ValueError, match="finish_flow"):
        webhook_engine.fail_next(method="finnish_flow")
    with pytest.raises(ValueError, match="times"):
        webhook_engine.fail_next(times=0)


def test_the_reads_are_methods_of_an_engine(webhook_engine: ControlledEngine) -> None:
    assert all(hasattr(webhook_engine._engine.bind_session("k"), name) for name in READS)


def test_flows_are_as_old_as_the_clock_says(webhook_route: Callable[..., TestRoute], webhook_clock: TestClock) -> None:
    route = webhook_route()
    flow = route.flows.create_flow("g")
    webhook_clock.advance(timedelta(days=2))
    later = route.flows.finish_flow(flow)
    assert timedelta(days=2) <= timedelta(milliseconds=later.updated_at_ms - flow.created_at_ms) < timedelta(days=3)
    moment = datetime.now(UTC) + timedelta(days=9)
    webhook_clock.move_to(moment)
    assert abs(webhook_clock.now - moment) < timedelta(minutes=1)
    for wrong in (lambda: webhook_clock.advance(-1), lambda: webhook_clock.move_to(datetime(2999, 1, 1))):
        with pytest.raises(ValueError, match="time"):
            wrong()


def test_assertions_say_what_is(webhook_route: Callable[..., TestRoute]) -> None:
    route = webhook_route()
    flow = route.flows.create_flow("g")
    for claim, told in [
        (lambda: route.assert_flow(flow.flow_id, status="failed"), "queued"),
        (lambda: route.assert_flow("f"), "no flow f"),
        (lambda: route.assert_history(flow.flow_id, "failed"), "queued"),
        (route.assert_no_flows, flow.flow_id),
    ]:
        with pytest.raises(AssertionError, match=told):
            claim()


def test_nothing_of_it_is_left_after_a_test(request: pytest.FixtureRequest, settings: Any) -> None:
    with pytest.raises(RuntimeError, match="outside of a test"):
        get_engine()
    assert not isinstance(get_runtime().engine, ControlledEngine)


def test_the_example_project_passes_its_suite() -> None:
    run_pytest(ROOT / "docs" / "example")
