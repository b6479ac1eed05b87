"""nginx and Caddy, configured as docs/recipes has it, in front of a real server."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.live import DATABASE_NAME, LIVE, ROOT, SECRET, Server, free_port, serve, write_config
from tests.requirements import require

RECIPES = ROOT / "docs" / "recipes"
NAME = "hooks.example.net"
UPSTREAM = "127.0.0.1:8787"
LARGE_BYTES = 3_000_000


class Proxy(NamedTuple):
    """How a proxy is started: ``configure`` turns the recipe into what listens on a port of the tests."""

    program: str
    recipe: str
    configure: Callable[[str, Path, int], str]
    arguments: tuple[str, ...]
    reads_ahead: bool
    """Whether it wants the whole body before it hands on an answer."""


def configure_nginx(recipe: str, folder: Path, port: int) -> str:
    without_tls = [line for line in recipe.splitlines() if "ssl_certificate" not in line]
    server = "\n".join(without_tls).replace("listen 443 ssl", f"listen 0.0.0.0:{port}")
    assert server.count(f":{port}") == 1
    folders = " ".join(f"{name}_temp_path {folder}/{name};" for name in ("fastcgi", "uwsgi", "scgi", "proxy"))
    http_block = f"access_log off; client_body_temp_path {folder}/body; {folders}\n{server}"
    return f"daemon off; pid {folder}/pid; error_log stderr;\nevents {{}}\nhttp {{\n{http_block}\n}}\n"


def configure_caddy(recipe: str, folder: Path, port: int) -> str:
    assert recipe.count(f"\n{NAME} {{") == recipe.count("\n{\n") == 1
    return recipe.replace(f"\n{NAME} {{", f"\nhttp://:{port} {{").replace("\n{\n", "\n{\n    admin off\n", 1)


NGINX = Proxy("nginx", "nginx.conf", configure_nginx, ("-e", "stderr", "-c"), reads_ahead=False)
CADDY = Proxy("caddy", "Caddyfile", configure_caddy, ("run", "--adapter", "caddyfile", "--config"), reads_ahead=True)


def own_address() -> str:
    """Return an address of this machine that is no loopback: proxies' loopback hops are nobody's address."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return str(probe.getsockname()[0])
    return "127.0.0.1"


@contextlib.contextmanager
def running(proxy: Proxy, folder: Path, server: Server) -> Iterator[tuple[str, int]]:
    """Run the proxy before the server; yields where it listens."""
    program = shutil.which(proxy.program, path=f"{os.environ['PATH']}:/usr/sbin")
    require(f"{proxy.program} (apt-get install {proxy.program})", program)
    address = (own_address(), free_port())
    require("an address that is no loopback", not address[0].startswith("127."))
    recipe = (RECIPES / proxy.recipe).read_text(encoding="utf-8")
    assert recipe.count(f" {UPSTREAM}\n") + recipe.count(f" {UPSTREAM};\n") == 1
    text = proxy.configure(recipe.replace(UPSTREAM, f"127.0.0.1:{server.address[1]}"), folder, address[1])
    path = folder / proxy.recipe
    path.write_text(text, encoding="utf-8")
    with (folder / "proxy.log").open("wb") as log:
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        process = subprocess.Popen([str(program), *proxy.arguments, str(path)], stdout=log, stderr=log, env=environ)
    try:
        wait_until_listening(address, process, folder / "proxy.log")
        yield address
    finally:
        process.terminate()
        process.wait(60)


