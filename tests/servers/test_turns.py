"""Threads that take turns, and what ends a turn."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from openclaw_webhooks.servers.deadline import DeadlineSocket
from openclaw_webhooks.servers.turns import Turns
from tests.servers.serving import HOOKS, TURN_TAKING, Server, head, read_response, serve, status_of

BODY = b'{"action":"list_flows"}'


def in_thread(turns: Turns, log: list[str], name: str) -> threading.Thread:
    def work() -> None:
        turns.take()
        log.append(name)
        turns.leave()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_turn_waits_for_the_one_before() -> None:
    turns, log = Turns(patience_seconds=10), []
    turns.take()
    other = in_thread(turns, log, "second")
    log.append("first")
    turns.leave()
    other.join()
    assert log == ["first", "second"]


def test_a_turn_that_lasts_too_long_passes_to_the_next_and_ends_nobody_elses() -> None:
    turns, log = Turns(), []
    turns.take()
    in_thread(turns, log, "impatient").join(5)
    assert log == ["impatient"]
    turns.take()
    other = in_thread(turns, log, "next")
    turns.leave()
    turns.leave()
    other.join(5)
    assert (log[-1], turns._holder) == ("next", None)


def test_a_long_queue_is_no_reason_to_go_on_without_a_turn() -> None:
    """Five threads have short turns: the last waits longer than one turn may last."""
    turns = Turns(patience_seconds=0.4)
    now: list[int] = []
    most: list[int] = []

    def work() -> None:
        turns.take()
        now.append(1)
        most.append(len(now))
        time.sleep(0.15)
        now.pop()
        turns.leave()

    with ThreadPoolExecutor(5) as threads:
        for _ in range(5):
            threads.submit(work)
    assert most == [1] * 5


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    turns = Turns(patience_seconds=10)
    log: list[str] = []
    others: list[threading.Thread] = []
    turns.take()
    for name in "abcd":
        others.append(in_thread(turns, log, name))
        while len(turns._gates) < len(others):
            time.sleep(0.001)
    turns.leave()
    for other in others:
        other.join(5)
    assert log == list("abcd")


def test_a_body_that_is_waited_for_ends_the_turn() -> None:
    turns, log = Turns(), []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        turns.take()
        theirs.sendall(b"x")
        source = DeadlineSocket(
            ours, deadline_seconds=time.monotonic() + 5, clock=time.monotonic, before_waiting=turns.leave
        )
        assert source.recv(1) == b"x"
    in_thread(turns, log, "other").join(5)
    assert turns._holder is None


def test_callers_that_never_pause_leave_no_other_without_a_thread() -> None:
    """Two threads, six callers: a thread that stayed with its caller for good would answer two of them only."""
    with serve(*HOOKS, "-k", TURN_TAKING, threads=2) as server, ThreadPoolExecutor(6) as callers:
        assert list(callers.map(lambda _: go_on(server), range(6))) == [200 * 40] * 6


def go_on(server: Server) -> int:
    """Send forty requests on one connection, each at once after the answer; return the sum of their statuses."""
    total = 0
    with server.connect() as caller:
        for _ in range(40):
            caller.sendall(head(secret="right", length=len(BODY)) + BODY)
            total += status_of(read_response(caller))
    return total


def test_workers_share_connections_evenly() -> None:
    """Twenty connections that stay: a worker that wakes first every time would have nearly all."""
    with serve(*HOOKS, "-k", TURN_TAKING, "--workers", "2") as server, contextlib.ExitStack() as stack:
        workers = Counter([connect_to_worker(server, stack)])
        deadline = time.monotonic() + 10
        while server.state()["pid"] in workers:
            assert time.monotonic() < deadline, "the other worker does not start, or gets nobody"
        workers.update(connect_to_worker(server, stack) for _ in range(19))
    assert min(workers.values()) >= 7, workers


def connect_to_worker(server: Server, stack: contextlib.ExitStack) -> int:
    """Open a connection that stays open and return the worker that serves it."""
    caller = stack.enter_context(server.connect())
    caller.sendall(b"GET /state HTTP/1.1\r\nHost: x\r\n\r\n")
    return int(json.loads(read_response(caller).partition(b"\r\n\r\n")[2])["pid"])


def test_requests_sent_in_one_go_are_all_answered() -> None:
    with serve(*HOOKS, "-k", TURN_TAKING) as server, server.connect() as caller:
        caller.sendall((head(secret="right", length=len(BODY)) + BODY) * 3)
        assert read_until(caller, 3) == 3


def read_until(caller: socket.socket, answers: int) -> int:
    data = b""
    while data.count(b"HTTP/1.1 200") < answers or not data.endswith(b'23:{"action":"list_flow'):
        data += caller.recv(65_536) or b"the server closed"
    return data.count(b"HTTP/1.1 200")
