"""``make gateway-check``: the recorded conversations, played through the port of a Gateway that hosts this server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from project.gateway.hosted import CHECKOUT, BadChoice, Choices, build_hosted, passed_on, read_document
from project.gateway.installation import NotInstalled
from project.gateway.process import GatewayProcess, NotStarted

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
        choices = Choices.of_environment({**os.environ, "OPENCLAW_CONFIG_PATH": ""})
        gateway = _prepare(choices)
        gateway.start()
        try:
            gateway.wait_for_route("/plugins/webhooks/zapier")
            return report(play(choices.port), gateway.installation.version)
        finally:
            gateway.stop()
    except (BadChoice, NotInstalled, NotStarted) as error:
        print(error, file=sys.stderr)  # noqa: T201 - whoever typed the command reads it here
        return 1


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


def _prepare(choices: Choices) -> GatewayProcess:
    folder = choices.folder / "check"
    shutil.rmtree(folder, ignore_errors=True)
    installation = choices.install()
    document = read_document(prepare_routes(folder / "routes"))
    return build_hosted(installation, folder, choices.port, document, {**passed_on(os.environ), **SECRET_VARIABLE})


if __name__ == "__main__":
    sys.exit(main())
