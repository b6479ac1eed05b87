"""Reads what ``/metrics`` answers, and asks the pages of a running server."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from typing import Any

from tests.live import Server

TOKEN = "a-token-of-the-monitoring-tests"
WATCHED = {
    "OPENCLAW_WEBHOOKS_METRICS": "on",
    "OPENCLAW_WEBHOOKS_METRICS_TOKEN": TOKEN,
    "OPENCLAW_WEBHOOKS_MONITORING_NETWORKS": "127.0.0.2/32",
}
_SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)\Z")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Labels = tuple[tuple[str, str], ...]


def parse_metrics(text: str) -> dict[tuple[str, Labels], float]:
    """Read samples, labels in order of their names; a line that is neither comment nor sample is an error."""
    samples: dict[tuple[str, Labels], float] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = _SAMPLE.match(line)
        assert match, line
        key = (match[1], tuple(sorted(_LABEL.findall(match[2] or ""))))
        assert key not in samples, line
        samples[key] = float(match[3])
    return samples


def sum_of(samples: Mapping[tuple[str, Labels], float], name: str, **labels: str) -> float:
    """Add up the samples of a name whose labels include these."""
    return sum(value for (found, pairs), value in samples.items() if found == name and labels.items() <= set(pairs))


def ask(
    server: Server, path: str, *, token: str = "", source: str = "127.0.0.1", method: str = "GET", host: str = ""
) -> tuple[int, str]:
    """Ask a page; return status and text."""
    connection = http.client.HTTPConnection(*server.address, timeout=20, source_address=(source, 0))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request(method, path, headers=headers | ({"Host": host} if host else {}))
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def ask_json(server: Server, path: str, **options: Any) -> tuple[int, Any]:
    status, text = ask(server, path, **options)
    return status, json.loads(text)
