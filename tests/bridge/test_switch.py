"""The way from the bundled plugin to this app and back: the flows are the same."""

from __future__ import annotations

import pathlib
from typing import Any

from project.gateway.hosted import build_hosted, write_private
from project.gateway.process import GatewayProcess
from tests.bridge.gateways import PATH, build_document, find_installation
from tests.bridge.test_hosted import CREATE, post
from tests.live import free_port


def change(gateway: GatewayProcess, action: str, flow: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"action": action, "flowId": flow["flowId"], "expectedRevision": flow["revision"], **fields}
    status, answer = post(gateway, body)
    assert status == 200, answer
    changed: dict[str, Any] = answer["result"]["flow"]
    return changed


def create(gateway: GatewayProcess) -> dict[str, Any]:
    status, answer = post(gateway, {**CREATE, "stateJson": {"seen": ["ä", None, 1.5]}, "currentStep": "first"})
    assert status == 200, answer
    flow: dict[str, Any] = answer["result"]["flow"]
    return change(gateway, "set_waiting", flow, waitJson={"for": "review"})


def take_over(gateway: GatewayProcess, flow: dict[str, Any]) -> None:
    """Find a flow that the other one made, and bring it to its end."""
    assert post(gateway, {"action": "get_flow", "flowId": flow["flowId"]}) == (
        200,
        {"ok": True, "routeId": "zapier", "result": {"flow": flow}},
    )
    resumed = change(gateway, "resume_flow", flow, status="running")
    finished = change(gateway, "finish_flow", resumed)
    assert (finished["status"], finished["revision"], finished["stateJson"]) == ("succeeded", 3, flow["stateJson"])


def test_flows_are_the_same_before_and_after_the_switch(tmp_path: pathlib.Path) -> None:
    installation, port = find_installation(), free_port()
    ours = build_hosted(installation, tmp_path, port, build_document(), {})
    bundled_config = {
        **build_document(),
        "gateway": {"mode": "local", "bind": "loopback", "auth": {"mode": "token", "token": "a-token-of-the-tests"}},
    }
    bundled_path = write_private(tmp_path / "bundled.json", bundled_config)
    bundled = GatewayProcess(installation, ours.folder, bundled_path, port)
    flows: list[dict[str, Any]] = []
    for gateway in (bundled, ours, bundled):
        gateway.start()
        try:
            gateway.wait_for_route(PATH)
            if flows:
                take_over(gateway, flows[-1])
            flows.append(create(gateway))
        finally:
            gateway.stop()
    assert len({flow["flowId"] for flow in flows}) == 3
