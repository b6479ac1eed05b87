"""The worker that runs uvicorn under a real gunicorn: it starts, stops and dies as gunicorn's own do."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.serving import ROOT

WORKER = "openclaw_webhooks.servers.gunicorn_uvicorn.UvicornWorker"


@dataclass(frozen=True, slots=True)
class Running:
    port: int
    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def ask(self, path: str = "/0") -> tuple[str, int]:
        """Return the scheme and the worker's process id."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            scheme, pid = connection.getresponse().read().decode().split()
        return scheme, int(pid)


@contextlib.contextmanager
def serve(folder: Path, *options: str, **environ: str) -> Iterator[Running]:
    log_path = folder / "log"
    with socket.create_server(("127.0.0.1", 0)) as listener, log_path.open("wb") as log:
        bind = ["--bind", f"fd://{listener.fileno()}", "--no-control-socket", "--workers", "1"]
        command = [sys.executable, "-m", "gunicorn", "-k", WORKER, *bind, *options, "tests.servers.asgi_app"]
        process = subprocess.Popen(
            command, pass_fds=[listener.fileno()], cwd=ROOT, env=os.environ | environ, stdout=log, stderr=log
        )
        running = Running(listener.getsockname()[1], process, log_path)
    try:
        yield running
    finally:
        process.kill()
        process.wait()


def wait_until_gone(pid: int, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.05)


def ask_aside(server: Running, path: str) -> tuple[threading.Thread, list[object]]:
    """Ask in a thread; return it and where the answer, or the error, will be."""
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(server.ask(path))
        except (OSError, http.client.HTTPException, ValueError) as error:
            answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)
    return thread, answers


def test_a_stop_waits_for_answers_and_for_the_applications_end(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        _, pid = server.ask()
        thread, answers = ask_aside(server, "/1")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        thread.join()
        assert answers == [("http", pid)]
        assert "shut down in order" in server.log


def test_a_stop_waits_no_longer_than_the_grace(tmp_path: Path) -> None:
    with serve(tmp_path, "--graceful-timeout", "1") as server:
        server.ask()
        thread, answers = ask_aside(server, "/30")
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(10)
        assert time.monotonic() - began < 5
        thread.join()
        assert isinstance(answers[0], OSError | http.client.HTTPException), "no answer, not even a 500"


def test_an_immediate_stop_waits_for_nobody(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        server.ask()
        thread, answers = ask_aside(server, "/30")
        server.process.send_signal(signal.SIGQUIT)
        assert server.process.wait(5) == 0
        thread.join()
        assert isinstance(answers[0], OSError | http.client.HTTPException), "no answer, not even a 500"


def test_a_worker_does_not_outlive_its_master(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        _, pid = server.ask()
        server.process.kill()
        wait_until_gone(pid)


def test_a_worker_whose_loop_stands_still_is_replaced(tmp_path: Path) -> None:
    with serve(tmp_path, "--timeout", "2") as server:
        _, pid = server.ask()
        os.kill(pid, signal.SIGSTOP)
        wait_until_gone(pid, 20)
        assert server.ask()[1] != pid


def test_a_worker_that_works_is_not_replaced(tmp_path: Path) -> None:
    with serve(tmp_path, "--timeout", "2") as server:
        _, pid = server.ask()
        time.sleep(3)
        assert server.ask()[1] == pid


def test_a_worker_is_renewed_after_its_requests(tmp_path: Path) -> None:
    with serve(tmp_path, "--max-requests", "1") as server:
        _, pid = server.ask()
        wait_until_gone(pid)
        assert server.ask()[1] != pid


def test_an_application_that_cannot_start_stops_the_server(tmp_path: Path) -> None:
    with serve(tmp_path, "--asgi-lifespan", "on", TEST_STARTUP="failed") as server:
        assert server.process.wait(15) != 0
        assert "Application startup failed" in server.log


@pytest.mark.parametrize("lifespan", ["auto", "on"])
def test_tls(tmp_path: Path, lifespan: str) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    subject = ["-subj", "/CN=localhost", "-days", "2", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject], check=True, stderr=subprocess.DEVNULL
    )
    options = ["--keyfile", str(key), "--certfile", str(certificate), "--asgi-lifespan", lifespan]
    with serve(tmp_path, *options) as server:
        context = ssl.create_default_context(cafile=str(certificate))
        connection = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/0")
            assert connection.getresponse().read().startswith(b"https ")
