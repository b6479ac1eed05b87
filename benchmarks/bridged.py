"""This app on a real Gateway's flows: beside it over the unix socket, and hosted by it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.gateways import GatewayMissing
from benchmarks.loadgen import Target
from project.gateway.configuration import build_gateway_config
from project.gateway.hosted import build_hosted, write_private
from project.gateway.installation import Installation, NotInstalled, find_or_install
from project.gateway.process import START_PATIENCE_SECONDS, GatewayProcess
from tests.bridge.gateways import find_bridge_url
from tests.live import LIVE, SECRET, free_port, serve

_ROUTES: Final = {"live": {"path": LIVE, "sessionKey": "agent:main:bench", "secret": SECRET}}
_DOCUMENT: Final[dict[str, Any]] = {
    "plugins": {"entries": {"webhooks": {"enabled": True, "config": {"routes": _ROUTES}}}}
}


@contextlib.contextmanager
def run_app_beside(version: str, folder: Path) -> Iterator[Target]:
    """Run this app at the ASGI door, whose engine is the bridge to a Gateway that hosts nothing."""
    config_path = write_private(folder / "gateway.json", build_gateway_config(_DOCUMENT, plugin_config={}))
    gateway = GatewayProcess(_find(version), folder / "gateway", config_path, free_port())
    gateway.start()
    try:
        gateway.wait_for_route(LIVE)
        environ = {"OPENCLAW_WEBHOOKS_ENGINE": "bridge", "OPENCLAW_WEBHOOKS_BRIDGE_URL": _wait_for_bridge(gateway)}
        with serve("gunicorn-asgi", folder, config=config_path, workers=2, environ=environ) as server:
            port, pid = server.address[1], server.process.pid
            yield Target(name="app-bridge", port=port, path=LIVE, secret=SECRET, pid=pid, log_path=server.log_path)
    finally:
        gateway.stop()


@contextlib.contextmanager
def run_app_hosted(version: str, folder: Path) -> Iterator[Target]:
    """Run a Gateway that hosts this app as it comes, and ask it on the Gateway's port."""
    gateway = build_hosted(_find(version), folder, free_port(), _DOCUMENT, {})
    gateway.start()
    try:
        gateway.wait_for_route(LIVE)
        pid, log_path = gateway.process.pid, gateway.log_path
        yield Target(name="app-hosted", port=gateway.port, path=LIVE, secret=SECRET, pid=pid, log_path=log_path)
    finally:
        gateway.stop()


def _wait_for_bridge(gateway: GatewayProcess) -> str:
    deadline = time.monotonic() + START_PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(LookupError):
            return find_bridge_url(gateway)
        time.sleep(0.1)
    raise GatewayMissing(f"The plugin offers no bridge; its Gateway's log: {gateway.log_path}")


def _find(version: str) -> Installation:
    given = os.environ.get("OPENCLAW_HOME_DIR", "")
    cache = Path(os.environ.get("BENCH_DIR", Path.home() / ".cache/openclaw-webhooks-bench"))
    try:
        return find_or_install(version=version, home_dir=given or None, cache_folder=cache / "bridged")
    except NotInstalled as error:
        raise GatewayMissing(str(error)) from error
