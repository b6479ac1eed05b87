"""``/healthz``, ``/readyz`` and ``/metrics``: who may see what, and the answers. Knows no server.

They answer whatever the Host header says, as the routes do: a probe asks by address.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from ipaddress import ip_address
from typing import Final

from openclaw_webhooks.beside import Begin
from openclaw_webhooks.conf.monitoring import Monitoring
from openclaw_webhooks.effects import Answer
from openclaw_webhooks.guards.authentication import presented_secret
from openclaw_webhooks.guards.head import RequestHead
from openclaw_webhooks.monitoring.advice import LatestAdvice
from openclaw_webhooks.monitoring.exposition import CONTENT_TYPE
from openclaw_webhooks.monitoring.health import Finding, Readiness
from openclaw_webhooks.monitoring.shared_answers import SharedAnswers
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
        begin: Begin,
    ) -> None:
        """Answer nothing yet.

        Args:
            monitoring: What is offered to whom.
            readiness: The probes.
            advice: What an operator should know though all is ready.
            scrape: Returns the metrics; raises ``OSError``.
            find_client: Returns the address that a request comes from, as the limits see it.
            begin: Begins to make an answer that takes time.
        """
        self._monitoring, self._readiness, self._advice = monitoring, readiness, advice
        self._scrape, self._find_client = scrape, find_client
        self._pages: dict[str, Callable[[bool], Answer]] = {
            **({READY_PATH: self._tell_readiness} if monitoring.health else {}),
            **({METRICS_PATH: self._tell_metrics} if monitoring.metrics else {}),
        }
        self._shared = SharedAnswers(begin)
        self.paths = frozenset((*self._pages, *((HEALTH_PATH,) if monitoring.health else ())))

    def find_troubles(self) -> list[Finding]:
        """Return what is not ready now, and why; may take as long as the probes."""
        return [finding for finding in self._readiness.judge() if not finding.ready]

    def find_advice(self) -> list[str]:
        """Return what an operator should know of callers, and what to do; takes half a second at most."""
        return [each.text for each in self._advice.read()]

    def answer(self, path: str, head: RequestHead) -> Answer:
        """Answer one of ``paths``; may block as long as the probes and the limits store."""
        is_operator = self._is_operator(head)
        return _answer_at_once(path, head, is_operator) or self._pages[path](is_operator)

    def request(self, path: str, head: RequestHead) -> Answer | Future[Answer]:
        """Answer without blocking, by a future where the answer takes time; callers of one page share it.

        A stranger is given no answer of its own: of ``/readyz`` all strangers get the same one.
        """
        is_operator = self._is_operator(head)
        at_once = _answer_at_once(path, head, is_operator)
        return at_once or self._shared.request((path, is_operator), lambda: self._pages[path](is_operator))

    def _tell_readiness(self, is_operator: bool) -> Answer:
        findings = self._readiness.judge()
        told: dict[str, object] = {"ready": all(finding.ready for finding in findings)}
        if is_operator:
            told["checks"] = {
                finding.name: {"ready": finding.ready} | ({"cause": finding.cause} if finding.cause else {})
                for finding in findings
            }
            told["notes"] = self.find_advice()
        return _build(200 if told["ready"] else 503, "application/json", json.dumps(told).encode() + b"\n")

    def _tell_metrics(self, _is_operator: bool) -> Answer:
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


def _answer_at_once(path: str, head: RequestHead, is_operator: bool) -> Answer | None:
    """Answer what takes neither waiting nor a thread."""
    if head.method not in ("GET", "HEAD"):
        return _build(405, _TEXT, b"Method Not Allowed\n", ("allow", "GET, HEAD"))
    if path == METRICS_PATH and not is_operator:
        return _build(401, _TEXT, b"Unauthorized\n", ("www-authenticate", "Bearer"))
    return ALIVE if path == HEALTH_PATH else None


def _build(status: int, media_type: str, body: bytes, *headers: tuple[str, str]) -> Answer:
    kept = (("content-type", media_type), ("cache-control", "no-store"), *headers)
    return Answer(status=status, headers=kept, body=body)
