"""The installed package in a project that ``startproject`` has just made: ten lines of settings, then one request.

Standard library and Django alone; run it outside the repository by an interpreter that has the wheel installed
(``tox -e wheel``). Exits 1 with a traceback where anything is not as the README says.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

SECRET = "a-secret-of-the-new-project-0123456789"

SETTINGS = f"""
INSTALLED_APPS += ["rest_framework", "openclaw_webhooks"]
MIDDLEWARE.insert(0, "openclaw_webhooks.middleware.WebhookRoutesMiddleware")
OPENCLAW_WEBHOOKS = {{"ROUTES": {{"zapier": {{"sessionKey": "agent:main:main", "secret": "{SECRET}"}}}}}}
"""

URLS = """
from django.urls import include
urlpatterns.append(path("", include("openclaw_webhooks.urls")))
"""

ASGI = """
from openclaw_webhooks.asgi import mount
application = mount(application)
"""


def make_project(folder: Path) -> None:
    """Make the project, add what the README adds, and migrate."""
    run("-m", "django", "startproject", "site_of_mine", str(folder))
    for name, text in {"settings.py": SETTINGS, "urls.py": URLS, "asgi.py": ASGI}.items():
        with (folder / "site_of_mine" / name).open("a", encoding="utf-8") as file:
            file.write(text)
    run("manage.py", "check", "--fail-level", "ERROR", folder=folder)
    run("manage.py", "makemigrations", "--check", "--dry-run", folder=folder)
    run("manage.py", "migrate", "--verbosity", "0", folder=folder)


def run(*arguments: str, folder: Path | None = None) -> None:
    """Run Python with arguments; an exit status other than 0 raises."""
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True)


def create_flow(folder: Path, *server: str) -> None:
    """Serve the project by one gunicorn worker and create a flow through it."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", f"127.0.0.1:{port}", *server]
    process = subprocess.Popen(command, cwd=folder)
    try:
        answer = post(f"http://127.0.0.1:{port}/plugins/webhooks/zapier", deadline=time.monotonic() + 20)
    finally:
        process.terminate()
        process.wait(10)
    assert answer["ok"] is True, answer
    assert answer["result"]["flow"]["goal"] == "Review inbound queue", answer


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def post(url: str, *, deadline: float) -> dict[str, dict[str, dict[str, str]] | bool]:
    """Send the specification's example, again until the server listens or the deadline (monotonic) has passed."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"}
    body = json.dumps({"action": "create_flow", "goal": "Review inbound queue"}).encode()
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as response:
                answer: dict[str, dict[str, dict[str, str]] | bool] = json.load(response)
                return answer
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def main() -> None:
    """Make the project and ask both doors."""
    import openclaw_webhooks

    assert "site-packages" in openclaw_webhooks.__file__, f"not the installed package: {openclaw_webhooks.__file__}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder)
        create_flow(folder, "--worker-class", "asgi", "site_of_mine.asgi:application")
        create_flow(folder, "--worker-class", "gthread", "--threads", "4", "site_of_mine.wsgi:application")
    print(f"openclaw-webhooks {openclaw_webhooks.__version__} answers in a new project")  # noqa: T201


if __name__ == "__main__":
    main()
