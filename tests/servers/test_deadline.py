import socket
import threading
import time

import pytest

from openclaw_webhooks.servers.deadline import DeadlineSocket


def bound(sock: socket.socket, *, seconds: float, is_stopping=lambda: False) -> DeadlineSocket:
    return DeadlineSocket(
        sock, deadline_seconds=time.monotonic() + seconds, clock=time.monotonic, is_stopping=is_stopping
    )


def test_it_receives_what_is_there_and_the_end() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(b"body")
        theirs.close()
        source = bound(ours, seconds=5)
        assert source.recv(3) == b"bod"
        assert source.recv(3) == b"y"
        assert not source.has_ended
        assert source.recv(3) == b""
        assert source.has_ended


def test_silence_ends_at_the_deadline_even_beyond_one_look_at_the_server() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            bound(ours, seconds=0.7).recv(10)
        assert 0.7 <= time.monotonic() - started < 2


def test_nothing_is_received_after_the_deadline_though_there_is_something() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"late")
        with pytest.raises(TimeoutError):
            bound(ours, seconds=0).recv(10)


def test_a_stopping_server_waits_a_second_and_no_more() -> None:
    ours, theirs = socket.socketpair()
    stopping = threading.Event()
    with ours, theirs:
        source = bound(ours, seconds=60, is_stopping=stopping.is_set)
        theirs.send(b"x")
        assert source.recv(1) == b"x"
        stopping.set()
        theirs.send(b"y")
        assert source.recv(1) == b"y"
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            source.recv(1)
        assert time.monotonic() - started < 3


def test_a_stopping_server_never_puts_a_deadline_off() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            bound(ours, seconds=0.1, is_stopping=lambda: True).recv(1)
        assert time.monotonic() - started < 0.9
