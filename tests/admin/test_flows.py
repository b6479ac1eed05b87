"""The pages of flows and tasks."""

from __future__ import annotations

import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings

from openclaw_webhooks.admin.task_tree import TaskNode, build_tree
from openclaw_webhooks.conf.settings import BRIDGE_ENGINE
from openclaw_webhooks.models import Flow, Task
from tests.admin.builders import build_flow, build_task, sign_in

pytestmark = pytest.mark.django_db

FLOWS = "/admin/openclaw_webhooks/flow/"
TASKS = "/admin/openclaw_webhooks/task/"


def fetch(path: str) -> str:
    response = sign_in("view_flow", "view_task", "view_call").get(path)
    assert response.status_code == 200, response.status_code
    return str(response.content.decode())


def test_a_flow_is_listed_with_its_session_and_filtered_by_status() -> None:
    build_flow(goal="Running one", session_key="agent:ops:ci")
    build_flow(goal="Waiting one", status="waiting")
    page = fetch(FLOWS)
    assert "agent:ops:ci" in page
    assert "Running one" in page
    waiting = fetch(f"{FLOWS}?status=waiting")
    assert "Waiting one" in waiting
    assert "Running one" not in waiting


def test_flows_are_filtered_by_age_session_and_controller() -> None:
    now_ms = int(time.time() * 1000)
    build_flow(goal="New one", created_at_ms=now_ms - 60_000, session_key="agent:ops:ci", controller_id="c" * 100)
    build_flow(goal="Old one", created_at_ms=now_ms - 9 * 86_400_000, controller_id="webhooks/zapier")

    def listed(query: str) -> set[str]:
        response = sign_in("view_flow").get(f"{FLOWS}?{query}")
        assert response.status_code == 200
        return {flow.goal for flow in response.context["cl"].result_list}

    assert listed("age=1h") == listed("age=7d") == {"New one"}
    assert listed("age=older-7d") == {"Old one"}
    assert listed("age=older-30d") == set()
    assert listed("age=odd") == {"New one", "Old one"}
    assert listed("session=agent:ops:ci") == {"New one"}
    assert listed("controller=webhooks/zapier") == {"Old one"}
    assert listed(f"controller={'c' * 100}") == {"New one"}
    assert listed("session=agent:ops:ci&status=running&age=1d") == {"New one"}
    assert listed("session=agent:ops:ci&controller=webhooks/zapier") == set()
    page = fetch(FLOWS)
    for choice in ("?session=agent%3Aops%3Aci", "?controller=webhooks%2Fzapier", f"?controller={'c' * 100}"):
        assert choice in page, choice
    assert "?session=agent%3Anone" in fetch(f"{FLOWS}?session=agent:none")


def test_search_takes_a_whole_flow_id() -> None:
    wanted, other = build_flow(goal="Wanted"), build_flow(goal="Other")
    page = fetch(f"{FLOWS}?q={wanted.flow_id}")
    assert "Wanted" in page
    assert "Other" not in page
    assert "Wanted" not in fetch(f"{FLOWS}?q={other.flow_id[:8]}")


def test_a_flow_is_found_by_its_flow_id_and_by_its_key() -> None:
    flow = build_flow(state_json='{"step":1,"name":"Gr\\u00fc\\u00dfe","odd":"\\ud800\\u0000"}', wait_json="null")
    for path in (f"{FLOWS}{flow.flow_id}/change/", f"{FLOWS}{flow.pk}/change/"):
        page = fetch(path)
        assert "Review inbound queue" in page
        assert "Grüße" in page
        assert "\\ud800\\u0000" in page
        assert f"/admin/openclaw_webhooks/call/?q={flow.flow_id}" in page


def test_a_flow_that_is_not_here_leads_back_with_a_message() -> None:
    response = sign_in("view_flow").get(f"{FLOWS}no-such-flow/change/", follow=True)
    assert response.status_code == 200
    assert "exist" in response.content.decode()


def test_with_the_bridge_tasks_are_said_to_be_elsewhere() -> None:
    said = "keeps its flows and tasks elsewhere"
    assert said not in fetch(TASKS)
    bridged = {"ENGINE": BRIDGE_ENGINE, "BRIDGE_URL": "unix:///run/none.sock", "ROUTES": {}}
    with override_settings(OPENCLAW_WEBHOOKS=bridged):
        assert fetch(TASKS).count(said) == 1
        assert fetch(f"{FLOWS}left-over/").count(said) == 1


