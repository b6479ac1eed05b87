"""Real Gateways with this package's plugin: alone as a bridge, or as the host of the server."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from openclaw_webhooks.conf.bridge import parse_bridge_url
from openclaw_webhooks.engines.bridge import BridgeEngine
from openclaw_webhooks.engines.bridge.client import BridgeClient
from openclaw_webhooks.engines.bridge.transport import Transport
from openclaw_webhooks.exceptions import EngineUnavailable
from project.gateway.configuration import build_gateway_config
from project.gateway.hosted import build_hosted, write_private
from project.gateway.installation import Installation
from project.gateway.process import GatewayProcess
from tests.gateway_peer import HOME_DIR
from tests.live import free_port
from tests.requirements import require

START_PATIENCE_SECONDS = 180
SECRET = "a-secret-of-the-bridge-tests"
SESSION_KEY = "agent:main:main"
PATH = "/plugins/webhooks/zapier"
ROUTES = {"zapier": {"sessionKey": SESSION_KEY, "secret": SECRET}}


def find_installation() -> Installation:
    """Return the real Gateway, or skip the test."""
    found = Installation(HOME_DIR)
    require(f"the real Gateway in OPENCLAW_HOME_DIR ({HOME_DIR})", found.is_complete)
    return found


def build_document(routes: Mapping[str, Any] = ROUTES) -> dict[str, Any]:
    """Return an operator's configuration as it was before this package came."""
    return {"plugins": {"entries": {"webhooks": {"enabled": True, "config": {"routes": routes}}}}}


def find_bridge_url(gateway: GatewayProcess) -> str:
    """Return where the bridge listens; ``LookupError`` before it does."""
    told = re.findall(r"the bridge listens on (\S+)", gateway.read_log())
    if not told:
        raise LookupError("the Gateway's log names no bridge yet")
    return str(told[-1])


def build_engine(url: str, *, token: str | None = None, total_seconds: float = 10) -> BridgeEngine:
    """Return an engine with connections of its own to a bridge."""
    transport = Transport(parse_bridge_url(url), connect_seconds=2, total_seconds=total_seconds)
    return BridgeEngine(BridgeClient(transport, token=lambda: token))


class Bridge:
    """A Gateway that offers its flows and hosts nothing."""

    def __init__(self, folder: pathlib.Path, plugin_config: Mapping[str, Any], document: Mapping[str, Any]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        config_path = write_private(
            folder / "openclaw.json", build_gateway_config(document, plugin_config=plugin_config)
        )
        self.process = GatewayProcess(find_installation(), folder / "gateway", config_path, free_port())
        self.token = plugin_config.get("bridge", {}).get("token")

    @property
    def url(self) -> str:
        """Where the bridge listens, as the Gateway's log says."""
        return find_bridge_url(self.process)

    def engine(self, *, total_seconds: float = 10) -> BridgeEngine:
        """Return an engine with connections of its own."""
        return build_engine(self.url, token=self.token, total_seconds=total_seconds)

    def start(self) -> None:
        """Start the Gateway and wait until its bridge answers."""
        self.process.start()
        self.wait()

    def wait(self) -> None:
        """Wait until the bridge answers."""
        deadline = time.monotonic() + START_PATIENCE_SECONDS
        while True:
            try:
                self.engine().check_health()
            except (EngineUnavailable, LookupError):
                assert self.process.process.poll() is None, self.process.read_log()[-3000:]
                assert time.monotonic() < deadline, self.process.read_log()[-3000:]
                time.sleep(0.1)
            else:
                return


@contextlib.contextmanager
def running_bridge(
    folder: pathlib.Path, *, plugin_config: Mapping[str, Any] | None = None, routes: Mapping[str, Any] = ROUTES
) -> Iterator[Bridge]:
    """Run a Gateway with the bridge until the block ends."""
    bridge = Bridge(folder, plugin_config or {}, build_document(routes))
    try:
        bridge.start()
        yield bridge
    finally:
        bridge.process.stop()


@contextlib.contextmanager
def running_host(
    folder: pathlib.Path, *, document: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Iterator[GatewayProcess]:
    """Run a Gateway that hosts the server of this checkout until the block ends."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    gateway = build_hosted(find_installation(), folder, free_port(), document or build_document(), environ or {})
    try:
        gateway.start()
        gateway.wait_for_route(PATH)
        yield gateway
    finally:
        gateway.stop()


def run_openclaw(gateway: GatewayProcess, *arguments: str) -> str:
    """Run an ``openclaw`` command against a Gateway and return what it printed."""
    ended = subprocess.run(
        [gateway.installation.node, gateway.installation.entry, *arguments],
        env=gateway.build_environ(),
        cwd=gateway.folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return ended.stdout


def list_flow_ids(gateway: GatewayProcess) -> set[str]:
    """Return the ids of the flows in the Gateway's own list."""
    listed = json.loads(run_openclaw(gateway, "tasks", "flow", "list", "--json"))
    flows = listed["flows"] if isinstance(listed, dict) else listed
    return {flow["flowId"] for flow in flows}


def count_rows(data_dir: pathlib.Path, table: str) -> int:
    """Count the rows of a table of the server's own database."""
    import sqlite3

    with contextlib.closing(sqlite3.connect(data_dir / "openclaw-webhooks.sqlite3")) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


def wait_until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be so"
        time.sleep(0.05)
