"""Answers to callers that read slowly, or nothing."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openclaw_webhooks.servers.answer_socket import AnswerSocket, ReaderPatience

LARGE = bytes(range(256)) * 8192  # 2 MB: more than the buffers take


@contextlib.contextmanager
def connect(patience: ReaderPatience) -> Iterator[tuple[AnswerSocket, socket.socket]]:
    """A connection over loopback with small buffers, and its caller."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caller = socket.socket()
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        caller.connect(listener.getsockname())
        sock, _ = listener.accept()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    with AnswerSocket.take_over(sock, patience) as answer_socket, caller:
        caller.settimeout(10)
        yield answer_socket, caller


def read_at(caller: socket.socket, bytes_per_second: int, received: bytearray, most_bytes: int) -> None:
    """Read in eight steps a second."""
    while len(received) < most_bytes:
        with contextlib.suppress(OSError):
            piece = caller.recv(bytes_per_second // 8)
            if not piece:
                return
            received += piece
        time.sleep(0.125)


def read_bytes(caller: socket.socket, size_bytes: int) -> bytes:
    with caller.makefile("rb") as stream:
        return stream.read(size_bytes)


@pytest.mark.parametrize("send", [AnswerSocket.sendall, AnswerSocket.send])
def test_an_answer_that_nobody_reads_ends(send: Callable[[AnswerSocket, bytes], object]) -> None:
    with connect(ReaderPatience(unread_seconds=0.3)) as (answer_socket, caller):
        with pytest.raises(BrokenPipeError):
            send(answer_socket, LARGE)
        assert answer_socket.has_given_up
        answer_socket.close()
        with pytest.raises(ConnectionResetError):  # what was not read is dropped
            read_bytes(caller, len(LARGE))


def test_a_caller_that_reads_is_served_for_longer_than_nothing_may_be_read() -> None:
    received = bytearray()
    with connect(ReaderPatience(unread_seconds=0.5)) as (answer_socket, caller):
        reader = threading.Thread(target=read_at, args=(caller, 100_000, received, 200_000))
        reader.start()
        answer_socket.sendall(LARGE[:200_000])
        reader.join(10)
    assert bytes(received) == LARGE[:200_000]


def test_a_caller_that_reads_a_little_now_and_then_holds_nobody_for_good() -> None:
    """However the answer is cut: it reads enough for each piece to be taken before its time is over."""
    received = bytearray()
    with connect(ReaderPatience(unread_seconds=0.5, bytes_per_second=1_000_000)) as (answer_socket, caller):
        reader = threading.Thread(target=read_at, args=(caller, 80_000, received, len(LARGE)))
        reader.start()
        with pytest.raises(BrokenPipeError):
            answer_socket.sendfile(io.BytesIO(LARGE))
        answer_socket.close()
        reader.join(10)
    assert len(received) < len(LARGE) / 2


@pytest.mark.parametrize("count", [None, 100_000])
def test_a_file_is_sent_from_its_offset(count: int | None, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(LARGE)
    received = bytearray()
    with connect(ReaderPatience()) as (answer_socket, caller), path.open("rb") as file:
        expected = LARGE[7:] if count is None else LARGE[7 : 7 + count]
        reader = threading.Thread(target=lambda: received.extend(read_bytes(caller, len(expected))))
        reader.start()
        assert answer_socket.sendfile(file, offset=7, count=count) == len(expected)
        reader.join(10)
    assert bytes(received) == expected


def test_a_file_that_is_shorter_than_promised_ends_early() -> None:
    with connect(ReaderPatience()) as (answer_socket, caller):
        assert answer_socket.sendfile(io.BytesIO(b"short"), count=100) == 5
        assert caller.recv(100) == b"short"


def test_what_is_not_there_is_not_waited_for() -> None:
    with connect(ReaderPatience()) as (answer_socket, caller):
        assert answer_socket.receive_now(10) is None
        caller.sendall(b"x")
        while (received := answer_socket.receive_now(10)) is None:
            pass
        assert received == b"x"
        caller.close()
        while (received := answer_socket.receive_now(10)) is None:
            pass
        assert received == b""
