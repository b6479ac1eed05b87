"""What callers can make the WSGI worker hold: silence, half heads, unread answers, connections."""

from __future__ import annotations

import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from openclaw_webhooks.servers.request_head import MAX_HEAD_BYTES
from tests.servers.quick_worker import PROXY
from tests.servers.serving import HOOKS, Server, chunk, head, read_all, read_response, receive, serve, status_of

WORKER = ("-k", "tests.servers.quick_worker.QuickWorker")
STATE = b"GET /state HTTP/1.1\r\nHost: x\r\n\r\n"
MANY = 20


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(*HOOKS, *WORKER) as running:
        yield running


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    log_path = tmp_path_factory.mktemp("log") / "log"
    with log_path.open("wb") as log, serve(*HOOKS, *WORKER, log=log.fileno()) as running:
        yield running, log_path


def connect(server: Server, source: str = "127.0.0.1", *, window: int = 0) -> socket.socket:
    caller = socket.socket()
    if window:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    caller.settimeout(10)
    caller.bind((source, 0))
    caller.connect(("127.0.0.1", server.port))
    return caller


def ends(caller: socket.socket) -> bool:
    try:
        return not read_all(caller)
    except ConnectionError:
        return True


@pytest.mark.parametrize("begun", [b"", b"GET /state HT", b"GET /state HTTP/1.1\r\nHost: x\r\n", b"\r\n\r\n"])
def test_a_head_that_does_not_come_holds_no_thread_and_ends(server: Server, begun: bytes) -> None:
    callers = [connect(server) for _ in range(MANY)]
    for caller in callers:
        caller.sendall(begun)
    before = time.monotonic()
    assert server.state()["pid"]
    assert time.monotonic() - before < 5
    for caller in callers:
        told = read_all(caller)
        assert told == b"" if not begun.strip() else status_of(told) == 408
        caller.close()


def test_dripping_a_head_does_not_buy_time(server: Server) -> None:
    with connect(server) as caller:
        caller.sendall(STATE)
        read_response(caller)
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.1):
                try:
                    caller.sendall(b"G")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert status_of(read_all(caller)) == 408
        stop.set()
        dripping.join()


@pytest.mark.parametrize("pieces", [1, 40])
def test_a_head_has_its_bound(server: Server, pieces: int) -> None:
    for padding, status in ((MAX_HEAD_BYTES - 200, 200), (MAX_HEAD_BYTES, 431)):
        whole = STATE.replace(b"\r\n\r\n", b"\r\nX: " + b"y" * padding + b"\r\n\r\n")
        step = len(whole) // pieces + 1
        with connect(server) as caller:
            for start in range(0, len(whole), step):
                caller.sendall(whole[start : start + step])
                time.sleep(0.002)
            assert status_of(read_response(caller)) == status


def test_requests_that_were_sent_ahead_are_answered_in_turn(server: Server) -> None:
    with connect(server) as caller:
        caller.sendall(STATE * 5 + STATE[:20])
        told = b""
        while told.count(b"HTTP/1.1 200 OK") < 5 or not told.endswith(b"}"):
            told += receive(caller)
        caller.sendall(STATE[20:])
        assert status_of(read_response(caller)) == 200
        time.sleep(0.05)
        caller.sendall(b"\r\n" + STATE)
        assert status_of(read_response(caller)) == 200


def test_answers_that_are_not_read_free_their_threads(server: Server) -> None:
    callers = [connect(server, window=4096) for _ in range(4)]
    for caller in callers:
        caller.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.3)
    assert server.state()["threads"] < 10, "both threads are back"
    for caller in callers:
        caller.close()


def test_a_caller_that_reads_slowly_is_served(server: Server) -> None:
    with connect(server, window=65_536) as caller:
        caller.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        began, read_bytes = time.monotonic(), 0
        while time.monotonic() - began < 5:
            read_bytes += len(receive(caller))
            time.sleep(0.05)
        assert read_bytes + len(read_all(caller)) > 12_000_000


def test_callers_that_do_not_close_hold_up_nobody(server: Server) -> None:
    """Gunicorn's main thread waits two seconds for each."""
    callers = [connect(server) for _ in range(MANY)]
    for caller in callers:
        caller.sendall(b"GET /state HTTP/1.0\r\n\r\n")
        assert status_of(receive(caller)) == 200
    before = time.monotonic()
    assert server.state()["pid"]
    assert time.monotonic() - before < 5
    for caller in callers:
        caller.close()


def test_at_the_bound_the_longest_idle_gives_way_and_a_proxy_last() -> None:
    with serve(*HOOKS, *WORKER, "--worker-connections", "10") as server:
        kept = [connect(server, PROXY) for _ in range(4)]
        for caller in kept:
            caller.sendall(STATE)
            read_response(caller)
        strangers = [connect(server) for _ in range(60)]
        assert all(ends(caller) for caller in strangers[:40])
        late = connect(server)
        for caller in (*kept, late):
            caller.sendall(STATE)
            assert status_of(read_response(caller)) == 200
        assert server.state()["descriptors"] < 40
        for caller in (*kept, *strangers, late):
            caller.close()


def test_strangers_that_withhold_their_bodies_end_no_connection_of_a_proxy() -> None:
    """They hold the two threads, and the rest waits for those: a new connection waits as well."""
    with serve(*HOOKS, *WORKER, "--worker-connections", "8") as server:
        kept = [connect(server, PROXY) for _ in range(4)]
        for caller in kept:
            caller.sendall(STATE)
            read_response(caller)
        strangers = []
        for _ in range(12):
            strangers.append(connect(server))
            strangers[-1].sendall(head(secret="right", length=100))
        time.sleep(0.3)
        for caller in kept:
            caller.sendall(STATE)
        assert [status_of(read_response(caller)) for caller in kept] == [200] * 4
        for caller in (*kept, *strangers):
            caller.close()


