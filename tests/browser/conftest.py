"""Debian's Chromium, driven by Selenium, before the stand-alone server."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from tests.browser.pages import PASSWORD, Pages
from tests.live import ROOT, Server, serve, write_config
from tests.requirements import require

SECRET = "a-secret-of-the-browser-tests-0123456789"
ROUTES = {
    "zapier": {"sessionKey": "agent:main:main", "secret": SECRET, "description": "Support inbox"},
    "ci": {
        "sessionKey": "agent:ops:ci",
        "secret": {"source": "exec", "provider": "vault", "id": "ci"},
        "description": "The build server",
    },
}
PROVIDERS = {"providers": {"vault": {"source": "exec", "command": "/bin/false"}}}


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for all tests; each signs in anew where it needs to."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    require("Chromium and ChromeDriver (apt-get install chromium chromium-driver)", chromium and driver)
    options = Options()
    options.binary_location = str(chromium)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    quiet = ("background-networking", "component-update", "sync", "gpu", "quic", "dev-shm-usage")
    for switch in ("headless", "no-sandbox", "no-first-run", *(f"disable-{name}" for name in quiet)):
        options.add_argument(f"--{switch}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    chrome = webdriver.Chrome(options=options, service=Service(str(driver)))
    chrome.set_page_load_timeout(30)
    yield chrome
    chrome.quit()


@contextlib.contextmanager
def serve_with_admin(folder: Path, browser: webdriver.Chrome, **environ: str) -> Iterator[tuple[Server, Pages]]:
    """Serve ``ROUTES`` and sign in as a superuser."""
    config = write_config(folder, ROUTES, secrets=PROVIDERS)
    with serve("gunicorn-asgi", folder, config=config, environ=environ) as server:
        env = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **environ,
            "OPENCLAW_WEBHOOKS_DATA_DIR": str(server.data_dir),
            "OPENCLAW_CONFIG_PATH": str(config),
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }
        command = [
            sys.executable,
            "manage.py",
            "createsuperuser",
            "--noinput",
            "--username=alice",
            "--email=a@b.example",
        ]
        subprocess.run([*command, "--skip-checks"], cwd=ROOT, env=env, check=True, capture_output=True, timeout=60)
        pages = Pages(browser, f"http://127.0.0.1:{server.address[1]}")
        pages.sign_in()
        yield server, pages


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, browser: webdriver.Chrome) -> Iterator[tuple[Server, Pages]]:
    """A server that the tests of a module share."""
    with serve_with_admin(tmp_path_factory.mktemp("served"), browser) as both:
        yield both
