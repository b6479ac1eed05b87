"""Real servers for tests: this project under gunicorn, in a process of its own on a free loopback port.

``plain-asgi`` is gunicorn as it comes, with its own ASGI worker: the mounted application under another make of server.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import http.client
import itertools
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

Door = Literal["gunicorn-asgi", "gunicorn-wsgi", "plain-asgi"]
DOORS: tuple[Door, ...] = ("gunicorn-asgi", "gunicorn-wsgi", "plain-asgi")

SECRET = "a-secret-of-the-live-tests-0123456789"


@dataclasses.dataclass(slots=True)
class Server:
    """A running server; ``address`` is where it listens."""

    address: tuple[str, int]
    process: subprocess.Popen[bytes]
    log_path: pathlib.Path
    data_dir: pathlib.Path

    @property
    def log(self) -> str:
        """Everything it has written so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def connect(self, source: str = "127.0.0.1", timeout: float = 20) -> socket.socket:
        """Open a connection from one loopback address."""
        return socket.create_connection(self.address, timeout=timeout, source_address=(source, 0))

    def call(
        self,
        path: str,
        body: Any,
        *,
        source: str = "127.0.0.1",
        secret: str = SECRET,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Post JSON to a route on a connection of its own; return status and parsed answer (or its text)."""
        connection = http.client.HTTPConnection(*self.address, timeout=30, source_address=(source, 0))
        try:
            sent = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}", **(headers or {})}
            connection.request("POST", path, json.dumps(body), sent)
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        try:
            return response.status, json.loads(raw)
        except ValueError:
            return response.status, raw.decode()

    def workers(self) -> list[int]:
        """Process ids of the server's own child processes."""
        # Not .../task/PID/children: while one child begins or ends, that list may leave out another.
        return [int(path.name) for path in pathlib.Path("/proc").glob("[0-9]*") if _parent(path) == self.process.pid]

    def kill_all(self) -> None:
        """Kill master and workers at once with SIGKILL, as a power switch would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


def _parent(process: pathlib.Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def free_port() -> int:
    """Return a port that was free a moment ago, of those that no system gives to outgoing connections.

    One of these would soon be taken by such a connection: on a busy machine, before the server is there.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("", port))
            return port


def source_of(network: int, call: int) -> str:
    """Return the loopback address of a caller's ``call``-th call: a hundred each, so that no rate limit is met."""
    block = call // 100
    return f"127.{network}.{block // 250 % 250}.{block % 250 + 1}"


def write_config(folder: pathlib.Path, routes: Mapping[str, Any], **sections: Any) -> pathlib.Path:
    """Write an ``openclaw.json`` with these routes."""
    path = folder / "openclaw.json"
    path.write_text(json.dumps({"plugins": {"entries": {"webhooks": {"config": {"routes": routes}}}}, **sections}))
    path.chmod(0o600)
    return path


def one_route(folder: pathlib.Path) -> pathlib.Path:
    """Write a configuration with one route, ``/plugins/webhooks/live``."""
    return write_config(folder, {"live": {"sessionKey": "agent:main:live", "secret": SECRET}})


LIVE = "/plugins/webhooks/live"
DATABASE_NAME = "openclaw-webhooks.sqlite3"


def _command(door: Door, binds: Sequence[str]) -> list[str]:
    python = sys.executable
    if door == "plain-asgi":
        options = itertools.chain.from_iterable(("--bind", bind) for bind in binds)
        return [python, "-m", "gunicorn", "-k", "asgi", "--no-control-socket", *options, "project.asgi:application"]
    return [python, "-m", "gunicorn", "--config", "project/gunicorn_conf.py"]


def _environment(door: Door, port: int, config: pathlib.Path, data_dir: pathlib.Path) -> dict[str, str]:
    inherited = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_CONFIG") if name in os.environ
    }
    return inherited | {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "OPENCLAW_CONFIG_PATH": str(config),
        "OPENCLAW_WEBHOOKS_BIND": f"127.0.0.1:{port}",
        "OPENCLAW_WEBHOOKS_DATA_DIR": str(data_dir),
        "OPENCLAW_WEBHOOKS_INTERFACE": "wsgi" if door == "gunicorn-wsgi" else "asgi",
        "PYTHONUNBUFFERED": "1",
    }


@functools.cache
def _migrate_once() -> pathlib.Path:
    """Return a database with all tables, made once by each process of tests: servers start on copies of it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ocw-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "data").mkdir(mode=0o700)
    _migrate(_environment("gunicorn-asgi", free_port(), one_route(folder), folder / "data"), ROOT)
    return folder / "data" / DATABASE_NAME


def _migrate(env: Mapping[str, str], cwd: pathlib.Path) -> None:
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], cwd=cwd, env=env, check=True, timeout=60)


def _prepare(env: Mapping[str, str], data_dir: pathlib.Path, cwd: pathlib.Path) -> None:
    """Make the tables, where the database is not one that stands elsewhere or was served from before."""
    if cwd != ROOT or "DATABASE_URL" in env or (data_dir / DATABASE_NAME).exists():
        _migrate(env, cwd)
    else:
        shutil.copyfile(_migrate_once(), data_dir / DATABASE_NAME)


@contextlib.contextmanager
def serve(
    door: Door,
    folder: pathlib.Path,
    *,
    config: pathlib.Path | None = None,
    workers: int = 1,
    environ: Mapping[str, str] | None = None,
    cwd: pathlib.Path = ROOT,
    unix_socket: pathlib.Path | None = None,
) -> Iterator[Server]:
    """Migrate and serve from ``folder`` until the block ends; ``environ`` adds or overrides variables.

    With ``unix_socket`` it listens there, too.
    """
    port, data_dir = free_port(), folder / "data"
    data_dir.mkdir(mode=0o700, exist_ok=True)
    env = _environment(door, port, config or one_route(folder), data_dir)
    binds = [f"127.0.0.1:{port}", *([f"unix:{unix_socket}"] if unix_socket else [])]
    env["OPENCLAW_WEBHOOKS_BIND"] = ",".join(binds)
    env |= {"OPENCLAW_WEBHOOKS_WORKERS": str(workers)} | dict(environ or {})
    _prepare(env, data_dir, cwd)
    log_path = folder / f"server-{port}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            _command(door, binds), cwd=cwd, env=env, stdout=log, stderr=log, start_new_session=True
        )
    server = Server(("127.0.0.1", port), process, log_path, data_dir)
    try:
        _wait_until_listening(server)
        yield server
    finally:
        stop(server)


def manage(data_dir: pathlib.Path, name: str, *arguments: str, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run one of the app's commands as an operator would; return its exit status and what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENCLAW", "DJANGO"))}
    ended = subprocess.run(
        [sys.executable, "manage.py", name, *arguments],
        cwd=ROOT,
        env={**kept, "OPENCLAW_WEBHOOKS_DATA_DIR": str(data_dir), **environ},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ended.returncode, ended.stdout + ended.stderr


def _wait_until_listening(server: Server) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended with {server.process.returncode}:\n{server.log}")
        connection = http.client.HTTPConnection(*server.address, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/")
            connection.getresponse().read()
            return
        time.sleep(0.05)
    raise RuntimeError(f"the server does not answer:\n{server.log}")


def stop(server: Server, number: int = signal.SIGTERM, timeout: float = 10) -> float:
    """Stop the server, killing what is left after ``timeout`` seconds; return how long it took."""
    started = time.monotonic()
    if server.process.poll() is None:
        server.process.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.process.wait(timeout)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(10)
    return time.monotonic() - started