def test_with_few_descriptors_the_worker_goes_on() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        with serve(*HOOKS, *WORKER) as server:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            callers = [connect(server) for _ in range(200)]
            assert server.state()["pid"]
            for caller in callers:
                caller.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"", 400),
        (b"Host: a\r\nHost: b\r\n", 400),
        (b"Host: a/b\r\n", 400),
        (b"Host: user@a\r\n", 400),
        (b"Host: a b\r\n", 400),
        (b"Host: plain.example:80\r\n", 200),
    ],
)
def test_one_host_is_named(server: Server, fields: bytes, status: int) -> None:
    told = server.ask(b"GET /state HTTP/1.1\r\n" + fields + b"Connection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n")
    assert status_of(told) == status


def test_a_head_may_have_as_many_fields_as_find_room_in_it(server: Server) -> None:
    many = b"X: y\r\n" * 2000
    assert status_of(server.ask(STATE.replace(b"Host", many + b"Connection: close\r\nHost"))) == 200


def test_empty_lines_buy_no_time(server: Server) -> None:
    with connect(server) as caller:
        caller.sendall(STATE)
        read_response(caller)
        began = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - began < 6:
                caller.sendall(b"\r\n")
                time.sleep(0.1)
        assert time.monotonic() - began < 6


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01" + b"y" * 3000 + b"\r\n\r\n", 400),
        (b"GET /" + b"y" * 3000 + b" HTTP/1.1\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b" + b"y" * 3000 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"y" * 3000 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + b"y" * 3000 + b"\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: " + b"y" * 3000 + b"\r\n\r\n", 417),
    ],
)
def test_what_is_no_request_is_answered_at_once_and_repeated_nowhere(
    logged: tuple[Server, Path], sent: bytes, status: int
) -> None:
    server, log_path = logged
    began = time.monotonic()
    answer = server.ask(sent)
    assert (status_of(answer), b"yyy" in answer) == (status, False)
    assert b"content-type: text/plain" in answer.lower()
    assert time.monotonic() - began < 4, "not at its deadline"
    lines = log_path.read_bytes().splitlines()
    assert max(map(len, lines)) < 200
    assert not [line for line in lines if b"yyy" in line or b"Traceback" in line]


def test_resets_leave_no_traceback(logged: tuple[Server, Path]) -> None:
    server, log_path = logged
    large = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
    for sent in (b"", STATE[:20], STATE, head(secret="right", length=100), large):
        for _ in range(5):
            with connect(server) as caller:
                caller.sendall(sent)
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with connect(server, window=4096) as caller:
        caller.sendall(large)
        time.sleep(4.5)  # It is given up meanwhile.
    assert server.state()["pid"]
    assert b"Traceback" not in log_path.read_bytes()


@pytest.mark.parametrize(
    "sent", [head(secret="right", length=2) + b"{}", head(secret="right") + chunk(b"{}") + chunk(b"")]
)
def test_a_caller_that_has_closed_its_sending_side_gets_its_answer(server: Server, sent: bytes) -> None:
    with connect(server) as caller:
        caller.sendall(sent)
        caller.shutdown(socket.SHUT_WR)
        assert status_of(read_all(caller)) == 200


@pytest.mark.parametrize("target", ["/hook", "/state", "/elsewhere"])
def test_bodies_that_nobody_reads_hold_no_thread(server: Server, target: str) -> None:
    callers = [connect(server) for _ in range(10)]
    for caller in callers:
        caller.sendall(head(path=target, length=100_000) + b"x" * 1000)
    began = time.monotonic()
    assert server.state()["pid"]
    assert time.monotonic() - began < 3, "one body after another, 5 seconds each"
    for caller in callers:
        caller.close()


def test_where_all_are_being_served_a_new_one_waits() -> None:
    """Two threads, eight connections whose bodies are waited for half a second each: none is broken off for a ninth."""
    with serve(*HOOKS, *WORKER, "--worker-connections", "8") as server:
        callers = [connect(server) for _ in range(8)]
        for caller in callers:
            caller.sendall(head(secret="right", length=100))
        time.sleep(0.2)
        assert server.state()["pid"]
        assert [status_of(read_all(caller)) for caller in callers] == [408] * 8
        for caller in callers:
            caller.close()


def test_trailers_have_the_bound_of_a_head(server: Server) -> None:
    with connect(server) as caller:
        caller.sendall(head(secret="right") + chunk(b"hi") + b"0\r\n" + b"a: b\r\n" * MAX_HEAD_BYTES)
        assert status_of(read_response(caller)) == 400
    told = server.ask(
        head(secret="right", extra="Connection: close\r\n") + chunk(b"hi") + b"0\r\nX-Secret: wrong\r\n\r\n"
    )
    assert told.endswith(b"2:hi")


@pytest.mark.parametrize("option", [("--certfile", "none.pem"), ("--proxy-protocol", "v2"), ("--protocol", "uwsgi")])
def test_what_is_not_plain_http_is_refused_at_the_start(option: tuple[str, str]) -> None:
    with pytest.raises(OSError), serve(*WORKER, *option) as server:  # noqa: PT011 - it never listens
        server.state()
