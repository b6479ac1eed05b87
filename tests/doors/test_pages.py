"""Pages of the stand-alone server: what callers without an account can make it hold, at its own doors."""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.doors.raw import Response, ends, read_response, request
from tests.live import Door, Server, manage, serve
from tests.postgres import running_postgres

LARGE_FILE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
SENT_BYTES = 3_000_000
SESSION = {"Cookie": f"openclaw_webhooks_session={'a' * 32}"}


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where the servers of this module would put temporary files."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def asgi(tmp_path_factory: pytest.TempPathFactory, temporary: pathlib.Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("asgi")
    with serve("gunicorn-asgi", folder, environ={"TMPDIR": str(temporary)}) as running:
        yield running


def files_in(folder: pathlib.Path, server: Server) -> set[str]:
    """Name what is in the folder, and what a worker keeps open of it though it is deleted."""
    return {path.name for path in folder.iterdir()} | {path for path in open_files(server) if str(folder) in path}


def open_files(server: Server) -> list[str]:
    found = []
    for worker in server.workers():
        for descriptor in pathlib.Path(f"/proc/{worker}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(str(descriptor.readlink()))
    return found


def count_threads(server: Server) -> int:
    return sum(len(list(pathlib.Path(f"/proc/{worker}/task").iterdir())) for worker in server.workers())


def resident_mb(server: Server) -> float:
    pages = [int(pathlib.Path(f"/proc/{worker}/statm").read_text().split()[1]) for worker in server.workers()]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1_048_576


def head(method: str, path: str, **fields: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def get(server: Server, path: str, method: str = "GET", **fields: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in fields.items()})
        response = connection.getresponse()
        return response, response.read()


@pytest.mark.parametrize("path", ["/nothing-here", "/admin/login/"])
def test_an_endless_body_is_refused_and_kept_nowhere(asgi: Server, temporary: pathlib.Path, path: str) -> None:
    with asgi.connect(timeout=10) as sock:
        sock.sendall(head("POST", path, Transfer_Encoding="chunked"))
        for _ in range(SENT_BYTES // 100_000):
            sock.sendall(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")
        refused = read_response(sock)
        assert not files_in(temporary, asgi)
    assert (refused.status, refused.body) == (413, b"Payload too large")


@pytest.mark.parametrize("door", ["gunicorn-asgi", "gunicorn-wsgi"])
def test_an_upload_leaves_no_temporary_file(door: Door, tmp_path: pathlib.Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
    with serve(door, tmp_path, environ={"TMPDIR": str(temporary)}) as server, server.connect() as sock:
        fields = {"Content_Type": "multipart/form-data; boundary=b", "Content_Length": str(SENT_BYTES + 1000)}
        # A token of the caller's own making has Django read the form before it judges anything.
        sock.sendall(head("POST", "/admin/login/", Cookie=f"openclaw_webhooks_csrf={'a' * 32}", **fields) + part)
        with contextlib.suppress(ConnectionError):
            sock.sendall(b"x" * SENT_BYTES)
        time.sleep(0.3)
        assert not [name for name in files_in(temporary, server) if "upload" in name or "deleted" in name]


def post_login(server: Server, username: str, password: str) -> Response:
    page, _ = get(server, "/admin/login/")
    token = page.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    form = f"csrfmiddlewaretoken={token}&username={username}&password={password}".encode()
    fields = {"Cookie": f"openclaw_webhooks_csrf={token}", "Content_Type": "application/x-www-form-urlencoded"}
    with server.connect() as sock:
        sock.sendall(head("POST", "/admin/login/", Content_Length=str(len(form)), **fields) + form)
        return read_response(sock)


def test_a_form_is_read_and_downloads_are_whole_though_others_read_none_of_theirs(asgi: Server) -> None:
    assert b"correct username and password" in post_login(asgi, "alice", "wrong").body
    environ = {
        "OPENCLAW_CONFIG_PATH": str(asgi.data_dir.parent / "openclaw.json"),
        "DJANGO_SUPERUSER_PASSWORD": "right",
    }
    options = ("--noinput", "--username=alice", "--email=a@b.example")
    assert manage(asgi.data_dir, "createsuperuser", *options, environ=environ)[0] == 0
    signed_in = post_login(asgi, "alice", "right")
    assert signed_in.status == 302
    session = {"Cookie": signed_in.headers["set-cookie"].partition(";")[0]}
    assert _call_route(asgi).status == 200
    path = "/admin/openclaw_webhooks/call/export/json/"
    slow = [asgi.connect() for _ in range(8)]
    for caller in slow:
        caller.sendall(head("GET", path, **session))
    _wait_until(lambda: b"get_flow" in get(asgi, path, **session)[1])
    for caller in slow:
        caller.close()


def test_files_that_nobody_reads_cost_neither_memory_nor_threads_nor_descriptors(asgi: Server) -> None:
    get(asgi, LARGE_FILE)
    before_mb, before_threads = resident_mb(asgi), count_threads(asgi)
    before_descriptors = len(open_files(asgi))
    callers = [_ask_and_never_read(asgi) for _ in range(80)]
    try:
        # Whoever reads is served, after those that came before.
        assert len(get(asgi, LARGE_FILE)[1]) > 1_000_000
        assert resident_mb(asgi) - before_mb < 40
        assert count_threads(asgi) - before_threads < 10
        assert len(open_files(asgi)) - before_descriptors < len(callers) + 20
    finally:
        for caller in callers:
            caller.close()


def _ask_and_never_read(server: Server) -> socket.socket:
    caller = socket.socket()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    caller.connect(server.address)
    caller.sendall(head("GET", LARGE_FILE) * 6)  # more than any buffer of the system takes
    return caller


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("door", ["gunicorn-asgi", "gunicorn-wsgi", "plain-asgi"])
def test_parts_and_what_a_browser_has_are_told(door: Door, tmp_path: pathlib.Path) -> None:
    with serve(door, tmp_path) as server:
        whole, content = get(server, LARGE_FILE)
        assert len(content) == int(whole.headers["Content-Length"])
        part, first = get(server, LARGE_FILE, Range="bytes=10-19")
        assert (part.status, first) == (206, content[10:20])
        known, nothing = get(server, LARGE_FILE, If_None_Match=whole.headers["ETag"])
        assert (known.status, nothing) == (304, b"")
        only_head, nothing = get(server, LARGE_FILE, "HEAD")
        assert (only_head.headers["Content-Length"], nothing) == (whole.headers["Content-Length"], b"")
        assert get(server, LARGE_FILE, "DELETE")[0].status == 405
        assert whole.headers["X-Content-Type-Options"] == "nosniff"


def test_the_rest_of_a_page_that_is_refused_ends(asgi: Server) -> None:
    with asgi.connect() as sock:
        sock.sendall(head("POST", "/healthz", Content_Length="1000000000"))
        assert read_response(sock).status == 405
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                sock.sendall(b"x" * 1_048_576)
        assert ends(sock)


def test_visitors_share_a_few_connections_and_others_are_served_while_they_wait(tmp_path: pathlib.Path) -> None:
    with (
        running_postgres() as postgres,
        serve("gunicorn-asgi", tmp_path, environ={"DATABASE_URL": postgres.url}) as server,
        psycopg.connect(postgres.url, autocommit=True) as watch,
        psycopg.connect(postgres.url) as locking,
    ):
        for _ in range(30):
            assert get(server, "/admin/", **SESSION)[0].status == 302
        assert _count_connections(watch) <= 4
        locking.execute("LOCK TABLE django_session")
        statuses: list[int] = []
        visitors = [threading.Thread(target=_visit, args=(server, statuses)) for _ in range(30)]
        for visitor in visitors:
            visitor.start()
        _wait_until(lambda: _count_waiting(watch) == 4)
        assert get(server, "/healthz")[0].status == 200
        assert _call_route(server).status == 200
        assert _count_connections(watch) <= 4 + 4
        assert not statuses
        locking.rollback()
        for visitor in visitors:
            visitor.join(20)
        assert statuses == [302] * 30


def _visit(server: Server, statuses: list[int]) -> None:
    statuses.append(get(server, "/admin/", **SESSION)[0].status)


def _call_route(server: Server) -> Response:
    with server.connect(timeout=5) as sock:
        sock.sendall(request())
        return read_response(sock)


def _count_connections(watch: psycopg.Connection[tuple[int]]) -> int:
    """Count those of the server: two are this test's."""
    found = watch.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'").fetchone()
    assert found
    return found[0] - 2


def _count_waiting(watch: psycopg.Connection[tuple[int]]) -> int:
    found = watch.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()
    assert found
    return found[0]
