"""Slow and hostile callers, byte by byte against a real gunicorn with two threads."""

import contextlib
import socket
import time
from typing import Any

import pytest

from tests.servers.serving import HOOKS, Server, chunk, head, read_all, read_response, serve, status_of

BODY = b'{"action":"list_flows"}'
TIMEOUT_SECONDS = 0.5  # of tests.servers.app
LATE_SECONDS = 1.0


@pytest.mark.parametrize(
    "request_bytes",
    [head(secret="right", length=len(BODY)) + BODY, head(secret="right") + chunk(BODY) + chunk(b"")],
    ids=["length", "chunked"],
)
def test_a_whole_body_is_read_and_the_connection_stays(server: Server, request_bytes: bytes) -> None:
    with server.connect() as caller:
        for _ in range(3):
            caller.sendall(request_bytes)
            response = read_response(caller)
            assert status_of(response) == 200
            assert response.endswith(b'23:{"action":"list_flow')
            assert b"Connection: keep-alive" in response


def test_a_body_in_pieces_is_put_together(server: Server) -> None:
    with server.connect() as caller:
        caller.sendall(head(secret="right", length=30) + b"a" * 10)
        time.sleep(0.05)
        caller.sendall(b"b" * 20)
        assert read_response(caller).endswith(b"30:aaaaaaaaaabbbbbbbbbb")


@pytest.mark.parametrize("length", [0, 262_144])
def test_a_body_may_be_as_long_as_the_limit(server: Server, length: int) -> None:
    with server.connect() as caller:
        caller.sendall(head(secret="right", length=length) + b"x" * length)
        assert b"\r\n\r\n%d:" % length in read_response(caller)


def test_a_body_of_the_limit_may_be_chunked(server: Server) -> None:
    with server.connect() as caller:
        caller.sendall(head(secret="right") + chunk(b"x" * 200_000) + chunk(b"x" * 62_144) + chunk(b""))
        assert b"\r\n\r\n262144:" in read_response(caller)


@pytest.mark.parametrize("length", [23, 3_000_000, None], ids=["small", "large", "chunked"])
def test_withheld_bodies_of_refused_callers_keep_nobody_waiting(server: Server, length: int | None) -> None:
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(server.connect()) for _ in range(20)]
        for caller in callers:
            caller.sendall(head(length=length))
        started = time.monotonic()
        assert status_of(server.ask(head(length=23, extra="Connection: close\r\n") + BODY)) == 401
        assert time.monotonic() - started < 2, "gunicorn would wait for five seconds"
        for caller in callers:
            response = read_all(caller)
            assert status_of(response) == 401
            assert b"Connection: close" in response
        assert time.monotonic() - started < 1.5


def test_callers_that_ignore_their_refusal_keep_nobody_waiting(server: Server) -> None:
    """They neither send nor close after the answer: gunicorn's graceful close would take 2 s each, in its main loop."""
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(server.connect()).sendall(head(length=1000) + b"part")
        started = time.monotonic()
        for _ in range(5):
            server.state()
        assert time.monotonic() - started < 1


def _stall(caller: socket.socket) -> None:
    caller.sendall(head(secret="right", length=100) + b"start")


def _say_nothing(caller: socket.socket) -> None:
    caller.sendall(head(secret="right", length=100))


def _stall_chunked(caller: socket.socket) -> None:
    caller.sendall(head(secret="right") + chunk(b"start") + b"5")


def _drip(caller: socket.socket) -> None:
    caller.sendall(head(secret="right", length=100))
    _trickle(caller, b"xxxxxxxx")


def _drip_chunks(caller: socket.socket) -> None:
    caller.sendall(head(secret="right"))
    _trickle(caller, chunk(b"x") + chunk(b"y"))


def _drip_chunk_size(caller: socket.socket) -> None:
    caller.sendall(head(secret="right"))
    _trickle(caller, b"00000000000")


def _trickle(caller: socket.socket, data: bytes) -> None:
    caller.setblocking(False)
    for index in range(len(data)):
        time.sleep(0.1)
        with contextlib.suppress(BlockingIOError):
            if caller.recv(1, socket.MSG_PEEK):
                break
        caller.sendall(data[index : index + 1])
    caller.settimeout(10)


