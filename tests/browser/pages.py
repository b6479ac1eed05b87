"""The admin as a person uses it: pages are opened, read, clicked, photographed, and looked over by axe."""

from __future__ import annotations

import importlib.resources
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait

PASSWORD = "a-password-of-the-browser-tests"
WIDTHS = (1280, 390)
ADMIN = "/admin/openclaw_webhooks"
# Django's own pages, which are not ours to mend.
_NOT_OURS = {"label-title-only", "region", "landmark-one-main", "page-has-heading-one", "empty-table-header"}


class Pages:
    """One person with one browser at one server."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser = browser
        self.url = url

    def sign_in(self) -> None:
        """Sign in as the superuser."""
        self.browser.delete_all_cookies()
        self.open("/admin/login/")
        self.browser.find_element(By.NAME, "username").send_keys("alice")
        before = self.browser.find_element(By.TAG_NAME, "html")
        self.browser.find_element(By.NAME, "password").send_keys(f"{PASSWORD}\n")
        WebDriverWait(self.browser, 20).until(staleness_of(before))

    def open(self, path: str, *, width: int = 1280) -> str:
        """Open a page and return its text."""
        self.browser.set_window_size(width, 900)
        self.browser.get(f"{self.url}{path}")
        return self.text

    @property
    def text(self) -> str:
        """What is to be read on the page, white space collapsed."""
        return " ".join(str(self.browser.execute_script("return document.body.innerText")).split())

    def click(self, name: str) -> str:
        """Click a link or a button by what it says, and return the text of the page that comes."""
        return self.follow(self.find(name))

    def follow(self, element: WebElement) -> str:
        """Click what leads to another page, wait for that, and return its text."""
        before = self.browser.find_element(By.TAG_NAME, "html")
        element.click()
        WebDriverWait(self.browser, 20).until(staleness_of(before))
        return self.text

    def find(self, name: str) -> WebElement:
        """Find a link or a button by what it says."""
        xpath = f"//a[normalize-space()='{name}'] | //button[normalize-space()='{name}'] | //input[@value='{name}']"
        return self.browser.find_element(By.XPATH, xpath)

    def has(self, name: str) -> bool:
        """Tell whether there is such a link or button."""
        return bool(self.browser.find_elements(By.XPATH, f"//a[normalize-space()='{name}'] | //input[@value='{name}']"))

    def fill(self, field: str, text: str) -> None:
        """Type into a field."""
        self.browser.find_element(By.NAME, field).send_keys(text)

    def wait_for(self, path: str, is_there: Callable[[str], bool], seconds: float = 20) -> str:
        """Open a page again and again until its text is as wanted."""
        deadline = time.monotonic() + seconds
        while not is_there(text := self.open(path)):
            assert time.monotonic() < deadline, text
            time.sleep(0.3)
        return text

    def wait_until(self, is_so: Callable[[], bool], seconds: float = 20) -> None:
        """Wait for something on the page, or beside it."""
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, self.text
            time.sleep(0.1)

    def take_console_errors(self) -> list[str]:
        """Return what the browser complained of since the last call."""
        log: list[dict[str, Any]] = self.browser.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]

    def overflows(self) -> bool:
        """Tell whether the page is wider than the window, so that a person would have to scroll sideways."""
        script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.browser.execute_script(script)) > 1

    def find_faults(self) -> list[str]:
        """Return the serious faults that axe finds within the content."""
        script = (importlib.resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
        self.browser.execute_script(script)
        # What is folded away has no colours that this version of axe could judge.
        self.browser.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true })")
        run = "const done = arguments[0]; axe.run({resultTypes: ['violations']}).then(done, e => done({error: `${e}`}))"
        found = self.browser.execute_async_script(run)
        assert "violations" in found, found
        return [
            f"{fault['id']}: {fault['help']}: {[node['html'][:160] for node in fault['nodes'][:3]]}"
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical") and fault["id"] not in _NOT_OURS
        ]

    def prefer(self, scheme: str) -> None:
        """Prefer ``light`` or ``dark``, as a person sets it in the system."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def photograph(self, name: str) -> Path | None:
        """Keep a picture of the page, its first 1400 pixels, where ``OPENCLAW_WEBHOOKS_PICTURES`` names a folder."""
        folder = os.environ.get("OPENCLAW_WEBHOOKS_PICTURES")
        if not folder:
            return None
        size = self.browser.get_window_size()
        height = min(1400, int(self.browser.execute_script("return document.documentElement.scrollHeight")) + 150)
        self.browser.set_window_size(size["width"], height)
        path = Path(folder) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.browser.save_screenshot(str(path))
        return path
