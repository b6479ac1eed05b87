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

from openclaw_webhooks.actions.schema import parse_action
from openclaw_webhooks.actions.values import CreateFlow
from openclaw_webhooks.monitoring.pages import HEALTH_PATH, READY_PATH
from tests.docs.test_snippets import PAGES, blocks
from tests.live import LIVE, ROOT, SECRET, Server, serve
from tests.project.test_documentation import documented
from tests.requirements import require

PAGE = ROOT / "docs" / "recipes.md"
RECIPES = ROOT / "docs" / "recipes"
# Of n8n-nodes-base 2.41.2, dist/nodes/HttpRequest: the versions of the node, and the parameters of its third kind.
N8N_NODES = {("n8n-nodes-base.httpRequest", version) for version in (4, 4.1, 4.2, 4.3, 4.4, 4.5)}
N8N_PARAMETERS = {
    *("method", "url", "authentication", "genericAuthType", "sendBody", "contentType", "specifyBody", "jsonBody"),
    "options",
}
N8N_VALUES = ("POST", "genericCredentialType", "httpHeaderAuth", "json")


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
    workflow = json.loads((RECIPES / "n8n-create-flow.json").read_text(encoding="utf-8"))
    assert 0 < len(workflow["id"]) <= 36, "n8n import:workflow makes none up"
    nodes = {node["name"]: node for node in workflow["nodes"]}
    (target,) = workflow["connections"]["When clicking Test"]["main"][0]
    node = nodes[target["node"]]
    assert (node["type"], node["typeVersion"]) in N8N_NODES
    sent = node["parameters"]
    assert set(sent) <= N8N_PARAMETERS
    assert (sent["method"], sent["authentication"], sent["genericAuthType"], sent["specifyBody"]) == N8N_VALUES
    expression = re.fullmatch(r"=\{\{(.+)\}\}", sent["jsonBody"])
    require("node", shutil.which("node"))
    assert expression
    body = subprocess.run(
        ["node", "--print", expression[1]], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert isinstance(parse_action(json.loads(body)), CreateFlow)


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    python = "/opt/openclaw-webhooks/.venv/bin/python"
    unit = (RECIPES / "openclaw-webhooks.service").read_text(encoding="utf-8")
    assert unit.count(python) == 1
    place = tmp_path / "openclaw-webhooks.service"
    place.write_text(unit.replace(python, sys.executable), encoding="utf-8")
    ended = subprocess.run(
        ["systemd-analyze", "verify", place], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, "Unknown" in ended.stderr) == (0, False), ended.stderr


def test_the_container_is_what_kubernetes_runs() -> None:
    image = dict(re.findall(r"^(USER|ENV|VOLUME|EXPOSE|CMD) (.+)$", (RECIPES / "Dockerfile").read_text(), re.MULTILINE))
    environ = dict(pair.split("=", 1) for pair in image["ENV"].split())
    deployment, service = yaml.safe_load_all(next(block for block in blocks(PAGE, "yaml") if "Deployment" in block))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    given = {variable["name"]: variable["value"] for variable in container["env"]}
    port = int(image["EXPOSE"])
    assert environ["OPENCLAW_WEBHOOKS_BIND"] == f"0.0.0.0:{port}"
    assert environ["OPENCLAW_WEBHOOKS_DATA_DIR"] == image["VOLUME"]
    assert json.loads(image["CMD"])[1:] == ["-m", "project.serve"]
    assert image["USER"].split(":")[0] == str(container["securityContext"]["runAsUser"])
    assert container["ports"] == [{"containerPort": port}]
    assert service["spec"]["ports"][0]["targetPort"] == port
    probes = [container[name]["httpGet"] for name in ("livenessProbe", "readinessProbe")]
    assert probes == [{"path": path, "port": port} for path in (HEALTH_PATH, READY_PATH)]
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {image["VOLUME"], str(Path(given["OPENCLAW_CONFIG_PATH"]).parent)}
    known = {*documented(), "OPENCLAW_CONFIG_PATH"}
    assert {*given, *environ} <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_data_can_be_read(page: Path) -> None:
    for block in blocks(page, "yaml"):
        assert list(yaml.safe_load_all(block))
    for block in blocks(page, "json"):
        assert json.loads(re.sub(r",\s*…|…", "", block)) is not None
