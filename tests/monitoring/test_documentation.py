"""The tables, the dashboard and the alert rules name what the code has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from openclaw_webhooks.calls.journey import PHASES
from openclaw_webhooks.monitoring.catalogue import METRICS, Kind

DOCS = Path(__file__).parents[2] / "docs"
_NAME = re.compile(r"openclaw_webhooks_\w+")
_STEP = re.compile(r'step="(\w+)"')


def series_names() -> set[str]:
    names = set()
    for metric in METRICS:
        suffixes = ("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",)
        names |= {f"{metric.name}{suffix}" for suffix in suffixes}
    return names


def test_the_table_of_metrics_is_the_codes() -> None:
    text = (DOCS / "observability.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(openclaw_webhooks_\w+)` \| (\w+) \| (.+?) \| (.+) \|$", text, re.MULTILINE)
    assert rows == [
        (metric.name, metric.kind.value, ", ".join(f"`{label}`" for label in metric.labels) or "\u2013", metric.help)
        for metric in METRICS
    ]


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    board = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    asked = {name for query in queries for name in _NAME.findall(query)}
    assert asked <= series_names()
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    assert families == {metric.name for metric in METRICS}, "every metric has its place on the dashboard"
    assert {step for query in queries for step in _STEP.findall(query)} <= {phase.value for phase in PHASES}


def test_the_alert_rules_ask_for_metrics_that_exist() -> None:
    rules = yaml.safe_load((DOCS / "alerts.yml").read_text(encoding="utf-8"))
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert alerts
    for alert in alerts:
        assert _NAME.findall(alert["expr"]), alert
        assert set(_NAME.findall(alert["expr"])) <= series_names(), alert
        assert set(alert["annotations"]) == {"summary", "description"}, alert
        assert alert["labels"]["severity"] in {"page", "ticket"}, alert
