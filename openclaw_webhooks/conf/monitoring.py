"""The settings of metrics, health and the call log: who may see what, and what is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from typing import Final

from openclaw_webhooks.conf.fields import Fields
from openclaw_webhooks.conf.proxies import Network, parse_proxies
from openclaw_webhooks.secrets.refs import holds_reference

MIN_TOKEN_CHARACTERS: Final = 16


class CallLog(StrEnum):
    """Which calls get a line in the log."""

    OFF = "off"
    REFUSED = "refused"
    """Those that were not answered with a 2xx."""
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """What is offered to whom.

    Attributes:
        health: Whether ``/healthz`` and ``/readyz`` are answered.
        metrics: Whether ``/metrics`` is.
        metrics_token: What a scraper presents as its bearer token; empty where addresses decide alone.
        monitoring_networks: Addresses that see metrics without a token, and what exactly is not ready.
        call_log: Which calls are logged.
        traces: Whether OpenTelemetry spans are made.
    """

    health: bool = False
    metrics: bool = False
    metrics_token: str = field(default="", repr=False)
    monitoring_networks: tuple[Network, ...] = ()
    call_log: CallLog = CallLog.OFF
    traces: bool = False


def read_monitoring(fields: Fields) -> Monitoring:
    """Read ``HEALTH``, ``METRICS``, ``METRICS_TOKEN``, ``MONITORING_NETWORKS``, ``CALL_LOG`` and ``TRACES``."""
    monitoring = Monitoring(
        health=fields.flag("HEALTH", default=False),
        metrics=fields.flag("METRICS", default=False),
        metrics_token=fields.note("METRICS_TOKEN"),
        monitoring_networks=parse_proxies(
            fields.texts("MONITORING_NETWORKS"), fields.path_of("MONITORING_NETWORKS"), fields.problems, fields.kind
        ),
        call_log=CallLog(fields.choice("CALL_LOG", list(CallLog), default=CallLog.OFF)),
        traces=fields.flag("TRACES", default=False),
    )
    if monitoring.metrics_token and len(monitoring.metrics_token) < MIN_TOKEN_CHARACTERS:
        fields.report("METRICS_TOKEN", f"must have at least {MIN_TOKEN_CHARACTERS} characters")
    if holds_reference(monitoring.metrics_token):
        fields.report("METRICS_TOKEN", "holds a ${NAME} that nothing has replaced")
    if monitoring.traces and find_spec("opentelemetry") is None:
        fields.report("TRACES", "needs OpenTelemetry: install openclaw-webhooks[otel]")
    if monitoring.metrics and not (monitoring.metrics_token or monitoring.monitoring_networks):
        fields.report("METRICS", "needs METRICS_TOKEN or MONITORING_NETWORKS: else anybody could read them")
    return monitoring
