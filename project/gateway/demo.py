"""``make gateway-demo``: a real Gateway that hosts this server, in the foreground. See docs/gateway.md."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from types import FrameType
from typing import Any

from openclaw_webhooks.conf.documents import DocumentError
from project.gateway.configuration import build_demo_routes
from project.gateway.hosted import BadChoice, Choices, build_hosted, passed_on, read_document
from project.gateway.installation import NotInstalled
from project.gateway.process import GatewayProcess, NotStarted


def main() -> int:
    """Run until told to stop; return the exit status."""
    try:
        choices = Choices.of_environment(os.environ)
        gateway = _prepare(choices)
        signal.signal(signal.SIGTERM, _stop)
        return _run(gateway, choices)
    except (BadChoice, NotInstalled, NotStarted, DocumentError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - whoever typed the command reads it here
        return 1


def _prepare(choices: Choices) -> GatewayProcess:
    own = choices.folder / "openclaw.json"
    source = choices.config_path or (own if own.exists() else None)
    document = read_document(source) if source else build_demo_routes()
    print("Preparing the Gateway ...", flush=True)  # noqa: T201
    return build_hosted(choices.install(), choices.folder, choices.port, document, passed_on(os.environ))


def _run(gateway: GatewayProcess, choices: Choices) -> int:
    routes = find_routes(read_document(gateway.config_path))
    gateway.start()
    try:
        gateway.wait_for_route(next(iter(routes.values()))["path"])
        print(build_report(gateway, choices, routes), flush=True)  # noqa: T201
        return gateway.process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        gateway.stop()


def find_routes(document: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return path and secret of each enabled route by its id; a secret that is not written inline is a placeholder.

    Raises:
        BadChoice: There is none.
    """
    config = (((document.get("plugins") or {}).get("entries") or {}).get("webhooks") or {}).get("config") or {}
    found = {
        route_id: {
            "path": route.get("path") or f"/plugins/webhooks/{route_id}",
            "secret": secret if isinstance(secret := route.get("secret"), str) and "$" not in secret else "YOUR_SECRET",
        }
        for route_id, route in (config.get("routes") or {}).items()
        if route.get("enabled", True)
    }
    if not found:
        raise BadChoice(
            "OPENCLAW_CONFIG_PATH: the file has no enabled route under plugins.entries.webhooks.config.routes"
        )
    return found


def build_report(gateway: GatewayProcess, choices: Choices, routes: dict[str, dict[str, str]]) -> str:
    """Say what runs, a line to try, and the line that shows the flow in the Gateway's own list."""
    first = next(iter(routes.values()))
    url = f"http://127.0.0.1:{choices.port}{first['path']}"
    body = '{"action":"create_flow","goal":"Review inbound queue"}'
    environ = gateway.build_environ()
    variables = " ".join(
        f"{name}={shlex.quote(environ[name])}" for name in ("OPENCLAW_STATE_DIR", "OPENCLAW_CONFIG_PATH")
    )
    program = shlex.join([str(gateway.installation.node), str(gateway.installation.entry)])
    headers = ["-H", "Content-Type: application/json", "-H", f"Authorization: Bearer {first['secret']}"]
    return f"""Gateway {gateway.installation.version} on port {choices.port} hosts openclaw-webhooks; Ctrl-C stops both.
Log: {gateway.log_path}

Create a flow
  {shlex.join(["curl", "-sS", url, *headers, "-d", body])}

See it in the Gateway
  {variables} {program} tasks flow list
"""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