def wait_until_listening(address: tuple[str, int], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


class Caller:
    """Speaks to a route through the proxy."""

    def __init__(self, address: tuple[str, int]) -> None:
        """Connect to nothing yet."""
        self._address = address

    def post(self, body: object, *, path: str = LIVE, **headers: str) -> tuple[int, str, str | None]:
        """Return status, text and ``Retry-After``."""
        connection = http.client.HTTPConnection(*self._address, timeout=30)
        sent = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}", "Host": NAME, **headers}
        connection.request("POST", path, json.dumps(body), sent)
        response = connection.getresponse()
        with contextlib.closing(connection):
            return response.status, response.read().decode(), response.headers["Retry-After"]

    def begin(self, *headers: str, secret: str = SECRET) -> socket.socket:
        """Send the head of a request alone."""
        lines = (f"POST {LIVE} HTTP/1.1", f"Host: {NAME}", "Content-Type: application/json", *headers)
        connection = socket.create_connection(self._address, timeout=60)
        connection.sendall("\r\n".join((*lines, f"Authorization: Bearer {secret}", "\r\n")).encode())
        return connection


def read_refusal(connection: socket.socket) -> tuple[int, str]:
    """Return status and text of an answer, which must be readable to its end."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    with contextlib.closing(connection):
        return response.status, response.read().decode()


def send_all(connection: socket.socket, data: bytes) -> tuple[int, str]:
    """Send everything before the first look at the answer, as many clients do."""
    connection.sendall(data)
    return read_refusal(connection)


def check_refusals(caller: Caller) -> None:
    """A caller that sends all of 3 MB before it reads still reads why it was refused."""
    too_large = (413, "Payload too large")
    declared = f"Content-Length: {LARGE_BYTES}"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    assert send_all(caller.begin(declared), b"x" * LARGE_BYTES) == too_large
    assert send_all(caller.begin("Transfer-Encoding: chunked"), chunk * 46) == too_large
    assert send_all(caller.begin(declared, secret="wrong"), b"x" * LARGE_BYTES) == (401, "unauthorized")


def check_limits(caller: Caller) -> None:
    """Ask until the limit is met. On a busy machine its first minute, which began long before, ends in between."""
    deadline = time.monotonic() + 150
    status, retry_after = 200, None
    while status == 200 and time.monotonic() < deadline:
        status, _, retry_after = caller.post({"action": "find_latest_flow"})
    assert status == 429
    assert 0 < int(retry_after or 0) <= 60


def read_clients(database_path: Path) -> list[tuple[str]]:
    """Return whom the records name as callers, once the refusal by the limit is among them."""
    deadline = time.monotonic() + 30
    with contextlib.closing(sqlite3.connect(database_path)) as database:
        while not database.execute("SELECT 1 FROM openclaw_webhooks_call WHERE status = 429").fetchone():
            assert time.monotonic() < deadline, "nothing is recorded"
            time.sleep(0.05)
        return database.execute("SELECT DISTINCT client FROM openclaw_webhooks_call").fetchall()


@pytest.mark.parametrize("proxy", [NGINX, CADDY], ids=lambda proxy: proxy.program)
def test_what_the_server_says_comes_through(proxy: Proxy, tmp_path: Path) -> None:
    config = write_config(
        tmp_path,
        {"live": {"sessionKey": "agent:main:live", "secret": SECRET}},
        gateway={"trustedProxies": ["127.0.0.1"]},
    )
    with serve("gunicorn-asgi", tmp_path, config=config) as server, running(proxy, tmp_path, server) as address:
        caller = Caller(address)
        stalled = caller.begin("Content-Length: 300")
        stalled.sendall(b"{")
        created = caller.post({"action": "create_flow", "goal": "x"}, **{"X-Forwarded-For": "203.0.113.9"})
        assert (created[0], json.loads(created[1])["result"]["created"]) == (200, True)
        assert caller.post({}, path="/admin/")[0] == 404, "only the routes are passed on"
        check_refusals(caller)
        if not proxy.reads_ahead:
            assert read_refusal(caller.begin("Content-Length: 300", secret="wrong")) == (401, "unauthorized")
        assert read_refusal(stalled) == (408, "Request body timeout")
        check_limits(caller)
        assert read_clients(server.data_dir / DATABASE_NAME) == [(address[0],)], (
            "the address that the proxy saw, whatever its caller claimed"
        )
