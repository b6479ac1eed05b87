"""What ``webhooks_gateway`` prints, writes and refuses to write; tests/bridge has it beside a real Gateway."""

from __future__ import annotations

import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from openclaw_webhooks.conf.configuration import Configuration
from openclaw_webhooks.conf.settings import AppSettings
from openclaw_webhooks.gateway_setup.configuration import PLUGIN_FOLDER, add_plugin, find_loading_fault
from openclaw_webhooks.gateway_setup.diagnosis import Verdict, diagnose
from openclaw_webhooks.gateway_setup.files import replace_config

BEFORE: dict[str, Any] = {
    "gateway": {"port": 18790, "auth": {"token": "the-gateways-own-secret"}},
    "plugins": {"load": {"paths": ["/opt/other"]}, "entries": {"webhooks": {"config": {"routes": {}}}}},
}


def gateway(*arguments: str) -> str:
    out = StringIO()
    call_command("webhooks_gateway", *arguments, stdout=out, no_color=True)
    return out.getvalue()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "openclaw.json"
    path.write_text(json.dumps(BEFORE), encoding="utf-8")
    path.chmod(0o640)
    return path


def test_config_is_json_that_loads_the_plugin(tmp_path: Path) -> None:
    document = json.loads(gateway("config"))
    assert find_loading_fault(document, tmp_path) is None
    assert "deny" not in document["plugins"]


def test_over_tcp_the_token_is_a_reference_and_never_printed() -> None:
    document = json.loads(gateway("config", "--port", "7001"))
    assert document["plugins"]["entries"]["openclaw-webhooks"]["config"] == {
        "bridge": {"port": 7001, "token": "${OPENCLAW_WEBHOOKS_BRIDGE_TOKEN}"}
    }


def test_hosted_takes_the_bundled_plugin_off_and_starts_this_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="stand-alone server"):
        gateway("config", "--hosted")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "project.settings")
    plugins = json.loads(gateway("config", "--hosted"))["plugins"]
    host = plugins["entries"]["openclaw-webhooks"]["config"]["host"]
    assert plugins["deny"] == ["webhooks"]
    assert (Path(host["cwd"]) / "project/serve.py").is_file()
    assert host["command"][1:] == ["-m", "project.serve"]


def test_install_shows_and_changes_nothing_until_asked_to(config: Path) -> None:
    told = gateway("install", "--config", str(config))
    assert str(PLUGIN_FOLDER) in told
    assert json.loads(config.read_text()) == BEFORE
    assert list(config.parent.iterdir()) == [config]


def test_install_writes_the_lines_and_keeps_the_old_file(config: Path) -> None:
    told = gateway("install", "--config", str(config), "--write")
    written = json.loads(config.read_text())
    assert find_loading_fault(written, config.parent) is None
    assert written["gateway"] == BEFORE["gateway"]
    assert written["plugins"]["load"]["paths"] == ["/opt/other", str(PLUGIN_FOLDER)]
    (kept,) = config.parent.glob("*.bak")
    assert json.loads(kept.read_text()) == BEFORE
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert str(kept) in told
    assert "the-gateways-own-secret" not in told
    assert "has everything already" in gateway("install", "--config", str(config), "--write")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{ // my routes\n}", "comments would be lost"),
        ('{"$include": "other.json"}', "includes other files"),
        ('{"plugins": {"$include": "other.json"}}', "includes other files"),
        ("[]", "holds no object"),
        (None, "does not exist"),
    ],
)
def test_a_file_that_would_lose_something_is_left_alone(config: Path, text: str | None, why: str) -> None:
    config.unlink() if text is None else config.write_text(text)
    with pytest.raises(CommandError, match=why):
        gateway("install", "--config", str(config), "--write")
    assert [path.read_text() for path in config.parent.iterdir()] == ([] if text is None else [text])


def test_a_crash_while_writing_leaves_the_old_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("openclaw_webhooks.gateway_setup.files.shutil.copymode", crash)
    with pytest.raises(Exception, match="No space left"):
        replace_config(config, {})
    assert json.loads(config.read_text()) == BEFORE
    assert not list(config.parent.glob("*.new"))


def test_the_plugin_is_copied_and_another_file_never_overwritten_silently(tmp_path: Path) -> None:
    folder = tmp_path / "plugins" / "ours"
    assert "files of the plugin written" in gateway("install", "--folder", str(folder), "--config", "/tmp/none")
    assert {path.name for path in folder.rglob("*.*")} == {path.name for path in PLUGIN_FOLDER.rglob("*.js*")}
    assert "0 files" in gateway("install", "--folder", str(folder), "--config", "/tmp/none")
    changed = folder / "index.js"
    changed.write_text("// mine")
    with pytest.raises(CommandError, match=r"index\.js"):
        gateway("install", "--folder", str(folder), "--config", "/tmp/none")
    assert changed.read_text() == "// mine"
    assert "1 files" in gateway("install", "--folder", str(folder), "--force", "--config", "/tmp/none")
    assert changed.read_bytes() == (PLUGIN_FOLDER / "index.js").read_bytes()


def test_each_reason_not_to_load_the_plugin_is_named(tmp_path: Path) -> None:
    sound = add_plugin({}, plugin_config={})
    plugins = sound["plugins"]
    for wrong, named in [
        ({}, "plugins.load.paths"),
        ({**plugins, "deny": ["openclaw-webhooks"]}, "plugins.deny"),
        ({**plugins, "allow": ["other"]}, "plugins.allow"),
        ({**plugins, "entries": {}}, "enabled is not true"),
    ]:
        assert named in (find_loading_fault({"plugins": wrong}, tmp_path) or "")
    assert find_loading_fault(sound, tmp_path) is None
    assert find_loading_fault(add_plugin({"plugins": {"allow": ["other"]}}, plugin_config={}), tmp_path) is None


def test_check_without_a_bridge_says_where_its_address_is_found() -> None:
    with pytest.raises(CommandError, match="fault"):
        gateway("check")


def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="from 1 to 65535"):
        gateway("config", "--port", "70000")


def test_check_says_that_two_plugins_serve_one_path(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCLAW_CONFIG_PATH", str(config))
    hosted = add_plugin(BEFORE, plugin_config={"host": {"enabled": True}})
    off = {**hosted["plugins"]["entries"], "webhooks": {"enabled": False}}
    for change, expected in [({}, []), ({"deny": []}, [Verdict.FAULT]), ({"deny": [], "entries": off}, [])]:
        config.write_text(json.dumps({**hosted, "plugins": {**hosted["plugins"], **change}}))
        found = [finding for finding in diagnose(AppSettings(), Configuration()) if "bundled" in finding.text]
        assert [finding.verdict for finding in found] == expected
