"""What anybody can make the stand-alone server hold, at both of its doors: on a route, on a page, on a health page."""

from __future__ import annotations

import os
import pathlib
import socket
import time
from collections.abc import Iterator

import pytest

from tests.doors.raw import ends, read_response, request
from tests.live import LIVE, Server, serve

PATHS = [LIVE, "/admin/login/", "/healthz", "/nothing-here"]
MOST_SENT_BYTES = 64_000_000
MOST_MORE_MB = 40


@pytest.fixture(scope="module", params=["gunicorn-asgi", "gunicorn-wsgi"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(request.param, tmp_path_factory.mktemp("server")) as running:
        yield running


def head(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *fields, "", ""]).encode()


def resident_mb(server: Server) -> float:
    (worker,) = server.workers()
    return int(pathlib.Path(f"/proc/{worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1_048_576


def count(server: Server, what: str) -> int:
    (worker,) = server.workers()
    return len(list(pathlib.Path(f"/proc/{worker}/{what}").iterdir()))


def send_until_ended(sock: socket.socket, piece: bytes) -> int:
    sent_bytes = 0
    while sent_bytes < MOST_SENT_BYTES:
        try:
            sock.sendall(piece)
        except OSError:
            return sent_bytes
        sent_bytes += len(piece)
    return sent_bytes


def call(server: Server, source: str) -> int:
    with server.connect(source) as sock:
        sock.sendall(request())
        return read_response(sock).status


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("fields", "begun", "piece"),
    [
        ("Transfer-Encoding: chunked", b"0\r\n", b"a:b\r\n" * 13_000),
        ("Transfer-Encoding: chunked", b"", b"10000\r\n" + b"x" * 65_536 + b"\r\n"),
        ("Content-Length: 600000000", b"", b"x" * 65_536),
        ("Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 600000000", b"--b\r\n", b"x" * 65_536),
    ],
    ids=["trailers", "chunks", "length", "multipart"],
)
def test_nothing_endless_is_kept_or_read_for_ever(
    server: Server, path: str, fields: str, begun: bytes, piece: bytes
) -> None:
    before_mb = resident_mb(server)
    with server.connect("127.111.0.1") as sock:
        sock.sendall(head(path, fields) + begun)
        assert send_until_ended(sock, piece) < MOST_SENT_BYTES
    assert resident_mb(server) < before_mb + MOST_MORE_MB
    assert call(server, "127.111.0.2") == 200


def test_half_heads_silence_and_unread_files_hold_up_nobody(server: Server) -> None:
    """Of each kind more than the WSGI door has threads; it waits five seconds for a head."""
    threads = count(server, "task")
    crowd = []
    for number, begun in enumerate((b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"POST /adm", b"GET /plugins") * 10):
        sock = server.connect(f"127.112.0.{number + 1}")
        sock.sendall(begun)
        crowd.append(sock)
    began = time.monotonic()
    assert [call(server, f"127.113.0.{number + 1}") for number in range(20)] == [200] * 20
    assert time.monotonic() - began < 5
    assert count(server, "task") < threads + 20
    assert all(ends(sock) for sock in crowd)
    for sock in crowd:
        sock.close()
    deadline = time.monotonic() + 10
    while count(server, "fd") > 60 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert count(server, "fd") <= 60


def test_any_number_of_connections_is_taken(server: Server) -> None:
    """The longest idle ones end; a new caller never waits."""
    crowd = [server.connect(f"127.114.{number // 250}.{number % 250 + 1}") for number in range(1200)]
    assert call(server, "127.115.0.1") == 200
    assert count(server, "fd") < 1100
    for sock in crowd:
        sock.close()


def test_what_follows_the_head_changes_nothing_of_it(server: Server) -> None:
    """A trailer is neither a secret nor an address, and no body follows one that has ended."""
    body = b'{"action":"find_latest_flow"}'
    chunked = head(LIVE, "Content-Type: application/json", "Transfer-Encoding: chunked", "Trailer: Authorization")
    with server.connect("127.116.0.1") as sock:
        sock.sendall(chunked + b"%x\r\n%s\r\n0\r\nAuthorization: Bearer a-secret\r\n\r\n" % (len(body), body))
        assert read_response(sock).status == 401


@pytest.mark.parametrize("path", PATHS)
def test_a_half_closed_caller_is_answered(server: Server, path: str) -> None:
    with server.connect("127.117.0.1") as sock:
        sock.sendall(request(path=path, Host="127.0.0.1"))
        sock.shutdown(socket.SHUT_WR)
        assert read_response(sock).status in (200, 403, 404, 405)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("hosts", [[], ["a", "b"], ["a/b"], ["a@b"]])
def test_every_path_wants_one_host(server: Server, path: str, hosts: list[str]) -> None:
    with server.connect("127.118.0.1") as sock:
        fields = "".join(f"Host: {host}\r\n" for host in hosts)
        sock.sendall(f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode())
        assert read_response(sock).status == 400
        assert ends(sock)


def test_callers_that_go_on_as_they_should_are_served(server: Server) -> None:
    """A slow line, many kept connections of a proxy, and a large answer that is read slowly."""
    kept = [server.connect("127.119.0.1") for _ in range(500)]
    assert all(call_again(sock) == 200 for sock in kept)
    with server.connect("127.119.0.2") as sock:
        whole = request()
        for start in range(0, len(whole), 100):
            sock.sendall(whole[start : start + 100])
            time.sleep(0.1)
        assert read_response(sock).status == 200
    large = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    with server.connect("127.119.0.3") as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 131_072)
        sock.sendall(f"GET {large} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        read_bytes = 0
        for _ in range(20):
            read_bytes += len(sock.recv(10_000))
            time.sleep(0.1)
        while piece := sock.recv(65_536):
            read_bytes += len(piece)
    assert read_bytes > 1_000_000
    assert all(call_again(sock) == 200 for sock in kept[::50])
    for sock in kept:
        sock.close()


def call_again(sock: socket.socket) -> int:
    sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    return read_response(sock).status
