"""While every call to the engine takes seconds, the guards go on answering at once, and slots tell the truth."""

from __future__ import annotations

import pathlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.doors.raw import head, read_response, request
from tests.doors.slow_engine import SECONDS
from tests.live import ROOT, free_port

PATH = "/plugins/webhooks/zapier"
RIGHT = "Bearer zapier-secret-of-the-tests"
WRONG = "Bearer not-the-secret"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "tests.doors.slow_engine:build_application()", "-k", "asgi"]
    log_path: pathlib.Path = tmp_path_factory.mktemp("slow") / "log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*command, "-b", f"127.0.0.1:{port}", "-w", "1", "--no-control-socket"], cwd=ROOT, stdout=log, stderr=log
        )
    deadline = time.monotonic() + 20
    while "ASGI server listening" not in log_path.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    yield port
    process.terminate()
    process.wait(10)


def connect(port: int, source: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))


def test_a_wrong_secret_is_answered_at_once(port: int, source: str) -> None:
    busy = [connect(port, f"127.90.{number}.1") for number in range(40)]  # more than the engine has threads
    for sock in busy:
        sock.sendall(request(path=PATH, Authorization=RIGHT))
    took = []
    for _ in range(20):
        with connect(port, source) as sock:
            started = time.monotonic()
            sock.sendall(head(PATH, Content_Length="10", Authorization=WRONG))
            assert read_response(sock).status == 401
            took.append(time.monotonic() - started)
    assert sorted(took)[len(took) // 2] < 0.05, took
    for sock in busy:
        sock.close()


def test_a_caller_that_leaves_keeps_its_slot_until_the_engine_is_done(port: int, source: str) -> None:
    held = [connect(port, source) for _ in range(8)]
    for sock in held:
        sock.sendall(request(path=PATH, Authorization=RIGHT))
    time.sleep(0.3)
    for sock in held:
        sock.close()
    with connect(port, source) as sock:
        sock.sendall(request(path=PATH, Authorization=RIGHT))
        assert read_response(sock).status == 429
    status, deadline = 429, time.monotonic() + 8 * SECONDS
    while status == 429 and time.monotonic() < deadline:
        time.sleep(0.2)
        with connect(port, source) as sock:
            sock.sendall(request(path=PATH, Authorization=RIGHT))
            status = read_response(sock).status
    assert status == 200
