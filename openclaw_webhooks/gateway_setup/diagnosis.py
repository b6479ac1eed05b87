"""What keeps this app and its Gateway from working together, in plain words, and what to do. Changes nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import openclaw_webhooks
from openclaw_webhooks.conf.configuration import Configuration
from openclaw_webhooks.conf.documents import DocumentError, parse_document, read_content
from openclaw_webhooks.conf.includes import INCLUDE_KEY
from openclaw_webhooks.conf.location import resolve_config_path
from openclaw_webhooks.conf.settings import BRIDGE_ENGINE, AppSettings
from openclaw_webhooks.engines.bridge import BridgeEngine
from openclaw_webhooks.engines.bridge.configured import build_bridge_engine
from openclaw_webhooks.exceptions import EngineError, EngineUnavailable
from openclaw_webhooks.gateway_setup.configuration import find_loading_fault, is_bundled_on, is_host

TESTED_GATEWAYS: Final = ("2026.7.1", "2026.9.6")
DEFAULT_GATEWAY_PORT: Final = 18789
_NO_SUCH_FLOW: Final = "00000000-0000-0000-0000-000000000000"


class Verdict(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    """Works, and may surprise."""
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, as a sentence without secrets and session keys."""

    verdict: Verdict
    text: str


def diagnose(settings: AppSettings, configuration: Configuration) -> Iterator[Finding]:
    """Look at everything between a route of this app and the Gateway's flows; takes seconds at most."""
    location = resolve_config_path(settings, os.environ)
    document = _read_document(location.path)
    if configuration.problems:
        first = configuration.problems[0]
        yield Finding(
            Verdict.FAULT,
            f"The configuration has {len(configuration.problems)} faults, the first: {first}. "
            "`manage.py check` lists all.",
        )
    yield from _judge_engine_setting(settings, document)
    if settings.bridge_url is None:
        yield Finding(
            Verdict.FAULT,
            "BRIDGE_URL is not set. The Gateway's log names it: [openclaw-webhooks] the bridge listens on …",
        )
        return
    engine = build_bridge_engine()
    try:
        health = engine.fetch_health()
    except EngineUnavailable as error:
        yield Finding(Verdict.FAULT, f"No answer from {settings.bridge_url}: {error}.")
        yield _find_reason(document, location.path.parent)
        return
    yield from _judge_versions(health)
    yield from _judge_sessions(engine, configuration)


def _read_document(path: Path) -> Mapping[str, Any] | None:
    """Return the file as it stands, ``None`` where it cannot tell which plugins the Gateway loads."""
    try:
        document = parse_document(read_content(path).content)
    except (FileNotFoundError, DocumentError):
        return None
    if not isinstance(document, dict) or INCLUDE_KEY in document or INCLUDE_KEY in (document.get("plugins") or {}):
        return None
    return document


def _judge_engine_setting(settings: AppSettings, document: Mapping[str, Any] | None) -> Iterator[Finding]:
    if settings.engine != BRIDGE_ENGINE:
        yield Finding(Verdict.NOTE, f"ENGINE is {settings.engine}: flows are not kept in the Gateway.")
    if document is None:
        return
    if is_bundled_on(document) and is_host(document):
        yield Finding(
            Verdict.FAULT,
            'The bundled plugin is still on and serves the same paths: add "webhooks" to plugins.deny '
            "and restart the Gateway.",
        )
    elif is_bundled_on(document):
        yield Finding(Verdict.NOTE, "The bundled plugin is on: its routes answer on the Gateway's port too.")


def _find_reason(document: Mapping[str, Any] | None, state_folder: Path) -> Finding:
    """Tell a Gateway that is down from one without the plugin."""
    port = ((document or {}).get("gateway") or {}).get("port", DEFAULT_GATEWAY_PORT)
    fault = None if document is None else find_loading_fault(document, state_folder)
    if fault is not None:
        return Finding(
            Verdict.FAULT, f"The Gateway does not load the plugin: {fault}. `manage.py webhooks_gateway install` helps."
        )
    if _listens(port):
        return Finding(
            Verdict.FAULT,
            f"A Gateway listens on port {port}: was it restarted since the plugin was added? "
            "Its log has lines with [openclaw-webhooks].",
        )
    return Finding(Verdict.FAULT, f"Nothing listens on port {port}: the Gateway is down. Start it.")


def _listens(port: object) -> bool:
    if not isinstance(port, int) or not 0 < port < 65536:
        return False
    with closing(socket.socket()) as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _judge_versions(health: Mapping[str, Any]) -> Iterator[Finding]:
    gateway, plugin = health.get("gateway"), health.get("plugin")
    if gateway in TESTED_GATEWAYS:
        yield Finding(Verdict.OK, f"The Gateway {gateway} answers.")
    else:
        known = " and ".join(TESTED_GATEWAYS)
        yield Finding(Verdict.NOTE, f"The Gateway answers; its version {gateway} is unknown here, tested are {known}.")
    if plugin != openclaw_webhooks.__version__:
        yield Finding(
            Verdict.NOTE,
            f"Its plugin is version {plugin}, this package {openclaw_webhooks.__version__}: install the plugin again.",
        )


def _judge_sessions(engine: BridgeEngine, configuration: Configuration) -> Iterator[Finding]:
    """Ask for a flow that cannot exist, once per route: nothing is changed and no session is named."""
    for route in configuration.routes:
        try:
            engine.bind_session(route.session_key).get_flow(_NO_SUCH_FLOW)
        except EngineError as error:
            yield Finding(Verdict.FAULT, f"Route {route.route_id}: {error}.")
        else:
            yield Finding(Verdict.OK, f"Route {route.route_id} reaches its session's flows.")
    if not configuration.routes:
        yield Finding(Verdict.FAULT, "No route is configured.")
