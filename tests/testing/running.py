"""Suites of projects that use the kit, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.live import ROOT


def run_pytest(folder: Path, *arguments: str) -> None:
    """Run the suite in ``folder`` against the settings of the example project; it must pass."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "PYTEST", "OPENCLAW"))}
    plugins = ("-p", "openclaw_webhooks.pytest_plugin", "-p", "no:cacheprovider")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "deploys.settings"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
