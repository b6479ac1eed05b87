"""The recipes against a running server, as they stand in docs/recipes.md."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.docs.test_snippets import PAGES, blocks
from tests.live import LIVE, ROOT, SECRET, Server, serve
from tests.requirements import require

PAGE = ROOT / "docs" / "recipes.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve("gunicorn-asgi", tmp_path_factory.mktemp("recipes")) as running:
        yield running


def run(server: Server, command: list[str], folder: Path, secret: str = SECRET) -> subprocess.CompletedProcess[str]:
    url = f"http://127.0.0.1:{server.address[1]}{LIVE}"
    env = {"PATH": os.environ["PATH"], "WEBHOOK_URL": url, "WEBHOOK_SECRET": secret, "GOAL": 'Deploy "1.4"\n$(id)'}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


def last_flow(server: Server) -> dict[str, object]:
    flow: dict[str, object] = server.call(LIVE, {"action": "find_latest_flow"})[1]["result"]["flow"]
    return flow


def test_curl(server: Server, tmp_path: Path) -> None:
    require("curl", shutil.which("curl"))
    (script,) = blocks(PAGE, "sh")
    ended = run(server, ["bash", "-euc", script], tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert last_flow(server)["status"] == "succeeded"
    assert run(server, ["bash", "-euc", script], tmp_path, secret="wrong").returncode != 0


def test_python(server: Server, tmp_path: Path) -> None:
    (script,) = blocks(PAGE, "py")
    ended = run(server, [sys.executable, "-c", script], tmp_path)
    assert ended.stdout == "succeeded\n", ended.stderr
    refused = run(server, [sys.executable, "-c", script], tmp_path, secret="wrong")
    assert "unauthorized" in refused.stderr


def test_the_step_of_the_github_workflow(server: Server, tmp_path: Path) -> None:
    require("curl", shutil.which("curl"))
    workflow = yaml.safe_load(next(block for block in blocks(PAGE, "yaml") if "jobs:" in block))
    (step,) = workflow["jobs"]["ask"]["steps"]
    ended = run(server, ["bash", "-e", "-o", "pipefail", "-c", step["run"]], tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert last_flow(server)["goal"] == 'Deploy "1.4"\n$(id)'
    assert set(step["env"]) == {"WEBHOOK_URL", "WEBHOOK_SECRET", "GOAL"}


def test_the_n8n_workflow_posts_an_action() -> None:
    workflow = json.loads((ROOT / "docs" / "recipes" / "n8n-create-flow.json").read_text(encoding="utf-8"))
    nodes = {node["name"]: node for node in workflow["nodes"]}
    (target,) = workflow["connections"]["When clicking Test"]["main"][0]
    sent = nodes[target["node"]]["parameters"]
    assert (sent["method"], sent["genericAuthType"]) == ("POST", "httpHeaderAuth")
    assert 'action: "create_flow"' in sent["jsonBody"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_data_can_be_read(page: Path) -> None:
    for block in blocks(page, "yaml"):
        assert list(yaml.safe_load_all(block))
    for block in blocks(page, "json"):
        assert json.loads(re.sub(r",\s*…|…", "", block)) is not None
