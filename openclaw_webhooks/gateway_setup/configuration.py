"""What a Gateway's configuration needs for this package's plugin. Pure: an existing configuration is never changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

PLUGIN_ID: Final = "openclaw-webhooks"
BUNDLED_ID: Final = "webhooks"
PLUGIN_FOLDER: Final = Path(__file__).resolve().parent.parent / "gateway"
MANIFEST: Final = "openclaw.plugin.json"


def add_plugin(
    base: Mapping[str, Any], *, plugin_config: Mapping[str, Any], plugin_folder: Path = PLUGIN_FOLDER
) -> dict[str, Any]:
    """Return ``base`` with the plugin loaded and, where it is to host the app, the bundled plugin off.

    Args:
        base: A Gateway's configuration.
        plugin_config: The plugin's own section.
        plugin_folder: Where its files are.
    """
    plugins = dict(base.get("plugins") or {})
    load = dict(plugins.get("load") or {})
    paths = [path for path in load.get("paths") or [] if path != str(plugin_folder)]
    plugins["load"] = {**load, "paths": [*paths, str(plugin_folder)]}
    plugins["entries"] = {
        **(plugins.get("entries") or {}),
        PLUGIN_ID: {"enabled": True, "config": dict(plugin_config)},
    }
    is_host = bool((plugin_config.get("host") or {}).get("enabled"))
    if is_host:
        plugins["deny"] = sorted({*(plugins.get("deny") or []), BUNDLED_ID})
    if plugins.get("allow"):
        plugins["allow"] = sorted({*plugins["allow"], PLUGIN_ID} - ({BUNDLED_ID} if is_host else set()))
    return {**base, "plugins": plugins}


def is_bundled_on(document: Mapping[str, Any]) -> bool:
    """Tell whether the bundled plugin serves the routes."""
    plugins = document.get("plugins") or {}
    if ((plugins.get("entries") or {}).get(BUNDLED_ID) or {}).get("enabled") is False:
        return False
    return BUNDLED_ID not in (plugins.get("deny") or []) and (
        not plugins.get("allow") or BUNDLED_ID in plugins["allow"]
    )


def is_host(document: Mapping[str, Any]) -> bool:
    """Tell whether the plugin is to host the app."""
    return bool(((_entry(document).get("config") or {}).get("host") or {}).get("enabled"))


def find_loading_fault(document: Mapping[str, Any], state_folder: Path) -> str | None:
    """Return why a Gateway with this configuration does not load the plugin; ``None`` where it should.

    Args:
        document: Its configuration.
        state_folder: Where it keeps plugins that ``openclaw plugins install`` has installed.
    """
    plugins = document.get("plugins") or {}
    folders = [Path(path).expanduser() for path in (plugins.get("load") or {}).get("paths") or []]
    if not any((folder / MANIFEST).is_file() for folder in (*folders, state_folder / "extensions" / PLUGIN_ID)):
        return "plugins.load.paths names no folder that holds the plugin"
    if PLUGIN_ID in (plugins.get("deny") or []):
        return f'plugins.deny has "{PLUGIN_ID}"'
    if plugins.get("allow") and PLUGIN_ID not in plugins["allow"]:
        return f'plugins.allow lacks "{PLUGIN_ID}"'
    if _entry(document).get("enabled") is not True:
        return f'plugins.entries["{PLUGIN_ID}"].enabled is not true'
    return None


def _entry(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return ((document.get("plugins") or {}).get("entries") or {}).get(PLUGIN_ID) or {}
