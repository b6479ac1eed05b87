"""The bridge engine of this Django project, made of its settings; the one module of the bridge that knows Django."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from django.core.exceptions import ImproperlyConfigured

from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.conf.settings import get_settings
from openclaw_webhooks.engines.bridge.client import BridgeClient
from openclaw_webhooks.engines.bridge.engine import BridgeEngine
from openclaw_webhooks.engines.bridge.transport import Transport
from openclaw_webhooks.pausing import result_of
from openclaw_webhooks.secrets.refs import Secret
from openclaw_webhooks.secrets.resolver import SecretResolver

__all__ = ["build_bridge_engine"]

_TOKEN_PATIENCE_SECONDS: Final = 6.0
"""A little more than a provider may take by default."""


def build_bridge_engine() -> BridgeEngine:
    """Make the engine: ``ENGINE`` names this function by its dotted path. Connects to nothing yet.

    Raises:
        ImproperlyConfigured: ``BRIDGE_URL`` is missing.
    """
    settings = get_settings()
    if settings.bridge_url is None:
        raise ImproperlyConfigured("The bridge engine needs BRIDGE_URL.")
    configuration = get_configuration()
    transport = Transport(
        settings.bridge_url,
        connect_seconds=settings.bridge_connect_seconds,
        total_seconds=settings.bridge_total_seconds,
    )
    resolver = SecretResolver(configuration.secrets, environ=os.environ)
    return BridgeEngine(BridgeClient(transport, token=_token_reader(resolver, configuration.bridge_token)))


def _token_reader(resolver: SecretResolver, secret: Secret | None) -> Callable[[], str | None]:
    """Return what reads the token anew for each call, so that it can be changed without a restart."""

    def read() -> str | None:
        if secret is None:
            return None
        return resolver.resolve_now(secret) or result_of(
            resolver.fetch(secret), timeout_seconds=_TOKEN_PATIENCE_SECONDS
        )

    return read
