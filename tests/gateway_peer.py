"""A real OpenClaw Gateway beside the tests: the peer whose answers this project has to match.

The Gateway is found in ``OPENCLAW_HOME_DIR`` (a folder into which ``npm install node@24`` and
``npm install --ignore-scripts openclaw@2026.7.1`` have put their ``node_modules``); without it, tests that need it are
skipped by name, and fail in CI. It runs with its own bundled webhooks plugin on, in a folder and on a port of its own.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import pathlib
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from tests.requirements import require

HOME_DIR = pathlib.Path(
    os.environ.get("OPENCLAW_HOME_DIR") or pathlib.Path.home() / ".cache/openclaw-webhooks/gateway-2026.7.1"
)
START_TIMEOUT_SECONDS = 60

SESSION_KEYS: Mapping[str, str] = {
    "zapier": "agent:main:main",
    "ci": "agent:ops:ci",
    "solo": "agent:main:solo",
    "fresh": "agent:main:fresh",
}
"""Route ids, each at ``/plugins/webhooks/<id>`` with the secret ``<id>-secret``, and the sessions they act for."""

_FIELD = re.compile(r"^([A-Za-z_][\w.]*): ")


class Verdict(NamedTuple):
    """What two servers have to agree on: status, ``code``, and the field that a schema error names."""

    status: int
    code: str | None
    field: str


class Reply(NamedTuple):
    """One whole answer; ``body`` is parsed where it is JSON."""

    status: int
    body: Any

    @property
    def verdict(self) -> Verdict:
        """Reduce the answer to what has to agree."""
        return build_verdict(self.status, self.body)


def build_verdict(status: int, body: Any) -> Verdict:
    """Reduce a status and a parsed body to what two servers have to agree on."""
    if not isinstance(body, dict):
        return Verdict(status, None, "")
    named = _FIELD.match(body.get("error", "")) if body.get("code") == "invalid_request" else None
    return Verdict(status, body.get("code"), named[1] if named else "")


class GatewayPeer:
    """A running Gateway."""

    def __init__(self, port: int, *, subnet: int = 100) -> None:
        """Talk to the Gateway on ``port`` from addresses ``127.subnet.x.y`` and up."""
        self.port = port
        self._sources = (
            f"127.{second}.{third}.{fourth}"
            for second, third, fourth in itertools.product(range(subnet, 254), range(1, 255), range(1, 255))
        )

    def post(self, body: bytes, *, route_id: str = "fresh", headers: Mapping[str, str] | None = None) -> Reply:
        """Post a body to a route. Every call comes from a new loopback address, so that no rate limit couples two."""
        source = (next(self._sources), 0)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=source)
        sent = {"Content-Type": "application/json", "Authorization": f"Bearer {route_id}-secret", **(headers or {})}
        with contextlib.closing(connection):
            connection.request("POST", f"/plugins/webhooks/{route_id}", body, sent)
            response = connection.getresponse()
            raw = response.read()
        try:
            return Reply(response.status, json.loads(raw))
        except ValueError:
            return Reply(response.status, raw.decode(errors="replace"))


def find_gateway() -> tuple[pathlib.Path, pathlib.Path]:
    """Return Node and the Gateway's entry point, or skip the test."""
    node = HOME_DIR / "node_modules/node/bin/node"
    entry = HOME_DIR / "node_modules/openclaw/openclaw.mjs"
    require(f"the real Gateway in OPENCLAW_HOME_DIR ({HOME_DIR})", available=node.exists() and entry.exists())
    return node, entry


def gateway_version() -> str:
    """Return the installed Gateway's version, or skip the test."""
    find_gateway()
    manifest = HOME_DIR / "node_modules/openclaw/package.json"
    return str(json.loads(manifest.read_text(encoding="utf-8"))["version"])


@contextlib.contextmanager
def run_gateway(folder: pathlib.Path) -> Iterator[GatewayPeer]:
    """Run a Gateway whose home, state and configuration are in ``folder``, until the block ends."""
    node, entry = find_gateway()
    folder.mkdir(parents=True, exist_ok=True)
    config_path = folder / "openclaw.json"
    config_path.write_text(json.dumps(_build_config()), encoding="utf-8")
    config_path.chmod(0o600)
    port = _free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OPENCLAW_STATE_DIR": str(folder / "state"),
        "OPENCLAW_CONFIG_PATH": str(config_path),
    }
    log_path = folder / "gateway.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [node, entry, "gateway", "run", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        peer = GatewayPeer(port)
        _wait_until_ready(peer, process, log_path)
        yield peer
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _build_config() -> dict[str, Any]:
    routes = {
        route_id: {"sessionKey": session_key, "secret": f"{route_id}-secret"}
        for route_id, session_key in SESSION_KEYS.items()
    }
    return {
        "gateway": {"mode": "local", "bind": "loopback", "auth": {"mode": "token", "token": "token-of-the-tests"}},
        "plugins": {"entries": {"webhooks": {"enabled": True, "config": {"routes": routes}}}},
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(peer: GatewayPeer, process: subprocess.Popen[bytes], log_path: pathlib.Path) -> None:
    """Ask until a route answers; the port is open some time before the routes are there."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if peer.post(b'{"action":"list_flows"}').status == 200:
                return
        time.sleep(0.1)
    tail = log_path.read_text(encoding="utf-8", errors="replace")[-2000:]
    pytest.fail(f"the Gateway did not come up:\n{tail}")