@pytest.mark.parametrize("send", [_stall, _say_nothing, _stall_chunked, _drip, _drip_chunks, _drip_chunk_size])
def test_a_body_that_does_not_come_is_answered_at_its_deadline(server: Server, send) -> None:
    with server.connect() as caller:
        started = time.monotonic()
        send(caller)
        response = read_all(caller)
        took_seconds = time.monotonic() - started
    assert status_of(response) == 408
    assert b"Connection: close" in response
    assert TIMEOUT_SECONDS <= took_seconds < TIMEOUT_SECONDS + LATE_SECONDS


@pytest.mark.parametrize("length", [300_000, 3_000_000, 5_000_000])
@pytest.mark.parametrize(("secret", "status"), [("wrong", 401), ("right", 413)])
def test_a_caller_that_reads_only_at_the_end_reads_its_refusal(
    server: Server, length: int, secret: str, status: int
) -> None:
    with server.connect() as caller:
        caller.sendall(head(secret=secret, length=length))
        caller.sendall(b"x" * length)
        assert status_of(read_all(caller)) == status


@pytest.mark.parametrize("length", [300_000, 3_000_000])
@pytest.mark.parametrize(("secret", "status"), [("wrong", 401), ("right", 413)])
def test_a_chunked_caller_that_reads_only_at_the_end_reads_its_refusal(
    server: Server, length: int, secret: str, status: int
) -> None:
    with server.connect() as caller:
        caller.sendall(head(secret=secret))
        for _ in range(0, length, 50_000):
            caller.sendall(chunk(b"x" * 50_000))
            time.sleep(0.001)
        caller.sendall(chunk(b""))
        assert status_of(read_all(caller)) == status


def test_a_declared_length_over_the_limit_is_refused_before_the_body(server: Server) -> None:
    with server.connect() as caller:
        caller.sendall(head(secret="right", length=262_145))
        response = read_all(caller)
    assert status_of(response) == 413
    assert b"Connection: close" in response


def test_after_a_refused_length_the_connection_closes_even_if_all_arrived(server: Server) -> None:
    response = server.ask(head(secret="right") + chunk(b"x" * 262_145) + chunk(b""))
    assert status_of(response) == 413
    assert b"Connection: close" in response


@pytest.mark.parametrize(
    "body_head", [head(length=len(BODY)) + BODY, head() + chunk(BODY) + chunk(b"")], ids=["length", "chunked"]
)
def test_a_connection_survives_a_refusal_whose_body_arrived(server: Server, body_head: bytes) -> None:
    with server.connect() as caller:
        for _ in range(3):
            caller.sendall(body_head)
            response = read_response(caller)
            assert status_of(response) == 401
            assert b"Connection: keep-alive" in response
        caller.sendall(head(secret="right", length=len(BODY)) + BODY)
        assert status_of(read_response(caller)) == 200


