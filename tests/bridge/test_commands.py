"""``webhooks_gateway`` and ``openclaw plugins install`` beside a real Gateway."""

from __future__ import annotations

import json
import pathlib
import shutil

import pytest

from openclaw_webhooks.gateway_setup.configuration import PLUGIN_FOLDER
from project.gateway.process import GatewayProcess
from tests.bridge.gateways import Bridge, build_document, run_openclaw, running_bridge
from tests.live import free_port, manage

TOKEN = "a-token-of-the-bridge-tests"


def test_check_finds_nothing_wrong_and_then_says_what_is(tmp_path: pathlib.Path) -> None:
    port = free_port()
    with running_bridge(tmp_path / "gateway", plugin_config={"bridge": {"port": port, "token": TOKEN}}) as bridge:
        environ = {
            "OPENCLAW_CONFIG_PATH": str(tmp_path / "gateway/openclaw.json"),
            "OPENCLAW_WEBHOOKS_ENGINE": "bridge",
            "OPENCLAW_WEBHOOKS_BRIDGE_URL": bridge.url,
            "OPENCLAW_WEBHOOKS_BRIDGE_TOKEN": TOKEN,
        }
        status, told = manage(tmp_path, "webhooks_gateway", "check", "--json", environ=environ)
        assert status == 0, told
        assert [finding["verdict"] for finding in json.loads(told)] == ["note", "ok", "ok"], told
        wrong_token = environ | {"OPENCLAW_WEBHOOKS_BRIDGE_TOKEN": TOKEN + "-of-another"}
        status, told = manage(tmp_path, "webhooks_gateway", "check", environ=wrong_token)
        assert (status, "the token differs" in told, TOKEN in told) == (1, True, False), told
        another = tmp_path / "another.json"
        another.write_text(json.dumps(build_document({"ci": {"sessionKey": "agent:ci:main", "secret": "s" * 20}})))
        status, told = manage(
            tmp_path, "webhooks_gateway", "check", environ=environ | {"OPENCLAW_CONFIG_PATH": str(another)}
        )
        assert (status, "Route ci: the Gateway has no route" in told, "agent:ci" in told) == (1, True, False), told
    status, told = manage(tmp_path, "webhooks_gateway", "check", environ=environ)
    assert status == 1
    assert "the Gateway is down. Start it." in told
    status, told = manage(
        tmp_path, "webhooks_gateway", "check", environ=environ | {"OPENCLAW_CONFIG_PATH": str(another)}
    )
    assert "does not load the plugin" in told
    assert "webhooks_gateway install" in told


@pytest.mark.parametrize("way", ["openclaw plugins install", "webhooks_gateway install"])
def test_an_installed_plugin_offers_its_bridge(way: str, tmp_path: pathlib.Path) -> None:
    """Over a configuration that an operator has, by the Gateway's own command and by ours."""
    bridge = Bridge(tmp_path / "it", {}, build_document())
    config_path = bridge.process.config_path
    document = json.loads(config_path.read_text())
    del document["plugins"]["load"], document["plugins"]["entries"]["openclaw-webhooks"]
    config_path.write_text(json.dumps(document))
    if way == "openclaw plugins install":
        _install_by_openclaw(bridge.process, tmp_path / "downloaded")
    else:
        environ = {"OPENCLAW_CONFIG_PATH": str(config_path)}
        folder = tmp_path / "plugin"
        status, told = manage(
            tmp_path, "webhooks_gateway", "install", "--write", "--folder", str(folder), environ=environ
        )
        assert status == 0, told
        assert json.loads(config_path.read_text())["plugins"]["load"]["paths"] == [str(folder)]
    try:
        bridge.start()
        assert bridge.engine().bind_session("agent:main:main").list_flows() == []
    finally:
        bridge.process.stop()


def _install_by_openclaw(gateway: GatewayProcess, folder: pathlib.Path) -> None:
    shutil.copytree(PLUGIN_FOLDER, folder)
    gateway.folder.mkdir(parents=True, exist_ok=True)
    # 2026.9.6 asks whether its source and what it does are trusted; 2026.7.1 knows no such question.
    trusted = () if gateway.installation.version < "2026.9" else ("--force", "--accept-capabilities")
    run_openclaw(gateway, "plugins", "install", str(folder), *trusted)
