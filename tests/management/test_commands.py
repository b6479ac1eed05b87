"""The commands as somebody types them, beside a running server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openclaw_webhooks.management.output import format_table
from tests.live import ROOT, SECRET, Server, manage, serve
from tests.management.warm import Commands, warm_commands

SESSION = "agent:main:secret-session"
ROUTES = {
    "live": {"sessionKey": SESSION, "secret": SECRET},
    "lost": {"sessionKey": SESSION, "secret": {"source": "env", "provider": "default", "id": "NOT_THERE_AT_ALL"}},
    "off": {"sessionKey": SESSION, "secret": SECRET, "enabled": False},
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("commands") / "openclaw.json"
    path.write_text(json.dumps({"plugins": {"entries": {"webhooks": {"enabled": True, "config": {"routes": ROUTES}}}}}))
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def server(config: Path) -> Iterator[Server]:
    with serve("gunicorn-asgi", config.parent, config=config) as running:
        yield running


@pytest.fixture(scope="module")
def commands(server: Server, config: Path) -> Iterator[Commands]:
    environ = {"OPENCLAW_CONFIG_PATH": str(config), "OPENCLAW_WEBHOOKS_DATA_DIR": str(server.data_dir)}
    with warm_commands(environ) as ready:
        yield ready


def run(commands: Commands, *arguments: str) -> tuple[int, str]:
    status, told = commands.run(*arguments)
    assert SECRET not in told
    assert SESSION not in told
    return status, told


def send(server: Server, commands: Commands, *arguments: str) -> tuple[int, str]:
    return run(commands, "webhooks_send", "live", *arguments, "--url", f"http://127.0.0.1:{server.address[1]}")


def test_a_flow_is_sent_listed_shown_and_recorded(server: Server, commands: Commands) -> None:
    state = '{"step": 1}'
    status, told = send(server, commands, "create_flow", "goal=Review inbound queue", f"stateJson={state}")
    assert status == 0, told
    flow = json.loads(told)["result"]["flow"]
    assert flow["stateJson"] == {"step": 1}
    status, told = send(server, commands, "finish_flow", f"flowId={flow['flowId']}", "expectedRevision=7")
    assert (status, "revision_conflict" in told) == (1, True), told
    status, told = run(commands, "webhooks_send", "live", "get_flow", f"flowId={flow['flowId']}", "--direct")
    assert (status, json.loads(told)["result"]["flow"]) == (0, flow)

    assert flow["flowId"] in run(commands, "webhooks_flows", "list", "live")[1]
    listed = json.loads(run(commands, "webhooks_flows", "list", "live", "--status", "queued", "--json")[1])
    assert [each["flowId"] for each in listed] == [flow["flowId"]]
    assert "There are none" in run(commands, "webhooks_flows", "list", "live", "--status", "failed")[1]
    status, told = run(commands, "webhooks_flows", "show", "live", flow["flowId"])
    assert (status, "Review inbound queue" in told) == (0, True)
    assert run(commands, "webhooks_flows", "show", "live", "none")[0] == 1
    assert "route live" in run(commands, "webhooks_flows", "history", "live", flow["flowId"])[1]
    (revision,) = json.loads(run(commands, "webhooks_flows", "history", "live", flow["flowId"], "--json")[1])
    assert (revision["revision"], revision["actor"], revision["status"]) == (0, "route live", "queued")
    assert run(commands, "webhooks_flows", "history", "live", "none")[0] == 1

    deadline = time.monotonic() + 30
    recorded: list[dict[str, object]] = []
    while len(recorded) < 2 and time.monotonic() < deadline:
        lines = run(commands, "webhooks_calls", "--json", "--flow", flow["flowId"])[1].splitlines()
        recorded = [json.loads(line) for line in lines]
        time.sleep(0.05)
    assert [(call["action"], call["status"]) for call in recorded] == [("create_flow", 200), ("finish_flow", 409)]
    table = run(commands, "webhooks_calls", "--status", "409", "-n", "1")[1]
    assert ("revision_conflict" in table, "create_flow" in table) == (True, False)


def test_a_call_goes_where_the_server_listens(server: Server, config: Path) -> None:
    environ = {"OPENCLAW_CONFIG_PATH": str(config), "OPENCLAW_WEBHOOKS_BIND": f"0.0.0.0:{server.address[1]}"}
    status, told = manage(server.data_dir, "webhooks_send", "live", "list_flows", environ=environ)
    assert status == 0, told


def test_what_cannot_be_sent_is_said(server: Server, commands: Commands) -> None:
    for arguments, why in [
        (("create_flow",), "goal"),
        (("create_flow", "goal"), "not field=value"),
        (("no_such_action",), "400"),
    ]:
        status, told = send(server, commands, *arguments)
        assert (status, why in told) == (1, True), told
    for arguments, why in [
        (("nobody", "list_flows"), "There are: live, lost"),
        (("lost", "list_flows"), "does not resolve"),
        (("live", "list_flows", "--url", "http://127.0.0.1:1"), "Does the server run?"),
        (("live", "list_flows", "--url", "ftp://x"), "--url must be"),
        (("live", "create_flow", "--direct"), "goal"),
    ]:
        status, told = run(commands, "webhooks_send", *arguments)
        assert (status, why in told) == (1, True), told


def test_routes_are_listed_with_why_one_does_not_serve(commands: Commands) -> None:
    status, told = run(commands, "webhooks_routes")
    assert status == 1
    rows = {line.split()[0]: line for line in told.splitlines()[:4]}
    assert ("serving" in rows["live"], "switched off" in rows["off"]) == (True, True), told
    assert "NOT_THERE_AT_ALL" in rows["lost"]
    assert "Not served: lost" in told
    told = json.loads(run(commands, "webhooks_routes", "--json")[1].partition("\nCommandError")[0])
    assert {route["route"]: route["state"] for route in told["routes"]} == {
        "live": "serving",
        "lost": "no secret",
        "off": "switched off",
    }


def test_follow_prints_a_call_when_it_is_recorded(server: Server, config: Path) -> None:
    environ = {"OPENCLAW_CONFIG_PATH": str(config), "OPENCLAW_WEBHOOKS_DATA_DIR": str(server.data_dir)}
    command = [sys.executable, "manage.py", "webhooks_calls", "--follow", "--json", "--client", "127.77.0.1"]
    with subprocess.Popen(
        command, cwd=ROOT, env={"PATH": "/usr/bin:/bin", **environ}, stdout=subprocess.PIPE, text=True
    ) as following:
        try:
            assert following.stdout is not None
            for _ in range(2):
                server.call("/plugins/webhooks/live", {"action": "list_flows"}, source="127.77.0.1")
                told = json.loads(following.stdout.readline())
                assert (told["client"], told["action"], told["status"]) == ("127.77.0.1", "list_flows", 200)
        finally:
            following.terminate()


def test_a_table_is_aligned_and_no_cell_breaks_its_line() -> None:
    table = format_table(("a", "b"), [("long cell", None), ("x\ny\x1b[31m", "")])
    assert table.splitlines() == ["a             b", "long cell     -", "x\\ny\\x1b[31m  -"]
