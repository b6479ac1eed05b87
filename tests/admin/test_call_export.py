"""Calls as files, and the page of one call."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from openclaw_webhooks.admin import call_export
from openclaw_webhooks.models import Call
from tests.admin.builders import sign_in
from tests.calls.builders import NOON_MS

LIST = "/admin/openclaw_webhooks/call/"


def record(number: int = 0, **changes: Any) -> Call:
    known = {
        "at_ms": NOON_MS + number // 2,
        "route_id": "ci",
        "action": "get_flow",
        "status": 200,
        "client": "127.0.0.1",
        "duration_us": 500,
    }
    return Call.objects.create(**known | changes)


def read(client: Client, format_name: str, query: str = "") -> str:
    response = client.get(f"{LIST}export/{format_name}/{query}")
    assert response.status_code == 200
    assert f"webhook-calls.{format_name}" in response["Content-Disposition"]
    return b"".join(response.streaming_content).decode()  # type: ignore[arg-type]


@pytest.mark.django_db
def test_a_file_holds_all_pages_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_export, "_PAGE", 3)
    for number in range(10):
        record(number, request_id=f"r{number}")
    client = sign_in("view_call")
    rows = json.loads(read(client, "json"))
    assert [row["request_id"] for row in rows] == [f"r{number}" for number in reversed(range(10))]
    table = list(csv.DictReader(io.StringIO(read(client, "csv"))))
    assert [row["request_id"] for row in table] == [row["request_id"] for row in rows]
    assert table[0]["at"].endswith("+00:00")
    assert (table[0]["status"], table[0]["code"]) == ("200", "")


@pytest.mark.django_db
def test_a_file_is_narrowed_down_as_the_list_is() -> None:
    record(client="192.0.2.7")
    record(status=401, client="192.0.2.8", code=None)
    client = sign_in("view_call")
    assert [row["status"] for row in json.loads(read(client, "json", "?status=4"))] == [401]
    assert [row["client"] for row in json.loads(read(client, "json", "?caller=192.0.2.7"))] == ["192.0.2.7"]
    assert json.loads(read(client, "json", "?route=none")) == []
    assert read(client, "csv", "?route=none").count("\n") == 1
    page = client.get(f"{LIST}?status=4").content.decode()
    assert f'href="{LIST}export/csv/?status=4"' in page


@pytest.mark.django_db
def test_a_file_says_beforehand_how_many_calls_it_will_hold() -> None:
    for number in range(7):
        record(number, status=401 if number < 3 else 200)
    client = sign_in("view_call")
    assert client.get(f"{LIST}export/csv/")["X-Total-Calls"] == "7"
    assert client.get(f"{LIST}export/json/?status=4")["X-Total-Calls"] == "3"
    page = client.get(LIST).content.decode()
    assert "openclaw_webhooks/export.js" in page
    assert 'data-name="webhook-calls.json"' in page


@pytest.mark.django_db
def test_every_page_of_a_file_is_read_from_an_index_on() -> None:
    last = record(5)
    page = call_export._fetch_page
    with CaptureQueriesContext(connection) as queries:
        page(Call.objects.all(), last)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
            plan = [str(line[-1]) for line in cursor.fetchall()]
        assert plan == ["SEARCH openclaw_webhooks_call USING INDEX openclaw_call_time (at_ms<?)"]


@pytest.mark.django_db
def test_without_calls_the_list_says_how_to_make_one() -> None:
    client = sign_in("view_call")
    page = client.get(LIST).content.decode()
    assert "curl -X POST http://testserver/hooks/ci" in page
    assert "YOUR_SHARED_SECRET" in page
    assert "ci-secret-of-the-tests" not in page
    assert "curl" not in client.get(f"{LIST}?status=4").content.decode()


@pytest.mark.django_db
def test_a_spreadsheet_takes_no_callers_text_for_a_formula() -> None:
    record(flow_id="=HYPERLINK(1)")
    client = sign_in("view_call")
    assert "'=HYPERLINK(1)" in read(client, "csv")
    assert json.loads(read(client, "json"))[0]["flow_id"] == "=HYPERLINK(1)"


@pytest.mark.django_db
def test_files_are_for_those_who_see_calls() -> None:
    assert sign_in().get(f"{LIST}export/csv/").status_code == 403
    assert Client().get(f"{LIST}export/csv/").status_code == 302
    assert sign_in("view_call").get(f"{LIST}export/xml/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_under_asgi_pages_are_read_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_export, "_PAGE", 2)
    for number in range(5):
        record(number)
    cookies = sign_in("view_call").cookies

    async def fetch() -> bytes:
        client = AsyncClient()
        client.cookies = cookies
        response = await client.get(f"{LIST}export/json/")
        return b"".join([chunk async for chunk in response.streaming_content])  # type: ignore[union-attr]

    assert len(json.loads(asyncio.run(fetch()))) == 5


@pytest.mark.django_db
def test_the_page_of_a_call_shows_its_way_and_its_neighbours() -> None:
    calls = [record(number * 2, flow_id="f-1", action="get_flow", request_id=f"r{number}") for number in range(20)]
    client = sign_in("view_call")
    page = client.get(f"{LIST}{calls[10].pk}/change/").content.decode()
    assert page.count("<li") > 0
    for number in range(20):
        assert (f"/call/{calls[number].pk}/change/" in page) == (number != 10 and 5 <= number <= 15)
    refused = record(99, status=401, refused_by="authentication", action=None, journey="3 2 - 40")
    page = " ".join(client.get(f"{LIST}{refused.pk}/change/").content.decode().split())
    for part in ("rate limit", "authentication", "40 µs", "refused here: authentication"):
        assert part in page, part
    assert "in flight limit" not in page


def test_the_request_decides_how_pages_are_read() -> None:
    assert not call_export.build_export(HttpRequest(), Call.objects.none(), "csv").is_async
