"""Bodies that no route reads, at the WSGI door of the stand-alone server."""

from __future__ import annotations

import contextlib
import pathlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

import pytest

from project.page_bodies import BodyLimits
from project.wsgi_pages import BoundedBodies
from tests.doors.raw import ends, read_response
from tests.live import Server, serve
from tests.servers.environs import exchange
from tests.servers.serving import chunk, head

PAGES = ("/nothing-here", "/admin/login/", "/healthz", "/static/admin/css/base.css")
COOKIE = {"Cookie": f"openclaw_webhooks_csrf={'a' * 32}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve("gunicorn-wsgi", tmp_path_factory.mktemp("wsgi"), environ={"OPENCLAW_WEBHOOKS_THREADS": "4"}) as running:
        yield running


def count_threads(server: Server) -> int:
    return sum(len(list(pathlib.Path(f"/proc/{worker}/task").iterdir())) for worker in server.workers())


def post(path: str, **fields: str) -> bytes:
    named = {"Host": "127.0.0.1"} | COOKIE | {name.replace("_", "-"): value for name, value in fields.items()}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("framing", [{"Content_Length": "3000000"}, {"Transfer_Encoding": "chunked"}])
def test_a_body_that_is_too_large_ends_its_connection(server: Server, path: str, framing: dict[str, str]) -> None:
    with server.connect(timeout=10) as caller:
        caller.sendall(post(path, **framing))
        with contextlib.suppress(ConnectionError):
            for _ in range(30):
                caller.sendall(chunk(b"x" * 100_000))
        answer = read_response(caller)
        assert answer.headers["connection"] == "close"
        assert path == "/healthz" or (answer.status, answer.body) == (413, b"Payload too large")
        assert ends(caller)


def test_bodies_that_do_not_come_leave_threads_for_others(server: Server) -> None:
    """Twelve for four threads: their deadline is 15 seconds, and all would have to wait for it three times."""
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(server.connect(timeout=30)) for _ in range(12)]
        for caller in callers:
            caller.sendall(post("/admin/login/", Content_Length="1000") + b"a=")
        began = time.monotonic()
        with server.connect(timeout=30) as other:
            other.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_response(other).status == 200
        assert time.monotonic() - began < 14
        assert count_threads(server) < 12
        assert read_response(callers[0]).status == 503


def test_a_body_at_health_is_never_waited_for(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(server.connect(timeout=30)) for _ in range(12)]
        for caller in callers:
            caller.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
        for caller in callers:
            answer = read_response(caller)
            assert (answer.status, answer.headers["connection"]) == (200, "close")


def test_a_form_on_a_slow_line_is_read(server: Server) -> None:
    """Twenty kilobytes a second."""
    form = b"csrfmiddlewaretoken=" + b"a" * 32 + b"&username=x&password=" + b"y" * 60_000
    with server.connect(timeout=30) as caller:
        caller.sendall(
            post("/admin/login/", Content_Length=str(len(form)), Content_Type="application/x-www-form-urlencoded")
        )
        for begin in range(0, len(form), 5000):
            caller.sendall(form[begin : begin + 5000])
            time.sleep(0.25)
        answer = read_response(caller)
        assert (answer.status, answer.headers["connection"]) == (200, "keep-alive")


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))]


def serve_one(application: BoundedBodies, environ: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
    told: dict[str, Any] = {}

    def start_response(status: str, fields: list[tuple[str, str]]) -> None:
        told.update(status=status, fields=dict(fields))

    answer = application(environ, start_response)
    body = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return told["status"], told["fields"], body


LIMITS = BodyLimits(each_bytes=1000, timeout_seconds=0.6, together_bytes=1500)


@pytest.mark.parametrize("data", [head(length=1000) + b"x" * 1000, head() + chunk(b"x" * 1000) + chunk(b"")])
def test_a_body_within_its_bounds_arrives(data: bytes) -> None:
    with exchange(data) as one:
        status, _, body = serve_one(BoundedBodies(echo, threads=2, limits=LIMITS), one.environ)
        assert (status, body) == ("200 OK", b"x" * 1000)
        assert not one.request.should_close()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (head(length=1001), f"413 {HTTPStatus(413).phrase}"),
        (head() + chunk(b"x" * 1001) + chunk(b""), f"413 {HTTPStatus(413).phrase}"),
        (head(length=10) + b"x", "408 Request Timeout"),
        (head() + b"nonsense\r\n", "400 Bad Request"),
    ],
)
def test_a_body_out_of_its_bounds_is_refused_and_its_connection_ends(data: bytes, status: str) -> None:
    with exchange(data) as one:
        told, fields, body = serve_one(BoundedBodies(echo, threads=2, limits=LIMITS), one.environ)
        assert (told, fields["Content-Type"]) == (status, "text/plain; charset=utf-8")
        assert len(body) == int(fields["Content-Length"])
        assert one.request.should_close()
        assert one.caller.recv(1) == b""


def test_of_bodies_that_hold_too_much_together_the_largest_is_refused() -> None:
    limits = BodyLimits(each_bytes=1000, timeout_seconds=10, together_bytes=1500)
    application = BoundedBodies(echo, threads=8, limits=limits)
    told: dict[str, str] = {}

    with exchange(head(length=1000)) as large, exchange(head(length=900)) as small:
        large_one = threading.Thread(target=lambda: told.update(large=serve_one(application, large.environ)[0]))
        small_one = threading.Thread(target=lambda: told.update(small=serve_one(application, small.environ)[0]))
        large_one.start()
        small_one.start()
        large.caller.sendall(b"x" * 990)
        time.sleep(0.2)
        small.caller.sendall(b"x" * 600)
        large_one.join(5)
        small.caller.sendall(b"x" * 300)
        small_one.join(5)
    assert told == {"large": "503 Service Unavailable", "small": "200 OK"}
