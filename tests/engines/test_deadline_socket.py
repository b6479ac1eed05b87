"""Waits of a socket that end at a deadline: between real ends of a connection, by the real clock."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from openclaw_webhooks.engines.bridge.deadline_socket import DeadlineSocket
from openclaw_webhooks.engines.bridge.loop_socket import LoopSocket
from tests.pausing import LOOPS, OnLoop, call_on, running_loop

MOST_BYTES = 1024


class Pair:
    """A socket with a deadline and the other end of its connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        near, self.far = socket.socketpair()
        self._sock: DeadlineSocket | LoopSocket = (
            DeadlineSocket(near, time.monotonic, 0.0) if loop is None else LoopSocket(near, loop, time.monotonic, 0.0)
        )
        self.near: Any = self._sock if loop is None else OnLoop(self._sock, loop)

    def end_in(self, seconds: float) -> float:
        """Set the deadline and return it."""
        self._sock.deadline = time.monotonic() + seconds
        return self._sock.deadline


@pytest.fixture(params=["thread", *LOOPS])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop | None]:
    """Where waits pause; nowhere for those that block their thread."""
    if request.param == "thread":
        yield None
        return
    with running_loop(request.param) as running:
        yield running


@pytest.fixture
def pair(loop: asyncio.AbstractEventLoop | None) -> Iterator[Pair]:
    pair = Pair(loop)
    yield pair
    pair.near.close()
    pair.far.close()


def test_what_is_sent_arrives_and_comes_back_whatever_the_size(pair: Pair) -> None:
    pair.end_in(20)
    sent = b"x" * 3_000_000
    echoing = threading.Thread(target=lambda: pair.far.sendall(pair.far.recv(len(sent), socket.MSG_WAITALL)))
    echoing.start()
    pair.near.send_whole(sent)
    received = b""
    while len(received) < len(sent):
        received += pair.near.receive(MOST_BYTES * MOST_BYTES)
    assert received == sent
    echoing.join()


def test_nothing_comes_until_the_deadline(pair: Pair) -> None:
    for seconds in (0.2, 0.05):
        deadline = pair.end_in(seconds)
        with pytest.raises(TimeoutError):
            pair.near.receive(MOST_BYTES)
        assert time.monotonic() >= deadline


def test_a_longer_deadline_after_a_short_one_is_waited_for(pair: Pair) -> None:
    pair.end_in(0.05)
    with pytest.raises(TimeoutError):
        pair.near.receive(MOST_BYTES)
    pair.end_in(20)
    threading.Timer(0.3, pair.far.sendall, [b"late"]).start()
    assert pair.near.receive(MOST_BYTES) == b"late"


def test_pieces_do_not_buy_time(pair: Pair) -> None:
    pair.end_in(0.3)
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.02):
            pair.far.sendall(b".")

    dripping = threading.Thread(target=drip)
    dripping.start()
    with pytest.raises(TimeoutError):
        deque(iter(lambda: pair.near.receive(MOST_BYTES), b""))
    over.set()
    dripping.join()


def test_a_peer_that_does_not_read_is_left_at_the_deadline(pair: Pair) -> None:
    deadline = pair.end_in(0.2)
    with pytest.raises(TimeoutError):
        pair.near.send_whole(b"x" * 10_000_000)
    assert time.monotonic() >= deadline


def test_the_end_of_the_connection_is_told(pair: Pair) -> None:
    pair.end_in(20)
    assert not pair.near.has_news()
    pair.far.close()
    assert pair.near.has_news()
    assert pair.near.receive(MOST_BYTES) == b""
    with pytest.raises(ConnectionError):
        pair.near.send_whole(b"x")


def test_a_closed_one_fails_as_sockets_do(pair: Pair) -> None:
    pair.end_in(20)
    pair.near.close()
    with pytest.raises(OSError, match="descriptor"):
        pair.near.receive(MOST_BYTES)


class Opener:
    """Connects in the way that is tested."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop

    def send_one(self, family: int, target: Any, *, seconds: float = 20) -> None:
        """Connect, send a byte and close."""
        if self._loop is None:
            self._send_one(DeadlineSocket.open, family, target, seconds)
        else:
            call_on(self._loop, self._send_one, LoopSocket.open, family, target, seconds, loop=self._loop)

    @staticmethod
    def _send_one(opens: Any, family: int, target: Any, seconds: float, **where: Any) -> None:
        opened = opens(family, target, clock=time.monotonic, deadline=time.monotonic() + seconds, **where)
        opened.send_whole(b"x")
        opened.close()


@pytest.fixture
def opener(loop: asyncio.AbstractEventLoop | None) -> Opener:
    return Opener(loop)


def test_it_connects_to_a_port_and_to_a_path(opener: Opener, tmp_path: Path) -> None:
    for family, target in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, str(tmp_path / "s"))):
        with socket.socket(family) as listener:
            listener.bind(target)
            listener.listen()
            opener.send_one(family, listener.getsockname())
            with listener.accept()[0] as accepted:
                assert accepted.recv(2) == b"x"


def test_where_nobody_listens_the_error_says_so(opener: Opener, tmp_path: Path) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            opener.send_one(socket.AF_INET, unheard.getsockname())
    with pytest.raises(FileNotFoundError):
        opener.send_one(socket.AF_UNIX, str(tmp_path / "none"))


def test_a_peer_that_accepts_nobody_is_left_at_the_deadline(opener: Opener) -> None:
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):  # The kernel has room for one more than it is asked for.
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        with pytest.raises(TimeoutError):
            opener.send_one(socket.AF_INET, listener.getsockname(), seconds=0.2)


def test_the_end_of_a_connection_at_rest_is_told_once() -> None:
    """Else the loop would do nothing but tell it."""
    with running_loop() as loop:
        pair = Pair(loop)
        pair.end_in(0.05)
        with pytest.raises(TimeoutError):
            pair.near.receive(MOST_BYTES)
        pair.far.close()
        cpu_clock = time.pthread_getcpuclockid(call_on(loop, threading.get_ident))
        busy_before = time.clock_gettime(cpu_clock)
        time.sleep(0.3)
        assert time.clock_gettime(cpu_clock) - busy_before < 0.15
        assert pair.near.has_news()
        pair.end_in(20)
        assert pair.near.receive(MOST_BYTES) == b""
        pair.near.close()
