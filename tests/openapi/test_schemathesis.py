"""schemathesis against the running server: what the document says is what both doors do."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.live import SECRET, Door, serve


@pytest.mark.parametrize("door", ["gunicorn-asgi", "gunicorn-wsgi"])
def test_it_finds_no_fault(door: Door, tmp_path: Path) -> None:
    environ = {"DJANGO_SETTINGS_MODULE": "tests.openapi.loose_settings", "OPENCLAW_WEBHOOKS_SCHEMA_PAGES": "public"}
    with serve(door, tmp_path, environ=environ) as server:
        url = f"http://127.0.0.1:{server.address[1]}"
        with urllib.request.urlopen(f"{url}/openclaw-webhooks/schema.json", timeout=20) as response:
            (tmp_path / "schema.json").write_text(json.dumps(json.load(response)))
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", str(tmp_path / "schema.json"), "--url", url),
                *("--header", f"Authorization: Bearer {SECRET}", "--max-examples", "150", "--seed", "1"),
                *("--phases", "examples,coverage,fuzzing", "--no-color"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-6000:]
