"""The pages of calls: what they show, for whom, and from which index."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from openclaw_webhooks.admin.moments import CallList
from openclaw_webhooks.admin.narrowing import LISTED_AT_MOST
from openclaw_webhooks.calls.record import Step
from openclaw_webhooks.models import Call
from tests.admin.builders import build_flow, insert_calls, sign_in
from tests.calls.builders import NOON_MS, build_record, build_refusal
from tests.calls.test_writer import write

pytestmark = pytest.mark.django_db

LIST = "/admin/openclaw_webhooks/call/"


def fetch(path: str, *permissions: str) -> str:
    response = sign_in(*(permissions or ("view_call",))).get(path)
    assert response.status_code == 200, response.status_code
    return str(response.content.decode())


def shown(query: str) -> set[str]:
    """Return the request ids on the list: each is the client's address too, which the list shows."""
    response = sign_in("view_call").get(f"{LIST}?{query}")
    assert response.status_code == 200
    return {call.request_id for call in response.context["cl"].result_list}


def test_a_call_is_listed_with_its_answer() -> None:
    write(build_record(status=409, code="revision_conflict", flow_id="4d1c9e0a-flow", client="203.0.113.7"))
    page = fetch(LIST)
    for text in (
        "zapier",
        "create_flow",
        "409",
        "revision conflict",
        "203.0.113.7",
        "300\N{NO-BREAK SPACE}µs",
        "4d1c9e0a",
    ):
        assert text in page


def test_a_folded_row_says_for_how_many_calls_it_stands() -> None:
    write(*(build_refusal(refused_by=Step.RATE_LIMIT, status=429) for _ in range(40)))
    page = fetch(LIST)
    assert "rate limit (30 calls)" in " ".join(page.split())
    assert "each" in page
    folded = Call.objects.get(count=30)
    detail = fetch(f"{LIST}{folded.pk}/change/")
    assert "Last of them" in detail
    assert 'readonly">30<' in detail


def test_every_filter_keeps_what_it_says() -> None:
    write(
        build_record(request_id="fine", route_id="ci"),
        build_record(request_id="conflict", status=409, code="revision_conflict", action="finish_flow"),
        build_refusal(request_id="refused"),
        build_record(request_id="failed", status=503, code="persist_failed"),
    )
    assert shown("route=ci") == {"fine"}
    assert shown("action=finish_flow") == {"conflict"}
    assert shown("status=5") == {"failed"}
    assert shown("status=4") == {"conflict", "refused"}
    assert shown("code=persist_failed") == {"failed"}
    assert shown("refused_by=authentication") == {"refused"}
    assert shown("since=1h") == set()
    assert shown("since=nonsense&status=nonsense") == {"fine", "conflict", "refused", "failed"}
    assert shown("route=never-heard-of") == set()
    assert shown("status=4&action=finish_flow") == {"conflict"}
    assert shown("status=2&refused_by=authentication") == set()


def test_a_caller_is_a_filter_and_an_address_that_is_searched_for_becomes_one() -> None:
    write(build_record(request_id="a", client="192.0.2.1"), build_record(request_id="b", client="2001:db8::1"))
    page = fetch(LIST)
    assert "?caller=192.0.2.1" in page
    assert shown("caller=192.0.2.1") == {"a"}
    assert shown("caller=198.51.100.9") == set()
    response = sign_in("view_call").get(f"{LIST}?q=2001:db8::1&status=2")
    assert response["Location"] == f"{LIST}?status=2&caller=2001%3Adb8%3A%3A1"
    assert shown("status=2&caller=2001:db8::1") == {"b"}


