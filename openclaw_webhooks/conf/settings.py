"""``settings.OPENCLAW_WEBHOOKS``, one dict, parsed once into ``AppSettings``.

The same rules raise here (``get_settings``) and print in ``checks`` (``parse_settings``). Nothing else reads the dict.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from importlib.util import find_spec
from typing import Final

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from openclaw_webhooks.conf.bridge import BridgeAddress, read_bridge_token, read_bridge_url, read_host_token
from openclaw_webhooks.conf.fields import Fields
from openclaw_webhooks.conf.limits import RedisUrl, RouteLimits, read_redis_url, read_route_limits
from openclaw_webhooks.conf.monitoring import Monitoring, read_monitoring
from openclaw_webhooks.conf.problems import Problem, ProblemKind
from openclaw_webhooks.conf.server_url import DEFAULT_SERVER_URL, ServerUrl, read_server_url

SETTING: Final = "OPENCLAW_WEBHOOKS"
SHARED_MEMORY_STORE: Final = "openclaw_webhooks.guards.limits.shared_memory.SharedMemoryStore"
REDIS_STORE: Final = "openclaw_webhooks.guards.limits.redis.RedisStore"
PROCESS_MEMORY_STORE: Final = "openclaw_webhooks.guards.limits.process_memory.ProcessMemoryStore"
BRIDGE_ENGINE: Final = "openclaw_webhooks.engines.bridge.configured.build_bridge_engine"


class SchemaPages(StrEnum):
    """Who sees the pages of the OpenAPI document."""

    OFF = "off"
    STAFF = "staff"
    PUBLIC = "public"


_DOTTED_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """Every knob of the app, by the lower-case name of its key.

    Attributes:
        config_path: The OpenClaw configuration file, where named; else the environment and the defaults decide.
        fallback_config_path: The file to read where neither is named and the default one does not exist.
        routes: The routes themselves, instead of a file's.
        secrets: Merged over the file's ``secrets`` section.
        trusted_proxies: Addresses or CIDR blocks, in addition to the file's ``gateway.trustedProxies``.
        allow_real_ip_fallback: As in the file's ``gateway`` section; true where either says so.
        engine: Dotted path of the engine class.
        engine_threads: How many engine calls may run at once in a process.
        bridge_url: Where the bridge of the bridge engine's Gateway listens.
        bridge_token: What that bridge wants to be presented: text or a SecretRef, as configured.
        bridge_connect_seconds: How long a connection to it may take to be made.
        bridge_total_seconds: How long a call may take in all.
        host_token: What a hosting Gateway proves itself with.
        limit_store: Dotted path of the store of the request limits; where none is named, shared memory, or the Redis
            store where there is a ``redis_url``.
        limits: Limits of single routes, by route id.
        limits_fail_open: Whether requests pass uncounted while the store does not answer; else they get 503.
        rate_limit_headers: Whether answers tell the caller what is left of the window.
        redis_url: The server that machines share; may hold a password.
        redis_timeout_seconds: How long it is waited for.
        exec_reuse_seconds: How long a value that an exec provider gave may be used again; 0 never.
        record_calls: Whether calls are recorded.
        call_queue_size: How many records may wait to be written.
        call_flush_seconds: How long a record waits at most.
        call_retention_days: After how many days ``webhooks_prune`` deletes a call.
        flow_retention_days: After how many days it deletes a finished flow.
        server_url: Where the project's own server listens, for commands that call it.
        schema_pages: Who sees the pages of the OpenAPI document.
        monitoring: Metrics, health, the call log and traces, by keys of their own.
    """

    config_path: str | None = None
    fallback_config_path: str | None = None
    routes: Mapping[str, object] | None = field(default=None, repr=False)
    secrets: Mapping[str, object] = field(default_factory=dict, repr=False)
    trusted_proxies: tuple[str, ...] = ()
    allow_real_ip_fallback: bool = False
    engine: str = "openclaw_webhooks.engines.embedded.EmbeddedEngine"
    engine_threads: int = 16
    bridge_url: BridgeAddress | None = None
    bridge_token: str | Mapping[str, object] | None = field(default=None, repr=False)
    bridge_connect_seconds: float = 2.0
    bridge_total_seconds: float = 10.0
    host_token: str | None = field(default=None, repr=False)
    limit_store: str = SHARED_MEMORY_STORE
    limits: Mapping[str, RouteLimits] = field(default_factory=dict)
    limits_fail_open: bool = False
    rate_limit_headers: bool = False
    redis_url: RedisUrl | None = field(default=None, repr=False)
    redis_timeout_seconds: float = 0.5
    exec_reuse_seconds: float = 1.0
    record_calls: bool = True
    call_queue_size: int = 10_000
    call_flush_seconds: float = 0.5
    call_retention_days: int = 30
    flow_retention_days: int = 7
    server_url: ServerUrl = DEFAULT_SERVER_URL
    schema_pages: SchemaPages = SchemaPages.OFF
    monitoring: Monitoring = field(default_factory=Monitoring)


_DEFAULTS: Final = AppSettings()
MAX_EXEC_REUSE_SECONDS: Final = 1.0
MIN_BRIDGE_SECONDS: Final = 0.01
MIN_REDIS_TIMEOUT_SECONDS: Final = 0.01
MAX_REDIS_TIMEOUT_SECONDS: Final = 10.0


def parse_settings(raw: object) -> tuple[AppSettings, tuple[Problem, ...]]:
    """Parse the dict; every problem is named, and a faulty key has its default."""
    problems: list[Problem] = []
    if not isinstance(raw, Mapping):
        return _DEFAULTS, (Problem(SETTING, "must be a dict", ProblemKind.SETTINGS),)
    fields = Fields(raw, SETTING, problems, ProblemKind.SETTINGS, form='{}["{}"]')
    redis_url = read_redis_url(fields, "REDIS_URL")
    parsed = AppSettings(
        config_path=_file_path(fields, "CONFIG_PATH"),
        fallback_config_path=_file_path(fields, "FALLBACK_CONFIG_PATH"),
        routes=_routes(fields),
        secrets=fields.mapping("SECRETS"),
        trusted_proxies=fields.texts("TRUSTED_PROXIES"),
        allow_real_ip_fallback=fields.flag("ALLOW_REAL_IP_FALLBACK", default=_DEFAULTS.allow_real_ip_fallback),
        engine=_dotted_path(fields, "ENGINE", _DEFAULTS.engine),
        engine_threads=fields.whole("ENGINE_THREADS", default=_DEFAULTS.engine_threads),
        bridge_url=read_bridge_url(fields, "BRIDGE_URL"),
        bridge_token=read_bridge_token(fields, "BRIDGE_TOKEN"),
        bridge_connect_seconds=fields.number(
            "BRIDGE_CONNECT_SECONDS", default=_DEFAULTS.bridge_connect_seconds, minimum=MIN_BRIDGE_SECONDS
        ),
        bridge_total_seconds=fields.number(
            "BRIDGE_TOTAL_SECONDS", default=_DEFAULTS.bridge_total_seconds, minimum=MIN_BRIDGE_SECONDS
        ),
        host_token=read_host_token(fields, "HOST_TOKEN"),
        limit_store=_dotted_path(fields, "LIMIT_STORE", REDIS_STORE if redis_url else _DEFAULTS.limit_store),
        limits=read_route_limits(fields, "LIMITS"),
        limits_fail_open=fields.flag("LIMITS_FAIL_OPEN", default=_DEFAULTS.limits_fail_open),
        rate_limit_headers=fields.flag("RATE_LIMIT_HEADERS", default=_DEFAULTS.rate_limit_headers),
        redis_url=redis_url,
        redis_timeout_seconds=_redis_timeout_seconds(fields),
        exec_reuse_seconds=_reuse_seconds(fields),
        record_calls=fields.flag("RECORD_CALLS", default=_DEFAULTS.record_calls),
        call_queue_size=fields.whole("CALL_QUEUE_SIZE", default=_DEFAULTS.call_queue_size),
        call_flush_seconds=fields.number("CALL_FLUSH_SECONDS", default=_DEFAULTS.call_flush_seconds),
        call_retention_days=fields.whole("CALL_RETENTION_DAYS", default=_DEFAULTS.call_retention_days),
        flow_retention_days=fields.whole("FLOW_RETENTION_DAYS", default=_DEFAULTS.flow_retention_days),
        server_url=read_server_url(fields, "SERVER_URL"),
        schema_pages=SchemaPages(fields.choice("SCHEMA_PAGES", list(SchemaPages), default=_DEFAULTS.schema_pages)),
        monitoring=read_monitoring(fields),
    )
    if parsed.schema_pages is not SchemaPages.OFF and find_spec("drf_spectacular_sidecar") is None:
        fields.report("SCHEMA_PAGES", "needs drf-spectacular: install openclaw-webhooks[openapi]")
    if parsed.engine == BRIDGE_ENGINE and not fields.raw.get("BRIDGE_URL"):
        fields.report("BRIDGE_URL", "is required by the bridge engine")
    if parsed.routes is not None and parsed.config_path is not None:
        fields.report("ROUTES", "cannot be given together with CONFIG_PATH: routes come from one place")
    fields.reject_unknown()
    return parsed, tuple(problems)


def read_settings() -> tuple[AppSettings, tuple[Problem, ...]]:
    """Parse the project's setting as it is now; absent means every default."""
    return parse_settings(getattr(django_settings, SETTING, {}))


