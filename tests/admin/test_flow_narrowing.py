"""The list of flows finds the same by an index as on its way down from the newest, and reads no whole table for few."""

from __future__ import annotations

import itertools
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from openclaw_webhooks.admin import flow_filters
from openclaw_webhooks.admin.flow_narrowing import FlowList
from openclaw_webhooks.models import Flow
from tests.admin.builders import build_flow, sign_in

pytestmark = pytest.mark.django_db

FLOWS = "/admin/openclaw_webhooks/flow/"
STATUSES, SESSIONS, CONTROLLERS = ("running", "waiting", "lost"), ("agent:a", "agent:b"), ("webhooks/a", "webhooks/b")
AGES_MS = {"1h": 3_600_000, "7d": 7 * 86_400_000}
CHOICES: dict[str, tuple[str | None, ...]] = {
    "status": (None, "waiting", "cancelled"),
    "session": (None, "agent:b", "agent:none"),
    "controller": (None, "webhooks/a"),
    "age": (None, "7d", "older-7d"),
}
ASKED = [
    {name: value for name, value in zip(CHOICES, values, strict=True) if value is not None}
    for values in itertools.product(*CHOICES.values())
]


def keeps(asked: dict[str, str], flow: Flow, now_ms: int) -> bool:
    wanted = {"status": flow.status, "session": flow.session_key, "controller": flow.controller_id}
    age = asked.get("age", "")
    is_young = now_ms - flow.created_at_ms <= AGES_MS["7d"]
    return all(asked.get(name, value) == value for name, value in wanted.items()) and (
        not age or is_young != age.startswith("older")
    )


@pytest.mark.parametrize("sorted_at_most", [0, 2000])
@pytest.mark.parametrize("sessions_looked_in", [1, 100])
def test_all_filters_together_keep_what_each_keeps(
    monkeypatch: pytest.MonkeyPatch, sorted_at_most: int, sessions_looked_in: int
) -> None:
    monkeypatch.setattr(FlowList, "sorted_at_most", sorted_at_most)
    monkeypatch.setattr(flow_filters, "_LOOKED_IN", sessions_looked_in)
    now_ms = int(time.time() * 1000)
    for number, (status, session, controller) in enumerate(itertools.product(STATUSES, SESSIONS, CONTROLLERS)):
        for age_ms in (60_000, 9 * 86_400_000):
            times = {"created_at_ms": now_ms - age_ms, "updated_at_ms": now_ms}
            build_flow(goal=str(number), status=status, session_key=session, controller_id=controller, **times)
    client = sign_in("view_flow")
    flows = list(Flow.objects.order_by("-id"))
    for asked in ASKED:
        listed = client.get(f"{FLOWS}?{urlencode(asked)}").context["cl"]
        expected = [flow.pk for flow in flows if keeps(asked, flow, now_ms)]
        assert [flow.pk for flow in listed.result_list] == expected, asked
        assert listed.result_count == len(expected), asked


def test_pages_of_a_filter_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(120):
        build_flow(status="waiting" if number % 2 else "running")
    keys = list(Flow.objects.filter(status="waiting").order_by("-id").values_list("pk", flat=True))
    client = sign_in("view_flow")
    for sorted_at_most in (0, 2000):
        monkeypatch.setattr(FlowList, "sorted_at_most", sorted_at_most)
        pages = [client.get(f"{FLOWS}?status=waiting&p={page}").context["cl"].result_list for page in (1, 2)]
        assert [[flow.pk for flow in page] for page in pages] == [keys[:50], keys[50:]]
        whole = client.get(f"{FLOWS}?status=waiting&all=").context["cl"].result_list
        assert [flow.pk for flow in whole] == keys


def explain(query: str) -> list[str]:
    client = sign_in("view_flow")
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"{FLOWS}?{query}").status_code == 200
    plan = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    lines: list[str] = []
    with connection.cursor() as cursor:
        for captured in queries:
            if "openclaw_webhooks_flow" in captured["sql"]:
                cursor.execute(f"{plan} {captured['sql']}")
                lines += [str(line[-1]) for line in cursor.fetchall()]
    return lines


def insert_flows(count: int) -> None:
    common: dict[str, Any] = {"session_key": "agent:a", "notify_policy": "done_only", "goal": "x", "updated_at_ms": 1}
    Flow.objects.bulk_create(
        [
            Flow(flow_id=f"f-{n}", status="succeeded", controller_id="webhooks/a", created_at_ms=1, **common)
            for n in range(count)
        ]
    )


@pytest.mark.parametrize(
    "query",
    ["status=lost", "controller=rare", "session=agent:rare", "age=1h", "status=succeeded&controller=rare&age=older-7d"],
)
def test_few_flows_of_many_are_read_through_indexes(query: str) -> None:
    insert_flows(5000)
    build_flow(status="lost", controller_id="rare", session_key="agent:rare", created_at_ms=1)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "postgresql" else "SELECT 1")
    lines = explain(query)
    assert lines
    # Up to a limit, where nearly all rows do, it ends early.
    pairs = zip(["", *lines], lines, strict=False)
    assert not [line for before, line in pairs if "Seq Scan" in line and "Limit" not in before], query
    # What is offered beside the list is read from the newest thousand, by key.
    reads = [line for line in lines if line.startswith("SCAN openclaw_webhooks_flow") and "INDEX" not in line]
    assert len(reads) <= 1, lines
