"""What a person does about flows and tasks: who may, at which revision, and what is told."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client, override_settings

from openclaw_webhooks import taskflows
from openclaw_webhooks.admin.acts import FLOW_ACTS
from openclaw_webhooks.conf.settings import BRIDGE_ENGINE
from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.exceptions import OutcomeUnknown, PersistFailed
from openclaw_webhooks.models import Flow, Task
from openclaw_webhooks.taskflows import FlowStatus, TaskFlows, TaskRuntime
from tests.admin.builders import sign_in

pytestmark = pytest.mark.django_db

BASE = "/admin/openclaw_webhooks"


@pytest.fixture
def flows() -> TaskFlows:
    return taskflows.bind_session("agent:main:main", actor="route zapier")


@pytest.fixture
def person() -> Client:
    return sign_in("view_flow", "view_task", "act_on_flow")


def flow_url(flow_id: str, act: str = "") -> str:
    pk = Flow.objects.get(flow_id=flow_id).pk
    return f"{BASE}/flow/{pk}/act/{act}/" if act else f"{BASE}/flow/{pk}/change/"


def told(response: Any) -> str:
    return " | ".join(str(message) for message in response.context["messages"])


def post(person: Client, url: str, **data: Any) -> str:
    response = person.post(url, data, follow=True)
    assert response.status_code == 200
    return told(response)


@pytest.mark.parametrize(
    ("act", "data", "status"),
    [
        ("wait", {"current_step": "ask", "blocked_summary": ""}, "waiting"),
        ("wait", {"current_step": "", "blocked_summary": "Bob is away"}, "blocked"),
        ("resume", {"status": "running", "current_step": ""}, "running"),
        ("finish", {}, "succeeded"),
        ("fail", {"blocked_summary": "no disk"}, "failed"),
    ],
)
def test_each_act_goes_through_the_engine_as_the_person(
    flows: TaskFlows, person: Client, act: str, data: dict[str, str], status: str
) -> None:
    flow = flows.create_flow("g", current_step="first", state_json={"n": 1})
    message = post(person, flow_url(flow.flow_id, act), revision=0, **data)
    assert message == f"{FLOW_ACTS[act].verb}: the flow is {status} now, at revision 1."
    now = flows.get_flow(flow.flow_id)
    assert now is not None
    assert (now.status, now.revision, now.state_json) == (status, 1, {"n": 1})
    assert now.current_step == (data.get("current_step") or "first")
    assert flows.list_revisions(flow.flow_id)[0].actor.startswith("user ")
    assert LogEntry.objects.get().get_change_message() == message


def test_cancelling_takes_the_revision_that_was_seen(flows: TaskFlows, person: Client) -> None:
    flow = flows.create_flow("g")
    changed = flows.set_waiting(flow)
    assert "Nothing was changed: route zapier" in post(person, flow_url(flow.flow_id, "cancel"), revision=0)
    assert flows.get_flow(flow.flow_id) == changed
    assert "cancelled now" in post(person, flow_url(flow.flow_id, "cancel"), revision=1)
    assert LogEntry.objects.count() == 1


def test_the_page_offers_what_fits_with_the_revision_it_shows(flows: TaskFlows, person: Client) -> None:
    flow = flows.set_waiting(flows.create_flow("g"))
    page = person.get(flow_url(flow.flow_id)).content.decode()
    for act in ("wait", "resume", "finish", "fail", "cancel"):
        assert f"/act/{act}/?revision=1" in page
    flows.finish_flow(flow)
    page = person.get(flow_url(flow.flow_id)).content.decode()
    assert "/act/resume/?revision=2" in page
    assert "/act/finish/" not in page


def test_asking_changes_nothing(flows: TaskFlows, person: Client) -> None:
    flow = flows.create_flow("Buy <milk>")
    page = person.get(f"{flow_url(flow.flow_id, 'finish')}?revision=0").content.decode()
    assert "Buy &lt;milk&gt;" in page
    assert 'name="revision" value="0"' in page
    assert flows.get_flow(flow.flow_id) == flow
    assert person.post(flow_url(flow.flow_id, "finish"), {"revision": "x"}).status_code == 200
    assert flows.get_flow(flow.flow_id) == flow


@pytest.mark.parametrize("permissions", [("view_flow", "view_task"), ("act_on_flow",), ()])
def test_who_may_not_is_kept_out(flows: TaskFlows, permissions: tuple[str, ...]) -> None:
    flow = flows.create_flow("g")
    task = flows.run_task(flow.flow_id, "t", runtime=TaskRuntime.ACP)
    pk = Task.objects.get(task_id=task.task_id).pk
    person = sign_in(*permissions)
    for url in (flow_url(flow.flow_id, "finish"), f"{BASE}/task/{pk}/act/finish/"):
        assert person.get(url).status_code == 403
        assert person.post(url, {"revision": 0}).status_code == 403
    assert Client().post(flow_url(flow.flow_id, "finish"), {"revision": 0}).status_code == 302
    if "view_flow" in permissions:
        assert "/act/" not in person.get(flow_url(flow.flow_id)).content.decode()
        assert "/act/" not in person.get(f"{BASE}/task/{pk}/change/").content.decode()
    assert flows.get_flow(flow.flow_id) == flow


def test_what_is_not_there_is_not_found(flows: TaskFlows, person: Client) -> None:
    flow = flows.create_flow("g")
    for url in (flow_url(flow.flow_id, "explode"), f"{BASE}/flow/999/act/finish/", f"{BASE}/task/999/act/finish/"):
        assert person.post(url, {"revision": 0}).status_code == 404


def test_rows_left_over_beside_a_gateway_cannot_be_acted_on(flows: TaskFlows, person: Client) -> None:
    flow = flows.create_flow("g")
    bridged = {"ENGINE": BRIDGE_ENGINE, "BRIDGE_URL": "http://127.0.0.1:1", "ROUTES": {}}
    with override_settings(OPENCLAW_WEBHOOKS=bridged):
        assert person.post(flow_url(flow.flow_id, "finish"), {"revision": 0}).status_code == 403
        assert "/act/" not in person.get(flow_url(flow.flow_id)).content.decode()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PersistFailed("disk full"), "Nothing was changed: the engine does not answer (disk full)."),
        (OutcomeUnknown("lost"), "Look before you try again"),
    ],
)
def test_an_engine_that_fails_is_told(
    flows: TaskFlows, person: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, text: str
) -> None:
    flow = flows.create_flow("g")

    def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(type(EmbeddedEngine().bind_session("k")), "finish_flow", fail)
    assert text in post(person, flow_url(flow.flow_id, "finish"), revision=0)
    # What may have happened is logged as the person's too.
    assert LogEntry.objects.exists() == isinstance(error, OutcomeUnknown)


def test_what_the_engine_or_the_rules_refuse_is_told(flows: TaskFlows, person: Client) -> None:
    flow = flows.create_flow("g")
    flows.run_task(flow.flow_id, "t", runtime=TaskRuntime.ACP)
    assert "still active" in post(person, flow_url(flow.flow_id, "cancel"), revision=0)
    assert "cancel_pending" in LogEntry.objects.get().get_change_message()
    gone = flows.create_flow("h")
    url = flow_url(gone.flow_id, "finish")
    flows.finish_flow(gone)
    assert "Nothing was changed" in post(person, url, revision=0)


@pytest.mark.parametrize(
    ("act", "data", "status", "kept"),
    [("finish", {"summary": "done"}, "succeeded", "terminal_summary"), ("fail", {"error": "no"}, "failed", "error")],
)
def test_a_task_is_ended(
    flows: TaskFlows, person: Client, act: str, data: dict[str, str], status: str, kept: str
) -> None:
    flow = flows.create_flow("g")
    task = flows.run_task(flow.flow_id, "t", runtime=TaskRuntime.ACP)
    pk = Task.objects.get(task_id=task.task_id).pk
    assert f"/task/{pk}/act/{act}/" in person.get(f"{BASE}/task/{pk}/change/").content.decode()
    assert f"has {status} now" in post(person, f"{BASE}/task/{pk}/act/{act}/", **data)
    ended = flows.get_task(task.task_id)
    assert ended is not None
    assert (ended.status, getattr(ended, kept)) == (status, next(iter(data.values())))
    assert "/act/" not in person.get(f"{BASE}/task/{pk}/change/").content.decode()
    other = "fail" if act == "finish" else "finish"
    late = post(person, f"{BASE}/task/{pk}/act/{other}/", error="late", summary="late")
    assert late == f"Nothing was changed: the task had already ended as {status}." or f"has {status}" in late


def test_the_history_tells_who_changed_what(flows: TaskFlows, person: Client) -> None:
    flow = flows.create_flow("g", state_json={"n": 1, "odd": "\ud800"}, wait_json={"for": "x"})
    flow = flows.set_waiting(flow, current_step="ask", state_json={"n": 2})
    for number in range(60):
        flow = flows.resume_flow(flow, status=FlowStatus.RUNNING, state_json=list(range(number * 300)))
    page = person.get(flow_url(flow.flow_id)).content.decode()
    assert page.count('class="ow-revision"') == 50
    assert "12 older revisions" in page
    assert "… more" in page
    short = flows.set_waiting(flows.create_flow("h", state_json={"n": 1}), state_json={"n": 2}, blocked_summary="Bob")
    page = " ".join(person.get(flow_url(short.flow_id)).content.decode().split())
    for part in ("by route zapier", "<ins>Bob</ins>", 'class="ow-removed">-', 'class="ow-added">+'):
        assert part in page, part
    flows.request_cancel(short)
    assert "<ins>requested</ins>" in person.get(flow_url(short.flow_id)).content.decode()


def test_a_revision_leads_to_the_call_that_made_it(flows: TaskFlows, person: Client) -> None:
    from openclaw_webhooks.call_context import call_context

    session = EmbeddedEngine().bind_session("agent:main:main")
    with call_context("route ci", request_id="req-1"):
        made: Any = session.create_flow(controller_id="c", goal="g")
    reader = sign_in("view_flow", "view_call")
    assert "/call/?q=req-1" in reader.get(flow_url(made.flow.flow_id)).content.decode()
    # Who may not see calls is told who changed it, and led to no page that answers 403.
    page = person.get(flow_url(made.flow.flow_id)).content.decode()
    assert ("route ci" in page, "/call/" in page) == (True, False)


def test_revisions_that_were_not_kept_are_missed(flows: TaskFlows, person: Client) -> None:
    flow = flows.finish_flow(flows.create_flow("g"))
    Flow.objects.get(flow_id=flow.flow_id).revisions.all().delete()
    assert "Older revisions were not kept" in person.get(flow_url(flow.flow_id)).content.decode()