def test_long_json_is_cut_and_short_json_is_whole() -> None:
    flow = build_flow(state_json='"' + "x" * 150_000 + '"', wait_json="")
    page = fetch(f"{FLOWS}{flow.pk}/change/")
    assert "50002 characters more" in page
    assert "never set" in page


def test_the_tasks_of_a_flow_are_a_tree() -> None:
    flow = build_flow()
    parent = build_task(flow, label="parent")
    build_task(flow, label="child", parent_task_id=parent.task_id, agent_id="main")
    page = fetch(f"{FLOWS}{flow.pk}/change/")
    tree = page[page.index('<ul class="ow-tree">') :]
    assert tree.index("parent") < tree.index('<ul class="ow-tree">', 5) < tree.index("child")
    assert "No tasks yet" in fetch(f"{FLOWS}{build_flow().pk}/change/")


def test_more_tasks_than_a_page_bears_are_cut() -> None:
    flow = build_flow()
    first = build_task(flow)
    values = {field.attname: getattr(first, field.attname) for field in Task._meta.fields if field.attname != "id"}
    Task.objects.bulk_create(Task(**values | {"task_id": f"task-{n}"}) for n in range(500))
    assert "Only the first 500 tasks are shown" in fetch(f"{FLOWS}{flow.pk}/change/")


def shape(nodes: list[TaskNode]) -> list[tuple[str, list]]:  # type: ignore[type-arg]
    return [(node.task.task_id, shape(node.children)) for node in nodes]


def test_the_tree_bears_missing_parents_and_circles() -> None:
    parents = {"a": "", "b": "a", "c": "b", "d": "gone", "x": "y", "y": "x", "z": "x", "s": "s"}
    tasks = [Task(task_id=key, parent_task_id=parent, status="queued") for key, parent in parents.items()]
    tree = shape(build_tree(tasks))
    assert ("a", [("b", [("c", [])])]) in tree
    assert ("d", []) in tree
    assert ("x", [("z", [])]) in tree
    assert {key for key, _ in tree} == {"a", "d", "x", "y", "s"}


def test_tasks_are_listed_and_shown() -> None:
    task = build_task(build_flow(), status="timed_out", error="No answer", started_at_ms=1_700_000_000_000)
    build_task(build_flow(), task="Another one", runtime="cli")
    page = fetch(f"{TASKS}?status=timed_out&runtime=acp")
    assert task.task_id[:8] in page
    assert "Another one" not in page
    assert task.task_id[:8] in fetch(f"{TASKS}?q={task.task_id}")
    detail = fetch(f"{TASKS}{task.pk}/change/")
    assert "No answer" in detail
    assert task.parent_flow.flow_id in detail


def test_nothing_can_be_edited_even_by_a_superuser() -> None:
    flow = build_flow()
    task = build_task(flow)
    client = sign_in(superuser=True)
    for path in (f"{FLOWS}{flow.pk}/", f"{TASKS}{task.pk}/"):
        assert client.post(f"{path}change/", {"status": "succeeded"}).status_code == 403
        assert client.post(f"{path}delete/", {"post": "yes"}).status_code == 403
    assert client.get(f"{FLOWS}add/").status_code == 403
    assert Flow.objects.get().status == "running"
    assert Task.objects.get().status == "queued"


@pytest.mark.parametrize(("path", "permission"), [(FLOWS, "view_flow"), (TASKS, "view_task")])
def test_each_page_needs_its_own_permission(path: str, permission: str) -> None:
    assert sign_in(permission).get(path).status_code == 200
    assert sign_in(*({"view_flow", "view_task", "view_call"} - {permission})).get(path).status_code == 403


@pytest.mark.parametrize("path", [FLOWS, TASKS])
def test_the_number_of_queries_does_not_grow_with_the_rows(path: str) -> None:
    client = sign_in("view_flow", "view_task")
    counts = []
    for _ in range(2):
        for _ in range(20):
            build_task(build_flow())
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
