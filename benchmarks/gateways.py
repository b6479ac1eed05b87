"""The real OpenClaw Gateways: installed once into a cache, run in a temporary folder on a free port.

Cache: ``BENCH_DIR``, else ``~/.cache/openclaw-webhooks-bench``. ``OPENCLAW_HOME_DIR`` may name a folder whose
``node_modules`` hold one of the versions already (the tests use the same variable).
"""
# ruff: noqa: S603, S607 - npm and node are what the operator's PATH says

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.loadgen import Target
from tests.live import free_port

VERSIONS: Final = ("2026.7.1", "2026.9.6")
_NODE: Final = "node@24"
_START_TIMEOUT_SECONDS: Final = 90
_INSTALL_TIMEOUT_SECONDS: Final = 900
_SECRET: Final = "secret-of-the-benchmark-0123456789"  # noqa: S105
_PATH: Final = "/plugins/webhooks/bench"


class GatewayMissing(Exception):
    """A Gateway could not be installed or did not start."""


@contextlib.contextmanager
def run_gateway(version: str, folder: Path) -> Iterator[Target]:
    """Run a Gateway whose home, state and configuration are in ``folder``.

    Raises:
        GatewayMissing: It could not be installed or did not answer.
    """
    command = _find_command(version)
    port = free_port()
    log_path = folder / "gateway.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*command, "gateway", "run", "--port", str(port)],
            cwd=folder,
            env=_write_home(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    target = Target(
        name=f"gateway-{version}", port=port, path=_PATH, secret=_SECRET, pid=process.pid, log_path=log_path
    )
    try:
        _wait_until_ready(target, process)
        yield target
    finally:
        _stop(process)


def _write_home(folder: Path) -> dict[str, str]:
    routes = {"bench": {"path": _PATH, "sessionKey": "agent:main:bench", "secret": _SECRET}}
    config = {
        "gateway": {"mode": "local", "bind": "loopback", "auth": {"mode": "token", "token": "token-of-the-benchmark"}},
        "plugins": {"entries": {"webhooks": {"enabled": True, "config": {"routes": routes}}}},
    }
    config_path = folder / "openclaw.json"
    config_path.write_text(json.dumps(config), encoding="utf-8")
    config_path.chmod(0o600)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OPENCLAW_STATE_DIR": str(folder / "state"),
        "OPENCLAW_CONFIG_PATH": str(config_path),
    }


def _find_command(version: str) -> list[str]:
    given = Path(os.environ.get("OPENCLAW_HOME_DIR", "/nonexistent"))
    if _installed_version(given) == version and (given / "node_modules/node/bin/node").exists():
        return [str(given / "node_modules/node/bin/node"), str(given / "node_modules/openclaw/openclaw.mjs")]
    cache = Path(os.environ.get("BENCH_DIR", Path.home() / ".cache/openclaw-webhooks-bench"))
    node, gateway = cache / "node", cache / f"openclaw-{version}"
    if not (node / "node_modules/node/bin/node").exists():
        _npm_install(node, _NODE)
    if _installed_version(gateway) != version:
        _npm_install(gateway, "--ignore-scripts", f"openclaw@{version}")
    return [str(node / "node_modules/node/bin/node"), str(gateway / "node_modules/openclaw/openclaw.mjs")]


def _installed_version(folder: Path) -> str | None:
    with contextlib.suppress(OSError):
        manifest: dict[str, Any] = json.loads((folder / "node_modules/openclaw/package.json").read_text("utf-8"))
        return str(manifest["version"])
    return None


def _npm_install(folder: Path, *words: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
    try:
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", *words],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=_INSTALL_TIMEOUT_SECONDS,
        )
    except FileNotFoundError:
        raise GatewayMissing("the Gateways are installed with npm, which is not there") from None
    except subprocess.CalledProcessError as error:
        raise GatewayMissing(f"npm install {' '.join(words)} failed:\n{error.stderr}") from None


def _wait_until_ready(target: Target, process: subprocess.Popen[bytes]) -> None:
    """Ask until the route answers: the port is open some time before it."""
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if ask(target, b'{"action":"find_latest_flow"}') == 200:
                return
        time.sleep(0.5)
    raise GatewayMissing(f"{target.name} did not come up; its log: {target.log_path}")


def ask(target: Target, body: bytes, *, source: str = "127.0.0.1") -> int:
    """Post one body from one loopback address on a connection of its own; return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=30, source_address=(source, 0))
    with contextlib.closing(connection):
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {target.secret}"}
        connection.request("POST", target.path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
