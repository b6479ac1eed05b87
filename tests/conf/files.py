"""Builders: configuration files and what they parse to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from openclaw_webhooks.conf.configuration import Configuration, load_configuration
from openclaw_webhooks.conf.settings import AppSettings

ROUTES_PATH = "plugins.entries.webhooks.config.routes"
GOOD_ROUTE = {"sessionKey": "agent:main:main", "secret": "a-secret-that-is-long-enough"}


def document_of(routes: object, **sections: object) -> dict[str, object]:
    """Return an OpenClaw configuration around a routes mapping."""
    return {"plugins": {"entries": {"webhooks": {"enabled": True, "config": {"routes": routes}}}}, **sections}


def write(folder: Path, content: object, name: str = "openclaw.json") -> Path:
    """Write text as it is, bytes as they are, anything else as JSON."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, (str, bytes)) else json.dumps(content)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(folder: Path, content: object, environ: Mapping[str, str] | None = None) -> Configuration:
    """Load a file with that content."""
    path = write(folder, content)
    return load_configuration(AppSettings(config_path=str(path)), environ or {})


def load_routes(routes: Mapping[str, object], environ: Mapping[str, str] | None = None) -> Configuration:
    """Load routes that stand in settings."""
    return load_configuration(AppSettings(routes=routes), environ or {})


def paths_of(configuration: Configuration) -> list[str]:
    """Return the dotted paths of all problems."""
    return [problem.path for problem in configuration.problems]
