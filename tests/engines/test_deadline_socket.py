"""Waits of a socket that end at a deadline: between real ends of a connection, by the real clock."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Iterator

import pytest

from openclaw_webhooks.engines.bridge.deadline_socket import DeadlineSocket

MOST_BYTES = 1024


class Pair:
    """A deadline socket and the other end of its connection."""

    def __init__(self) -> None:
        near, self.far = socket.socketpair()
        self.near = DeadlineSocket(near, time.monotonic, 0.0)

    def end_in(self, seconds: float) -> float:
        """Set the deadline and return it."""
        self.near.deadline = time.monotonic() + seconds
        return self.near.deadline


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
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