@lru_cache(maxsize=1)
def get_settings() -> AppSettings:
    """Return the parsed settings of this process.

    Raises:
        ImproperlyConfigured: Something is wrong; the message names every problem.
    """
    parsed, problems = read_settings()
    if problems:
        raise ImproperlyConfigured("\n".join(str(problem) for problem in problems))
    return parsed


def _routes(fields: Fields) -> Mapping[str, object] | None:
    if not fields.has("ROUTES") or fields.raw["ROUTES"] is None:
        return None
    return fields.mapping("ROUTES")


def _file_path(fields: Fields, name: str) -> str | None:
    if not fields.has(name) or fields.raw[name] is None:
        return None
    value = fields.raw[name]
    return str(value) if isinstance(value, os.PathLike) else fields.text(name) or None


def _dotted_path(fields: Fields, name: str, default: str) -> str:
    path = fields.text(name, default=default)
    if _DOTTED_PATH.match(path):
        return path
    fields.report(name, "must be the dotted path of a class")
    return default


def _reuse_seconds(fields: Fields) -> float:
    seconds = fields.number("EXEC_REUSE_SECONDS", default=_DEFAULTS.exec_reuse_seconds)
    if seconds <= MAX_EXEC_REUSE_SECONDS:
        return seconds
    fields.report("EXEC_REUSE_SECONDS", f"must be at most {MAX_EXEC_REUSE_SECONDS:g}")
    return _DEFAULTS.exec_reuse_seconds


def _redis_timeout_seconds(fields: Fields) -> float:
    seconds = fields.number("REDIS_TIMEOUT_SECONDS", default=_DEFAULTS.redis_timeout_seconds)
    if MIN_REDIS_TIMEOUT_SECONDS <= seconds <= MAX_REDIS_TIMEOUT_SECONDS:
        return seconds
    fields.report("REDIS_TIMEOUT_SECONDS", f"must be {MIN_REDIS_TIMEOUT_SECONDS:g} to {MAX_REDIS_TIMEOUT_SECONDS:g}")
    return _DEFAULTS.redis_timeout_seconds


def _forget(*, setting: str, **_: object) -> None:
    if setting == SETTING:
        get_settings.cache_clear()


setting_changed.connect(_forget, dispatch_uid="openclaw_webhooks.conf.settings")
