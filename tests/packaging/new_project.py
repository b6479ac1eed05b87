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
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

SECRET = "a-secret-of-the-new-project-0123456789"
BODY = json.dumps({"action": "create_flow", "goal": "Review inbound queue"})
Answer: TypeAlias = dict[str, Any]

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
WSGI = ASGI.replace("asgi", "wsgi")


def make_project(folder: Path) -> None:
    """Make the project, add what the README adds, and migrate."""
    run("-m", "django", "startproject", "site_of_mine", str(folder))
    for name, text in {"settings.py": SETTINGS, "urls.py": URLS, "asgi.py": ASGI, "wsgi.py": WSGI}.items():
        with (folder / "site_of_mine" / name).open("a", encoding="utf-8") as file:
            file.write(text)
    run("manage.py", "check", "--fail-level", "ERROR", folder=folder)
    run("manage.py", "makemigrations", "--check", "--dry-run", folder=folder)
    run("manage.py", "migrate", "--verbosity", "0", folder=folder)


def run(*arguments: str, folder: Path | None = None) -> None:
    """Run Python with arguments; an exit status other than 0 raises."""
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True)


WSGI_SERVER = """
import sys
from wsgiref.simple_server import make_server
from site_of_mine.wsgi import application
make_server("127.0.0.1", int(sys.argv[1]), application).serve_forever()
"""

ASGI_CALL = """
import asyncio, json, sys
from site_of_mine.asgi import application

async def call(body):
    told = []
    async def receive():
        return {"type": "http.request", "body": body}
    async def send(message):
        told.append(message)
    fields = [(b"content-type", b"application/json"), (b"authorization", b"Bearer " + sys.argv[1].encode())]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "headers": fields,
        "path": "/plugins/webhooks/zapier", "raw_path": b"/plugins/webhooks/zapier", "query_string": b"",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http", "root_path": "",
    }
    await application(scope, receive, send)
    return b"".join(message.get("body", b"") for message in told)

print(asyncio.run(call(sys.argv[2].encode())).decode())
"""


def ask_drf_door(folder: Path) -> None:
    """Serve the project by the standard library's own server, and create a flow through it."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", WSGI_SERVER, str(port)], cwd=folder)
    try:
        expect_flow(post(f"http://127.0.0.1:{port}/plugins/webhooks/zapier", deadline=time.monotonic() + 20))
    finally:
        process.terminate()
        process.wait(10)


def ask_asgi_door(folder: Path) -> None:
    """Create a flow through the mounted application, without a server."""
    command = [sys.executable, "-c", ASGI_CALL, SECRET, BODY]
    told = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    expect_flow(json.loads(told.stdout))


def expect_flow(answer: Answer) -> None:
    """Fail unless a flow was created."""
    assert answer["ok"] is True, answer
    assert answer["result"]["flow"]["goal"] == "Review inbound queue", answer


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def post(url: str, *, deadline: float) -> Answer:
    """Send the specification's example, again until the server listens or the deadline (monotonic) has passed."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"}
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, BODY.encode(), headers), timeout=10) as response:
                answer: Answer = json.load(response)
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
    assert not any(find_spec(name) for name in ("gunicorn", "uvicorn")), "no server was asked for"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder)
        ask_drf_door(folder)
        ask_asgi_door(folder)
    print(f"openclaw-webhooks {openclaw_webhooks.__version__} answers in a new project")  # noqa: T201


if __name__ == "__main__":
    main()
