"""The configuration as the app serves it: everything healthy, and everything wrong with the rest.

The one place that brings settings, the OpenClaw file and the environment together.

Source: contract.md section 1.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from django.core.signals import setting_changed

from openclaw_webhooks.conf.advice import find_warnings
from openclaw_webhooks.conf.documents import DocumentError, read_content
from openclaw_webhooks.conf.fields import Fields, as_object
from openclaw_webhooks.conf.includes import load_file, merge
from openclaw_webhooks.conf.limits import find_unknown_routes
from openclaw_webhooks.conf.location import resolve_config_path
from openclaw_webhooks.conf.parsing import ParsedRoutes, parse_routes
from openclaw_webhooks.conf.problems import Problem, ProblemKind
from openclaw_webhooks.conf.providers import parse_secrets
from openclaw_webhooks.conf.proxies import Network, parse_proxies
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.conf.secret_input import SecretInputs
from openclaw_webhooks.conf.settings import SETTING, AppSettings, read_settings
from openclaw_webhooks.conf.variables import Variables, read_config_env
from openclaw_webhooks.secrets.providers import SecretsConfig
from openclaw_webhooks.secrets.refs import Secret

ENTRY_PATH: Final = "plugins.entries.webhooks"


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """Where a configuration came from, and what its files held then.

    Attributes:
        path: The main file, ``None`` where the routes stand in settings.
        fingerprints: Of every file read, ``None`` for one that was missing.
    """

    path: Path | None = None
    fingerprints: Mapping[Path, bytes | None] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """Return the file's path, or the name of the setting."""
        return str(self.path) if self.path else f'{SETTING}["ROUTES"]'

    def has_changed(self) -> bool:
        """Tell whether any of the files is another than it was: changed, gone or come."""
        return any(_fingerprint(path) != known for path, known in self.fingerprints.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything that was configured. Frozen: a change of a file shows in ``has_changed`` and waits for a restart.

    Attributes:
        routes: Healthy and enabled, in the order of the configuration.
        disabled_routes: Healthy and switched off.
        problems: Everything wrong; what is wrong is not served.
        warnings: Everything unwise.
        secrets: Providers and aliases for the resolver.
        trusted_proxies: Whose forwarded headers are believed.
        allow_real_ip_fallback: Whether ``X-Real-IP`` is, where ``X-Forwarded-For`` is missing.
        bridge_token: What the bridge engine presents to its Gateway.
        source: Where it came from.
        routes_path: Dotted path of the mapping that the routes stand in.
    """

    routes: tuple[RouteConfig, ...] = ()
    disabled_routes: tuple[RouteConfig, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    secrets: SecretsConfig = field(default_factory=SecretsConfig)
    trusted_proxies: tuple[Network, ...] = ()
    allow_real_ip_fallback: bool = False
    bridge_token: Secret | None = None
    source: ConfigSource = field(default_factory=ConfigSource)
    routes_path: str = f"{ENTRY_PATH}.config.routes"

    def has_changed(self) -> bool:
        """Tell whether a file changed since it was read: restart to apply."""
        return self.source.has_changed()


def load_configuration(settings: AppSettings, environ: Mapping[str, str]) -> Configuration:
    """Read and judge everything. Never raises for what is configured: it is all in ``problems``, together."""
    problems: list[Problem] = []
    document, source = _load_document(settings, environ, problems)
    variables = Variables(environ, read_config_env(document, environ, problems))
    secrets = _parse_secrets(settings, document, variables, problems)
    raw_routes, routes_path = _find_routes(settings, document, problems)
    parsed = parse_routes(raw_routes, routes_path, variables, env_alias=secrets.env_alias, problems=problems)
    problems += find_unknown_routes(settings.limits, raw_routes, f'{SETTING}["LIMITS"]')
    return _build(settings, document, variables, problems, (source, secrets, parsed, routes_path))


@lru_cache(maxsize=1)
def get_configuration() -> Configuration:
    """Return the configuration of this process, read at the first call.

    Faulty settings do not raise here: their keys have their defaults, and their problems come with the others.
    """
    settings, settings_problems = read_settings()
    configuration = load_configuration(settings, os.environ)
    if not settings_problems:
        return configuration
    return replace(configuration, problems=(*settings_problems, *configuration.problems))


def _build(
    settings: AppSettings,
    document: Mapping[str, object],
    variables: Variables,
    problems: list[Problem],
    parts: tuple[ConfigSource, SecretsConfig, ParsedRoutes, str],
) -> Configuration:
    source, secrets, parsed, routes_path = parts
    gateway = _gateway_fields(document, variables, problems)
    proxies = parse_proxies(gateway.texts("trustedProxies"), gateway.path_of("trustedProxies"), problems)
    own_proxies = parse_proxies(settings.trusted_proxies, f'{SETTING}["TRUSTED_PROXIES"]', problems)
    real_ip = gateway.flag("allowRealIpFallback", default=False) or settings.allow_real_ip_fallback
    bridge_token = _parse_bridge_token(settings, variables, secrets, problems)
    return Configuration(
        routes=parsed.enabled,
        disabled_routes=parsed.disabled,
        problems=tuple(problems),
        warnings=find_warnings(parsed.enabled, routes_path, secrets),
        secrets=secrets,
        trusted_proxies=(*proxies, *own_proxies),
        allow_real_ip_fallback=real_ip,
        bridge_token=bridge_token,
        source=source,
        routes_path=routes_path,
    )


def _load_document(
    settings: AppSettings, environ: Mapping[str, str], problems: list[Problem]
) -> tuple[Mapping[str, object], ConfigSource]:
    if settings.routes is not None:
        return {}, ConfigSource()
    location = resolve_config_path(settings, environ)
    loaded = load_file(location.path, is_explicit=location.is_explicit, environ=environ)
    problems += loaded.problems
    return loaded.document or {}, ConfigSource(location.path, loaded.fingerprints)


def _parse_secrets(
    settings: AppSettings, document: Mapping[str, object], variables: Variables, problems: list[Problem]
) -> SecretsConfig:
    if "secrets" not in document:
        return parse_secrets(settings.secrets, f'{SETTING}["SECRETS"]', variables, problems)
    return parse_secrets(merge(document["secrets"], dict(settings.secrets)), "secrets", variables, problems)


def _parse_bridge_token(
    settings: AppSettings, variables: Variables, secrets: SecretsConfig, problems: list[Problem]
) -> Secret | None:
    if settings.bridge_token is None:
        return None
    raw = {"BRIDGE_TOKEN": settings.bridge_token}
    fields = Fields(raw, SETTING, problems, ProblemKind.SETTINGS, form='{}["{}"]')
    return SecretInputs(variables, secrets.env_alias).parse(fields, "BRIDGE_TOKEN")


def _find_routes(
    settings: AppSettings, document: Mapping[str, object], problems: list[Problem]
) -> tuple[Mapping[str, object], str]:
    if settings.routes is not None:
        return settings.routes, f'{SETTING}["ROUTES"]'
    path = f"{ENTRY_PATH}.config.routes"
    plugins = Fields(document, "", problems, ProblemKind.FILE, form="{1}").mapping("plugins")
    entries = Fields(plugins, "plugins", problems, ProblemKind.FILE).mapping("entries")
    entry = Fields(
        Fields(entries, "plugins.entries", problems, ProblemKind.FILE).mapping("webhooks"),
        ENTRY_PATH,
        problems,
        ProblemKind.FILE,
    )
    if not entry.flag("enabled", default=True):
        return {}, path
    config = Fields(entry.mapping("config"), entry.path_of("config"), problems, ProblemKind.ROUTE)
    routes = config.mapping("routes")
    config.reject_unknown()
    return routes, path


def _gateway_fields(document: Mapping[str, object], variables: Variables, problems: list[Problem]) -> Fields:
    raw = as_object(document.get("gateway", {}))
    if raw is None:
        problems.append(Problem("gateway", "must be an object", ProblemKind.GATEWAY))
        raw = {}
    expanded = {name: variables.expand(value, f"gateway.{name}", problems) for name, value in raw.items()}
    return Fields(expanded, "gateway", problems, ProblemKind.GATEWAY)


def _fingerprint(path: Path) -> bytes | None:
    try:
        return read_content(path).fingerprint
    except (FileNotFoundError, DocumentError):
        return None


def _forget(*, setting: str, **_: object) -> None:
    if setting == SETTING:
        get_configuration.cache_clear()


setting_changed.connect(_forget, dispatch_uid="openclaw_webhooks.conf.configuration")