def test_a_connection_survives_a_refusal_without_a_body(server: Server) -> None:
    with server.connect() as caller:
        for _ in range(2):
            caller.sendall(b"GET /hook HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status_of(read_response(caller)) == 401


EXPECT = "Expect: 100-continue\r\n"


@pytest.mark.parametrize("length", [23, None], ids=["length", "chunked"])
def test_a_refused_caller_is_never_invited_to_send(server: Server, length: int | None) -> None:
    with server.connect() as caller:
        caller.sendall(head(length=length, extra=EXPECT))
        response = read_all(caller)
    assert status_of(response) == 401
    assert b"100 Continue" not in response
    assert b"Connection: close" in response


def test_a_caller_whose_body_is_too_long_is_never_invited_to_send(server: Server) -> None:
    with server.connect() as caller:
        caller.sendall(head(secret="right", length=300_000, extra=EXPECT))
        assert status_of(read_all(caller)) == 413


@pytest.mark.parametrize("path", ["/hook", "/h%6fok", "/hook/early"])
def test_a_wanted_body_is_invited_once(server: Server, path: str) -> None:
    with server.connect() as caller:
        caller.sendall(head(secret="right", path=path, length=len(BODY), extra=EXPECT))
        assert caller.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.sendall(BODY)
        response = read_response(caller)
    assert status_of(response) == 200
    assert b"100 Continue" not in response


def test_nothing_follows_an_answer_that_did_not_ask_for_the_body(server: Server) -> None:
    """Gunicorn then reads the body itself, which must not invite it."""
    with server.connect() as caller:
        caller.sendall(head(path="/hook/crash", length=len(BODY), extra=EXPECT))
        assert status_of(read_response(caller)) == 500
        caller.sendall(BODY + head(secret="right", length=len(BODY)) + BODY)
        assert status_of(read_response(caller)) == 200


def test_broken_chunks_are_no_timeout(server: Server) -> None:
    response = server.ask(head(secret="right") + b"zz\r\nrubbish")
    assert status_of(response) == 400
    assert response.endswith(b"BodyNotJson")


@pytest.mark.parametrize("part", [head(secret="right", length=100) + b"part", head(secret="right") + b"64\r\npart"])
def test_a_caller_that_leaves_midway_is_told_apart(server: Server, part: bytes) -> None:
    before = len(server.state()["errors"])
    with server.connect() as caller:
        caller.sendall(part)
        caller.shutdown(socket.SHUT_WR)
        assert read_all(caller).endswith(b"ClientGone")
    assert server.state()["errors"][before:] == ["ClientGone"]


def test_a_reset_midway_is_a_caller_gone(server: Server) -> None:
    before = len(server.state()["errors"])
    with server.connect() as caller:
        caller.sendall(head(secret="right", length=100) + b"part")
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    while len(server.state()["errors"]) == before:
        time.sleep(0.01)
    assert server.state()["errors"][before:] == ["ClientGone"]


def test_no_descriptor_and_no_thread_is_left_behind(server: Server) -> None:
    server.ask(head(length=1000))
    before = _state_without_lingering(server)
    for _ in range(500):
        with server.connect() as caller:
            caller.sendall(head(length=1000) + b"part")
            assert status_of(caller.recv(4096)) == 401
    _state_without_lingering(server)
    deadline = time.monotonic() + 10
    while (after := server.state())["descriptors"] > before["descriptors"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert after["descriptors"] <= before["descriptors"]
    assert after["threads"] == before["threads"]


def _state_without_lingering(server: Server) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while (state := server.state())["lingering"]:
        assert time.monotonic() < deadline, "still lingering"
        time.sleep(0.02)
    return state


def test_a_stop_waits_neither_for_lingering_nor_for_stalled_callers() -> None:
    with (
        serve(*HOOKS, "--graceful-timeout", "5", TEST_BODY_TIMEOUT_SECONDS="15") as server,
        contextlib.ExitStack() as s,
    ):
        refused = [s.enter_context(server.connect()) for _ in range(5)]
        stalled = s.enter_context(server.connect())
        for caller in refused:
            caller.sendall(head(length=1000) + b"part")
            assert status_of(caller.recv(4096)) == 401
        assert server.state()["lingering"] == 5
        stalled.sendall(head(secret="right", length=100) + b"part")
        server.state()
        assert server.stop() < 5
        assert status_of(read_all(stalled)) == 408


def test_the_sync_worker_is_served_as_well() -> None:
    with serve(*HOOKS, "-k", "sync") as server:
        _check_withheld_bodies_cost_nothing(server)
        assert status_of(server.ask(head(secret="right", length=100) + b"part")) == 408
        assert status_of(server.ask(head(length=3_000_000) + b"x" * 3_000_000)) == 401


def _check_withheld_bodies_cost_nothing(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        for length in (23, None) * 5:
            stack.enter_context(server.connect()).sendall(head(length=length))
        started = time.monotonic()
        server.state()
        assert time.monotonic() - started < 2, "gunicorn would wait for five seconds"


def test_without_the_hooks_only_the_announcement_and_the_held_back_invitation_are_lost() -> None:
    with serve() as server:
        _check_withheld_bodies_cost_nothing(server)
        response = server.ask(head(secret="right", length=300_000) + b"x" * 300_000)
        assert status_of(response) == 413
        assert b"Connection: keep-alive" in response
        response = server.ask(head(length=23, extra=EXPECT))
        assert response.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401")
