"""The conversations recorded from the real Gateway, played through each door and over each database."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import sys

import pytest

from tests.live import SHARED, Door, serve
from tests.postgres import running_postgres
from tests.requirements import require

CONFORMANCE = SHARED / "conformance"


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("door", ["gunicorn-asgi", "gunicorn-wsgi", "plain-asgi"])
def test_every_recorded_conversation_goes_as_it_went(door: Door, database: str, tmp_path: pathlib.Path) -> None:
    require(f"the recorded conversations ({CONFORMANCE})", CONFORMANCE.is_dir())
    prepared = subprocess.run(
        [sys.executable, CONFORMANCE / "prepare.py", tmp_path / "config"], check=True, capture_output=True, text=True
    )
    environ = {"CONFORMANCE_SECRET": "env-secret"}
    with contextlib.ExitStack() as stack:
        if database == "postgresql":
            environ["DATABASE_URL"] = stack.enter_context(running_postgres()).url
        server = stack.enter_context(
            serve(door, tmp_path, config=pathlib.Path(prepared.stdout.strip()), workers=2, environ=environ)
        )
        cases = sorted(map(str, (CONFORMANCE / "cases").glob("*.json")))
        base = f"http://127.0.0.1:{server.address[1]}"
        played = subprocess.run(
            [sys.executable, CONFORMANCE / "replay.py", "--base", base, *cases],
            check=False,
            capture_output=True,
            text=True,
            timeout=180,
        )
        log = server.log
    assert played.returncode == 0, played.stdout[-3000:] + log[-3000:]
    assert played.stdout.endswith("310 passed, 0 failed\n")
