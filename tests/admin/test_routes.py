"""The page of routes: each trouble is made for real and read off the page."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from openclaw_webhooks.calls.batch import Batch
from openclaw_webhooks.calls.writer import write_batch
from openclaw_webhooks.guards.limits.base import LimitKey, Verdict
from openclaw_webhooks.runtime import get_runtime
from tests.admin.builders import sign_in
from tests.calls.builders import build_record, build_refusal
from tests.calls.test_writer import write

pytestmark = pytest.mark.django_db

PAGE = "/admin/openclaw_webhooks/route/"
CANARY = "canary-secret-that-must-be-nowhere"


def fetch(*, settings: dict[str, Any] | None = None) -> str:
    """Return the page's text, white space collapsed and tags kept."""
    client = sign_in("view_call")
    with override_settings(**({"OPENCLAW_WEBHOOKS": settings} if settings is not None else {})):
        response = client.get(PAGE)
    assert response.status_code == 200, response.status_code
    return " ".join(response.content.decode().split())


def build_route(**changes: Any) -> dict[str, Any]:
    return {"sessionKey": "agent:main:main", "secret": CANARY} | changes


def ref(name: str) -> dict[str, str]:
    return {"source": "env", "provider": "default", "id": name}


def row_of(page: str, route_id: str) -> str:
    rows = re.findall(r"<article .*?</article>", page)
    return next(row for row in rows if f">{route_id}</a>" in row)


def test_a_healthy_route_is_shown_with_what_it_acts_for() -> None:
    route = build_route(path="/hooks/ci", controllerId="jobs/ci", description="The build server")
    row = row_of(fetch(settings={"ROUTES": {"ci": route}}), "ci")
    for text in ("/hooks/ci", "agent:main:main", "jobs/ci", "The build server", "serving", "resolves", "never"):
        assert text in row
    assert "written in the configuration" in row


def test_no_secret_is_shown_whatever_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_SECRET", CANARY)
    routes = {"inline": build_route(), "env": build_route(secret=ref("CANARY_SECRET"))}
    page = fetch(settings={"ROUTES": routes})
    assert CANARY not in page
    assert "env, provider default, id CANARY_SECRET" in page
    assert "cannot be rotated from outside a running process" in page


def test_an_unresolvable_secret_is_shown_with_its_reason() -> None:
    assert "NO_SUCH_VARIABLE" not in os.environ
    row = row_of(fetch(settings={"ROUTES": {"ci": build_route(secret=ref("NO_SUCH_VARIABLE"))}}), "ci")
    assert "no secret" in row
    assert "does not resolve" in row
    assert "the environment variable is not set" in row
    assert "Answers 401" in row


def test_a_disabled_route_says_so() -> None:
    row = row_of(fetch(settings={"ROUTES": {"ci": build_route(enabled=False)}}), "ci")
    assert "switched off" in row
    assert "Answers 404" in row


def test_a_faulty_route_is_shown_with_every_problem_and_the_others_go_on() -> None:
    routes = {"bad": {"sesionKey": "x", "secret": CANARY}, "good": build_route()}
    page = fetch(settings={"ROUTES": routes})
    bad = row_of(page, "bad")
    assert "faulty" in bad
    assert "bad.sessionKey" in bad
    assert "bad.sesionKey" in bad
    assert "serving" in row_of(page, "good")
    assert CANARY not in page


def test_a_problem_of_no_route_stands_above_the_table() -> None:
    page = fetch(settings={"ROUTES": {"good": build_route()}, "TRUSTED_PROXIES": ["not-an-address"]})
    assert "What is wrong with the configuration" in page
    assert "TRUSTED_PROXIES" in page


def test_faulty_settings_are_shown_and_do_not_take_the_page_down() -> None:
    page = fetch(settings={"ROUTES": {"good": build_route()}, "NO_SUCH_KEY": 1})
    assert "NO_SUCH_KEY" in page


def test_a_changed_file_asks_for_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "openclaw.json"
    file.write_text('{plugins: {entries: {webhooks: {config: {routes: {ci: {sessionKey: "a", secret: "bbbb"}}}}}}}')
    client = sign_in("view_call")
    with override_settings(OPENCLAW_WEBHOOKS={"CONFIG_PATH": str(file)}):
        before = client.get(PAGE).content.decode()
        file.write_text("{}")
        after = client.get(PAGE).content.decode()
    assert str(file) in before
    assert "restart the server to apply" not in before
    assert "restart the server to apply" in after


@pytest.mark.parametrize("from_file", [True, False])
def test_without_routes_the_page_says_what_to_do_first(tmp_path: Path, *, from_file: bool) -> None:
    file = tmp_path / "openclaw.json"
    file.write_text("{}")
    page = fetch(settings={"CONFIG_PATH": str(file)} if from_file else {"ROUTES": {}})
    assert "No routes yet" in page
    assert "curl -X POST http://testserver/plugins/webhooks/zapier" in page
    assert ("plugins: {" in page) is from_file
    assert (str(file) in page) is from_file