def test_years_months_days_and_hours_lead_down_to_calls(settings: Any) -> None:
    settings.TIME_ZONE = "UTC"
    day_ms = 86_400_000
    write(
        build_record(request_id="a", started_at_ms=1_767_225_600_000 - 1),  # 2025-12-31 23:59:59.999
        build_record(request_id="b", started_at_ms=1_767_225_600_000),
        build_record(request_id="c", started_at_ms=1_767_225_600_000 + 40 * day_ms),
        build_record(request_id="d", started_at_ms=1_767_225_600_000 + 40 * day_ms + 3_600_000 * 5),
    )
    page = fetch(LIST)
    assert "?at=2025" in page
    assert "?at=2026" in page
    year = fetch(f"{LIST}?at=2026&route=zapier")
    assert "?at=2026-01&amp;route=zapier" in year
    assert "?at=2026-02&amp;route=zapier" in year
    assert "at=2026-03" not in year
    day = fetch(f"{LIST}?at=2026-02-10")
    assert "?at=2026-02-10T05" in day
    assert "?at=2026-02-10T04" not in day
    assert "?at=2026-02" in day
    assert shown("at=2025") == {"a"}
    assert shown("at=2026-01") == {"b"}
    assert shown("at=2026-02-10") == {"c", "d"}
    assert shown("at=2026-02-10T05") == {"d"}
    assert shown("at=2026-02-10T05&route=zapier&status=2") == {"d"}
    for odd in ("2026-13", "2026-02-31", "abc", "9999", "0000", "2026-02-10T24"):
        assert shown(f"at={odd}") == {"a", "b", "c", "d"}
    hour = fetch(f"{LIST}?at=2026-02-10T05")
    assert 'href="?at=2026-02-10"' in hour


def test_a_single_day_offers_its_days_at_once() -> None:
    write(build_record(started_at_ms=NOON_MS))
    assert re.search(r'href="\?at=\d{4}-\d\d-\d\d"', fetch(LIST))
    Call.objects.all().delete()
    assert "toplinks" not in fetch(LIST)


def test_several_filters_look_no_further_than_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CallList, "looked_at_most", 3)
    write(
        build_record(request_id="old", action="get_flow", status=404, code="not_found"),
        *(build_record(request_id=f"r{n}", action="get_flow", started_at_ms=NOON_MS + 1 + n) for n in range(3)),
        *(build_record(request_id=f"s{n}", action="create_flow", started_at_ms=NOON_MS + 9 + n) for n in range(9)),
    )
    assert shown("action=get_flow&status=4") == {"old"}
    assert "Only the newest" not in fetch(f"{LIST}?action=get_flow&status=4")
    # Too many pass either filter: the newest of one of them are looked at.
    assert "old" not in shown("action=get_flow&route=zapier")
    assert "Only the newest 3 calls" in fetch(f"{LIST}?action=get_flow&route=zapier")
    file = sign_in("view_call").get(f"{LIST}export/json/?action=get_flow&route=zapier")
    assert "old" in b"".join(file.streaming_content).decode()  # type: ignore[arg-type]


def test_a_recent_call_is_within_the_last_ten_minutes() -> None:
    write(build_record(started_at_ms=int(time.time() * 1000)), build_record(request_id="old"))
    assert shown("since=10m") == {"request-1"}


def test_search_finds_a_whole_request_id_and_all_calls_on_a_flow() -> None:
    write(
        build_record(request_id="a", flow_id="flow-1"),
        build_record(request_id="b", flow_id="flow-1", started_at_ms=NOON_MS + 7_200_000),
        build_record(request_id="c", flow_id="flow-2"),
    )
    assert shown("q=a") == {"a"}
    assert shown("q=+flow-1+") == {"a", "b"}
    assert shown("q=flow") == set()
    assert shown("q=") == {"a", "b", "c"}


def test_the_detail_leads_to_the_flow_and_to_its_other_calls() -> None:
    flow = build_flow()
    write(build_record(flow_id=flow.flow_id), build_record(flow_id="12345", request_id="odd"))
    page = (
        sign_in("view_call", "view_flow")
        .get(f"{LIST}{Call.objects.get(flow_id=flow.flow_id).pk}/change/")
        .content.decode()
    )
    assert f'href="/admin/openclaw_webhooks/flow/{flow.flow_id}/change/"' in page
    assert f'href="/admin/openclaw_webhooks/call/?q={flow.flow_id}"' in page
    odd = fetch(f"{LIST}{Call.objects.get(request_id='odd').pk}/change/")
    assert "12345" in odd
    assert "/flow/12345/" not in odd


