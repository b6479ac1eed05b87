"""The configuration of a Gateway that hosts this server: an existing one with few lines changed. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from openclaw_webhooks.gateway_setup.configuration import BUNDLED_ID, add_plugin


def build_gateway_config(base: Mapping[str, Any], *, plugin_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with this package's plugin, and what a local Gateway cannot start without.

    Args:
        base: A Gateway's configuration, left as it is.
        plugin_config: The section of this package's plugin.
    """
    gateway = {"mode": "local", "bind": "loopback", "auth": _new_auth(), **(base.get("gateway") or {})}
    return {**add_plugin(base, plugin_config=plugin_config), "gateway": gateway}


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
