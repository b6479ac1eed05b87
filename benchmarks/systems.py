"""The systems that are compared, each a context manager that runs one in a folder of its own."""
# ruff: noqa: S603 - starts only what this package names

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.bridged import run_app_beside, run_app_hosted
from benchmarks.gateways import VERSIONS, ask, run_gateway
from benchmarks.loadgen import Target
from tests.live import LIVE, ROOT, SECRET, Door, free_port, serve
from tests.postgres import running_postgres
from tests.valkey import running_valkey

System: TypeAlias = Callable[[Path], AbstractContextManager[Target]]
WORKERS: Final = 2
_START_TIMEOUT_SECONDS: Final = 30


@contextlib.contextmanager
def run_app(
    door: Door, folder: Path, *, workers: int = WORKERS, environ: Mapping[str, str] | None = None
) -> Iterator[Target]:
    """Run this app's stand-alone server: as it comes, but for ``environ``."""
    with serve(door, folder, workers=workers, environ=environ) as server:
        pid, port = server.process.pid, server.address[1]
        name = "app-wsgi" if door == "gunicorn-wsgi" else "app-asgi"
        yield Target(name=name, port=port, path=LIVE, secret=SECRET, pid=pid, log_path=server.log_path)


@contextlib.contextmanager
def run_plain_view(folder: Path, *, workers: int = WORKERS) -> Iterator[Target]:
    """Run the plain Django view under the same server as the DRF door: gunicorn with threads."""
    port = free_port()
    log_path = folder / "plain.log"
    options = ["-k", "gthread", "--threads", "16", "-w", str(workers), "-b", f"127.0.0.1:{port}"]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--no-control-socket", *options, "benchmarks.plain:application"],
            cwd=ROOT,
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            stdout=log,
            stderr=log,
        )
    target = Target(name="plain-django", port=port, path="/plain", secret=SECRET, pid=process.pid, log_path=log_path)
    try:
        _wait_until_listening(target)
        yield target
    finally:
        process.terminate()
        process.wait(15)


def _wait_until_listening(target: Target) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if ask(target, b'{"action":"ready"}') == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{target.name} does not answer; its log: {target.log_path}")


@contextlib.contextmanager
def run_app_on_postgresql(folder: Path) -> Iterator[Target]:
    """Run this app at the ASGI door on a PostgreSQL of its own, which does not wait for the disk (``fsync`` off)."""
    with ExitStack() as stack:
        database = stack.enter_context(running_postgres())
        target = stack.enter_context(run_app("gunicorn-asgi", folder, environ={"DATABASE_URL": database.url}))
        yield replace(target, name="app-postgresql")


@contextlib.contextmanager
def run_app_on_valkey(folder: Path) -> Iterator[Target]:
    """Run this app at the ASGI door with its limits in a Valkey of its own."""
    with running_valkey() as valkey, run_app("gunicorn-asgi", folder, environ={"REDIS_URL": valkey.url}) as target:
        yield replace(target, name="app-valkey")


COMPARED: Final = ("app-asgi", "app-wsgi", "plain-django", *(f"gateway-{version}" for version in VERSIONS))
"""What stands side by side unless told otherwise."""
SYSTEMS: Final[Mapping[str, System]] = {
    "app-asgi": partial(run_app, "gunicorn-asgi"),
    "app-wsgi": partial(run_app, "gunicorn-wsgi"),
    "plain-django": run_plain_view,
    **{f"gateway-{version}": partial(run_gateway, version) for version in VERSIONS},
    "app-1-worker": partial(run_app, "gunicorn-asgi", workers=1),
    "app-4-workers": partial(run_app, "gunicorn-asgi", workers=4),
    "app-postgresql": run_app_on_postgresql,
    "app-valkey": run_app_on_valkey,
    "app-bridge": partial(run_app_beside, VERSIONS[0]),
    "app-hosted": partial(run_app_hosted, VERSIONS[0]),
}
"""By the names that ``--systems`` takes."""
