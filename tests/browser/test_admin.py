"""The admin in a real browser: every trouble is made for real and its cause read off the page."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

import pytest

from tests.browser.conftest import SECRET
from tests.browser.pages import ADMIN, WIDTHS, Pages
from tests.live import Server

PATH = "/plugins/webhooks/zapier"
OVERVIEW = f"{ADMIN}/route/"
Served = tuple[Server, Pages]


def create(server: Server, goal: str = "Review inbound queue") -> dict[str, Any]:
    status, answer = server.call(
        PATH, {"action": "create_flow", "goal": goal, "stateJson": {"answered": 0}}, secret=SECRET
    )
    assert status == 200, answer
    flow: dict[str, Any] = answer["result"]["flow"]
    return flow


def call(server: Server, action: str, **fields: Any) -> tuple[int, Any]:
    return server.call(PATH, {"action": action, **fields}, secret=SECRET)


def test_the_overview_tells_states_numbers_and_what_to_do_first(served: Served) -> None:
    server, pages = served
    assert "Try it" in pages.open(OVERVIEW)
    create(server)
    text = pages.wait_for(OVERVIEW, lambda text: "1 accepted" in text)
    for part in ("serving", "Support inbox", "no secret", "does not resolve", "p50", "accepted: 1"):
        assert part in text, part


def test_an_exec_ref_that_fails_is_told_with_its_reason(served: Served) -> None:
    _, pages = served
    text = pages.open(OVERVIEW)
    assert "Answers 401 until its secret resolves" in text
    assert "exited with status 1" in text or "exit" in text


def test_a_wrong_secret_is_told_by_the_list_of_calls(served: Served) -> None:
    server, pages = served
    assert server.call(PATH, {"action": "list_flows"}, secret="wrong", source="127.0.0.7")[0] == 401
    text = pages.wait_for(f"{ADMIN}/call/?caller=127.0.0.7", lambda text: "401" in text)
    assert "127.0.0.7" in text
    text = pages.follow(pages.browser.find_element("css selector", "#result_list tbody th a"))
    assert "refused here: authentication" in text


def test_a_caller_at_its_limit_is_named(served: Served) -> None:
    server, pages = served
    statuses = {
        server.call(PATH, {"action": "find_latest_flow"}, secret=SECRET, source="127.0.0.9")[0] for _ in range(125)
    }
    assert statuses == {200, 429}
    text = pages.wait_for(OVERVIEW, lambda text: "At a limit now: 127.0.0.9" in text)
    assert "refused" in text


def test_a_flow_tells_its_history_and_can_be_finished(served: Served) -> None:
    server, pages = served
    flow = create(server, "Answer the <b>customer</b>")
    call(server, "set_waiting", flowId=flow["flowId"], expectedRevision=0, stateJson={"answered": 3}, currentStep="ask")
    text = pages.open(f"{ADMIN}/flow/{flow['flowId']}/change/")
    for part in ("<b>customer</b>", "route zapier", "step: ask", "waiting"):
        assert part in text, part
    assert pages.has("Resume")
    pages.browser.find_element("css selector", ".ow-history summary").click()
    assert '+ "answered": 3' in pages.text
    asked = pages.click("Finish")
    assert "marks the flow succeeded" in asked
    text = pages.click("Finish")
    assert "Finish: the flow is succeeded now, at revision 2." in text
    assert "by user alice" in text
    assert pages.has("Resume")
    assert not pages.has("Finish")
    assert call(server, "get_flow", flowId=flow["flowId"])[1]["result"]["flow"]["status"] == "succeeded"
    assert "Finish: the flow is succeeded now" in pages.click("History")


def test_a_conflicting_writer_is_named_and_nothing_is_changed(served: Served) -> None:
    server, pages = served
    flow = create(server, "Two at once")
    pages.open(f"{ADMIN}/flow/{flow['flowId']}/change/")
    pages.click("Fail")
    call(server, "set_waiting", flowId=flow["flowId"], expectedRevision=0)
    pages.fill("blocked_summary", "too slow")
    text = pages.click("Fail")
    assert "Nothing was changed: route zapier changed this flow after you opened it" in text
    assert "revision 1" in text
    assert call(server, "get_flow", flowId=flow["flowId"])[1]["result"]["flow"]["status"] == "waiting"


def test_a_task_is_ended_by_a_person_and_a_waiting_cancellation_with_it(served: Served) -> None:
    server, pages = served
    flow = create(server, "With a child")
    call(server, "run_task", flowId=flow["flowId"], runtime="acp", task="Inspect the batch")
    pages.open(f"{ADMIN}/flow/{flow['flowId']}/change/")
    pages.click("Cancel")
    assert "still active" in pages.click("Cancel")
    pages.click("Inspect the batch")
    pages.click("Fail")
    pages.fill("error", "no answer")
    assert "Fail: the task has failed now." in pages.click("Fail")
    assert "cancelled" in pages.open(f"{ADMIN}/flow/{flow['flowId']}/change/")


def test_calls_are_exported_as_the_list_shows_them(served: Served) -> None:
    server, pages = served
    flow = create(server, "To be exported")
    pages.wait_for(f"{ADMIN}/call/?q={flow['flowId']}", lambda text: flow["flowId"][:8] in text)
    cookie = "; ".join(f"{each['name']}={each['value']}" for each in pages.browser.get_cookies())
    url = str(pages.find("Export as JSON").get_attribute("href"))
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Cookie": cookie}), timeout=20) as answer:
        (exported,) = json.load(answer)
    assert (exported["flow_id"], exported["action"], exported["status"]) == (flow["flowId"], "create_flow", 200)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_complains_overflows_or_shuts_somebody_out(served: Served, width: int, scheme: str) -> None:
    server, pages = served
    flow = create(server, f"Looked at {width} pixels wide")
    call(server, "run_task", flowId=flow["flowId"], runtime="acp", task="Inspect")
    call(server, "set_waiting", flowId=flow["flowId"], expectedRevision=0, waitJson={"for": "Bob"})
    pages.wait_for(f"{ADMIN}/call/?q={flow['flowId']}", lambda text: text.count(flow["flowId"][:8]) == 3)
    link = pages.browser.find_element("css selector", "#result_list tbody th a").get_attribute("href") or ""
    addresses = {
        "overview": f"{OVERVIEW}?span=1h",
        "calls": f"{ADMIN}/call/",
        "call": link.removeprefix(pages.url),
        "flows": f"{ADMIN}/flow/",
        "flow": f"{ADMIN}/flow/{flow['flowId']}/change/",
        "tasks": f"{ADMIN}/task/",
        "schema": "/openclaw-webhooks/schema/",
    }
    pages.take_console_errors()
    pages.prefer(scheme)
    suffix = f"{width}" if scheme == "light" else f"{width}-{scheme}"
    for name, address in addresses.items():
        pages.open(address, width=width)
        time.sleep(1 if name == "schema" else 0.1)
        assert pages.take_console_errors() == [], name
        pages.photograph(f"{name}-{suffix}")
        if name != "schema":  # Swagger UI's own
            assert not pages.overflows(), name
            assert pages.find_faults() == [], name
    pages.open(f"{ADMIN}/flow/{flow['flowId']}/change/", width=width)
    pages.click("Finish")
    pages.photograph(f"finish-{suffix}")
    assert pages.find_faults() == []
    pages.prefer("light")