def test_the_numbers_of_the_last_hour_and_day() -> None:
    now_ms = int(time.time() * 1000)
    write(
        *(build_record(started_at_ms=now_ms) for _ in range(3)),
        build_record(started_at_ms=now_ms - 7_200_000, status=503),
        *(build_refusal(started_at_ms=now_ms - 7_200_000) for _ in range(20)),
        build_record(started_at_ms=now_ms - 7_200_000, status=0),
    )
    lost = Batch()
    lost.add(build_record(started_at_ms=now_ms), room=0)
    write_batch(connection, lost)
    page = fetch()
    hour, day = re.findall(r'<figure data-label="Last (?:hour|24 hours)">(.*?)</figure>', row_of(page, "zapier"))
    assert "4 calls" in hour
    assert "3 accepted" in hour
    assert "1 not recorded" in hour
    assert "26 calls" in day
    assert "20 refused" in day
    assert "1 failed" in day
    assert "1 gone before an answer" in day
    assert "route=zapier&amp;since=1d&amp;status=5" in day
    assert "1 call of the last 24 hours was served and not recorded" in page
    assert "less than a minute ago" in row_of(page, "zapier")


def test_an_older_last_call_is_shown_by_its_age() -> None:
    write(build_record(started_at_ms=int(time.time() * 1000) - 3 * 3_600_000 - 5000))
    assert "3 hours ago" in row_of(fetch(), "zapier")


def test_what_the_process_noticed_is_shown() -> None:
    notice = "Something <that> the operator should know"
    get_runtime().notices.add(notice)
    try:
        assert "Something &lt;that&gt; the operator should know" in fetch()
    finally:
        get_runtime().notices.discard(notice)


def test_each_route_tells_what_it_has_in_flight() -> None:
    with override_settings(OPENCLAW_WEBHOOKS={"ROUTES": {"ci": build_route(), "zapier": build_route()}}):
        store = get_runtime().limit_store
        taken = [store.acquire(LimitKey("/plugins/webhooks/ci", client)) for client in ("192.0.2.1", "192.0.2.2")]
        leases = [lease for lease in taken if not isinstance(lease, Verdict)]
        page = " ".join(sign_in("view_call").get(PAGE).content.decode().split())
        for lease in leases:
            lease.release()
    assert len(leases) == 2
    assert "<dt>in flight now</dt><dd>2</dd>" in row_of(page, "ci")
    assert "<dt>in flight now</dt><dd>0</dd>" in row_of(page, "zapier")


def test_the_scope_of_the_limits_is_named(as_served: None) -> None:
    assert "Request limits hold over this machine" in fetch()


def test_limits_that_only_one_process_counts_are_said_not_to_be_shared(as_served: None) -> None:
    settings = {
        "ROUTES": {"ci": build_route(), "off": build_route(enabled=False)},
        "LIMIT_STORE": "openclaw_webhooks.guards.limits.process_memory.ProcessMemoryStore",
    }
    page = fetch(settings=settings)
    assert "Request limits are not shared: they hold over this process only" in page
    assert "limits not shared" in row_of(page, "ci")
    assert "limits not shared" not in row_of(page, "off")
    assert "limits not shared" not in fetch()


def test_the_number_of_queries_grows_with_neither_routes_nor_calls() -> None:
    client = sign_in("view_call")
    counts = []
    for number in (1, 30):
        write(*(build_record(route_id=f"r{n}") for n in range(number)))
        routes = {f"r{n}": build_route() for n in range(number)}
        with override_settings(OPENCLAW_WEBHOOKS={"ROUTES": routes}), CaptureQueriesContext(connection) as queries:
            assert client.get(PAGE).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 18, "those of probes and advice with them, as everything in a test"


def test_the_page_is_in_the_list_of_those_who_may_view_calls() -> None:
    assert PAGE in sign_in("view_call").get("/admin/").content.decode()
    assert PAGE not in sign_in("view_flow").get("/admin/").content.decode()
    assert sign_in("view_flow").get(PAGE).status_code == 403


def test_a_route_has_no_page_of_its_own_and_nothing_can_be_changed() -> None:
    client = sign_in(superuser=True)
    assert "<h1>Routes</h1>" in client.get(f"{PAGE}1/change/").content.decode()
    assert client.get(f"{PAGE}add/").status_code == 403
    assert client.post(f"{PAGE}1/delete/", {"post": "yes"}).status_code in {302, 403}


def test_the_page_holds_no_inline_script_or_style() -> None:
    page = fetch()
    assert "<style" not in page
    assert " style=" not in page
    assert "<script>" not in page
