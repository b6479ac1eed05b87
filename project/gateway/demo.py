"""``make gateway-demo``: a real Gateway that hosts this server, in the foreground. See docs/gateway.md."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any, Final

from openclaw_webhooks.conf.documents import DocumentError
from project.gateway.configuration import build_demo_routes
from project.gateway.hosted import BadChoice, Choices, build_hosted, passed_on, read_document
from project.gateway.installation import NotInstalled
from project.gateway.process import GatewayProcess, NotStarted

_UNKNOWN_SECRET: Final = "YOUR_SECRET"  # noqa: S105 - a placeholder
_VARIABLE: Final = re.compile(r"\$\{[A-Z_][A-Z0-9_]*\}")


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
    """Return path and secret of each enabled route by its id, those first that a shell can be told the secret of.

    Raises:
        BadChoice: There is none.
    """
    config = (((document.get("plugins") or {}).get("entries") or {}).get("webhooks") or {}).get("config") or {}
    found = {
        route_id: {
            "path": route.get("path") or f"/plugins/webhooks/{route_id}",
            "secret": _tell_secret(route.get("secret")),
        }
        for route_id, route in (config.get("routes") or {}).items()
        if route.get("enabled", True)
    }
    if not found:
        raise BadChoice(
            "OPENCLAW_CONFIG_PATH: the file has no enabled route under plugins.entries.webhooks.config.routes"
        )
    return dict(sorted(found.items(), key=lambda item: item[1]["secret"] == _UNKNOWN_SECRET))


def _tell_secret(secret: object) -> str:
    """Return a secret as a shell in double quotes may have it: as it is, as a variable, or as a placeholder."""
    if isinstance(secret, Mapping):
        secret = f"${{{secret.get('id')}}}" if secret.get("source") == "env" else None
    if not isinstance(secret, str):
        return _UNKNOWN_SECRET
    return secret if _VARIABLE.fullmatch(secret) or not set(secret) & set('$"`\\!') else _UNKNOWN_SECRET


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
    secret = f'-H "Authorization: Bearer {first["secret"]}"'  # In double quotes: it may be a variable.
    return f"""Gateway {gateway.installation.version} on port {choices.port} hosts openclaw-webhooks; Ctrl-C stops both.
Log: {gateway.log_path}

Create a flow
  {shlex.join(["curl", "-sS", url, "-H", "Content-Type: application/json"])} {secret} {shlex.join(["-d", body])}

See it in the Gateway
  {variables} {program} tasks flow list
"""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
