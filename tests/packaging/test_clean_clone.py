"""``make serve`` as the README promises it: a clean clone, an empty home folder, Python and make."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.live import ROOT, free_port
from tests.project.servers import build_environ, follow
from tests.requirements import require

STARTED = "listening at"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    require("a package registry, which only CI is sure to reach (CI=true)", os.environ.get("CI") == "true")
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


def test_make_serve_needs_nothing_typed_before_it(tmp_path: Path, clone: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    environ = build_environ(home, OPENCLAW_WEBHOOKS_BIND=f"127.0.0.1:{free_port()}", **pip)
    for timeout_seconds, number in ((120, signal.SIGTERM), (5, signal.SIGINT)):
        with follow(["make", "serve"], folder=clone, environ=environ) as server:
            server.wait_for(STARTED, timeout_seconds=timeout_seconds)
            assert server.stop(number) < 5
    status = ["git", "status", "--porcelain"]
    assert subprocess.run(status, cwd=clone, check=True, capture_output=True, text=True).stdout == ""
    assert not (home / ".gunicorn").exists()
