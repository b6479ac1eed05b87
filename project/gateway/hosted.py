"""A Gateway that hosts this server, put together from a configuration; what demo and check share."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from openclaw_webhooks.conf.includes import load_file
from project.gateway.configuration import build_gateway_config
from project.gateway.installation import DEFAULT_VERSION, Installation, find_or_install
from project.gateway.process import GatewayProcess

CHECKOUT: Final = Path(__file__).resolve().parent.parent.parent
DEFAULT_PORT: Final = 18789
_SECRETS_ARE_THE_APPS: Final = ("DJANGO_SETTINGS_MODULE", "OPENCLAW_CONFIG_PATH", "OPENCLAW_STATE_DIR", "HOME")


class BadChoice(Exception):
    """A variable or a file that was named cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the environment decides: see docs/gateway.md."""

    folder: Path
    port: int
    version: str
    home_dir: str | None
    config_path: Path | None

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Choices:
        """Read the variables that docs/gateway.md lists.

        Raises:
            BadChoice: The port is none, or the named file does not exist.
        """
        port = environ.get("GATEWAY_PORT", "").strip() or str(DEFAULT_PORT)
        if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
            raise BadChoice(f"GATEWAY_PORT: must be a port from 1 to 65535, not {port!r}")
        named = environ.get("OPENCLAW_CONFIG_PATH", "").strip()
        config_path = Path(named).expanduser().absolute() if named else None
        if config_path is not None and not config_path.is_file():
            raise BadChoice(f"OPENCLAW_CONFIG_PATH: there is no file {config_path}")
        return cls(
            folder=Path(environ.get("DEMO_DIR", "").strip() or CHECKOUT / "data/gateway-demo").expanduser().absolute(),
            port=int(port),
            version=environ.get("OPENCLAW_VERSION", "").strip() or DEFAULT_VERSION,
            home_dir=environ.get("OPENCLAW_HOME_DIR", "").strip() or None,
            config_path=config_path,
        )

    def install(self) -> Installation:
        """Find or install the Gateway; raises ``NotInstalled``."""
        return find_or_install(version=self.version, home_dir=self.home_dir, cache_folder=self.folder)


def read_document(path: Path) -> dict[str, Any]:
    """Read an existing configuration, its includes merged.

    Raises:
        BadChoice: It cannot be read; the message has every problem.
    """
    loaded = load_file(path, is_explicit=True, environ=os.environ)
    if loaded.problems:
        raise BadChoice("\n".join(str(problem) for problem in loaded.problems))
    return dict(loaded.document or {})


def build_hosted(
    installation: Installation, folder: Path, port: int, document: Mapping[str, Any], environ: Mapping[str, str]
) -> GatewayProcess:
    """Write the configuration of a Gateway that hosts this very checkout, and return that Gateway, not yet started."""
    host = {
        "enabled": True,
        "command": [sys.executable, "-m", "project.serve"],
        "cwd": str(CHECKOUT),
        "env": {"OPENCLAW_WEBHOOKS_DATA_DIR": str(folder / "app")},
    }
    config_path = write_private(folder / "openclaw.json", build_gateway_config(document, plugin_config={"host": host}))
    return GatewayProcess(installation, folder / "gateway", config_path, port, environ)


def write_private(path: Path, document: Mapping[str, Any]) -> Path:
    """Write a configuration that holds secrets: for its owner alone, in a folder for its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(document, file, indent=2)
        file.write("\n")
    return path


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that SecretRefs and ``${NAME}`` may refer to, and none that says where a Gateway lives."""
    return {name: value for name, value in environ.items() if name not in _SECRETS_ARE_THE_APPS}
