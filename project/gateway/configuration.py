"""The configuration of a Gateway that hosts this server: an existing one with few lines changed. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import openclaw_webhooks

PLUGIN_ID: Final = "openclaw-webhooks"
BUNDLED_ID: Final = "webhooks"
PLUGIN_FOLDER: Final = Path(openclaw_webhooks.__file__).parent / "gateway"


def build_gateway_config(base: Mapping[str, Any], *, plugin_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the bundled plugin off, this package's on, and what a local Gateway cannot start without.

    Args:
        base: A Gateway's configuration, left as it is.
        plugin_config: The section of this package's plugin.
    """
    plugins = dict(base.get("plugins") or {})
    load = dict(plugins.get("load") or {})
    paths = [path for path in load.get("paths") or [] if path != str(PLUGIN_FOLDER)]
    entry = {"enabled": True, "config": dict(plugin_config)}
    plugins["load"] = {**load, "paths": [*paths, str(PLUGIN_FOLDER)]}
    plugins["entries"] = {**(plugins.get("entries") or {}), PLUGIN_ID: entry}
    plugins["deny"] = sorted({*(plugins.get("deny") or []), BUNDLED_ID})
    if plugins.get("allow"):
        plugins["allow"] = sorted({*plugins["allow"], PLUGIN_ID} - {BUNDLED_ID})
    gateway = {"mode": "local", "bind": "loopback", "auth": _new_auth(), **(base.get("gateway") or {})}
    return {**base, "gateway": gateway, "plugins": plugins}


def build_demo_routes() -> dict[str, Any]:
    """Return a configuration with one route and a new random secret."""
    route = {
        "sessionKey": "agent:main:main",
        "secret": secrets.token_urlsafe(32),
        "description": "Made by gateway-demo",
    }
    return {"plugins": {"entries": {BUNDLED_ID: {"enabled": True, "config": {"routes": {"demo": route}}}}}}


def _new_auth() -> dict[str, str]:
    return {"mode": "token", "token": secrets.token_urlsafe(32)}
