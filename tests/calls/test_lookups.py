"""What is looked up among the calls."""

from __future__ import annotations

import pytest

from openclaw_webhooks.calls.batch import HOUR_MS
from openclaw_webhooks.calls.lookups import fetch_bounds, fetch_busy, fetch_recent_clients, fetch_values, search_ids
from openclaw_webhooks.calls.record import Step
from openclaw_webhooks.models import Call
from tests.calls.builders import NOON_MS, build_record, build_refusal
from tests.calls.test_writer import write

pytestmark = pytest.mark.django_db


def test_without_calls_nothing_is_found() -> None:
    assert fetch_values("code") == []
    assert fetch_bounds() is None
    assert fetch_busy([]) == []
    assert fetch_recent_clients() == []
    assert search_ids("x", at_most=5) == []


def test_the_values_of_a_column() -> None:
    write(
        build_record(code="terminal", status=409),
        build_record(code="not_found", status=404, action="get_flow", started_at_ms=NOON_MS + HOUR_MS),
        build_record(),
        build_refusal(refused_by=Step.RATE_LIMIT, route_id="ci"),
    )
    assert fetch_values("code") == ["not_found", "terminal"]
    assert fetch_values("action") == ["create_flow", "get_flow"]
    assert fetch_values("route_id") == ["ci", "zapier"]
    assert fetch_values("status_class") == [2, 4]
    assert fetch_values("refused_by") == ["rate_limit"]
    assert fetch_bounds() == (NOON_MS, NOON_MS + HOUR_MS)
    assert fetch_busy([(NOON_MS + 1, NOON_MS + 9), (NOON_MS, NOON_MS + 1), (0, NOON_MS)]) == [False, True, False]


def test_ids_are_found_in_every_hour() -> None:
    write(
        build_record(request_id="a", flow_id="flow"),
        build_record(request_id="b", flow_id="flow", started_at_ms=NOON_MS + 50 * HOUR_MS),
        build_record(request_id="flow", flow_id="flow", started_at_ms=NOON_MS + 3 * HOUR_MS),
        build_record(request_id="c", flow_id="other", started_at_ms=NOON_MS + 60 * HOUR_MS),
    )
    assert set(Call.objects.filter(pk__in=search_ids("flow", at_most=9)).values_list("request_id", flat=True)) == {
        "a",
        "b",
        "flow",
    }
    assert len(search_ids("flow", at_most=2)) == 2
    assert len(search_ids("c", at_most=9)) == 1


def test_recent_clients_are_offered_by_how_busy_they_are() -> None:
    write(*(build_record(client=client) for client in ("a", "b", "b", "c", "b", "c")))
    assert fetch_recent_clients() == ["b", "c", "a"]
