"""A route of a test: its caller, its flows, and what can be asserted about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from openclaw_webhooks import taskflows
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.engines.records import FlowRecord
from openclaw_webhooks.testing.client import WebhookClient


@dataclass(frozen=True, slots=True)
class TestRoute:
    """One served route.

    Attributes:
        config: As it is served, but for the secret.
        secret: What callers present in the test.
        client: A caller with that secret.
    """

    __test__ = False

    config: RouteConfig
    secret: str
    client: WebhookClient

    @property
    def flows(self) -> taskflows.TaskFlows:
        """The route's flows from Python, to arrange and to look."""
        return taskflows.bind_route(self.config.route_id, actor="test")

    def assert_flow(self, flow_id: str, **expected: Any) -> FlowRecord:
        """Assert what a flow is and return it.

        Args:
            flow_id: Which.
            **expected: Attributes of ``FlowRecord``, such as ``status="succeeded"`` or ``state_json={...}``.
        """
        flow = self.flows.get_flow(flow_id)
        assert flow is not None, f"there is no flow {flow_id} in the session of {self.config.route_id}"
        found = {name: getattr(flow, name) for name in expected}
        assert found == expected, f"flow {flow_id} is {found}, not {expected}"
        return flow

    def assert_history(self, flow_id: str, *statuses: str) -> None:
        """Assert in which statuses a flow has been, revision by revision, the first first."""
        found = [each.status.value for each in reversed(self.flows.list_revisions(flow_id))]
        assert found == list(statuses), f"flow {flow_id} went {found}, not {list(statuses)}"

    def assert_no_flows(self) -> None:
        """Assert that the route's session has no flow."""
        flows = self.flows.list_flows()
        assert not flows, f"there are flows: {[flow.flow_id for flow in flows]}"
