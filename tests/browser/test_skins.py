"""The pages under a strict content security policy, and with django-unfold before Django's own admin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.browser.conftest import serve_with_admin
from tests.browser.pages import ADMIN, WIDTHS, Pages
from tests.browser.test_admin import OVERVIEW, Served, call, create
from tests.live import Server


def visit(server: Server, pages: Pages, goal: str) -> dict[str, str]:
    """Make what there is to see, and return where each page is."""
    flow = create(server, goal)
    call(server, "run_task", flowId=flow["flowId"], runtime="acp", task="Inspect")
    call(server, "set_waiting", flowId=flow["flowId"], expectedRevision=0, stateJson={"answered": 3})
    pages.wait_for(f"{ADMIN}/call/?q={flow['flowId']}", lambda text: text.count(flow["flowId"][:8]) == 3)
    link = pages.browser.find_element("css selector", "#result_list tbody th a").get_attribute("href") or ""
    return {
        "overview": f"{OVERVIEW}?span=1d",
        "calls": f"{ADMIN}/call/",
        "call": link.removeprefix(pages.url),
        "flows": f"{ADMIN}/flow/",
        "flow": f"{ADMIN}/flow/{flow['flowId']}/change/",
        "tasks": f"{ADMIN}/task/",
        "finish": f"{ADMIN}/flow/{flow['flowId']}/change/",
    }


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, browser: webdriver.Chrome) -> Iterator[Served]:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.browser.strict_settings"}
    with serve_with_admin(tmp_path_factory.mktemp("strict"), browser, **settings) as both:
        yield both


def test_a_strict_policy_is_kept_by_every_page(strict: Served) -> None:
    server, pages = strict
    addresses = visit(server, pages, "Under a strict policy")
    pages.take_console_errors()
    for name, address in addresses.items():
        pages.open(address)
        if name == "finish":
            pages.click("Finish")
            assert "Finish: the flow is succeeded now" in pages.click("Finish")
        assert pages.take_console_errors() == [], name


def test_an_export_shows_how_far_it_is_and_ends_in_a_file(strict: Served, tmp_path: Path) -> None:
    server, pages = strict
    flow = create(server, "To be exported")
    pages.wait_for(f"{ADMIN}/call/?q={flow['flowId']}", lambda text: flow["flowId"][:8] in text)
    pages.browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path), "eventsEnabled": False}
    )
    pages.take_console_errors()  # a browser that is new to the server has asked for its icon
    pages.find("Export as CSV").click()
    pages.wait_until(lambda: "1 of 1 calls: done" in pages.text)
    file = tmp_path / "webhook-calls.csv"
    pages.wait_until(file.exists)
    header, row = file.read_text(encoding="utf-8").splitlines()
    assert header.startswith("at,route_id,action")
    assert flow["flowId"] in row
    assert pages.take_console_errors() == []


def test_an_export_that_fails_says_so(strict: Served) -> None:
    server, pages = strict
    create(server)
    pages.wait_for(f"{ADMIN}/call/", lambda text: "create_flow" in text)
    pages.browser.execute_script("document.querySelector('a[data-name]').href = '/admin/openclaw_webhooks/call/none/'")
    pages.find("Export as CSV").click()
    pages.wait_until(lambda: "Not exported: the server answered" in pages.text)
    pages.take_console_errors()


@pytest.fixture(scope="module")
def unfolded(tmp_path_factory: pytest.TempPathFactory, browser: webdriver.Chrome) -> Iterator[Served]:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.browser.unfold_settings"}
    with serve_with_admin(tmp_path_factory.mktemp("unfold"), browser, **settings) as both:
        yield both


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_works_under_unfold(unfolded: Served, width: int, scheme: str) -> None:
    server, pages = unfolded
    pages.prefer(scheme)
    addresses = visit(server, pages, f"Under unfold, {width} pixels, {scheme}")
    told = {
        "overview": ("serving", "accepted: ", "Answers 401 until its secret resolves"),
        "calls": ("create_flow", "Export as CSV", "Filters"),
        "call": ("rate limit", "engine", "zapier"),
        "flows": (f"Under unfold, {width}", "waiting"),
        "flow": ("by route zapier", "Inspect", "Resume"),
        "tasks": ("Inspect", "queued"),
    }
    pages.take_console_errors()
    for name, address in addresses.items():
        text = pages.open(address, width=width)
        pages.photograph(f"unfold-{name}-{width}-{scheme}")
        assert not pages.overflows(), name
        for part in told.get(name, ()):
            assert part.lower() in text.lower(), (name, part, text)
    pages.click("Finish")
    pages.photograph(f"unfold-ask-{width}-{scheme}")
    assert "the flow is succeeded now, at revision 2" in pages.click("Finish")
    assert pages.take_console_errors() == []
    pages.prefer("light")
