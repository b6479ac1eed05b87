"""The pages of flows that another engine keeps, as far as it can tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import override_settings

from openclaw_webhooks import taskflows
from openclaw_webhooks.engines.records import FlowStatus
from openclaw_webhooks.taskflows import TaskRuntime
from tests.admin import elsewhere
from tests.admin.builders import build_flow, sign_in
from tests.calls.builders import build_record
from tests.calls.test_writer import write

pytestmark = pytest.mark.django_db

FLOWS = "/admin/openclaw_webhooks/flow/"
PERMISSIONS = ("view_flow", "view_call", "act_on_flow")


@pytest.fixture(autouse=True)
def engine() -> Iterator[None]:
    with override_settings(OPENCLAW_WEBHOOKS=elsewhere.SETTINGS):
        yield


def fetch(path: str = "", *permissions: str) -> str:
    response = sign_in(*(permissions or PERMISSIONS)).get(f"{FLOWS}{path}")
    assert response.status_code == 200, response.status_code
    return " ".join(response.content.decode().split())


def create(goal: str = "Review", *, session_key: str = "agent:main:main", **changes: Any) -> taskflows.FlowRecord:
    return taskflows.bind_session(session_key, controller_id="webhooks/zapier").create_flow(goal, **changes)


def test_flows_of_every_routes_session_are_listed_and_filtered() -> None:
    create("Of <zapier>", status=FlowStatus.WAITING)
    create("Of ci", session_key="agent:ops:ci", controller_id="jobs/ci")
    create("Of nobody's route", session_key="agent:else:where")
    page = fetch()
    for part in ("Of &lt;zapier&gt;", "Of ci", "agent:ops:ci", "2 flows.", "jobs/ci"):
        assert part in page, part
    assert "nobody" not in page
    for query, wanted in (
        ("status=waiting", "zapier"),
        ("session=agent:ops:ci", "ci"),
        ("controller=jobs/ci", "ci"),
        ("age=1h&status=queued", "ci"),
    ):
        page = fetch(f"?{query}")
        assert "1 flow." in page, query
        assert ("Of ci" in page) == (wanted == "ci"), query
    assert "No flow fits" in fetch("?age=older-1d")
    assert "2 flows." in fetch("?age=odd&p=99")


def test_a_flow_is_found_by_its_id() -> None:
    wanted, _ = create("Wanted"), create("Other")
    page = fetch(f"?q={wanted.flow_id}")
    assert "Wanted" in page
    assert "Other" not in page


def test_a_long_list_has_pages() -> None:
    for number in range(51):
        create(f"goal-{number:02}")
    page = fetch()
    assert "51 flows." in page
    assert page.count("goal-") == 50
    assert "?p=1" in page
    assert fetch("?p=1").count("goal-") == 1
    assert "?p=0" in fetch("?p=1")


def test_without_flows_the_page_says_what_to_do_first() -> None:
    assert "have no flows yet" in fetch()


def test_a_flow_shows_what_the_engine_and_the_record_of_calls_know() -> None:
    flows = taskflows.bind_session("agent:main:main")
    flow = create(state_json={"n": 1})
    flows.run_task(flow.flow_id, "Inspect", runtime=TaskRuntime.ACP)
    write(build_record(flow_id=flow.flow_id, action="create_flow"))
    page = fetch(f"{flow.flow_id}/change/")
    for part in ("counts its tasks and does not list them", "queued", "&quot;n&quot;: 1", "never set", "zapier"):
        assert part in page, part
    assert "keeps no earlier revisions" in page
    assert page.count("/call/") >= 1
    assert f"of-engine/{flow.flow_id}/act/finish/?revision=0" in page
    page = fetch(f"{flow.flow_id}/change/", "view_flow")
    assert "/act/" not in page
    assert "/call/" not in page


def test_an_engine_that_can_tell_more_is_asked() -> None:
    flow = create()
    flows = taskflows.bind_session("agent:main:main", actor="worker w")
    flows.run_task(flow.flow_id, "Inspect", runtime=TaskRuntime.ACP)
    flows.set_waiting(flow, current_step="ask", wait_json={"for": "Bob"}, blocked_summary="Bob is away")
    telling = {**elsewhere.SETTINGS, "ENGINE": "tests.admin.elsewhere.TellingEngine"}
    with override_settings(OPENCLAW_WEBHOOKS=telling):
        page = fetch(f"{flow.flow_id}/change/")
    # A subclass of no embedded engine, though it keeps its flows there.
    for part in ("ow-tree", "Inspect", "by worker w", "Bob is away"):
        assert part in page, part


def test_people_act_through_the_engine_at_the_revision_they_saw() -> None:
    flow = create()
    person = sign_in(*PERMISSIONS)
    url = f"{FLOWS}of-engine/{flow.flow_id}/act/finish/"
    assert 'name="revision" value="0"' in person.get(f"{url}?revision=0").content.decode()
    page = person.post(url, {"revision": 0}, follow=True).content.decode()
    assert "the flow is succeeded now, at revision 1" in page
    assert "By people, from here" in page
    entry = LogEntry.objects.get()
    assert entry.object_id == flow.flow_id
    assert f"/flow/{flow.flow_id}/change/" in str(entry.get_admin_url()).replace("_2D", "-")
    page = person.post(url, {"revision": 0}, follow=True).content.decode()
    assert "Nothing was changed: somebody changed this flow after you opened it" in page
    assert LogEntry.objects.count() == 1


def test_who_may_not_is_kept_out() -> None:
    flow = create()
    assert sign_in("view_call").get(FLOWS).status_code == 403
    assert sign_in("view_call").get(f"{FLOWS}{flow.flow_id}/change/").status_code == 403
    for permission in ("view_flow", "act_on_flow"):
        person = sign_in(permission)
        assert person.post(f"{FLOWS}of-engine/{flow.flow_id}/act/finish/", {"revision": 0}).status_code == 403


def test_what_is_not_there_is_not_found() -> None:
    flow = create()
    person = sign_in(*PERMISSIONS)
    for path in ("none/change/", "of-engine/none/act/finish/", f"of-engine/{flow.flow_id}/act/explode/"):
        assert person.get(f"{FLOWS}{path}").status_code == 404, path


def test_a_dead_engine_is_told_by_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = create()
    person = sign_in(*PERMISSIONS)
    monkeypatch.setattr(elsewhere.ElsewhereEngine, "is_dead", True)
    for path in ("", f"{flow.flow_id}/change/", f"of-engine/{flow.flow_id}/act/finish/"):
        page = " ".join(person.get(f"{FLOWS}{path}").content.decode().split())
        assert "The engine does not answer: nothing listens on the bridge&#x27;s socket." in page, path
        assert "webhooks_gateway check" in page, path


def test_what_the_embedded_engine_kept_can_still_be_read() -> None:
    old = build_flow(goal="Of last year", session_key="agent:else:where")
    assert "left-over/" in fetch()
    page = fetch("left-over/")
    assert "Of last year" in page
    assert "to read only" in page
    assert "Of last year" in fetch(f"{old.pk}/change/")
    assert "/act/" not in fetch(f"{old.pk}/change/")
