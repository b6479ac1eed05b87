"""``/healthz``, ``/readyz`` and ``/metrics``: who may see what, and the answers. Knows no server; blocks.

They answer whatever the Host header says, as the routes do: a probe asks by address.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from openclaw_webhooks.conf.monitoring import Monitoring
from openclaw_webhooks.effects import Answer
from openclaw_webhooks.guards.authentication import presented_secret
from openclaw_webhooks.guards.head import RequestHead
from openclaw_webhooks.monitoring.advice import LatestAdvice
from openclaw_webhooks.monitoring.exposition import CONTENT_TYPE
from openclaw_webhooks.monitoring.health import Finding, Readiness
from openclaw_webhooks.secrets.comparison import is_same_secret

HEALTH_PATH: Final = "/healthz"
READY_PATH: Final = "/readyz"
METRICS_PATH: Final = "/metrics"
ALIVE: Final = Answer(status=200, headers=(("content-type", "text/plain"), ("cache-control", "no-store")), body=b"ok\n")

_TEXT: Final = "text/plain; charset=utf-8"


class MonitoringPages:
    """The pages that the settings switch on; one object per process."""

    def __init__(
        self,
        monitoring: Monitoring,
        *,
        readiness: Readiness,
        advice: LatestAdvice,
        scrape: Callable[[], bytes],
        find_client: Callable[[RequestHead], str],
    ) -> None:
        """Answer nothing yet.

        Args:
            monitoring: What is offered to whom.
            readiness: The probes.
            advice: What an operator should know though all is ready.
            scrape: Returns the metrics; raises ``OSError``.
            find_client: Returns the address that a request comes from, as the limits see it.
        """
        self._monitoring, self._readiness, self._advice = monitoring, readiness, advice
        self._scrape, self._find_client = scrape, find_client
        health = {HEALTH_PATH: lambda _head: ALIVE, READY_PATH: self._tell_readiness}
        self._pages: dict[str, Callable[[RequestHead], Answer]] = {
            **(health if monitoring.health else {}),
            **({METRICS_PATH: self._tell_metrics} if monitoring.metrics else {}),
        }
        self.paths = frozenset(self._pages)

    def find_troubles(self) -> list[Finding]:
        """Return what is not ready now, and why; may take as long as the probes."""
        return [finding for finding in self._readiness.judge() if not finding.ready]

    def find_advice(self) -> list[str]:
        """Return what an operator should know of callers, and what to do; takes half a second at most."""
        return [each.text for each in self._advice.read()]

    def answer(self, path: str, head: RequestHead) -> Answer:
        """Answer one of ``paths``; may take as long as the probes and the limits store."""
        if head.method not in ("GET", "HEAD"):
            return _build(405, _TEXT, b"Method Not Allowed\n", ("allow", "GET, HEAD"))
        return self._pages[path](head)

    def _tell_readiness(self, head: RequestHead) -> Answer:
        findings = self._readiness.judge()
        told: dict[str, object] = {"ready": all(finding.ready for finding in findings)}
        if self._is_operator(head):
            told["checks"] = {
                finding.name: {"ready": finding.ready} | ({"cause": finding.cause} if finding.cause else {})
                for finding in findings
            }
            told["notes"] = self.find_advice()
        return _build(200 if told["ready"] else 503, "application/json", json.dumps(told).encode() + b"\n")

    def _tell_metrics(self, head: RequestHead) -> Answer:
        if not self._is_operator(head):
            return _build(401, _TEXT, b"Unauthorized\n", ("www-authenticate", "Bearer"))
        try:
            return _build(200, CONTENT_TYPE, self._scrape())
        except OSError as error:
            reason = f"The numbers of the worker processes cannot be read: {error.strerror or error}\n"
            return _build(503, _TEXT, reason.encode())

    def _is_operator(self, head: RequestHead) -> bool:
        """Tell whether the caller holds the token or comes from an address that was listed."""
        token = self._monitoring.metrics_token
        if token and is_same_secret(presented_secret(head), token):
            return True
        try:
            address = ip_address(self._find_client(head))
        except ValueError:  # a unix socket, or a name that the server gave
            return False
        return any(address in network for network in self._monitoring.monitoring_networks)


def _build(status: int, media_type: str, body: bytes, *headers: tuple[str, str]) -> Answer:
    kept = (("content-type", media_type), ("cache-control", "no-store"), *headers)
    return Answer(status=status, headers=kept, body=body)
