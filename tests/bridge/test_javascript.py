"""The plugin's own JavaScript: its unit tests by Node's test runner, and its linter."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import pytest

from tests.gateway_peer import HOME_DIR
from tests.live import ROOT
from tests.requirements import require

TESTS = ROOT / "tests/gateway_plugin"


def find_node() -> str:
    """Return the Gateway's own Node, or the machine's, or skip the test."""
    own = HOME_DIR / "node_modules/node/bin/node"
    found = str(own) if own.exists() else shutil.which("node")
    require("Node 22 or newer (OPENCLAW_HOME_DIR)", found)
    return str(found)


def run(*command: str | pathlib.Path, cwd: pathlib.Path) -> None:
    ended = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-2000:]


@pytest.mark.parametrize("name", sorted(path.name for path in TESTS.glob("*.test.js")))
def test_the_plugins_own_tests_pass(name: str) -> None:
    run(find_node(), "--test", name, cwd=TESTS)


def test_the_plugins_code_is_clean() -> None:
    eslint = TESTS / "node_modules/eslint/bin/eslint.js"
    require("ESLint (npm ci in tests/gateway_plugin)", eslint.exists())
    config = TESTS / "eslint.config.js"
    run(find_node(), eslint, "--max-warnings=0", "--config", config, "openclaw_webhooks/gateway", TESTS, cwd=ROOT)
