"""Which OpenClaw configuration file is read. Decided here and nowhere else.

Source: contract.md section 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from openclaw_webhooks.conf.settings import AppSettings
from openclaw_webhooks.secrets.trust import expand_home

CONFIG_PATH_VARIABLE: Final = "OPENCLAW_CONFIG_PATH"
DEFAULT_CONFIG_PATH: Final = "~/.openclaw/openclaw.json"


@dataclass(frozen=True, slots=True)
class ConfigLocation:
    """The file to read, and whether it must exist because somebody named it."""

    path: Path
    is_explicit: bool


def resolve_config_path(settings: AppSettings, environ: Mapping[str, str]) -> ConfigLocation:
    """Return the file: as named in settings, in the environment, the default, or the fallback, in this order."""
    named = settings.config_path or environ.get(CONFIG_PATH_VARIABLE, "").strip()
    if named:
        return ConfigLocation(_absolute(named, environ), is_explicit=True)
    default = _absolute(DEFAULT_CONFIG_PATH, environ)
    if settings.fallback_config_path and not default.exists():
        return ConfigLocation(_absolute(settings.fallback_config_path, environ), is_explicit=False)
    return ConfigLocation(default, is_explicit=False)


def _absolute(path: str, environ: Mapping[str, str]) -> Path:
    return Path(expand_home(path, environ)).absolute()
