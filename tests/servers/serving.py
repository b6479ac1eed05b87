"""Builders: a real gunicorn over ``tests.servers.app``, and callers at the level of bytes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
HOOKS = ("-c", "python:tests.servers.gunicorn_conf")
TURN_TAKING = "openclaw_webhooks.servers.gunicorn_threads.TurnTakingWorker"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]

    def state(self) -> dict[str, Any]:
        """What the worker says of itself."""
        _, _, body = self.ask(b"GET /state HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").partition(b"\r\n\r\n")
        return json.loads(body)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, data: bytes) -> bytes:
        """Send, then read to the end."""
        with self.connect() as caller:
            caller.sendall(data)
            return read_all(caller)

    def stop(self) -> float:
        """Send SIGTERM and return how many seconds it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=15)
        return time.monotonic() - started


@contextlib.contextmanager
def serve(*options: str, threads: int = 2, log: int = subprocess.DEVNULL, **environ: str) -> Iterator[Server]:
    """Run gunicorn with one gthread worker on a port of its own, logging to a descriptor; ready when it yields."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = [
            "--bind",
            f"fd://{listener.fileno()}",
            "-k",
            "gthread",
            "--threads",
            str(threads),
            "--workers",
            "1",
        ]
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *arguments, "--no-control-socket", *options, "tests.servers.app"],
            pass_fds=[listener.fileno()],
            cwd=ROOT,
            env=os.environ | environ,
            stderr=log,
        )
        server = Server(listener.getsockname()[1], process)
    try:
        server.state()
        yield server
    finally:
        process.kill()
        process.wait()


def head(*, secret: str = "wrong", path: str = "/hook", length: int | None = None, extra: str = "") -> bytes:
    """The head of a POST; chunked where no length is given."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Secret: {secret}\r\n{framing}\r\n"
    return f"{lines}{extra}\r\n".encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def read_all(caller: socket.socket) -> bytes:
    """Everything until the server closes."""
    return b"".join(iter(lambda: caller.recv(65_536), b""))


def read_response(caller: socket.socket) -> bytes:
    """One response with its body, of a connection that may stay open."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(caller)
    start, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line[16:]) for line in start.split(b"\r\n") if line.lower().startswith(b"content-length: "))
    while len(body) < length:
        body += receive(caller)
    return start + b"\r\n\r\n" + body


def receive(caller: socket.socket) -> bytes:
    data = caller.recv(65_536)
    if not data:
        raise EOFError("the server closed within a response")
    return data


def status_of(response: bytes) -> int:
    return int(response[9:12])
