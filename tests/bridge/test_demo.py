"""``make gateway-demo`` and ``make gateway-check`` as their users meet them."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from project.gateway.check import read_way, report
from project.gateway.demo import find_routes
from project.gateway.hosted import BadChoice, Choices
from project.gateway.installation import NotInstalled, find_or_install
from tests.bridge.gateways import find_installation
from tests.live import ROOT, free_port
from tests.requirements import require


def test_the_curl_line_makes_a_flow_that_the_gateway_lists(tmp_path: pathlib.Path) -> None:
    installation = find_installation()
    require("curl", shutil.which("curl"))
    environ = {"DEMO_DIR": str(tmp_path / "demo"), "GATEWAY_PORT": str(free_port())}
    environ |= {"OPENCLAW_HOME_DIR": str(installation.folder), "PYTHONUNBUFFERED": "1"}
    inherited = {name: os.environ[name] for name in ("PATH", "COVERAGE_PROCESS_CONFIG") if name in os.environ}
    command = [sys.executable, "-m", "project.gateway.demo"]
    with ExitStack() as stack:
        with _heeding_ctrl_c():
            demo = subprocess.Popen(command, cwd=ROOT, env=inherited | environ, stdout=subprocess.PIPE, text=True)
        stack.enter_context(demo)
        stack.callback(_stop, demo)  # a failure here would otherwise wait for a demo that nobody ends
        assert demo.stdout is not None
        told = ""
        while "tasks flow list" not in told:
            line = demo.stdout.readline()
            assert line, told
            told += line
        curl = re.search(r"^  (curl .*)$", told, re.MULTILINE)
        listing = re.search(r"^  (OPENCLAW_STATE_DIR=.* tasks flow list)$", told, re.MULTILINE)
        assert curl, told
        assert listing, told
        made = subprocess.run(curl[1], shell=True, check=True, capture_output=True, text=True, timeout=60)
        flow_id = json.loads(made.stdout)["result"]["flow"]["flowId"]
        listed = subprocess.run(
            f"{listing[1]} --json", shell=True, check=True, capture_output=True, text=True, timeout=60
        )
        assert flow_id in listed.stdout
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0
    assert stat.S_IMODE((tmp_path / "demo/openclaw.json").stat().st_mode) == 0o600


@contextmanager
def _heeding_ctrl_c() -> Iterator[None]:
    """Undo what a shell does to its background jobs, should the suite be one: their children ignore Ctrl-C as well."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _stop(demo: subprocess.Popen[str]) -> None:
    if demo.poll() is None:
        demo.send_signal(signal.SIGINT)
        try:
            demo.wait(30)
        except subprocess.TimeoutExpired:
            demo.kill()


def test_a_wrong_choice_is_one_line(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BadChoice, match="GATEWAY_PORT"):
        Choices.of_environment({"GATEWAY_PORT": "0"})
    with pytest.raises(BadChoice, match="OPENCLAW_CONFIG_PATH"):
        Choices.of_environment({"OPENCLAW_CONFIG_PATH": str(tmp_path / "none.json")})
    with pytest.raises(NotInstalled, match="OPENCLAW_HOME_DIR"):
        find_or_install(version="1", home_dir=str(tmp_path), cache_folder=tmp_path)
    with pytest.raises(BadChoice, match="no enabled route"):
        find_routes({})


def test_the_curl_line_has_a_secret_that_the_shell_can_be_told() -> None:
    secrets = {
        "file": {"source": "file", "provider": "p", "id": "/a"},
        "env": {"source": "env", "provider": "default", "id": "CI_SECRET"},
        "odd": 'a"; rm -rf "$HOME',
        "variable": "${ZAPIER}",
        "inline": "s3cret-öf/this+route=",
    }
    routes = {name: {"sessionKey": "k", "secret": secret} for name, secret in secrets.items()}
    found = find_routes({"plugins": {"entries": {"webhooks": {"config": {"routes": routes}}}}})
    assert [(name, route["secret"]) for name, route in found.items()] == [
        ("env", "${CI_SECRET}"),
        ("variable", "${ZAPIER}"),
        ("inline", "s3cret-öf/this+route="),
        ("file", "YOUR_SECRET"),
        ("odd", "YOUR_SECRET"),
    ]


def test_the_app_is_checked_in_the_gateway_or_beside_it() -> None:
    assert [read_way({}), read_way({"CHECK_APP": "hosted"}), read_way({"CHECK_APP": " beside "})] == [
        False,
        False,
        True,
    ]
    with pytest.raises(BadChoice, match="CHECK_APP"):
        read_way({"CHECK_APP": "near"})


def test_only_the_named_cases_are_exempt_and_only_with_their_version(capsys: pytest.CaptureFixture[str]) -> None:
    played = "DIFFERS tasks/specification-example: why\n    step 2\n309 passed, 1 failed\n"
    assert report(played, "2026.7.1") == 1
    assert capsys.readouterr().out.endswith("309 passed, 1 failed\n")
    assert report(played, "2026.9.6") == 0
    assert capsys.readouterr().out.endswith("309 passed, 0 failed\n")
    assert report("Traceback\n", "2026.7.1") == 1
    assert report("0 passed, 0 failed\n", "2026.7.1") == 1
