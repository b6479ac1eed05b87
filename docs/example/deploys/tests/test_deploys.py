"""The route, its worker and its failures, with the fixtures that openclaw-webhooks installs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deploys.worker import work_off, work_on
from openclaw_webhooks.exceptions import OutcomeUnknown
from openclaw_webhooks.testing import ControlledEngine, TestClock, TestRoute


@pytest.fixture
def ci(webhook_route: Callable[..., TestRoute]) -> TestRoute:
    return webhook_route("ci")  # the project's own route; its secret is the test's


def build(_goal: str) -> None:
    """Succeed."""


def fail(_goal: str) -> None:
    raise RuntimeError("no disk left")


def test_a_ci_job_asks_and_reads_the_result(ci: TestRoute) -> None:
    asked = ci.client.post("create_flow", goal="Deploy 1.4")
    assert asked.status == 200

    assert work_off({"build": build, "push": build}) == 1

    read = ci.client.post("get_flow", flow_id=asked.flow["flowId"])
    assert read.flow["status"] == "succeeded"
    assert read.flow["stateJson"] == {"steps": ["build", "push"]}
    ci.assert_history(asked.flow["flowId"], "queued", "running", "succeeded")


def test_a_step_that_fails_fails_the_deployment(ci: TestRoute) -> None:
    flow_id = ci.client.post("create_flow", goal="Deploy 1.5").flow["flowId"]
    assert work_on(flow_id, {"build": build, "push": fail})
    ci.assert_flow(flow_id, status="failed", blocked_summary="push failed")
    (failed, _) = ci.flows.list_tasks(flow_id)
    assert (failed.status, failed.error) == ("failed", "no disk left")


def test_a_wrong_secret_starts_nothing(ci: TestRoute) -> None:
    assert ci.client.with_secret("wrong").post("create_flow", goal="Deploy 1.4").status == 401
    ci.assert_no_flows()


def test_a_job_that_asks_too_often_may_ask_again_a_minute_later(ci: TestRoute, webhook_clock: TestClock) -> None:
    statuses = {ci.client.post("list_flows").status for _ in range(130)}
    assert statuses == {200, 429}
    webhook_clock.advance(61)
    assert ci.client.post("list_flows").status == 200


def test_an_answer_that_is_lost_does_not_deploy_twice(ci: TestRoute, webhook_engine: ControlledEngine) -> None:
    webhook_engine.fail_next(OutcomeUnknown("connection lost"), method="create_flow", is_done_first=True)
    answer = ci.client.post("create_flow", goal="Deploy 1.4")
    assert (answer.status, answer.code) == (503, "outcome_unknown")
    # What the job does next: look before it asks again.
    flows = ci.client.post("list_flows").result["flows"]
    assert [flow["goal"] for flow in flows] == ["Deploy 1.4"]
