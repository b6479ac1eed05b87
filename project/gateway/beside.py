"""A Gateway with the bridge on a loopback port, and this server beside it: the other way that gateway-check plays."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from openclaw_webhooks.conf.bridge import BridgeAddress
from openclaw_webhooks.engines.bridge.client import BridgeClient
from openclaw_webhooks.engines.bridge.transport import Transport
from openclaw_webhooks.exceptions import EngineUnavailable
from project.gateway.configuration import build_gateway_config
from project.gateway.hosted import CHECKOUT, write_private
from project.gateway.installation import Installation
from project.gateway.process import START_PATIENCE_SECONDS, AppProcess, GatewayProcess, NotStarted

_TOKEN_VARIABLE: Final = "CHECK_BRIDGE_TOKEN"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True)
class Beside:
    """A Gateway that offers its flows over TCP, and this server, whose routes are on a port of its own."""

    gateway: GatewayProcess
    app: AppProcess
    bridge: BridgeClient

    def start(self) -> None:
        """Start both and wait until the bridge answers; raises ``NotStarted``."""
        self.gateway.start()
        deadline = time.monotonic() + START_PATIENCE_SECONDS
        while not self._has_bridge():
            if time.monotonic() > deadline or self.gateway.process.poll() is not None:
                raise NotStarted(f"The bridge did not come up:\n{self.gateway.read_log()[-3000:]}")
            time.sleep(0.2)
        self.app.start()

    def stop(self) -> None:
        """Stop both in order."""
        self.app.stop()
        self.gateway.stop()

    def _has_bridge(self) -> bool:
        try:
            self.bridge.check_health()
        except EngineUnavailable:
            return False
        return True


def build_beside(
    installation: Installation, folder: Path, port: int, document: Mapping[str, Any], environ: Mapping[str, str]
) -> Beside:
    """Write the configuration of a Gateway with the bridge on a port; return it and this server, not yet started."""
    token, bridge_port = secrets.token_urlsafe(32), _find_free_port()
    plugin_config = {"bridge": {"port": bridge_port, "token": token}}
    config_path = write_private(folder / "openclaw.json", build_gateway_config(document, plugin_config=plugin_config))
    address = BridgeAddress(host="127.0.0.1", port=bridge_port)
    of_app = {
        "OPENCLAW_CONFIG_PATH": str(config_path),
        "OPENCLAW_WEBHOOKS_ENGINE": "bridge",
        "OPENCLAW_WEBHOOKS_BRIDGE_URL": str(address),
        "OPENCLAW_WEBHOOKS_BRIDGE_TOKEN": f"${{{_TOKEN_VARIABLE}}}",
        _TOKEN_VARIABLE: token,
    }
    return Beside(
        GatewayProcess(installation, folder / "gateway", config_path, port, environ),
        AppProcess(folder / "app", CHECKOUT, _find_free_port(), {**environ, **of_app}),
        BridgeClient(Transport(address, connect_seconds=2, total_seconds=10), token=lambda: token),
    )


def _find_free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