def test_what_a_caller_sends_is_escaped() -> None:
    write(build_record(flow_id="<script>alert(1)</script>", client="<b>"))
    for path in (LIST, f"{LIST}{Call.objects.get().pk}/change/"):
        page = fetch(path)
        assert "<script>alert" not in page
        assert "<b>" not in page


def test_nothing_can_be_added_changed_or_deleted_even_by_a_superuser() -> None:
    write(build_record())
    client = sign_in(superuser=True)
    call = Call.objects.get()
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{call.pk}/change/", {"route_id": "forged"}).status_code == 403
    assert client.post(f"{LIST}{call.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": [call.pk], "post": "yes"})
    assert Call.objects.get().route_id == "zapier"


@pytest.mark.parametrize("permissions", [(), ("view_flow", "view_task")])
def test_calls_are_for_those_who_may_view_calls(permissions: tuple[str, ...]) -> None:
    assert sign_in(*permissions).get(LIST).status_code == 403


def test_pages_hold_no_inline_script_or_style() -> None:
    write(build_record())
    for path in (LIST, f"{LIST}{Call.objects.get().pk}/change/"):
        page = fetch(path)
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page
        assert "onclick" not in page


def test_the_number_of_queries_does_not_grow_with_the_rows() -> None:
    client = sign_in("view_call")
    counts = []
    for _ in range(2):
        write(*(build_record(route_id=f"route-{n}", flow_id=f"flow-{n}") for n in range(40)))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(LIST).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 15


def explain(query: str) -> list[str]:
    """Return how the database reads the calls for a page: one line for each step of each statement."""
    client = sign_in("view_call")
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"{LIST}?{query}").status_code == 200
    plan = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    lines: list[str] = []
    with connection.cursor() as cursor:
        for captured in queries:
            if "openclaw_webhooks_call" in captured["sql"]:
                cursor.execute(f"{plan} {captured['sql']}")
                lines += [str(line[-1]) for line in cursor.fetchall()]
    return lines


def full_reads(lines: list[str]) -> list[str]:
    """Return the steps that read the whole table; one in the order of an index, or up to a limit, ends early."""
    found = []
    for before, line in zip(["", *lines], lines, strict=False):
        if "Seq Scan on openclaw_webhooks_call" in line and "Limit" not in before:
            found.append(line)
        if "SCAN openclaw_webhooks_call" in line and "USING" not in line:
            found.append(line)
    return found


def test_the_plans_are_told_apart() -> None:
    insert_calls(2000)
    plan = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        cursor.execute(f"{plan} SELECT * FROM openclaw_webhooks_call WHERE duration_us = 1")
        assert full_reads([str(line[-1]) for line in cursor.fetchall()])


def test_a_hundred_thousand_calls_are_read_through_indexes_only() -> None:
    insert_calls(100_000)
    for query in (
        "",
        "p=40",
        "o=2",
        "route=ci",
        "status=4",
        "status=2&since=7d",
        "code=not_found",
        "refused_by=authentication",
        "action=get_flow",
        "q=request-500",
        "q=flow-77",
        "caller=127.0.0.1",
        "at=2026",
        "route=ci&status=4",
        "route=ci&status=2&refused_by=authentication&since=7d",
    ):
        lines = explain(query)
        assert lines
        # Of a table this small PostgreSQL reads all rather than ten thousand rows one by one.
        assert not full_reads(lines) or (query.startswith("route=ci&") and connection.vendor == "postgresql"), query
        assert query.startswith(("q=", "route=ci&")) or not [line for line in lines if "TEMP B-TREE" in line], query


def test_a_long_list_is_cut_and_says_so() -> None:
    insert_calls(LISTED_AT_MOST + 1)
    page = fetch(LIST)
    assert f"the newest {LISTED_AT_MOST} are listed" in page
    assert "are listed" not in fetch(f"{LIST}?code=not_found")
