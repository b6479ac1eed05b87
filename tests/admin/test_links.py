"""Nobody is shown a link to a page that answers 403: every link of every page is followed, as each kind of person."""

from __future__ import annotations

import itertools
import re
from html import unescape

import pytest

from openclaw_webhooks.call_context import call_context
from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.models import Call, Flow, Task
from tests.admin.builders import build_task, sign_in
from tests.calls.builders import build_record
from tests.calls.test_writer import write

pytestmark = pytest.mark.django_db

ROOT = "/admin/openclaw_webhooks/"
PERMISSIONS = ("view_call", "view_flow", "view_task")
SOME = [some for count in (1, 2, 3) for some in itertools.combinations(PERMISSIONS, count)]


@pytest.mark.parametrize("permissions", SOME)
def test_every_link_leads_somewhere(permissions: tuple[str, ...]) -> None:
    with call_context("route ci", request_id="request-1"):
        made = EmbeddedEngine().bind_session("agent:main:main").create_flow(goal="x", controller_id="webhooks/ci")
    build_task(Flow.objects.get(flow_id=made.flow.flow_id))
    write(build_record(flow_id=made.flow.flow_id, request_id="request-1"))
    client = sign_in(*permissions)
    pages = {
        "view_call": [f"{ROOT}call/", f"{ROOT}call/{Call.objects.get().pk}/change/", f"{ROOT}route/"],
        "view_flow": [f"{ROOT}flow/", f"{ROOT}flow/{Flow.objects.get().pk}/change/"],
        "view_task": [f"{ROOT}task/", f"{ROOT}task/{Task.objects.get().pk}/change/"],
    }
    for page in itertools.chain.from_iterable(pages[name] for name in permissions):
        response = client.get(page)
        assert response.status_code == 200, page
        main = response.content.decode().partition('id="content"')[2]
        links = {unescape(link) for link in re.findall(r'href="(/admin/[^"]+|\?[^"]*)"', main)}
        for link in links:
            answer = client.get(link if link.startswith("/") else f"{page}{link}", follow=True)
            assert answer.status_code == 200, (page, link)
        # Who may see both is led from one to the other.
        if {"view_call", "view_flow"} <= set(permissions) and "/change/" in page and "/task/" not in page:
            other = "flow" if "/call/" in page else "call"
            assert any(link.startswith(f"{ROOT}{other}/") for link in links), page
