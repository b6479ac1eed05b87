"""``make gateway-check``: the recorded conversations, played through the port of a Gateway that hosts this server.

With ``CHECK_APP=beside`` they are played to this server beside a Gateway, which it reaches over TCP.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from project.gateway.beside import Beside, build_beside
from project.gateway.hosted import CHECKOUT, BadChoice, Choices, build_hosted, passed_on, read_document
from project.gateway.installation import Installation, NotInstalled
from project.gateway.process import GatewayProcess, NotStarted, ServingProcess

CONFORMANCE: Final = CHECKOUT.parent / "shared/conformance"
SECRET_VARIABLE: Final = {"CONFORMANCE_SECRET": "env-secret"}
EXEMPT: Final = {
    "2026.9.6": frozenset(
        {"cancel/child-with-a-session", "tasks/specification-example", "tasks/agent-from-child-session"}
    )
}
"""By Gateway version the cases that it answers otherwise: it refuses a ``childSessionKey`` without a live run."""

_DIFFERS = re.compile(r"^DIFFERS (.*?): ", re.MULTILINE)
_COUNT = re.compile(r"(\d+) passed, (\d+) failed\s*\Z")


def main() -> int:
    """Play everything once on fresh folders; return 0 where nothing differs."""
    try:
        is_beside = read_way(os.environ)
        choices = Choices.of_environment({**os.environ, "OPENCLAW_CONFIG_PATH": ""})
        installation = choices.install()
        running, server = _prepare(choices, installation, is_beside=is_beside)
        try:
            running.start()
            server.wait_for_route("/plugins/webhooks/zapier")
            return report(play(server.port), installation.version)
        finally:
            running.stop()
    except (BadChoice, NotInstalled, NotStarted) as error:
        print(error, file=sys.stderr)  # noqa: T201 - whoever typed the command reads it here
        return 1


def read_way(environ: Mapping[str, str]) -> bool:
    """Tell whether ``CHECK_APP`` asks for this server beside the Gateway and not in it; raises ``BadChoice``."""
    way = environ.get("CHECK_APP", "").strip() or "hosted"
    if way not in ("hosted", "beside"):
        raise BadChoice(f"CHECK_APP: must be hosted or beside, not {way!r}")
    return way == "beside"


def prepare_routes(folder: Path) -> Path:
    """Write the configuration that the conversations assume and return its path."""
    if not CONFORMANCE.is_dir():
        raise BadChoice(f"The recorded conversations are not in {CONFORMANCE}.")
    command = [sys.executable, str(CONFORMANCE / "prepare.py"), str(folder)]
    made = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return Path(made.stdout.strip())


def play(port: int) -> str:
    """Play every conversation through a port and return what the player printed."""
    cases = sorted(map(str, (CONFORMANCE / "cases").glob("*.json")))
    command = [sys.executable, str(CONFORMANCE / "replay.py"), "--base", f"http://127.0.0.1:{port}", *cases]
    played = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    return played.stdout + played.stderr


def report(played: str, version: str) -> int:
    """Print what differs, what is exempt and the count; return 0 where nothing else failed."""
    counted = _COUNT.search(played)
    print(_COUNT.sub("", played), end="")  # noqa: T201 - the answer to the command
    if counted is None:
        return 1
    exempt = set(_DIFFERS.findall(played)) & EXEMPT.get(version, frozenset())
    if exempt:
        print(f"{version} refuses a childSessionKey without a live run: exempt {', '.join(sorted(exempt))}")  # noqa: T201
    passed, failed = int(counted[1]), int(counted[2]) - len(exempt)
    print(f"{passed} passed, {failed} failed")  # noqa: T201
    return 0 if passed and not failed else 1


def _prepare(
    choices: Choices, installation: Installation, *, is_beside: bool
) -> tuple[GatewayProcess | Beside, ServingProcess]:
    """Return what is to be started and stopped, and of it what answers to the routes."""
    folder = choices.folder / "check"
    shutil.rmtree(folder, ignore_errors=True)
    document = read_document(prepare_routes(folder / "routes"))
    parts = (installation, folder, choices.port, document, {**passed_on(os.environ), **SECRET_VARIABLE})
    if is_beside:
        beside = build_beside(*parts)
        return beside, beside.app
    gateway = build_hosted(*parts)
    return gateway, gateway


if __name__ == "__main__":
    sys.exit(main())
